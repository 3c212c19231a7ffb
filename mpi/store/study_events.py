"""The history of outside studies: one row for each step, in the order of the commits, never changed."""

from typing import Any

from sqlalchemy import Insert, and_, bindparam, func, insert, literal, select

from mpi.domain.audit import Actor
from mpi.domain.study_life import StudyChange, StudyStep
from mpi.store.statements import Statements
from mpi.store.tables import source_record, study
from mpi.store.tables import study_event as t

_insert = insert(t)
_head = select(func.max(t.c.seq))
_of_study = select(t).where(t.c.study_uid == bindparam("study_uid")).order_by(t.c.seq)
_last_of = select(func.max(t.c.seq)).where(t.c.study_uid == bindparam("study_uid"))
_after = select(t).where(t.c.seq > bindparam("after")).order_by(t.c.seq).limit(bindparam("most"))

with_merged = select(source_record.c.id).where(source_record.c.id == bindparam("of_record")).cte(recursive=True)
with_merged = with_merged.union(select(source_record.c.id).where(source_record.c.merged_into == with_merged.c.id))
"""The record `of_record` and all that were merged into it."""

of_number = and_(study.c.record_id.in_(select(with_merged.c.id)), study.c.person_id.is_not(None))
"""The studies that are attached by the number of `of_record`, or of one merged into it."""


def _moves() -> Insert:
    """Note that studies go to another person with the number they are attached by: one statement, so that it can wait.

    A look first would cost each message of the feed a round trip, for the few that have a study.
    """
    head = select(func.coalesce(func.max(t.c.seq), 0)).scalar_subquery()
    found = select(
        head + func.row_number().over(order_by=study.c.study_uid),
        study.c.study_uid,
        bindparam("moved_at", type_=t.c.at.type),
        literal("index"),
        literal("system"),
        literal(StudyStep.MOVED.value),
        bindparam("to_person", type_=t.c.person_id.type),
        study.c.record_id,
        study.c.check_id,
    ).where(of_number, study.c.person_id != bindparam("to_person", type_=t.c.person_id.type))
    names = ["seq", "study_uid", "at", "by", "role", "step", "person_id", "record_id", "check_id"]
    return insert(t).from_select(names, found)


moves = _moves()


def _change(row: Any) -> StudyChange:
    return StudyChange(
        row.seq,
        row.at,
        row.study_uid,
        StudyStep(row.step),
        row.by,
        row.role,
        row.person_id,
        row.record_id,
        row.reason,
    )


def add(
    connection: Statements,
    now: str,
    actor: Actor,
    study_uid: str,
    step: StudyStep,
    *,
    person_id: int | None = None,
    record_id: int | None = None,
    check_id: int | None = None,
    reason: str | None = None,
) -> None:
    """Write one step down, in a unit that may change identities (only one of those runs at a time)."""
    row = {
        "seq": head(connection) + 1,
        "study_uid": study_uid,
        "at": now,
        "by": actor.name,
        "role": actor.role,
        "step": step.value,
        "person_id": person_id,
        "record_id": record_id,
        "check_id": check_id,
        "reason": reason,
    }
    connection.later(_insert, row)


def head(connection: Statements) -> int:
    """The number of the last step of any study; 0 when there is none."""
    return int(connection.execute(_head).scalar() or 0)


def last_of(connection: Statements, study_uid: str) -> int:
    """The number of the last step of a study; 0 when there is none."""
    return int(connection.execute(_last_of, {"study_uid": study_uid}).scalar() or 0)


def of_study(connection: Statements, study_uid: str) -> list[StudyChange]:
    """All steps of a study, oldest first."""
    return [_change(row) for row in connection.execute(_of_study, {"study_uid": study_uid})]


def after(connection: Statements, seq: int, most: int) -> list[StudyChange]:
    """The steps of all studies after `seq`, in order, at most so many."""
    return [_change(row) for row in connection.execute(_after, {"after": seq, "most": most})]
