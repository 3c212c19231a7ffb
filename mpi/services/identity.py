"""Which person a record belongs to: asking matching, and moving records between persons.

Used by every service that changes identities, inside the caller's unit of work.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.decision import HardRule, Outcome, PersonDecision, RecordDecision
from mpi.domain.errors import Conflict
from mpi.domain.person import ValueProblem
from mpi.domain.replay import Kind, Statement
from mpi.domain.review import Sample, TaskState, TaskType
from mpi.matching.block import BLOCK_LIMIT, blocking_keys
from mpi.matching.decide import Candidate, PersonFacts, decide_pair, decide_record
from mpi.matching.home import without_home
from mpi.matching.model import LinkageModel
from mpi.matching.prepared import Prepared
from mpi.matching.rules import clearly_another, same_nhs
from mpi.store.persons import MANUAL, PROTECTED, Grounds, StoredLink
from mpi.store.records import CandidateRow, StoredRecord
from mpi.store.tasks import NewTask
from mpi.store.unit_of_work import UnitOfWork

TASK_TYPE_OF_RULE: dict[HardRule | None, TaskType] = {
    HardRule.VERIFIED_NHS_DIFFER: TaskType.TWO_NHS_NUMBERS,
    HardRule.VALID_NHS_DIFFER: TaskType.TWO_NHS_NUMBERS,
    HardRule.SAME_NHS_PERSON_DIFFERS: TaskType.NHS_NUMBER_TWO_PERSONS,
}
_REASONS: dict[HardRule | None, str] = {
    None: "The records agree in much, but not enough to link them without a look.",
    HardRule.VERIFIED_NHS_DIFFER: "The records look alike but carry two different verified NHS numbers.",
    HardRule.VALID_NHS_DIFFER: "The records look alike but carry two different NHS numbers.",
    HardRule.SAME_NHS_PERSON_DIFFERS: "One NHS number stands on records that describe different people.",
    HardRule.TWO_PERSONS: "The record matches more than one person well enough to be linked.",
    HardRule.NHS_STATUS: "The NHS number's status says that it is not resolved.",
    HardRule.TWINS: "The records may be twins: birth date, family name and home agree, given names do not.",
    HardRule.HOUSEHOLD: "The records may be two people of one household.",
    HardRule.PERSON_IN_DOUBT: "The records agree, but whether the person's own records belong together is being asked.",
    HardRule.WEAK_BRIDGE: "This pair alone, little above the threshold, would make two groups of records one person.",
    HardRule.OTHER_RECORD_DIFFERS: "The record fits one record of the person, and clearly not another one.",
    HardRule.NEWBORN: "A newborn without a given name: more than one baby could be meant.",
}
MOST_TASKS = 5
"""A record raises at most this many tasks at once; the heaviest pairs first."""


def reason_for(rule: HardRule | None) -> str:
    """Why a human is asked, in plain English."""
    return _REASONS.get(rule, _REASONS[None])


@dataclass(frozen=True, slots=True)
class Cause:
    """What makes a change: who acts, because of which message or task."""

    actor: Actor
    message_id: int | None = None
    task_id: int | None = None

    def event(self, action: Action, **more: object) -> AuditEvent:
        """An audit event of this cause."""
        return AuditEvent(self.actor, action, message_id=self.message_id, task_id=self.task_id, **more)  # type: ignore[arg-type]


def ask(
    unit: UnitOfWork,
    model: LinkageModel,
    prepared: Prepared,
    keys: Sequence[str],
    *,
    record_id: int | None = None,
    own_person: int | None = None,
    count_skipped: bool = True,
    guarded: bool = False,
    within: Callable[[set[int]], set[int]] | None = None,
) -> RecordDecision:
    """What matching says of a record against the index; the record itself and its own person are left out.

    Keys that were skipped as too common are counted, unless the unit only reads (`count_skipped` False). For whoever is
    not to learn where restricted people live these are found and compared without it (`guarded`). `within` leaves of
    the persons found those that the asker reaches.
    """
    around = unit.records.around(keys, BLOCK_LIMIT)
    if around.skipped and count_skipped:
        unit.registry.count_problems("index", [ValueProblem("blocking_key", "too-common")] * around.skipped)
    rows = [row for row in around.candidates if row.record_id != record_id]
    if guarded:
        rows = _guarded(unit, prepared, rows)
    if within is not None:
        reached = within({row.person_id for row in rows})
        rows = [row for row in rows if row.person_id in reached]
    candidates = [
        Candidate(row.record_id, row.person_id, Prepared.from_json(row.prepared))
        for row in rows
        if row.person_id != own_person
    ]
    if not candidates:
        return RecordDecision(None, (), 0)
    facts = _facts(unit, {c.person_id for c in candidates}, record_id, around.numbers)
    decision = decide_record(model, prepared, candidates, facts)
    if decision.link_to is None:
        return decision
    members = [link.record_id for link in unit.persons.members([decision.link_to.person_id])]
    unseen = sorted(set(members) - {c.record_id for c in candidates} - {record_id})
    if unseen:
        # Records that share no key with this one have a say too, before it joins them.
        others = [(row, Prepared.from_json(row.prepared)) for row in unit.records.candidates(unseen)]
        candidates += [
            Candidate(row.record_id, row.person_id, without_home(other) if guarded else other) for row, other in others
        ]
        decision = decide_record(model, prepared, candidates, facts)
    whole = [c.prepared for c in candidates if c.record_id in set(members)]
    decision = _unless_in_doubt(unit, decision, members)
    if model.families and _another_among(model, prepared, whole):
        decision = _to_review(decision, HardRule.OTHER_RECORD_DIFFERS)
    return decision


def _another_among(model: LinkageModel, prepared: Prepared, whole: Sequence[Prepared]) -> bool:
    """Whether one of a person's records, itself no link, clearly describes somebody else, and no NHS number agrees."""
    if len(whole) < 2 or any(same_nhs(prepared, other) for other in whole):
        return False
    return any(
        clearly_another(prepared, other) and decide_pair(model, prepared, other).outcome is not Outcome.LINK
        for other in whole
    )


