"""Merging two numbers of one authority (HL7 A40): with history, and held where it looks wrong."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mpi.domain.audit import Action
from mpi.domain.decision import HardRule
from mpi.domain.errors import BadInput, Conflict, MpiError
from mpi.domain.messages import MergePair
from mpi.domain.person import Identifier
from mpi.domain.replay import Kind, Statement
from mpi.domain.review import TaskType
from mpi.matching.decide import decide_pair
from mpi.matching.model import LinkageModel
from mpi.matching.prepared import Prepared
from mpi.matching.rules import clearly_another
from mpi.services import identity, numbers
from mpi.services.clusters import BREAKING
from mpi.services.identity import Cause
from mpi.store.persons import FEED, Grounds
from mpi.store.records import DELETED, MERGED, StoredRecord, Values
from mpi.store.tasks import NewTask
from mpi.store.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Merged:
    """What became of a merge. `how` is `merged`, `renamed`, `repeated`, `unknown` (no such number) or `held`."""

    how: str
    record_id: int | None = None
    person_id: int | None = None
    task_id: int | None = None
    reason: str | None = None


class HeldMerge(MpiError):
    """A merge that looks wrong: a human is asked, and nothing of its message is applied."""

    def __init__(self, reason: str, pair: MergePair) -> None:
        super().__init__(reason)
        self.pair = pair


class Merger:
    """Merges source records inside the caller's unit of work."""

    def __init__(self, model: LinkageModel) -> None:
        self._model = model

    def merge_all(
        self, unit: UnitOfWork, pairs: Sequence[MergePair], cause: Cause, said_at: str | None = None
    ) -> Merged:
        """Merge all pairs in their order, or hold them all with one task; the outcome of the last one."""
        try:
            with unit.savepoint():
                return [self._merge(unit, pair, cause, said_at) for pair in pairs][-1]
        except HeldMerge as held:
            return self._hold(unit, pairs, held, cause)

    def rename(self, unit: UnitOfWork, pair: MergePair, cause: Cause, said_at: str | None = None) -> Merged:
        """Let a record be known by another number (A46, A47); held where its update is.

        Raises `BadInput` where the new number is another patient's: the sender should have merged them (IHE ITI-30).
        """
        old = unit.records.find(pair.subsumed.authority, pair.subsumed.value)
        new = unit.records.find(pair.surviving.authority, pair.surviving.value)
        if old is None:
            return Merged("unknown", reason="the number to be changed is not known; nothing was changed")
        if pair.subsumed == pair.surviving:
            return Merged("repeated", old.id, identity.person_of(unit, old.id))
        if new is not None and unit.records.survivor(old).id == new.id:
            return Merged("repeated", new.id, identity.person_of(unit, new.id))
        if new is not None and not identity.is_stub(new) and unit.records.survivor(new).id != old.id:
            raise BadInput("the new number is another patient's already", code="number-taken", field="local_id")
        return self.merge_all(unit, (pair,), cause, said_at)

    def _merge(self, unit: UnitOfWork, pair: MergePair, cause: Cause, said_at: str | None) -> Merged:
        """Merge one pair, or raise `HeldMerge`.

        IHE ITI-30: a subsumed number that is unknown changes nothing and is no error; a surviving one that is
        unknown makes the merge a change of identifier.
        """
        subsumed = unit.records.find(pair.subsumed.authority, pair.subsumed.value)
        surviving = unit.records.find(pair.surviving.authority, pair.surviving.value)
        objection = self._objection_to_numbers(unit, pair, subsumed, surviving)
        if objection:
            raise HeldMerge(objection, pair)
        if subsumed is None:
            return Merged("unknown", reason="the number to be merged is not known; nothing was changed")
        if subsumed.merged_into is not None:
            return Merged("repeated", subsumed.merged_into, identity.person_of(unit, subsumed.id))
        if surviving is None:
            if subsumed.held_task:
                raise HeldMerge(_UPDATE_HELD, pair)
            return self._rename(unit, subsumed, pair.surviving, cause, said_at)
        objection = self._objection_to_people(unit, subsumed, surviving)
        if objection:
            raise HeldMerge(objection, pair)
        return self._apply(unit, subsumed, surviving, cause, said_at)

    def release(
        self, unit: UnitOfWork, pairs: Sequence[MergePair], cause: Cause, shown: Sequence[MergePair] | None = None
    ) -> None:
        """Do what a held merge asked for, by a human's decision. What has come about meanwhile is left as it is.

        `shown` are the pairs that the human looked at (None: all); another one that looks wrong is held by itself.
        Raises `Conflict` where an earlier decision keeps the two people apart.
        """
        for pair in pairs:
            subsumed = unit.records.find(pair.subsumed.authority, pair.subsumed.value)
            surviving = unit.records.find(pair.surviving.authority, pair.surviving.value)
            if subsumed is None or (surviving is None and subsumed.status == MERGED):
                continue
            if surviving is None:
                self._rename(unit, subsumed, pair.surviving, cause)
                continue
            losing, keeping = unit.records.survivor(subsumed), unit.records.survivor(surviving)
            if losing.id == keeping.id:
                continue
            if shown is not None and pair not in shown:
                objection = self._objection(unit, pair, losing, keeping)
                if objection is not None:
                    self._hold(unit, (pair,), HeldMerge(objection, pair), cause)
                    continue
            if losing.held_task or keeping.held_task:
                raise Conflict("an update of one of these numbers is held; decide on that first")
            if identity.kept_apart(unit, losing.id, keeping.id):
                raise Conflict(identity.TAKE_BACK_FIRST)
            if losing.authority == keeping.authority:
                self._apply(unit, losing, keeping, cause)
            else:
                # Two authorities' numbers cannot be one number; a human said that they are one person.
                one, other = identity.person_of(unit, keeping.id), identity.person_of(unit, losing.id)
                if one is not None and other is not None and one != other:
                    identity.join(unit, one, other, cause, "a reviewer released a merge across authorities")

    def _objection(self, unit: UnitOfWork, pair: MergePair, losing: StoredRecord, keeping: StoredRecord) -> str | None:
        """Why a pair that no human has looked at is not merged, between those who stand for its numbers now."""
        return self._objection_to_numbers(unit, pair, losing, keeping) or self._objection_to_people(
            unit, losing, keeping
        )

    def _objection_to_numbers(
        self, unit: UnitOfWork, pair: MergePair, subsumed: StoredRecord | None, surviving: StoredRecord | None
    ) -> str | None:
        if pair.subsumed.authority != pair.surviving.authority:
            return "A merge across two assigning authorities."
        if pair.subsumed == pair.surviving:
            return "A merge of a number into itself."
        if surviving is not None and surviving.status == MERGED:
            if subsumed is not None and unit.records.survivor(surviving).id == subsumed.id:
                return "A circular merge: the surviving number was merged into the other one before."
            return "The surviving number was itself merged into another one before."
        gone = subsumed if subsumed is not None and subsumed.status == MERGED else None
        if gone and (surviving is None or unit.records.survivor(gone).id != surviving.id):
            return "The number to be merged was merged into another one before."
        if surviving is not None and surviving.status == DELETED:
            return "The surviving number was deleted before."
        return None

    def _objection_to_people(self, unit: UnitOfWork, subsumed: StoredRecord, surviving: StoredRecord) -> str | None:
        if subsumed.held_task or surviving.held_task:
            return _UPDATE_HELD
        if subsumed.protected != surviving.protected:
            return "The two numbers cannot be merged by a message."
        losing, keeping = identity.person_of(unit, subsumed.id), identity.person_of(unit, surviving.id)
        numbers = unit.records.numbers_of_persons({p for p in (losing, keeping) if p is not None})
        verified = {value for own in numbers.values() for value, sure in own if sure}
        if losing != keeping and len(verified) > 1:
            return "The two people carry different verified NHS numbers."
        if identity.kept_apart(unit, subsumed.id, surviving.id):
            return "A reviewer has said that these are different people."
        one, other = identity.prepared_of(subsumed), identity.prepared_of(surviving)
        judged = decide_pair(self._model, one, other)
        if judged.rule in (HardRule.VERIFIED_NHS_DIFFER, HardRule.VALID_NHS_DIFFER):
            return identity.reason_for(judged.rule)
        if clearly_another(one, other):
            return "The two records describe clearly different people."
        if losing != keeping and keeping is not None:
            return self._objection_to_company(unit, one, keeping, surviving.id)
        return None

    def _objection_to_company(self, unit: UnitOfWork, one: Prepared, keeping: int, surviving: int) -> str | None:
        """The others of the surviving number's person are joined too, and of that number little may be known."""
        others = [m.record_id for m in unit.persons.members([keeping]) if m.record_id != surviving]
        for other in map(identity.prepared_of, unit.records.get(others).values()):
            judged = decide_pair(self._model, one, other)
            if judged.rule in BREAKING:
                return identity.reason_for(judged.rule)
            if clearly_another(one, other):
                return "The surviving number belongs with records that describe a clearly different person."
        return None

    def _apply(
        self,
        unit: UnitOfWork,
        subsumed: StoredRecord,
        surviving: StoredRecord,
        cause: Cause,
        said_at: str | None = None,
    ) -> Merged:
        """Merge one record into another, without asking anything: the subsumed number leads to the survivor now.

        The other records of the subsumed one's person stay where they are, and a human is asked about them.
        """
        link = unit.persons.current_link(subsumed.id)
        survivor_link = unit.persons.current_link(surviving.id)
        if link is None or survivor_link is None:
            raise AssertionError("an active record without a person")
        reason = "merged by the source"
        unit.history.say(Statement(Kind.MERGE, subsumed.id, surviving.id))
        unit.records.set_status(
            subsumed,
            MERGED,
            surviving.id,
            identity.keys_of(subsumed),
            event=cause.event(
                Action.RECORD_MERGED, person_id=survivor_link.person_id, detail={"survivor": surviving.id}
            ),
            said_at=said_at,
        )
        identity.settle_deletion(unit, subsumed.id, cause)
        if identity.is_stub(surviving):
            # Of the surviving number nothing is known yet: until it is, the merged one speaks for the person.
            event = cause.event(Action.RECORD_UPDATED, detail={"taken_over_from": subsumed.id})
            unit.records.change(surviving, _values_of(subsumed, cause), (), event=event)
            surviving = unit.records.get([surviving.id])[surviving.id]
        identity.unlink(unit, link, cause, reason)
        if subsumed.restricted and not surviving.restricted:
            # Whoever is protected under one number is protected under the other, until the source says otherwise.
            unit.records.restrict(surviving, event=cause.event(Action.RECORD_UPDATED, detail={"restricted": True}))
        identity.carry_apart(unit, subsumed.id, surviving.id, "carried over by a merge", cause)
        unit.persons.take_studies(subsumed.id, survivor_link.person_id)
        if link.person_id != survivor_link.person_id:
            left_behind = unit.persons.members([link.person_id])
            identity.retire(unit, link.person_id, survivor_link.person_id, cause, reason)
            for member in left_behind:
                self._ask_about(unit, member.record_id, surviving, cause)
        identity.settle_tasks(unit, [subsumed.id], cause)
        return Merged("merged", surviving.id, survivor_link.person_id)

    def _ask_about(self, unit: UnitOfWork, record_id: int, surviving: StoredRecord, cause: Cause) -> None:
        other = unit.records.get([record_id])[record_id]
        judged = decide_pair(self._model, identity.prepared_of(other), identity.prepared_of(surviving))
        task = NewTask(
            TaskType.POSSIBLE_DUPLICATE,
            record_id,
            surviving.id,
            "A hospital merged a number of this person into a number of another person.",
            judged.weight,
            judged.pattern,
            judged.rule.value if judged.rule else None,
            self._model.hash,
            message_id=cause.message_id,
        )
        identity.open_task(unit, task, cause)

    def _rename(
        self, unit: UnitOfWork, old: StoredRecord, new: Identifier, cause: Cause, said_at: str | None = None
    ) -> Merged:
        record_id = unit.records.create(
            new.authority,
            new.value,
            _values_of(old, cause),
            event=cause.event(
                Action.RECORD_CREATED,
                detail={"authority": new.authority, "local_id": new.value, "renamed_from": old.id},
            ),
        )
        numbers.hand_on(unit, old, record_id, cause)
        link = unit.persons.current_link(old.id)
        if link is None:
            raise AssertionError("an active record without a person")
        reason = "the source changed the number"
        unit.history.say(Statement(Kind.RENAME, old.id, record_id))
        identity.unlink(unit, link, cause, reason)
        grounds = Grounds(how=FEED, made_by=cause.actor.name, reason=reason, message_id=cause.message_id)
        unit.persons.link(record_id, link.person_id, grounds, event=identity.link_event(cause, grounds, reason))
        unit.records.set_status(
            old,
            MERGED,
            record_id,
            identity.keys_of(old),
            event=cause.event(Action.RECORD_MERGED, person_id=link.person_id, detail={"survivor": record_id}),
            renamed=True,
            said_at=said_at,
        )
        identity.settle_deletion(unit, old.id, cause)
        identity.carry_apart(unit, old.id, record_id, "carried over by a change of number", cause)
        return Merged("renamed", record_id, link.person_id)

    def _hold(self, unit: UnitOfWork, pairs: Sequence[MergePair], held: HeldMerge, cause: Cause) -> Merged:
        # Looked up again: a record that an earlier pair of the message made is gone with all that was not applied.
        subsumed = unit.records.find(held.pair.subsumed.authority, held.pair.subsumed.value)
        surviving = unit.records.find(held.pair.surviving.authority, held.pair.surviving.value)
        weight = pattern = None
        if subsumed and surviving and subsumed.id != surviving.id:
            judged = decide_pair(self._model, identity.prepared_of(subsumed), identity.prepared_of(surviving))
            weight, pattern = judged.weight, judged.pattern
        task = NewTask(
            TaskType.HELD_MERGE,
            subsumed.id if subsumed else None,
            surviving.id if surviving else None,
            str(held),
            weight,
            pattern,
            None,
            self._model.hash,
            _evidence(pairs, [held.pair]),
            cause.message_id,
        )
        task_id = identity.open_task(unit, task, cause)
        if task_id is None:
            task_id = ask_for_more(unit, task, pairs, held.pair, cause)
        person_id = identity.person_of(unit, surviving.id) if surviving else None
        return Merged("held", surviving.id if surviving else None, person_id, task_id, str(held))


