"""Registration: a source record is stored or changed, and tied to the person that matching finds, or to a new one."""

from dataclasses import dataclass

from mpi.config import Config
from mpi.domain.audit import Action
from mpi.domain.decision import HardRule, RecordDecision
from mpi.domain.errors import BadInput
from mpi.domain.person import Demographics, SourceRecord, ValueProblem
from mpi.domain.replay import Kind, Statement
from mpi.domain.review import TaskType
from mpi.matching.block import blocking_keys
from mpi.matching.decide import decide_pair
from mpi.matching.model import LinkageModel
from mpi.matching.prepared import Prepared
from mpi.matching.rules import clearly_another, verified_numbers_differ
from mpi.services import identity, numbers
from mpi.services.identity import Cause
from mpi.store.persons import AUTOMATIC, MANUAL, NEW, StoredLink
from mpi.store.records import ACTIVE, MERGED, StoredRecord, Values
from mpi.store.tasks import NewTask
from mpi.store.unit_of_work import UnitOfWork

_BREAKING = frozenset(
    {
        HardRule.VERIFIED_NHS_DIFFER,
        HardRule.VALID_NHS_DIFFER,
        HardRule.SAME_NHS_PERSON_DIFFERS,
        HardRule.PLACEHOLDER,
        HardRule.TWINS,
    }
)
"""Rules that make a person who was one record too many doubtful, whatever the weight."""


@dataclass(frozen=True, slots=True)
class Registered:
    """What became of a registration. `how` is `created`, `updated` or `unchanged`."""

    how: str
    record_id: int
    person_id: int
    problems: tuple[ValueProblem, ...]
    linked: bool
    """Whether the record joined a person who was known before."""
    tasks: tuple[int, ...]