def _to_review(decision: RecordDecision, rule: HardRule) -> RecordDecision:
    """The decision, but a human is asked instead of joining anybody."""
    found = decision.link_to
    if found is None:
        return decision
    pair = replace(found.pair, outcome=Outcome.REVIEW, rule=rule)
    return RecordDecision(None, (replace(found, pair=pair), *decision.reviews), decision.compared)


def _guarded(unit: UnitOfWork, prepared: Prepared, rows: list[CandidateRow]) -> list[CandidateRow]:
    """The candidates, restricted people among them only where they are found without their home, and without it."""
    restricted = unit.records.restricted_persons({row.person_id for row in rows})
    if not restricted:
        return rows
    found = set(unit.records.block(blocking_keys(without_home(prepared)), BLOCK_LIMIT)[0])
    return [
        row._replace(prepared=without_home(Prepared.from_json(row.prepared)).to_json())
        if row.person_id in restricted
        else row
        for row in rows
        if row.person_id not in restricted or row.record_id in found
    ]


def _unless_in_doubt(unit: UnitOfWork, decision: RecordDecision, members: list[int]) -> RecordDecision:
    """The decision, but nobody joins a person whose own records may be two people's: what is wrong would only grow."""
    found = decision.link_to
    if found is None or len(members) < 2:
        return decision
    if not any(t.type is TaskType.BROKEN_CLUSTER for t in unit.tasks.open_of(members)):
        return decision
    return _to_review(decision, HardRule.PERSON_IN_DOUBT)


def _facts(
    unit: UnitOfWork,
    person_ids: Iterable[int],
    record_id: int | None,
    numbers: Mapping[int, Sequence[tuple[str, bool]]],
) -> dict[int, PersonFacts]:
    """What the hard rules must know of each person: its NHS numbers, and whether `record_id` is kept apart from it."""
    kept: set[int] = set()
    if record_id is not None and (others := unit.persons.kept_apart_from(record_id)):
        kept = {link.person_id for link in unit.persons.current_links(others)}
    return {
        person_id: PersonFacts(
            frozenset(v for v, sure in numbers[person_id] if sure),
            frozenset(v for v, _ in numbers[person_id]),
            person_id in kept,
        )
        for person_id in sorted(person_ids)
    }


def automatic_grounds(decision: PersonDecision, how: str, model: LinkageModel, cause: Cause) -> Grounds:
    """The evidence of a decision as it is stored with a link."""
    pair = decision.pair
    return Grounds(
        how=how,
        made_by=cause.actor.name,
        weight=pair.weight,
        pattern=pair.pattern,
        rule=pair.rule.value if pair.rule else None,
        other_record_id=decision.record_id,
        model_hash=model.hash,
        message_id=cause.message_id,
        task_id=cause.task_id,
    )