_UPDATE_HELD = "An update of one of these numbers is held: nobody knows yet whose number it is."


def _values_of(record: StoredRecord, cause: Cause) -> Values:
    """What another record is to say that stands for this one from now on."""
    prepared = identity.prepared_of(record)
    return Values(
        record.recorded,
        record.prepared,
        record.problems,
        identity.keys_of(record),
        prepared.nhs,
        prepared.nhs_verified,
        record.restricted,
        record.source,
        cause.message_id,
        numbers.status_of(record),
        record.traced,
        record.said_at,
    )


def ask_for_more(
    unit: UnitOfWork, task: NewTask, pairs: Sequence[MergePair], asked: MergePair, cause: Cause
) -> int | None:
    """Let the task that is open about these two numbers stand for this message too; the id of the task.

    What the message asks for goes first, so that where it reverses an earlier merge the latest word counts.
    """
    known = unit.tasks.same_question(task)
    if known is None:
        return None
    before = pairs_of(known.evidence)
    added = [pair for pair in pairs if pair not in before]
    if added:
        event = cause.event(Action.MESSAGE_HELD, detail={"pairs": len(added)})
        evidence = _evidence([*added, *before], [*shown_of(known.evidence), asked])
        unit.tasks.replace_evidence(known, evidence, event=event)
        unit.tasks.ask_anew(known, event=cause.event(Action.TASK_REOPENED))
    return known.id


def _evidence(pairs: Sequence[MergePair], shown: Sequence[MergePair]) -> dict[str, Any]:
    return {"pairs": written(pairs), "shown": written(shown)}


def written(pairs: Iterable[MergePair]) -> list[list[str]]:
    """Pairs as the evidence of a task keeps them."""
    return [[p.subsumed.authority, p.subsumed.value, p.surviving.authority, p.surviving.value] for p in pairs]


def pairs_of(evidence: Mapping[str, Any]) -> list[MergePair]:
    """The pairs that the task of a held merge or move keeps in its evidence."""
    return _read(evidence.get("pairs", []))


def shown_of(evidence: Mapping[str, Any]) -> list[MergePair]:
    """Those of them that the task asks about: the others of the same message are not on its page."""
    return _read(evidence.get("shown", evidence.get("pairs", [])))


def _read(pairs: Iterable[Sequence[str]]) -> list[MergePair]:
    return [MergePair(Identifier(keep_at, keep), Identifier(lose_at, lose)) for lose_at, lose, keep_at, keep in pairs]
