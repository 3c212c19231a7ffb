"""What pages and answers show of records, tasks and history: plain values, nothing of the store."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from mpi.config import Config
from mpi.domain.audit import Action
from mpi.domain.decision import HardRule
from mpi.domain.person import Demographics, ValueProblem
from mpi.domain.review import TaskState, TaskType
from mpi.matching import nhs_number
from mpi.matching.home import without_home as without_home
from mpi.matching.prepare import prepare
from mpi.matching.prepared import Prepared
from mpi.services import identity, numbers
from mpi.services.firewall import LIKE_A_TWIN, after_update, waiting
from mpi.store.audit import AuditLine
from mpi.store.persons import StoredLink
from mpi.store.records import StoredRecord
from mpi.store.tasks import StoredTask
from mpi.store.unit_of_work import UnitOfWork

HIDDEN = ("address_line", "town", "postcode", "phone", "email", "gp_practice")
"""Fields of a restricted person that are shown to nobody (PDS: address, telecom and practice are withheld)."""

WITHHELD = "withheld"
"""Stands for hospital and number of a restricted person's records: which sites know the person tells where it lives."""

_TELL_HOME = frozenset({HardRule.TWINS.value, HardRule.HOUSEHOLD.value})
_HOME_REASONS = {identity.reason_for(HardRule(rule)) for rule in _TELL_HOME} | {LIKE_A_TWIN}
"""Rules that say that homes agree, and how they say it."""


@dataclass(frozen=True, slots=True)
class RecordView:
    """A source record as it may be shown. `weight` (bits) is that of its link; None for a person's first record.

    `restricted` is the person: this record or another of theirs. Then `weight` is None, for it counts the address, and
    hospital, local number and source are withheld.
    """

    record_id: int
    authority: str
    authority_name: str
    local_id: str
    status: str
    restricted: bool
    recorded: Demographics
    nhs_verified: bool
    problems: tuple[ValueProblem, ...]
    enterprise_id: str | None
    linked_since: str | None
    how: str | None
    weight: float | None
    source: str
    updated_at: str
    nhs_number: str | None = None
    """The number that counts: what tracing found, what stands for a superseded one, else the recorded one if usable."""
    nhs_status: str | None = None
    """Its status code, by tracing where that said more than the hospital; None: none is known."""
    revealed: bool = False
    """Whether it is restricted and shown whole all the same, to somebody who has broken the glass."""