def link_event(cause: Cause, grounds: Grounds, reason: str | None = None) -> AuditEvent:
    """The audit event of a new link."""
    detail = {
        k: v
        for k, v in grounds._asdict().items()
        if v is not None and k in ("how", "weight", "pattern", "rule", "other_record_id")
    }
    return cause.event(Action.LINKED, model_hash=grounds.model_hash, reason=reason, detail=detail)


def new_person(unit: UnitOfWork, record_id: int, cause: Cause, how: str, reason: str | None = None) -> int:
    """A new person with this record, which must have no current link; the person's internal id."""
    person_id = unit.persons.create(event=cause.event(Action.PERSON_CREATED))
    grounds = Grounds(
        how=how, made_by=cause.actor.name, reason=reason, message_id=cause.message_id, task_id=cause.task_id
    )
    unit.persons.link(record_id, person_id, grounds, event=link_event(cause, grounds, reason))
    return person_id


def move(unit: UnitOfWork, current: StoredLink, person_id: int, grounds: Grounds, cause: Cause, reason: str) -> None:
    """End a record's link and tie it to another person instead."""
    unlink(unit, current, cause, reason)
    unit.persons.link(current.record_id, person_id, grounds, event=link_event(cause, grounds, reason))


def unlink(unit: UnitOfWork, current: StoredLink, cause: Cause, reason: str) -> None:
    """End a record's link."""
    unit.persons.end_link(current, cause.actor.name, reason, event=cause.event(Action.UNLINKED, reason=reason))


def retire(unit: UnitOfWork, person_id: int, survivor: int, cause: Cause, reason: str) -> None:
    """Let `survivor` stand for a person that has no record left, so that its enterprise id still leads somewhere."""
    if person_id != survivor and not unit.persons.members([person_id]):
        unit.persons.merge_into(person_id, survivor, event=cause.event(Action.PERSON_MERGED, reason=reason))


TAKE_BACK_FIRST = "a reviewer has said that these are different people; take that decision back first"


def kept_apart(unit: UnitOfWork, one: int, other: int) -> bool:
    """Whether a decision stands between a record and another, or any record of the other one's person."""

    def against(record_id: int, whole: int) -> bool:
        apart = unit.persons.kept_apart_from(record_id)
        if not apart:
            return False
        link = unit.persons.current_link(whole)
        members = unit.persons.members([link.person_id]) if link else []
        return bool(apart & {whole, *(m.record_id for m in members)})

    return against(one, other) or against(other, one)


def carry_apart(unit: UnitOfWork, old: int, new: int, reason: str, cause: Cause) -> None:
    """Keep the record `new`, which stands for `old` now, apart from all that `old` was kept apart from."""
    for other, kind in unit.persons.kept_apart_how(old).items():
        # The history of a new identity must not tell of the one that was left behind: the event is the other's.
        one, two = (other, new) if kind == PROTECTED else (new, other)
        action = Action.PROTECTED if kind == PROTECTED else Action.KEPT_APART
        unit.persons.keep_apart(one, two, cause.actor.name, reason, cause.task_id, kind=kind, event=cause.event(action))


def check_join(unit: UnitOfWork, one: int, other: int) -> None:
    """Raise `Conflict` where two persons may not become one: a record of each is kept apart by a decision.

    An identity that was left behind joins none that is shown: one of the two would show or hide the other.
    """
    left = {link.record_id for link in unit.persons.members([one])}
    right = {link.record_id for link in unit.persons.members([other])}
    for record_id in left:
        if unit.persons.kept_apart_from(record_id) & right:
            raise Conflict(TAKE_BACK_FIRST)
    hidden = [any(r.protected for r in unit.records.get(side).values()) for side in (left, right)]
    if hidden[0] != hidden[1]:
        raise Conflict("these two may not be joined")


def join(
    unit: UnitOfWork, keep: int, lose: int, cause: Cause, reason: str, *, about: tuple[int, int] | None = None
) -> None:
    """Make two persons one by a human's decision: every record of `lose` moves to `keep`.

    `about` are the two records, one of each, that were looked at; without it the first of each stand for them.
    """
    check_join(unit, keep, lose)
    moving = unit.persons.members([lose])
    one, other = about or (unit.persons.members([keep])[0].record_id, moving[0].record_id)
    unit.history.say(Statement(Kind.JOIN, one, other, keep))
    for current in moving:
        grounds = Grounds(
            how=MANUAL, made_by=cause.actor.name, reason=reason, message_id=cause.message_id, task_id=cause.task_id
        )
        move(unit, current, keep, grounds, cause, reason)
    retire(unit, lose, keep, cause, reason)


