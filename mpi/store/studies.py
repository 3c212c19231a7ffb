"""Outside studies: whom each is attached to, what became of it, and every check the gate made of it."""

import json
from collections.abc import Iterable
from dataclasses import astuple, replace
from typing import Any, NamedTuple

from sqlalchemy import bindparam, insert, or_, select, update

from mpi.domain.audit import AuditEvent
from mpi.domain.errors import Conflict
from mpi.domain.study import NO_ARRIVAL, Arrival, GateDecision, Origin, Urgency
from mpi.domain.study_life import Doubt, StudyChange, StudyStep
from mpi.store import study_events
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
    origin: Origin
    origin_name: str | None
    verified: bool
    """False: attached by a human although a rule failed, which nobody has closed yet."""
    doubt: Doubt | None
    """Why it waits although it is attached."""
    set_aside: bool
    """A human has refused it or taken it from somebody: only a human lets it in again."""
    readable: bool
    check_id: int | None
    """The check that its attachment stands on."""
    judged_at_seq: int
    """The audit event up to which the index was looked at when its attachment was judged."""


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
    arrival: Arrival = NO_ARRIVAL
    readable: bool = False


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
    arrival: Arrival


_STEP_OF = {
    GateDecision.ATTACH: StudyStep.ATTACHED,
    GateDecision.HOLD: StudyStep.HELD,
    GateDecision.REFUSE: StudyStep.REFUSED,
}
_get = select(t).where(t.c.study_uid == bindparam("study_uid"))
_insert = insert(t)
_update = update(t).where(t.c.study_uid == bindparam("uid"))
_insert_check = insert(study_check).returning(study_check.c.id)
_checks = select(study_check).where(study_check.c.study_uid == bindparam("study_uid")).order_by(study_check.c.id)
_headers = select(study_check.c.header).where(study_check.c.study_uid == bindparam("study_uid")).distinct()
_persons_of_checks = (
    select(study_check.c.person_id)
    .where(study_check.c.study_uid == bindparam("study_uid"), study_check.c.person_id.is_not(None))
    .distinct()
)
_of_persons = (
    select(t).where(t.c.person_id.in_(bindparam("ids", expanding=True))).order_by(t.c.first_seen_at, t.c.study_uid)
)


_of_persons_or_records = (
    select(t)
    .where(
        or_(
            t.c.person_id.in_(bindparam("ids", expanding=True)),
            t.c.record_id.in_(bindparam("record_ids", expanding=True)),
        )
    )
    .order_by(t.c.study_uid)
)
_held_for = (
    select(t.c.study_uid)
    .join(study_check, study_check.c.study_uid == t.c.study_uid)
    .where(
        study_check.c.person_id.in_(bindparam("ids", expanding=True)),
        t.c.person_id.is_(None),
        t.c.decision == GateDecision.HOLD.value,
        t.c.set_aside.is_(False),
    )
    .distinct()
)
_uids = select(t.c.study_uid).where(t.c.study_uid > bindparam("after")).order_by(t.c.study_uid).limit(bindparam("most"))
_check = select(study_check).where(study_check.c.id == bindparam("check_id"))
_latest_check = (
    select(study_check)
    .where(study_check.c.study_uid == bindparam("study_uid"))
    .order_by(study_check.c.id.desc())
    .limit(1)
)


def _study(row: Any) -> StoredStudy:
    return StoredStudy(
        row.study_uid,
        row.person_id,
        row.record_id,
        GateDecision(row.decision),
        row.first_seen_at,
        row.updated_at,
        Origin(row.origin),
        row.origin_name,
        row.verified,
        Doubt(row.doubt) if row.doubt else None,
        row.set_aside,
        row.readable,
        row.check_id,
        row.judged_at_seq,
    )


def _stored_check(row: Any) -> StoredCheck:
    return StoredCheck(
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
        _arrival(row.arrival),
    )