class Registrar:
    """Registers source records inside the caller's unit of work."""

    def __init__(self, config: Config, model: LinkageModel) -> None:
        self._config = config
        self._model = model

    def register(self, unit: UnitOfWork, record: SourceRecord, cause: Cause, source: str) -> Registered:
        """Store or change a record and decide whose it is.

        Raises `BadInput` for a number that was merged into another: what it is sent for belongs under the survivor.
        """
        stored = unit.records.find(record.authority, record.local_id)
        if stored is None:
            return self._create(unit, record, cause, source)
        if stored.status == MERGED:
            raise BadInput(
                "this number was merged into another; send under the surviving number",
                code="merged-number",
                field="local_id",
            )
        recorded = (Demographics() if record.complete else stored.recorded).changed(record.changes)
        restricted = stored.restricted if record.restricted is None else record.restricted
        if recorded == stored.recorded and restricted == stored.restricted:
            return self._unchanged(unit, stored, cause)
        return self._change(unit, stored, recorded, restricted, cause, source)

    def reconsider(self, unit: UnitOfWork, stored: StoredRecord, cause: Cause) -> Registered | None:
        """Prepare a record anew and decide whose it is: what the index knows of its NHS number has changed.

        `stored.traced` may differ from what is stored, and is kept. None for a record that was merged into another.
        """
        if stored.status == ACTIVE:
            return self._change(unit, stored, stored.recorded, stored.restricted, cause, stored.source)
        _, values = self._values(
            unit, stored.authority, stored.recorded, stored.restricted, cause, stored.source, stored
        )
        event = cause.event(Action.RECORD_UPDATED, detail={"nhs_number": values.nhs_status})
        unit.records.change(stored, values._replace(message_id=stored.message_id), (), event=event)
        return None

    def _values(
        self,
        unit: UnitOfWork,
        authority: str,
        recorded: Demographics,
        restricted: bool,
        cause: Cause,
        source: str,
        before: StoredRecord | None = None,
    ) -> tuple[Prepared, Values]:
        known = numbers.known(unit, self._config, authority, recorded, before)
        values = Values(
            recorded,
            known.prepared.to_json(),
            known.problems,
            blocking_keys(known.prepared),
            known.prepared.nhs,
            known.prepared.nhs_verified,
            restricted,
            source,
            cause.message_id,
            known.status,
            known.traced,
        )
        return known.prepared, values

    def _create(self, unit: UnitOfWork, record: SourceRecord, cause: Cause, source: str) -> Registered:
        recorded = Demographics().changed(record.changes)
        prepared, values = self._values(unit, record.authority, recorded, bool(record.restricted), cause, source)
        decision = identity.ask(unit, self._model, prepared, values.keys)
        event = cause.event(
            Action.RECORD_CREATED,
            detail={"authority": record.authority, "local_id": record.local_id, "after": recorded.as_dict()},
        )
        record_id = unit.records.create(record.authority, record.local_id, values, event=event)
        unit.registry.count_problems(source, values.problems)
        if decision.link_to is not None:
            person_id = decision.link_to.person_id
            grounds = identity.automatic_grounds(decision.link_to, AUTOMATIC, self._model, cause)
            unit.persons.link(record_id, person_id, grounds, event=identity.link_event(cause, grounds))
            unit.history.say(Statement(Kind.LINK, record_id, decision.link_to.record_id, person_id))
        else:
            person_id = identity.new_person(unit, record_id, cause, NEW)
        tasks = identity.open_reviews(unit, record_id, decision.reviews, self._model, cause)
        return Registered("created", record_id, person_id, values.problems, decision.link_to is not None, tuple(tasks))

    def _unchanged(self, unit: UnitOfWork, stored: StoredRecord, cause: Cause) -> Registered:
        current = _standing(unit, stored.id)
        unit.audit(cause.event(Action.RECORD_UNCHANGED, record_id=stored.id, person_id=current.person_id))
        return Registered("unchanged", stored.id, current.person_id, stored.problems, False, ())

    def _change(
        self,
        unit: UnitOfWork,
        stored: StoredRecord,
        recorded: Demographics,
        restricted: bool,
        cause: Cause,
        source: str,
    ) -> Registered:
        prepared, values = self._values(unit, stored.authority, recorded, restricted, cause, source, stored)
        if cause.message_id is None:
            values = values._replace(message_id=stored.message_id)
        current = _standing(unit, stored.id)
        before, after = stored.recorded.as_dict(), recorded.as_dict()
        changed = sorted(k for k in before.keys() | after.keys() if before.get(k) != after.get(k))
        event = cause.event(
            Action.RECORD_UPDATED,
            person_id=current.person_id,
            detail={"before": {k: before.get(k) for k in changed}, "after": {k: after.get(k) for k in changed}},
        )
        unit.records.change(stored, values, identity.keys_of(stored), event=event)
        unit.registry.count_problems(source, values.problems)
        if prepared == identity.prepared_of(stored) or stored.protected:
            # Nothing that matching sees has changed, or it sees nothing of this record: what was decided stands.
            return Registered("updated", stored.id, current.person_id, values.problems, False, ())
        decision = identity.ask(
            unit, self._model, prepared, values.keys, record_id=stored.id, own_person=current.person_id
        )
        person_id, tasks = self._apply(unit, stored, prepared, current, decision, cause)
        moved = person_id != current.person_id
        return Registered("updated", stored.id, person_id, values.problems, moved, tuple(tasks))

    def _apply(
        self,
        unit: UnitOfWork,
        stored: StoredRecord,
        prepared: Prepared,
        current: StoredLink,
        decision: RecordDecision,
        cause: Cause,
    ) -> tuple[int, list[int]]:
        siblings = [m.record_id for m in unit.persons.members([current.person_id]) if m.record_id != stored.id]
        reviews = list(decision.reviews)
        tasks: list[int] = []
        if decision.link_to is not None:
            if not siblings and current.grounds.how != MANUAL and self._still_itself(unit, stored, prepared):
                grounds = identity.automatic_grounds(decision.link_to, AUTOMATIC, self._model, cause)
                reason = "an update made the record match another person"
                identity.move(unit, current, decision.link_to.person_id, grounds, cause, reason)
                unit.history.say(Statement(Kind.LINK, stored.id, decision.link_to.record_id))
                identity.retire(unit, current.person_id, decision.link_to.person_id, cause, reason)
                identity.settle_tasks(unit, [stored.id], cause)
                tasks += identity.open_reviews(unit, stored.id, reviews, self._model, cause)
                return decision.link_to.person_id, tasks
            reviews.insert(0, decision.link_to)
        broken = self._broken(unit, stored, prepared, siblings, cause)
        if broken is not None:
            tasks.append(broken)
        tasks += identity.open_reviews(unit, stored.id, reviews, self._model, cause)
        return current.person_id, tasks

    def _still_itself(self, unit: UnitOfWork, stored: StoredRecord, prepared: Prepared) -> bool:
        """Whether a changed record may move by itself: it never described anybody else.

        A record whose updates describe somebody else (an overlay in the source), at once or step by step, and one that
        carried another verified NHS number, never moves without a human. What was merged into it counts as its own.
        """
        for record in [stored, *unit.records.absorbed([stored.id])]:
            for version in unit.records.versions(record):
                earlier = numbers.known(unit, self._config, record.authority, version.recorded).prepared
                if clearly_another(earlier, prepared) or verified_numbers_differ(earlier, prepared):
                    return False
        return True

    def _broken(
        self, unit: UnitOfWork, stored: StoredRecord, prepared: Prepared, siblings: list[int], cause: Cause
    ) -> int | None:
        """A task where a changed record no longer fits the person it is tied to; None where it fits, or asked already.

        What stands stays while one pair is at or above the keep threshold and no rule speaks against any pair.
        """
        if not siblings:
            return None
        judged = [
            (decide_pair(self._model, prepared, identity.prepared_of(other)), other.id)
            for other in unit.records.get(siblings).values()
        ]
        against = [(pair, other) for pair, other in judged if pair.rule in _BREAKING]
        best, best_id = max(judged, key=lambda found: found[0].weight)
        if not against and best.weight >= self._model.thresholds.keep:
            return None
        pair, other_id = against[0] if against else (best, best_id)
        reason = (
            identity.reason_for(pair.rule)
            if against
            else ("After an update the record no longer agrees enough with the person it is linked to.")
        )
        task = NewTask(
            TaskType.BROKEN_CLUSTER,
            stored.id,
            other_id,
            reason,
            pair.weight,
            pair.pattern,
            pair.rule.value if pair.rule else None,
            self._model.hash,
            message_id=cause.message_id,
        )
        return identity.open_task(unit, task, cause)


def _standing(unit: UnitOfWork, record_id: int) -> StoredLink:
    current = unit.persons.current_link(record_id)
    if current is None:
        raise AssertionError("an active record without a person")
    return current
