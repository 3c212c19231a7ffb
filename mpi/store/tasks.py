"""Review tasks and the verdicts given on them."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import bindparam, func, insert, or_, select, text, update

from mpi.domain.audit import AuditEvent
from mpi.domain.review import KINDS, ReasonCode, Sample, Step, TaskState, TaskType, Verdict, next_state, priority
from mpi.store import clock
from mpi.store.plain import Fixed
from mpi.store.records import TrailLike
from mpi.store.statements import Statements
from mpi.store.tables import review_task as t
from mpi.store.tables import source_record, task_verdict


class NewTask(NamedTuple):
    """What a human is to be asked. A merge may name records that are not in the index: then they are None."""

    type: TaskType
    left_record: int | None
    right_record: int | None
    reason: str
    weight: float | None = None
    pattern: str | None = None
    rule: str | None = None
    model_hash: str | None = None
    evidence: Mapping[str, Any] = {}
    message_id: int | None = None
    sample: Sample | None = None
    study_uid: str | None = None
    """The outside study that the gate holds (Study Instance UID)."""


class StoredTask(NamedTuple):
    """A review task as stored. `owner` is the name of an account; None: nobody has taken it."""

    id: int
    type: TaskType
    state: TaskState
    left_record: int | None
    right_record: int | None
    weight: float | None
    pattern: str | None
    rule: str | None
    model_hash: str | None
    reason: str
    evidence: dict[str, Any]
    message_id: int | None
    created_at: str
    updated_at: str
    closed_at: str | None
    closed_how: str | None
    priority: int
    due_at: str | None
    owner: str | None
    claimed_at: str | None
    sample: Sample | None
    study_uid: str | None


class StoredVerdict(NamedTuple):
    """What a reviewer answered, when and why.

    `blind`: before weight, thresholds and present links were shown. `vote` numbers the readers of one question; two
    verdicts with the same vote are one reader's first answer and their changed mind. `counts`: whether the task was
    decided by it, or still waits for others who agree.
    """

    at: str
    by: str
    role: str
    verdict: Verdict
    reason: str
    blind: bool = False
    reason_code: ReasonCode | None = None
    vote: int = 1
    counts: bool = True
    id: int = 0


# A task about an identity that its person left behind is nobody's to see; it stays, for when it may be shown again.
SHOWN = text(
    "coalesce(review_task.left_record, 0) NOT IN (SELECT id FROM source_record WHERE protected)"
    " AND coalesce(review_task.right_record, 0) NOT IN (SELECT id FROM source_record WHERE protected)"
)
_insert = insert(t)
_get = Fixed(select(t).where(t.c.id == bindparam("task_id")))
_shown = Fixed(select(t.c.id).where(t.c.id == bindparam("task_id"), SHOWN))
_open_pair = Fixed(
    select(t.c.id).where(
        t.c.type == bindparam("type"),
        t.c.state != TaskState.CLOSED.value,
        or_(
            (t.c.left_record == bindparam("one")) & (t.c.right_record == bindparam("other")),
            (t.c.left_record == bindparam("other")) & (t.c.right_record == bindparam("one")),
        ),
    )
)
_open_study = select(t.c.id).where(
    t.c.type == bindparam("type"), t.c.state != TaskState.CLOSED.value, t.c.study_uid == bindparam("study_uid")
)
_any_restricted = select(source_record.c.id).where(
    source_record.c.id.in_(bindparam("ids", expanding=True)), source_record.c.restricted
)
_open_tasks = (
    select(t)
    .where(
        t.c.state != TaskState.CLOSED.value,
        or_(
            t.c.left_record.in_(bindparam("ids", expanding=True)),
            t.c.right_record.in_(bindparam("ids", expanding=True)),
        ),
    )
    .order_by(t.c.id)
)
_open_of_records = Fixed(_open_tasks)
_open_shown = Fixed(_open_tasks.where(SHOWN))
_update = update(t).where(t.c.id == bindparam("task_id"))
_counts = select(t.c.state, t.c.type, func.count()).where(SHOWN).group_by(t.c.state, t.c.type)
_before = (t.c.created_at < bindparam("before")) & (t.c.id != bindparam("but"))
_opened_before = (
    select(t.c.id)
    .where(_before, or_(t.c.left_record == bindparam("of_record"), t.c.right_record == bindparam("of_record")))
    .order_by(t.c.id)
)
_leave_left = update(t).where(_before, t.c.left_record == bindparam("of_record")).values(left_record=bindparam("past"))
_leave_right = (
    update(t).where(_before, t.c.right_record == bindparam("of_record")).values(right_record=bindparam("past"))
)
_insert_verdict = insert(task_verdict)
_let_count = update(task_verdict).where(task_verdict.c.id == bindparam("verdict_id"))
_void_votes = update(task_verdict).where(task_verdict.c.task_id == bindparam("of_task"))
_any_sampled = select(t.c.id).where(t.c.sample.is_not(None), t.c.state != TaskState.CLOSED.value).limit(1)
_last_verdict = (
    select(task_verdict.c.verdict)
    .where(task_verdict.c.task_id == t.c.id, task_verdict.c.counts)
    .order_by(task_verdict.c.id.desc())
    .limit(1)
    .scalar_subquery()
)
_released = Fixed(
    select(func.max(t.c.closed_at)).where(
        t.c.type == TaskType.POSSIBLE_OVERLAY.value,
        t.c.left_record == bindparam("record_id"),
        _last_verdict == Verdict.SAME.value,
    )
)
_verdicts = select(task_verdict).where(task_verdict.c.task_id == bindparam("task_id")).order_by(task_verdict.c.id)


def stored_task(row: Any) -> StoredTask:
    """A task out of a row of its table."""
    return StoredTask(
        row.id,
        TaskType(row.type),
        TaskState(row.state),
        row.left_record,
        row.right_record,
        row.weight,
        row.pattern,
        row.rule,
        row.model_hash,
        row.reason,
        json.loads(row.evidence),
        row.message_id,
        row.created_at,
        row.updated_at,
        row.closed_at,
        row.closed_how,
        row.priority,
        row.due_at,
        row.owner,
        row.claimed_at,
        Sample(row.sample) if row.sample else None,
        row.study_uid,
    )


class Tasks:
    """Review tasks inside one transaction."""

    def __init__(self, connection: Statements, trail: TrailLike) -> None:
        self._connection = connection
        self._trail = trail

    def open(self, task: NewTask, *, event: AuditEvent) -> int | None:
        """The id of a new task; None when the same question about the same two records or study is open already.

        It comes with its place in the queue and when it is due, by its type (`mpi.domain.review.KINDS`).
        """
        if self._same_question(task) is not None:
            return None
        now = self._trail.now
        row = {
            **task._asdict(),
            "type": task.type.value,
            "state": TaskState.OPEN.value,
            "sample": task.sample.value if task.sample else None,
            "created_at": now,
            "updated_at": now,
            "evidence": json.dumps(task.evidence, ensure_ascii=False),
            "priority": priority(task.type, recent=task.message_id is not None, restricted=self._restricted(task)),
            "due_at": clock.stamp(clock.read(now) + timedelta(days=KINDS[task.type].days)),
        }
        task_id = self._connection.insert(_insert, t, row)
        self._trail.add(replace(event, task_id=task_id, record_id=task.left_record))
        return task_id

    def _restricted(self, task: NewTask) -> bool:
        sides = [side for side in (task.left_record, task.right_record) if side is not None]
        return bool(sides) and self._connection.execute(_any_restricted, {"ids": sides}).first() is not None

    def _same_question(self, task: NewTask) -> int | None:
        if task.study_uid is not None:
            study = {"type": task.type.value, "study_uid": task.study_uid}
            held: int | None = self._connection.execute(_open_study, study).scalar()
            return held
        if task.left_record is None or task.right_record is None:
            return None
        asked = {"type": task.type.value, "one": task.left_record, "other": task.right_record}
        found: int | None = self._connection.ask(_open_pair, asked).scalar()
        return found

    def same_question(self, task: NewTask) -> StoredTask | None:
        """The task that is open about the same two records and asks the same; None when there is none."""
        found = self._same_question(task)
        return self.get(found) if found is not None else None

    def replace_evidence(self, task: StoredTask, evidence: Mapping[str, Any], *, event: AuditEvent) -> None:
        """Write down what else the question is about now."""
        values = {"evidence": json.dumps(evidence, ensure_ascii=False), "updated_at": self._trail.now}
        self._connection.later(_update, {"task_id": task.id, **values})
        self._trail.add(replace(event, task_id=task.id, record_id=task.left_record))

    def is_shown(self, task: StoredTask) -> bool:
        """Whether people may see a task: neither of its records is an identity that was left behind."""
        return self._connection.ask(_shown, {"task_id": task.id}).first() is not None

    def get(self, task_id: int) -> StoredTask | None:
        """The task with this id; None when there is none."""
        row = self._connection.ask(_get, {"task_id": task_id}).first()
        return stored_task(row) if row else None

    def open_of(self, record_ids: list[int], *, shown: bool = False) -> list[StoredTask]:
        """The tasks not yet closed that ask about any of these records; with `shown` those that people may see."""
        if not record_ids:
            return []
        statement = _open_shown if shown else _open_of_records
        return [stored_task(row) for row in self._connection.ask(statement, {"ids": record_ids})]

    def counts(self) -> dict[tuple[TaskState, TaskType], int]:
        """How many tasks there are by state and type."""
        return {(TaskState(s), TaskType(ty)): n for s, ty, n in self._connection.execute(_counts)}

    def add_verdict(
        self,
        task: StoredTask,
        state: TaskState,
        verdict: Verdict,
        reason: str,
        *,
        event: AuditEvent,
        blind: bool = False,
        reason_code: ReasonCode | None = None,
        vote: int = 1,
        counts: bool = True,
    ) -> None:
        """Write a reviewer's verdict down and move the task to `state`; the rest as in `StoredVerdict`."""
        self._connection.later(
            _insert_verdict,
            {
                "task_id": task.id,
                "at": self._trail.now,
                "by": event.actor.name,
                "role": event.actor.role,
                "verdict": verdict.value,
                "reason": reason,
                "blind": blind,
                "reason_code": reason_code.value if reason_code else None,
                "vote": vote,
                "counts": counts,
            },
        )
        if state is not task.state or state is TaskState.WAITING:
            self._move(task.id, state, "verdict")
        if state in (TaskState.SECOND, TaskState.TIE_BREAK):
            # Whoever has read it is not its next reader.
            self._connection.later(_update, {"task_id": task.id, "owner": None, "claimed_at": None})
        self._trail.add(replace(event, task_id=task.id, record_id=task.left_record))

    def let_count(self, task: StoredTask, verdict: StoredVerdict, state: TaskState, *, event: AuditEvent) -> None:
        """Let a blind answer that its reviewer stands by decide the task."""
        self._connection.later(_let_count, {"verdict_id": verdict.id, "counts": True})
        self._move(task.id, state, "verdict")
        self._trail.add(replace(event, task_id=task.id, record_id=task.left_record))

    def ask_anew(self, task: StoredTask, *, event: AuditEvent) -> None:
        """Let earlier votes not count: what the question is about has changed since."""
        if task.state not in (TaskState.OPEN, TaskState.CLOSED):
            self._connection.later(_void_votes, {"of_task": task.id, "counts": False})
        if task.state in (TaskState.SECOND, TaskState.TIE_BREAK):
            self._move(task.id, next_state(task.state, Step.CHANGED), "")
            self._trail.add(replace(event, task_id=task.id, record_id=task.left_record))

    def sampled(self) -> bool:
        """Whether a task that was drawn at random waits in the queue."""
        return self._connection.execute(_any_sampled).first() is not None

    def settle(self, task: StoredTask, *, event: AuditEvent) -> None:
        """Close a task whose question another decision has answered."""
        self._move(task.id, next_state(task.state, Step.SETTLED), "settled")
        self._trail.add(replace(event, task_id=task.id, record_id=task.left_record))

    def reopen(self, task: StoredTask, *, event: AuditEvent) -> bool:
        """Ask again what was answered, for the answer was taken back; False where the same is being asked already."""
        asked = NewTask(task.type, task.left_record, task.right_record, task.reason, study_uid=task.study_uid)
        if self._same_question(asked) is not None:
            return False
        self._move(task.id, next_state(task.state, Step.TAKEN_BACK), "")
        self._connection.later(_void_votes, {"of_task": task.id, "counts": False})
        self._trail.add(replace(event, task_id=task.id, record_id=task.left_record))
        return True

    def _move(self, task_id: int, state: TaskState, how: str) -> None:
        now = self._trail.now
        closed = state is TaskState.CLOSED
        self._connection.later(
            _update,
            {
                "task_id": task_id,
                "state": state.value,
                "updated_at": now,
                "closed_at": now if closed else None,
                "closed_how": how if closed else None,
            },
        )

    def leave_past(self, record_id: int, past: int, before: str, *, but: int | None, event: AuditEvent) -> None:
        """Let the tasks about a record that were opened before an instant be about the record `past`, all `but` one."""
        values = {"of_record": record_id, "past": past, "before": before, "but": but or 0}
        moved = [int(row.id) for row in self._connection.execute(_opened_before, values)]
        for statement in (_leave_left, _leave_right):
            self._connection.execute(statement, values)
        for task_id in moved:
            self._trail.add(replace(event, task_id=task_id, record_id=past))

    def released_at(self, record_id: int) -> str | None:
        """When a human last let an update through that looked like another person; None: never."""
        found: str | None = self._connection.ask(_released, {"record_id": record_id}).scalar()
        return found

    def verdicts(self, task_id: int) -> list[StoredVerdict]:
        """All verdicts on a task, oldest first."""
        return [
            StoredVerdict(
                row.at,
                row.by,
                row.role,
                Verdict(row.verdict),
                row.reason,
                row.blind,
                ReasonCode(row.reason_code) if row.reason_code else None,
                row.vote,
                row.counts,
                row.id,
            )
            for row in self._connection.execute(_verdicts, {"task_id": task_id})
        ]