@dataclass(frozen=True, slots=True)
class TaskSummary:
    """A review task in a list. `weight` in bits; None where no pair was weighed, and of restricted persons."""

    id: int
    type: TaskType
    state: TaskState
    weight: float | None
    rule: str | None
    reason: str
    created_at: str
    left: RecordView | None
    right: RecordView | None
    owner: str | None = None
    """The account that has taken it; None: nobody."""
    due_at: str | None = None
    overdue: bool = False
    study_uid: str | None = None
    """The outside study that it is about; it is decided on the study's own page."""


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One line of history: when, who, in which role, what, in plain English."""

    at: str
    actor: str
    role: str
    action: str
    text: str


ACTIONS = {
    "record.created": "Record received",
    "record.updated": "Record updated",
    "record.unchanged": "Record received again, unchanged",
    "record.merged": "Number merged into another",
    "record.renamed": "Record known by another number",
    "record.deleted": "Number deleted by the hospital",
    "record.revived": "Deleted number in use again",
    "record.update-held": "Update held back",
    "record.older-update": "Older update received",
    "person.created": "Person created",
    "person.merged": "Person merged into another",
    "link.made": "Record linked",
    "link.ended": "Link ended",
    "do-not-link.made": "Marked as different people",
    "do-not-link.ended": "Mark of different people taken back",
    "task.opened": "Review asked for",
    "task.decided": "Review decided",
    "task.read": "Review looked at",
    "task.answered": "Review answered",
    "task.taken": "Review taken",
    "task.let-go": "Review given back to the queue",
    "task.assigned": "Review handed over",
    "task.due": "Time for an answer changed",
    "queue.view-changed": "Saved view of the queue changed",
    "queue.ordered": "Queue put in order",
    "message.received": "Message received",
    "message.held": "Message held",
    "message.replayed": "Message replayed",
    "person.read": "Person looked at",
    "glass.broken": "Restricted values opened",
    "access.refused": "Attempt refused",
    "audit.read": "Audit trail read",
    "audit.exported": "Audit trail exported",
    "audit.verified": "Audit trail checked",
    "search.made": "People searched for",
    "match.made": "Dry run of matching",
    "user.signed-in": "Signed in",
    "user.sign-in-failed": "Sign-in failed",
    "user.signed-out": "Signed out",
    "user.changed": "Account or token changed",
    "user.token-issued": "Token issued",
    "changes.read": "Feed of changes read",
    "number.superseded": "NHS number replaced",
    "number.restored": "NHS number restored",
    "trace.exported": "Candidates for tracing exported",
    "trace.taken": "Answer of tracing taken",
    "change.undone": "Change taken back",
    "task.reopened": "Review asked for again",
    "person.revived": "Person stands again",
    "identity.protected": "Identity hidden",
    "identity.shown": "Hidden identity shown again",
    "identity.read": "Hidden identity looked at",
    "backup.made": "Backup made",
    "backup.restored": "Backup restored",
    "run.started": "Run over the index started",
    "run.finished": "Run over the index finished",
    "crosswalk.read": "Numbers asked for",
    "study.checked": "Outside study checked",
    "person.notified": "Told to another system",
    "notification.given-up": "Given up telling another system",
    "notification.retried": "Telling another system tried again",
}


def withheld(recorded: Demographics) -> Demographics:
    """Recorded values without where the person lives or is registered."""
    return replace(recorded, **dict.fromkeys(HIDDEN))


def is_restricted(unit: UnitOfWork, record: StoredRecord) -> bool:
    """Whether a record or another of the same person is restricted: one address stands on all of them."""
    link = unit.persons.current_link(unit.records.survivor(record).id)
    return record.restricted or (link is not None and _any_restricted(_records(unit, link.person_id)))


def _any_restricted(records: tuple[list[StoredRecord], list[StoredRecord]]) -> bool:
    return any(record.restricted for group in records for record in group)


def _records(unit: UnitOfWork, person_id: int) -> tuple[list[StoredRecord], list[StoredRecord]]:
    """The active records of a person, and those merged into them."""
    active = list(unit.records.get(link.record_id for link in unit.persons.members([person_id])).values())
    return active, unit.records.absorbed([record.id for record in active])


def record_view(
    config: Config,
    record: StoredRecord,
    link: StoredLink | None,
    enterprise_id: str | None,
    *,
    restricted: bool,
    revealed: bool = False,
) -> RecordView:
    """A record as it may be shown: of a restricted person without where the person lives or is registered.

    `revealed` shows all of it: for who has broken the glass (`mpi.services.glass`), and for nobody else.
    """
    hidden = restricted and not revealed
    authority = config.authority(record.authority)
    recorded = withheld(record.recorded) if hidden else record.recorded
    prepared = Prepared.from_json(record.prepared)
    return RecordView(
        record_id=record.id,
        authority=WITHHELD if hidden else record.authority,
        authority_name=WITHHELD if hidden else authority.name if authority else record.authority,
        local_id=WITHHELD if hidden else record.local_id,
        status=record.status,
        restricted=restricted,
        recorded=recorded,
        nhs_verified=prepared.nhs_verified,
        problems=tuple(p for p in record.problems if not (hidden and p.field in HIDDEN)),
        enterprise_id=enterprise_id,
        linked_since=link.valid_from if link else None,
        how=link.grounds.how if link else None,
        weight=link.grounds.weight if link and not restricted else None,
        source=WITHHELD if hidden else record.source,
        updated_at=record.updated_at,
        nhs_number=prepared.nhs,
        nhs_status=numbers.status_of(record),
        revealed=restricted and revealed,
    )


def records_of_person(unit: UnitOfWork, config: Config, person_id: int, *, revealed: bool = False) -> list[RecordView]:
    """The records of a person, active ones first, then those merged into them; `revealed` as in `record_view`."""
    person = unit.persons.get([person_id])[person_id]
    links = {link.record_id: link for link in unit.persons.members([person_id])}
    active, merged = records = _records(unit, person_id)
    restricted = _any_restricted(records)
    return [
        record_view(
            config, record, links.get(record.id), person.enterprise_id, restricted=restricted, revealed=revealed
        )
        for record in (*active, *merged)
    ]


def records_by_id(unit: UnitOfWork, config: Config, record_ids: Iterable[int]) -> dict[int, RecordView]:
    """Records with their persons; ids that do not exist are left out."""
    found = unit.records.get(record_ids)
    standing = {record.id: unit.records.survivor(record).id for record in found.values()}
    links = {link.record_id: link for link in unit.persons.current_links(set(standing.values()))}
    persons = unit.persons.get({link.person_id for link in links.values()})
    restricted = unit.records.restricted_persons(persons)
    shown = {}
    for record in found.values():
        link = links.get(standing[record.id])
        person = persons[link.person_id] if link else None
        guarded = record.restricted or (person is not None and person.id in restricted)
        shown[record.id] = record_view(
            config, record, link, person.enterprise_id if person else None, restricted=guarded
        )
    return shown


def task_summary(unit: UnitOfWork, config: Config, task: StoredTask) -> TaskSummary:
    """A task as lists show it."""
    return task_summaries(unit, config, [task])[0]


def task_summaries(unit: UnitOfWork, config: Config, tasks: Sequence[StoredTask]) -> tuple[TaskSummary, ...]:
    """Tasks as lists show them, in their order."""
    sides = {side for task in tasks for side in (task.left_record, task.right_record) if side is not None}
    records = records_by_id(unit, config, sides) if sides else {}
    return tuple(_task_summary(unit, config, task, records) for task in tasks)


def _task_summary(unit: UnitOfWork, config: Config, task: StoredTask, records: Mapping[int, RecordView]) -> TaskSummary:
    left, right = (records.get(side) if side is not None else None for side in (task.left_record, task.right_record))
    if left is not None and right is None and "update" in task.evidence:
        right = _after_update(unit, config, left, task)
    restricted = any(side is not None and side.restricted for side in (left, right))
    weight, rule, reason = task.weight, task.rule, task.reason
    if restricted:
        # Of neither side: the two may be one person, at one address.
        left, right = (replace(s, recorded=withheld(s.recorded)) if s is not None else None for s in (left, right))
        weight = None
        tells = rule in _TELL_HOME or reason in _HOME_REASONS
        rule, reason = (None, identity.reason_for(None)) if tells else (rule, reason)
    overdue = task.due_at is not None and task.due_at < unit.now and task.state is not TaskState.CLOSED
    return TaskSummary(
        task.id,
        task.type,
        task.state,
        weight,
        rule,
        reason,
        task.created_at,
        left,
        right,
        task.owner,
        task.due_at,
        overdue,
        study_uid=task.study_uid,
    )


def proposed(
    config: Config, record: StoredRecord, task: StoredTask
) -> tuple[Prepared, Demographics, tuple[ValueProblem, ...]]:
    """What a record would say with the updates applied that wait in `task`: prepared, recorded, what is unreadable."""
    recorded = after_update(record.recorded, waiting(task).record)
    prepared, problems = prepare(recorded, allow_test_numbers=config.admits_test_numbers(record.authority))
    return prepared, recorded, problems


def _after_update(unit: UnitOfWork, config: Config, left: RecordView, task: StoredTask) -> RecordView:
    """The record of a held update as it would be, to stand beside the record as it is."""
    update = waiting(task)
    prepared, recorded, problems = proposed(config, unit.records.get([left.record_id])[left.record_id], task)
    restricted = left.restricted or bool(update.record.restricted)
    return replace(
        left,
        status="held",
        restricted=restricted,
        recorded=withheld(recorded) if restricted else recorded,
        nhs_verified=prepared.nhs_verified,
        problems=tuple(p for p in problems if not (restricted and p.field in HIDDEN)),
        enterprise_id=None,
        linked_since=None,
        how=None,
        weight=None,
        source=WITHHELD if restricted else update.source,
        updated_at=task.updated_at,
        nhs_number=prepared.nhs,
        nhs_status=nhs_number.status(recorded.nhs_number_status or ""),
    )


def history_lines(unit: UnitOfWork, lines: Sequence[AuditLine], *, restricted: bool) -> tuple[HistoryLine, ...]:
    """Audit events in plain English; `restricted` is the person, and counts in what was asked about others with them.

    On the page of somebody who is not restricted, that a question said that homes agree would tell the other's home.
    """
    tasks = {task for line in lines if (task := line.body.get("task_id")) is not None}
    tasks = set() if restricted else {task for task in tasks if _asks_about_restricted(unit, task)}
    moments = {line.at for line in lines if line.body.get("task_id") in tasks}
    return tuple(history_line(line, restricted=restricted or line.at in moments) for line in lines)


def _asks_about_restricted(unit: UnitOfWork, task_id: int) -> bool:
    task = unit.tasks.get(task_id)
    sides = (task.left_record, task.right_record) if task is not None else ()
    records = unit.records.get(side for side in sides if side is not None)
    return any(is_restricted(unit, record) for record in records.values())


def history_line(line: AuditLine, *, restricted: bool) -> HistoryLine:
    """An audit event in plain English; of a restricted person neither which feed it was, nor that homes agree."""
    text = ACTIONS.get(line.action, line.action)
    reason = line.body.get("reason")
    actor = line.actor
    if restricted:
        actor = WITHHELD if line.role == "feed" else actor
        # Why somebody broke the glass may say what is behind it.
        reason = None if reason in _HOME_REASONS or line.action == Action.GLASS_BROKEN.value else reason
    return HistoryLine(line.at, actor, line.role, line.action, f"{text}: {reason}" if reason else text)
