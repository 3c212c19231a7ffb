"""Outside studies: whom each is attached to, and every check the gate made of it."""

from dataclasses import replace
from typing import Any, NamedTuple

from sqlalchemy import bindparam, insert, select, update

from mpi.domain.audit import AuditEvent
from mpi.domain.errors import Conflict
from mpi.domain.study import GateDecision
from mpi.store.records import TrailLike
from mpi.store.statements import Statements
from mpi.store.tables import study as t
from mpi.store.tables import study_check


class StoredStudy(NamedTuple):
    """A study as it stands. `person_id` is set while it is attached; the person may have been merged since."""

    study_uid: str
    person_id: int | None
    record_id: int | None
    decision: GateDecision
    first_seen_at: str
    updated_at: str


class NewCheck(NamedTuple):
    """One check to be written down. `header` and `rules` are JSON; `person_id` is whom the numbers led to, if anybody.

    `record_id` is the record whose number identified that person.
    """

    study_uid: str
    decision: GateDecision
    person_id: int | None
    record_id: int | None
    header: str
    rules: str
    policy_version: str
    policy_hash: str


class StoredCheck(NamedTuple):
    """A check as it was written down."""

    id: int
    study_uid: str
    at: str
    by: str
    decision: GateDecision
    person_id: int | None
    header: str
    rules: str
    policy_version: str
    policy_hash: str


_get = select(t).where(t.c.study_uid == bindparam("study_uid"))
_insert = insert(t)
_update = update(t).where(t.c.study_uid == bindparam("uid"))
_insert_check = insert(study_check).returning(study_check.c.id)
_checks = select(study_check).where(study_check.c.study_uid == bindparam("study_uid")).order_by(study_check.c.id)
_persons_of_checks = (
    select(study_check.c.person_id)
    .where(study_check.c.study_uid == bindparam("study_uid"), study_check.c.person_id.is_not(None))
    .distinct()
)
_of_persons = (
    select(t).where(t.c.person_id.in_(bindparam("ids", expanding=True))).order_by(t.c.first_seen_at, t.c.study_uid)
)


def _study(row: Any) -> StoredStudy:
    return StoredStudy(
        row.study_uid, row.person_id, row.record_id, GateDecision(row.decision), row.first_seen_at, row.updated_at
    )


class Studies:
    """Outside studies inside one transaction."""

    def __init__(self, connection: Statements, trail: TrailLike) -> None:
        self._connection = connection
        self._trail = trail

    def get(self, study_uid: str) -> StoredStudy | None:
        """The study with this Study Instance UID; None when the gate never saw it."""
        row = self._connection.execute(_get, {"study_uid": study_uid}).first()
        return _study(row) if row else None

    def of_persons(self, person_ids: list[int]) -> list[StoredStudy]:
        """The studies attached to these persons (name merged ones too), oldest first."""
        if not person_ids:
            return []
        return [_study(row) for row in self._connection.execute(_of_persons, {"ids": person_ids})]

    def checks(self, study_uid: str) -> list[StoredCheck]:
        """All checks of a study, oldest first."""
        return [
            StoredCheck(
                row.id,
                row.study_uid,
                row.at,
                row.by,
                GateDecision(row.decision),
                row.person_id,
                row.header,
                row.rules,
                row.policy_version,
                row.policy_hash,
            )
            for row in self._connection.execute(_checks, {"study_uid": study_uid})
        ]

    def persons_of_checks(self, study_uid: str) -> set[int]:
        """The persons that the checks of a study led to, as they were then (merged since, perhaps)."""
        return set(self._connection.execute(_persons_of_checks, {"study_uid": study_uid}).scalars())

    def add_check(self, check: NewCheck, *, attached_to: int | None, event: AuditEvent) -> int:
        """Write a check down and let the study follow its decision; the check's id.

        A study that is attached stays attached to the same person whatever a later check decides: detaching is a
        decision of its own. `attached_to` is the person the caller found the study attached to, as stored; raises
        `Conflict` when that is not so, or when an attach names nobody.
        """
        current = self.get(check.study_uid)
        if (current.person_id if current else None) != attached_to:
            raise Conflict("the study was attached or detached meanwhile")
        row = {
            "study_uid": check.study_uid,
            "at": self._trail.now,
            "by": event.actor.name,
            "decision": check.decision.value,
            "person_id": check.person_id,
            "header": check.header,
            "rules": check.rules,
            "policy_version": check.policy_version,
            "policy_hash": check.policy_hash,
        }
        check_id = int(self._connection.execute(_insert_check, row).scalar_one())
        if attached_to is None:
            self._follow(check, known=current is not None)
        self._trail.add(replace(event, study_uid=check.study_uid, person_id=check.person_id))
        return check_id

    def _follow(self, check: NewCheck, *, known: bool) -> None:
        attach = check.decision is GateDecision.ATTACH
        if attach and check.person_id is None:
            raise Conflict("a study cannot be attached to nobody")
        values = {
            "person_id": check.person_id if attach else None,
            "record_id": check.record_id if attach else None,
            "decision": check.decision.value,
            "updated_at": self._trail.now,
        }
        if known:
            self._connection.execute(_update, {"uid": check.study_uid, **values})
        else:
            row = {"study_uid": check.study_uid, "first_seen_at": self._trail.now, **values}
            self._connection.execute(_insert, row)