def separate(unit: UnitOfWork, one: int, other: int, cause: Cause, reason: str) -> None:
    """Write down that two standing records are different people; where they are together, `one` leaves alone."""
    unit.persons.keep_apart(
        one, other, cause.actor.name, reason, cause.task_id, event=cause.event(Action.KEPT_APART, reason=reason)
    )
    mine, theirs = unit.persons.current_link(one), unit.persons.current_link(other)
    person = None
    if mine is not None and theirs is not None and mine.person_id == theirs.person_id:
        unlink(unit, mine, cause, reason)
        person = new_person(unit, one, cause, MANUAL, reason)
    unit.history.say(Statement(Kind.APART, one, other, person))


def open_task(unit: UnitOfWork, task: NewTask, cause: Cause) -> int | None:
    """Ask a human, unless the same question is open already."""
    detail = {"type": task.type.value, "rule": task.rule, "weight": task.weight, "other_record": task.right_record}
    return unit.tasks.open(
        task, event=cause.event(Action.TASK_OPENED, model_hash=task.model_hash, reason=task.reason, detail=detail)
    )


def open_reviews(
    unit: UnitOfWork, record_id: int, decisions: Iterable[PersonDecision], model: LinkageModel, cause: Cause
) -> list[int]:
    """Tasks about a record and the persons that matching was not sure of; the ids of the new ones."""
    opened = []
    for decision in list(decisions)[:MOST_TASKS]:
        pair = decision.pair
        task = NewTask(
            TASK_TYPE_OF_RULE.get(pair.rule, TaskType.POSSIBLE_DUPLICATE),
            record_id,
            decision.record_id,
            reason_for(pair.rule),
            pair.weight,
            pair.pattern,
            pair.rule.value if pair.rule else None,
            model.hash,
            message_id=cause.message_id,
        )
        task_id = open_task(unit, task, cause)
        if task_id is not None:
            opened.append(task_id)
    return opened


def settle_tasks(unit: UnitOfWork, record_ids: Iterable[int], cause: Cause, *, but: int | None = None) -> None:
    """Close the duplicate questions about these records that are answered: both records are now one person.

    Not those whether a link that stands is right: only a human answers them.
    """
    for task in unit.tasks.open_of(sorted(record_ids)):
        if (
            task.id == but
            or task.state is TaskState.CLOSED
            or task.type
            in (
                TaskType.BROKEN_CLUSTER,
                TaskType.NHS_NUMBER_TWO_PERSONS,
            )
        ):
            continue
        if task.left_record is None or task.right_record is None:
            continue
        left, right = (person_of(unit, r) for r in (task.left_record, task.right_record))
        if left is not None and left == right and task.sample is not Sample.LINK:
            unit.tasks.settle(task, event=cause.event(Action.TASK_DECIDED, reason="settled by another decision"))


def settle_deletion(unit: UnitOfWork, record_id: int, cause: Cause) -> None:
    """Close the question whether a number was rightly deleted: it is used again."""
    for task in unit.tasks.open_of([record_id]):
        if task.type is TaskType.DELETED_NUMBER:
            unit.tasks.settle(task, event=cause.event(Action.TASK_DECIDED, reason="the number is used again"))


def person_of(unit: UnitOfWork, record_id: int) -> int | None:
    """The person a record belongs to, through the record it was merged into if it was; None when there is none."""
    record = unit.records.get([record_id]).get(record_id)
    if record is None:
        return None
    current = unit.persons.current_link(unit.records.survivor(record).id)
    return current.person_id if current else None


LINKED = "linked by the source"
"""Why a link stands that came by an A24."""
MOVED = "moved by the source"
"""Why a link stands that came by an A43."""
BY_LINK = ", by a link only"
"""Ends the source of a record that was made for a link whose number was not known."""


def is_stub(record: StoredRecord) -> bool:
    """Whether nothing was ever said of a number but whose it is: its link came before its person."""
    return record.source.endswith(BY_LINK)


def standing_link(unit: UnitOfWork, record_id: int) -> StoredLink:
    """The link of a record that stands for itself: there always is one."""
    current = unit.persons.current_link(record_id)
    if current is None:
        raise AssertionError("a standing record without a person")
    return current


def prepared_of(record: StoredRecord) -> Prepared:
    """The prepared values stored with a record."""
    return Prepared.from_json(record.prepared)


def keys_of(record: StoredRecord) -> tuple[str, ...]:
    """The blocking keys that were written with a record."""
    return blocking_keys(prepared_of(record))