def _arrival(text: str | None) -> Arrival:
    if text is None:
        return NO_ARRIVAL
    origin, by, urgency = json.loads(text)
    return Arrival(Origin(origin), by, Urgency(urgency))


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
        return [_stored_check(row) for row in self._connection.execute(_checks, {"study_uid": study_uid})]

    def check(self, check_id: int) -> StoredCheck:
        """The check with this id, which must exist."""
        return _stored_check(self._connection.execute(_check, {"check_id": check_id}).one())

    def latest_check(self, study_uid: str) -> StoredCheck | None:
        """The last check of a study; None when there was none."""
        row = self._connection.execute(_latest_check, {"study_uid": study_uid}).first()
        return _stored_check(row) if row else None

    def concerned(self, person_ids: Iterable[int], record_ids: Iterable[int]) -> list[StoredStudy]:
        """The studies attached to any of these persons, or by the number of any of these records."""
        values = {"ids": sorted(person_ids), "record_ids": sorted(record_ids)}
        if not values["ids"] and not values["record_ids"]:
            return []
        return [_study(row) for row in self._connection.execute(_of_persons_or_records, values)]

    def held_for(self, person_ids: Iterable[int]) -> list[str]:
        """The held studies of which some check led to any of these persons."""
        wanted = sorted(person_ids)
        return list(self._connection.execute(_held_for, {"ids": wanted}).scalars()) if wanted else []

    def uids(self, after: str, most: int) -> list[str]:
        """The next studies after this UID, in order of UID."""
        return list(self._connection.execute(_uids, {"after": after, "most": most}).scalars())

    def history(self, study_uid: str) -> list[StudyChange]:
        """All steps of a study, oldest first."""
        return study_events.of_study(self._connection, study_uid)

    def changes(self, after: int, most: int) -> list[StudyChange]:
        """The steps of all studies after `after`, in the order in which they were committed."""
        return study_events.after(self._connection, after, most)

    def head(self) -> int:
        """The number of the last step of any study; 0 when there is none."""
        return study_events.head(self._connection)

    def last_step(self, study_uid: str) -> int:
        """The number of the last step of a study; 0 when there is none."""
        return study_events.last_of(self._connection, study_uid)

    def persons_of_checks(self, study_uid: str) -> set[int]:
        """The persons that the checks of a study led to, as they were then (merged since, perhaps)."""
        return set(self._connection.execute(_persons_of_checks, {"study_uid": study_uid}).scalars())

    def headers(self, study_uid: str) -> list[str]:
        """The headers (JSON) of all checks of a study, each once."""
        return sorted(self._connection.execute(_headers, {"study_uid": study_uid}).scalars())

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
            "arrival": None if check.arrival == NO_ARRIVAL else json.dumps(list(astuple(check.arrival))),
        }
        check_id = int(self._connection.execute(_insert_check, row).scalar_one())
        self._trail.add(replace(event, study_uid=check.study_uid, person_id=check.person_id))
        if attached_to is None:
            self._follow(check, check_id, current, event)
        elif current is not None:
            self._keep_origin(current, check.arrival)
        return check_id

    def _follow(self, check: NewCheck, check_id: int, current: StoredStudy | None, event: AuditEvent) -> None:
        attach = check.decision is GateDecision.ATTACH
        if attach and check.person_id is None:
            raise Conflict("a study cannot be attached to nobody")
        person_id, record_id = (check.person_id, check.record_id) if attach else (None, None)
        values = {
            "person_id": person_id,
            "record_id": record_id,
            "decision": check.decision.value,
            "readable": check.readable,
            "check_id": check_id if attach else None,
            "updated_at": self._trail.now,
        }
        if current is not None:
            self._connection.execute(_update, {"uid": check.study_uid, **values})
            self._keep_origin(current, check.arrival)
        else:
            known = {"study_uid": check.study_uid, "first_seen_at": self._trail.now}
            origin = {"origin": check.arrival.origin.value, "origin_name": check.arrival.by}
            self._connection.execute(_insert, {**known, **origin, **values})
        if current is None or (current.decision, current.readable) != (check.decision, check.readable):
            step = _STEP_OF[check.decision]
            self._step(check.study_uid, step, event, person_id=person_id, record_id=record_id, check_id=check_id)

    def _keep_origin(self, current: StoredStudy, arrival: Arrival) -> None:
        """What is known first of how a study came is kept for good."""
        if current.origin is Origin.UNKNOWN and arrival.origin is not Origin.UNKNOWN:
            values = {"origin": arrival.origin.value, "origin_name": arrival.by}
            self._connection.execute(_update, {"uid": current.study_uid, **values})

    def attach(
        self,
        study: StoredStudy,
        person_id: int,
        record_id: int,
        check_id: int,
        *,
        verified: bool,
        event: AuditEvent,
        reason: str,
    ) -> None:
        """Attach a study by a human's decision, to a person by one of their records; `verified` as in `StoredStudy`."""
        self._change(
            study,
            person_id=person_id,
            record_id=record_id,
            check_id=check_id,
            decision=GateDecision.ATTACH.value,
            verified=verified,
            doubt=None,
            set_aside=False,
            readable=False,
        )
        about = {"person_id": person_id, "record_id": record_id, "check_id": check_id}
        self._step(study.study_uid, StudyStep.RELEASED, event, reason=reason, **about)
        self._trail.add(replace(event, study_uid=study.study_uid, person_id=person_id, record_id=record_id))

    def doubt(self, study: StoredStudy, doubt: Doubt, reason: str, *, event: AuditEvent) -> None:
        """Let an attached study wait; a conflict stays one whatever the index says later."""
        self._change(study, doubt=doubt.value)
        self._note(study, StudyStep.DOUBTED, reason, event)

    def verify(self, study: StoredStudy, reason: str, *, event: AuditEvent) -> None:
        """Take the mark from a study that its identity is not verified."""
        self._change(study, verified=True)
        self._note(study, StudyStep.VERIFIED, reason, event)

    def note_judged(self, study: StoredStudy, seq: int) -> None:
        """Note the audit event up to which the index was looked at when the attachment was judged."""
        self._connection.execute(_update, {"uid": study.study_uid, "judged_at_seq": seq})

    def clear(self, study: StoredStudy, reason: str, *, event: AuditEvent) -> None:
        """Let an attached study go on: nothing speaks against it any more."""
        self._change(study, doubt=None)
        self._note(study, StudyStep.CLEARED, reason, event)

    def take_away(self, study: StoredStudy, decision: GateDecision, reason: str, *, event: AuditEvent) -> None:
        """Detach a study, or refuse it, by a human's decision: only a human lets it in again."""
        if decision is GateDecision.REFUSE and study.person_id is not None:
            raise Conflict("an attached study is detached first")
        self._change(
            study,
            person_id=None,
            record_id=None,
            check_id=None,
            decision=decision.value,
            verified=True,
            doubt=None,
            set_aside=True,
            readable=False,
        )
        step = StudyStep.REFUSED if decision is GateDecision.REFUSE else StudyStep.DETACHED
        self._note(study, step, reason, event)

    def _change(self, study: StoredStudy, **values: object) -> None:
        self._connection.execute(_update, {"uid": study.study_uid, "updated_at": self._trail.now, **values})

    def _note(self, study: StoredStudy, step: StudyStep, reason: str, event: AuditEvent) -> None:
        about = {"person_id": study.person_id, "record_id": study.record_id, "check_id": study.check_id}
        self._step(study.study_uid, step, event, reason=reason, **about)
        self._trail.add(replace(event, study_uid=study.study_uid, person_id=study.person_id, reason=reason))

    def _step(
        self, study_uid: str, step: StudyStep, event: AuditEvent, *, reason: str | None = None, **about: int | None
    ) -> None:
        study_events.add(self._connection, self._trail.now, event.actor, study_uid, step, reason=reason, **about)
