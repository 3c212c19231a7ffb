"""Overrides of the gate's failed rules: opened, confirmed, expired, revoked; each stays on record."""

import json
from dataclasses import replace
from typing import Any, NamedTuple

from sqlalchemy import bindparam, insert, select, update

from mpi.domain.audit import AuditEvent
from mpi.domain.study_override import OverrideState, OverrideStep, next_state
from mpi.store.records import TrailLike
from mpi.store.statements import Statements
from mpi.store.tables import study_override as t


class NewOverride(NamedTuple):
    """An override to be opened. `rules` are those in whose spite it attaches; `holds_until` an instant as stored."""

    study_uid: str
    person_id: int
    record_id: int
    check_id: int
    rules: tuple[str, ...]
    site: str
    reason_code: str
    reason: str
    second_person: bool
    holds_until: str
    policy_version: str
    policy_hash: str


class StoredOverride(NamedTuple):
    """An override as stored."""

    id: int
    study_uid: str
    person_id: int
    record_id: int
    check_id: int
    rules: tuple[str, ...]
    site: str
    reason_code: str
    reason: str
    second_person: bool
    holds_until: str
    state: OverrideState
    made_by: str
    role: str
    made_at: str
    closed_by: str | None
    closed_role: str | None
    closed_at: str | None
    closed_reason: str | None
    policy_version: str
    policy_hash: str


_insert = insert(t)
_get = select(t).where(t.c.id == bindparam("override_id"))
_of_study = select(t).where(t.c.study_uid == bindparam("study_uid")).order_by(t.c.id)
_of_persons = (
    select(t.c.study_uid)
    .where(t.c.state == OverrideState.OPEN.value, t.c.person_id.in_(bindparam("ids", expanding=True)))
    .distinct()
)
_due = (
    select(t)
    .where(t.c.state == OverrideState.OPEN.value, t.c.holds_until <= bindparam("now"))
    .order_by(t.c.holds_until, t.c.id)
    .limit(bindparam("most"))
)
_close = update(t).where(t.c.id == bindparam("override_id"))


def _stored(row: Any) -> StoredOverride:
    values = row._asdict()
    values["rules"] = tuple(json.loads(values["rules"]))
    values["state"] = OverrideState(values["state"])
    return StoredOverride(**values)


class StudyOverrides:
    """Overrides inside one transaction."""

    def __init__(self, connection: Statements, trail: TrailLike) -> None:
        self._connection = connection
        self._trail = trail

    def open(self, new: NewOverride, *, event: AuditEvent) -> int:
        """Open an override; its id. Of one study only one can be open."""
        row = {
            **new._asdict(),
            "rules": json.dumps(sorted(new.rules)),
            "state": OverrideState.OPEN.value,
            "made_by": event.actor.name,
            "role": event.actor.role,
            "made_at": self._trail.now,
        }
        override_id = self._connection.insert(_insert, t, row)
        detail = {**event.detail, "override": override_id, "rules": sorted(new.rules), "code": new.reason_code}
        self._trail.add(replace(event, study_uid=new.study_uid, person_id=new.person_id, detail=detail))
        return override_id

    def close(self, found: StoredOverride, step: OverrideStep, reason: str, *, event: AuditEvent) -> None:
        """Confirm, expire or revoke an override; raises `Conflict` where its state does not allow that."""
        state = next_state(found.state, step)
        values = {
            "override_id": found.id,
            "state": state.value,
            "closed_by": event.actor.name,
            "closed_role": event.actor.role,
            "closed_at": self._trail.now,
            "closed_reason": reason,
        }
        self._connection.execute(_close, values)
        detail = {**event.detail, "override": found.id}
        self._trail.add(replace(event, study_uid=found.study_uid, person_id=found.person_id, detail=detail))

    def get(self, override_id: int) -> StoredOverride | None:
        """The override with this id; None when there is none."""
        row = self._connection.execute(_get, {"override_id": override_id}).first()
        return _stored(row) if row else None

    def of_study(self, study_uid: str) -> list[StoredOverride]:
        """All overrides of a study, oldest first."""
        return [_stored(row) for row in self._connection.execute(_of_study, {"study_uid": study_uid})]

    def standing(self, study_uid: str) -> StoredOverride | None:
        """The override that an attachment stands on: the last one, where it is open or confirmed; None without."""
        every = self.of_study(study_uid)
        return every[-1] if every and every[-1].state in (OverrideState.OPEN, OverrideState.CONFIRMED) else None

    def due(self, most: int) -> list[StoredOverride]:
        """The open overrides that hold no longer, the longest overdue first."""
        return [_stored(row) for row in self._connection.execute(_due, {"now": self._trail.now, "most": most})]

    def open_of(self, person_ids: list[int]) -> list[str]:
        """The studies with an open override to any of these persons."""
        return list(self._connection.execute(_of_persons, {"ids": person_ids}).scalars()) if person_ids else []
