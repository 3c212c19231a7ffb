"""Whether records that are one person fit each other, asked after something has changed."""

from collections.abc import Iterable, Sequence

from mpi.domain.decision import HardRule
from mpi.domain.review import TaskType
from mpi.matching.decide import decide_pair
from mpi.matching.model import LinkageModel
from mpi.matching.verdict import OBJECTIONS
from mpi.services import identity
from mpi.services.identity import Cause
from mpi.store.tasks import NewTask
from mpi.store.unit_of_work import UnitOfWork

BREAKING = OBJECTIONS | {HardRule.PLACEHOLDER}
"""Rules that make a person who was one record too many doubtful, whatever the weight."""
_WEAK = "After a change the record no longer agrees enough with the person it is linked to."


def look_again(unit: UnitOfWork, model: LinkageModel, record_id: int, cause: Cause, *, since: str) -> list[int | None]:
    """Tasks about a record that came back to a person: where it or they have changed since they were together.

    Nothing is linked by itself: a human is at work here. What matching would link or ask about is asked.
    """
    record = unit.records.get([record_id])[record_id]
    current = unit.persons.current_link(record_id)
    if current is None:
        return []
    siblings = [m.record_id for m in unit.persons.members([current.person_id]) if m.record_id != record_id]
    others = unit.records.get(siblings).values()
    if record.updated_at <= since and all(other.updated_at <= since for other in others):
        return []
    found: list[int | None] = [doubt(unit, model, record_id, siblings, cause)]
    prepared = identity.prepared_of(record)
    decision = identity.ask(
        unit, model, prepared, identity.keys_of(record), record_id=record_id, own_person=current.person_id
    )
    asked = [*([decision.link_to] if decision.link_to else []), *decision.reviews]
    return [*found, *identity.open_reviews(unit, record_id, asked, model, cause)]


def doubt(unit: UnitOfWork, model: LinkageModel, record_id: int, siblings: Iterable[int], cause: Cause) -> int | None:
    """A task where a record does not fit the others of its person; None where it does, or is asked about already."""
    prepared = identity.prepared_of(unit.records.get([record_id])[record_id])
    judged = [
        (decide_pair(model, prepared, identity.prepared_of(other)), other.id)
        for other in unit.records.get(siblings).values()
    ]
    if not judged:
        return None
    against = [(pair, other) for pair, other in judged if pair.rule in BREAKING]
    best, best_id = max(judged, key=lambda found: found[0].weight)
    if not against and best.weight >= model.thresholds.keep:
        return None
    pair, other_id = against[0] if against else (best, best_id)
    rule = pair.rule.value if pair.rule else None
    reason = identity.reason_for(pair.rule) if against else _WEAK
    task = NewTask(TaskType.BROKEN_CLUSTER, record_id, other_id, reason, pair.weight, pair.pattern, rule, model.hash)
    return identity.open_task(unit, task, cause)


def numbers_clash(unit: UnitOfWork, persons: Sequence[int]) -> bool:
    """Whether two of the persons carry different NHS numbers, merged records counted."""
    numbers = unit.records.numbers_of_persons(persons)
    valid: set[str] = set()
    verified: set[str] = set()
    for person in persons:
        own = {value for value, _ in numbers[person]}
        sure = {value for value, is_sure in numbers[person] if is_sure}
        if (valid and own and not valid & own) or (verified and sure and len(verified | sure) > 1):
            return True
        valid |= own
        verified |= sure
    return False
