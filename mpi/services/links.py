"""Links between numbers that stay in use (HL7 A24, A37, A43): a source's word, under the constraints of every link.

IHE ITI TF-2 3.30 and HL7 v2.5 chapter 3: A24 links two patients whose records stay distinct, A37 takes that back, A43
moves a number from the wrong patient to the right one. What decisions, verified NHS numbers or the values themselves
speak against is held for a human.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mpi.domain.audit import Action
from mpi.domain.decision import HardRule
from mpi.domain.errors import BadInput, Conflict, MpiError
from mpi.domain.messages import MergePair
from mpi.domain.person import NHS, Identifier
from mpi.domain.replay import Kind, Statement
from mpi.domain.review import TaskType
from mpi.matching.decide import decide_pair
from mpi.matching.model import LinkageModel
from mpi.matching.rules import clearly_another
from mpi.services import identity
from mpi.services.identity import Cause
from mpi.services.merge import ask_for_more, written
from mpi.services.register import Registrar
from mpi.store.persons import FEED, MANUAL, Grounds, StoredLink
from mpi.store.records import DELETED, StoredRecord
from mpi.store.tasks import NewTask
from mpi.store.unit_of_work import UnitOfWork

LINKED = identity.LINKED
MOVED = identity.MOVED
UNLINKED = "unlinked by the source"

_AGAINST = frozenset(
    {
        HardRule.VERIFIED_NHS_DIFFER,
        HardRule.VALID_NHS_DIFFER,
        HardRule.SAME_NHS_PERSON_DIFFERS,
        HardRule.TWINS,
        HardRule.PLACEHOLDER,
    }
)


@dataclass(frozen=True, slots=True)
class Linked:
    """What became of it. `how` is `linked`, `unlinked`, `apart`, `moved`, `unchanged`, `unknown` or `held`."""

    how: str
    record_id: int | None = None
    person_id: int | None = None
    note: str | None = None
    task_id: int | None = None


_UNKNOWN = Linked("unknown", note="the number is not known; nothing was changed")


class _Held(MpiError):
    """It looks wrong: a human is asked, and nothing of the message is applied."""

    def __init__(self, reason: str, one: StoredRecord, other: StoredRecord, pair: MergePair) -> None:
        super().__init__(reason)
        self.one, self.other, self.pair = one, other, pair


class Linker:
    """Links, unlinks and moves numbers inside the caller's unit of work."""

    def __init__(self, model: LinkageModel, registrar: Registrar) -> None:
        self._model = model
        self._registrar = registrar

    def link(self, unit: UnitOfWork, one: Identifier, other: Identifier, cause: Cause, source: str) -> Linked:
        """Make the two numbers one person's. Of a number that is unknown a stub is made, so that the link waits for it.

        Raises `BadInput` where the second number is of another authority and unknown: nobody may register it here.
        """
        if one == other:
            return Linked("unchanged", note="a number is its own person's already; nothing was changed")
        left = self._known_or_stub(unit, one, one.authority, cause, source)
        right = self._known_or_stub(unit, other, one.authority, cause, source)
        mine, theirs = identity.standing_link(unit, left.id), identity.standing_link(unit, right.id)
        if mine.person_id == theirs.person_id:
            return Linked("unchanged", left.id, mine.person_id)
        objection = self._objection(unit, left, right)
        if objection is not None:
            return self._hold(unit, TaskType.HELD_LINK, objection, left, right, cause)
        keep, lose = sorted((mine.person_id, theirs.person_id))
        unit.history.say(Statement(Kind.JOIN, left.id, right.id, keep))
        for current in unit.persons.members([lose]):
            identity.move(unit, current, keep, _grounds(current, LINKED, cause), cause, LINKED)
        identity.retire(unit, lose, keep, cause, LINKED)
        identity.settle_tasks(unit, [m.record_id for m in unit.persons.members([keep])], cause)
        return Linked("linked", left.id, keep)

    def _known_or_stub(self, unit: UnitOfWork, number: Identifier, own: str, cause: Cause, source: str) -> StoredRecord:
        found = unit.records.find(number.authority, number.value)
        if found is not None:
            return unit.records.survivor(found)
        if number.authority != own:
            raise BadInput(
                "the number is of another authority and not known", code="unknown-number", field="other_local_id"
            )
        return self._registrar.stub(unit, number, cause, source)

    def unlink(self, unit: UnitOfWork, one: Identifier, other: Identifier, cause: Cause) -> Linked:
        """Keep the two numbers apart from now on, and part them where they are one person.

        A number that is unknown, and numbers that were merged into one, change nothing: there is no link to undo.
        """
        both = [unit.records.find(number.authority, number.value) for number in (one, other)]
        if both[0] is None or both[1] is None:
            return _UNKNOWN
        left, right = (unit.records.survivor(found) for found in both if found is not None)
        if left.id == right.id:
            return Linked(
                "unchanged", left.id, note="the two numbers were merged, which is not a link; nothing changed"
            )
        mine, theirs = identity.standing_link(unit, left.id), identity.standing_link(unit, right.id)
        together = mine.person_id == theirs.person_id
        if together and MANUAL in (mine.grounds.how, theirs.grounds.how):
            reason = "A hospital says that these are different people; a reviewer has said that they are one."
            return self._hold(unit, TaskType.BROKEN_CLUSTER, reason, left, right, cause)
        if together:
            self._part(unit, mine, theirs, cause)
        unit.persons.keep_apart(
            left.id, right.id, cause.actor.name, UNLINKED, None, event=cause.event(Action.KEPT_APART, reason=UNLINKED)
        )
        unit.history.say(Statement(Kind.APART, left.id, right.id))
        return Linked("unlinked" if together else "apart", left.id, identity.standing_link(unit, left.id).person_id)

    def _part(self, unit: UnitOfWork, mine: StoredLink, theirs: StoredLink, cause: Cause) -> None:
        """Let those leave who came by the link that is undone; without such a link, the second number alone."""
        members = unit.persons.members([mine.person_id])
        for tie in (theirs, mine):
            came = [m for m in members if _by_source(m, tie)] if _by_source(tie, tie) else []
            if came and len(came) < len(members) and not {mine.id, theirs.id} <= {m.id for m in came}:
                self._send_back(unit, came, cause)
                return
        identity.unlink(unit, theirs, cause, UNLINKED)
        person_id = identity.new_person(unit, theirs.record_id, cause, FEED, UNLINKED)
        unit.history.say(Statement(Kind.PUT, theirs.record_id, None, person_id))

    def _send_back(self, unit: UnitOfWork, came: Sequence[StoredLink], cause: Cause) -> None:
        """Tie records to the person they were tied to before, which stands for itself again if it has to."""
        earlier = unit.persons.links_of([came[0].record_id])
        before = next((link.person_id for link in reversed(earlier) if link.valid_to is not None), None)
        person = unit.persons.get([before])[before] if before is not None else None
        if person is None or person.merged_into != came[0].person_id:
            person_id = unit.persons.create(event=cause.event(Action.PERSON_CREATED))
        else:
            person_id = person.id
            unit.persons.revive(person_id, event=cause.event(Action.PERSON_CREATED, reason=UNLINKED))
        for current in came:
            identity.move(unit, current, person_id, _grounds(current, UNLINKED, cause), cause, UNLINKED)
            unit.history.say(Statement(Kind.PUT, current.record_id, None, person_id))

    def move_all(self, unit: UnitOfWork, pairs: Sequence[MergePair], cause: Cause, source: str) -> Linked:
        """Move all numbers in their order, or hold them all with one task; the outcome of the last one."""
        try:
            with unit.savepoint():
                return [self._move(unit, pair, cause, source) for pair in pairs][-1]
        except _Held as held:
            # A number that only this message made is gone with it.
            one, other = (unit.records.get([record.id]).get(record.id) for record in (held.one, held.other))
            return self._hold(unit, TaskType.HELD_MOVE, str(held), one, other, cause, pairs, held.pair)

    def _move(self, unit: UnitOfWork, pair: MergePair, cause: Cause, source: str) -> Linked:
        moving = unit.records.find(pair.subsumed.authority, pair.subsumed.value)
        if moving is None:
            return _UNKNOWN
        target = self._known_or_stub(unit, pair.surviving, pair.surviving.authority, cause, source)
        if moving.merged_into is not None:
            raise _Held("The number to be moved was merged into another one before.", moving, target, pair)
        current, there = identity.standing_link(unit, moving.id), identity.standing_link(unit, target.id)
        if current.person_id == there.person_id:
            return Linked("unchanged", moving.id, current.person_id)
        if current.grounds.how == MANUAL:
            raise _Held("A reviewer has said whose number this is.", moving, target, pair)
        objection = self._objection(unit, moving, target, alone=True)
        if objection is not None:
            raise _Held(objection, moving, target, pair)
        return self._apply_move(unit, current, there.person_id, target, cause)

    def _objection_to_move(
        self, unit: UnitOfWork, moving: StoredRecord, target: StoredRecord, current: StoredLink
    ) -> str | None:
        if current.grounds.how == MANUAL:
            return "A reviewer has said whose number this is."
        return self._objection(unit, moving, target, alone=True)

    def _apply_move(
        self, unit: UnitOfWork, current: StoredLink, person_id: int, target: StoredRecord, cause: Cause
    ) -> Linked:
        identity.move(unit, current, person_id, _grounds(current, MOVED, cause), cause, MOVED)
        unit.history.say(Statement(Kind.PUT, current.record_id, target.id, person_id))
        identity.retire(unit, current.person_id, person_id, cause, MOVED)
        identity.settle_tasks(unit, [current.record_id, target.id], cause)
        return Linked("moved", current.record_id, person_id)

    def release_move(
        self, unit: UnitOfWork, pairs: Iterable[MergePair], cause: Cause, shown: Sequence[MergePair]
    ) -> None:
        """Do what a held move asked for, by a human's decision; raises `Conflict` where another stands against it.

        `shown` are the pairs that the human looked at; another one that looks wrong is held by itself.
        """
        for pair in pairs:
            found = unit.records.find(pair.subsumed.authority, pair.subsumed.value)
            if found is None:
                continue
            moving, source = unit.records.survivor(found), found.source.removesuffix(identity.BY_LINK)
            target = self._known_or_stub(unit, pair.surviving, pair.surviving.authority, cause, source)
            current, there = identity.standing_link(unit, moving.id), identity.standing_link(unit, target.id)
            if current.person_id == there.person_id:
                continue
            if pair not in shown:
                objection = self._objection_to_move(unit, moving, target, current)
                if objection is not None:
                    self._hold(unit, TaskType.HELD_MOVE, objection, moving, target, cause, (pair,), pair)
                    continue
            if identity.kept_apart(unit, moving.id, target.id):
                raise Conflict(identity.TAKE_BACK_FIRST)
            self._apply_move(unit, current, there.person_id, target, cause)

    def _objection(
        self, unit: UnitOfWork, left: StoredRecord, right: StoredRecord, *, alone: bool = False
    ) -> str | None:
        """Why the two may not become one person on a source's word; with `alone` only the first comes over."""
        if left.protected != right.protected:
            return "The two numbers cannot be joined by a message."
        if left.authority != right.authority:
            return "It goes across two assigning authorities."
        if DELETED in (left.status, right.status):
            return "One of the numbers was deleted before."
        if left.held_task or right.held_task:
            return "An update of one of these numbers is held: nobody knows yet whose it is."
        mine = [left] if alone else self._members(unit, left)
        theirs = self._members(unit, right)
        ids = {record.id for record in theirs}
        if any(unit.persons.kept_apart_from(record.id) & ids for record in mine):
            return "A decision says that these are different people."
        return self._against(unit, mine, theirs)

    def _against(self, unit: UnitOfWork, mine: Sequence[StoredRecord], theirs: Sequence[StoredRecord]) -> str | None:
        numbers = unit.records.numbers_of_persons({identity.standing_link(unit, theirs[0].id).person_id})
        verified = {value for own in numbers.values() for value, sure in own if sure}
        ids = [record.id for record in mine]
        ids += [record.id for record in unit.records.absorbed(ids)]  # what was merged away speaks too
        verified |= {row.value for row in unit.records.identifiers_of(ids) if row.authority == NHS and row.verified}
        if len(verified) > 1:
            return "They carry different verified NHS numbers."
        for one in map(identity.prepared_of, mine):
            for other in map(identity.prepared_of, theirs):
                pair = decide_pair(self._model, one, other)
                if pair.rule in _AGAINST:
                    return identity.reason_for(pair.rule)
                if clearly_another(one, other):
                    return "The records describe clearly different people."
        return None

    def _members(self, unit: UnitOfWork, record: StoredRecord) -> list[StoredRecord]:
        ids = [m.record_id for m in unit.persons.members([identity.standing_link(unit, record.id).person_id])]
        return list(unit.records.get(ids).values())

    def _hold(
        self,
        unit: UnitOfWork,
        type_: TaskType,
        reason: str,
        left: StoredRecord | None,
        right: StoredRecord | None,
        cause: Cause,
        pairs: Sequence[MergePair] = (),
        shown: MergePair | None = None,
    ) -> Linked:
        weight = pattern = None
        if left is not None and right is not None:
            judged = decide_pair(self._model, identity.prepared_of(left), identity.prepared_of(right))
            weight, pattern = judged.weight, judged.pattern
        task = NewTask(
            type_,
            left.id if left else None,
            right.id if right else None,
            reason,
            weight,
            pattern,
            None,
            self._model.hash,
            {"pairs": written(pairs), "shown": written([shown])} if shown is not None else {},
            cause.message_id,
        )
        task_id = identity.open_task(unit, task, cause)
        if task_id is None and shown is not None:
            task_id = ask_for_more(unit, task, pairs, shown, cause)
        elif task_id is None and (known := unit.tasks.same_question(task)) is not None:
            task_id = known.id
        person_id = identity.person_of(unit, left.id) if left else None
        return Linked("held", left.id if left else None, person_id, reason, task_id)


def _by_source(link: StoredLink, tie: StoredLink) -> bool:
    """Whether a link was made by the same A24 as another."""
    return link.grounds.reason == LINKED and link.grounds.message_id == tie.grounds.message_id


def _grounds(current: StoredLink, reason: str, cause: Cause) -> Grounds:
    """The grounds of a source's link; what a reviewer has decided of a record stays theirs."""
    how = MANUAL if current.grounds.how == MANUAL else FEED
    return Grounds(how=how, made_by=cause.actor.name, reason=reason, message_id=cause.message_id, task_id=cause.task_id)
