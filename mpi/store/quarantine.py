"""Objects of outside studies in quarantine, and how far each has come."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any, NamedTuple

from sqlalchemy import and_, bindparam, func, or_, select, text, update

from mpi.domain.audit import AuditEvent
from mpi.domain.quarantine import Custody, NewObject, ObjectState, Parcel, StudyState
from mpi.domain.study import StudyHeader, header_of
from mpi.store.quarantine_tables import dicom_object as t
from mpi.store.quarantine_tables import dicom_study
from mpi.store.records import TrailLike
from mpi.store.statements import Statements

WAITING = (ObjectState.KEPT.value, ObjectState.SENDING.value)
GONE = (ObjectState.FORWARDED.value, ObjectState.DISCARDED.value)
HERE = tuple(state.value for state in ObjectState if state.value not in GONE)
"""States in which the file must lie in the quarantine."""


class StoredObject(NamedTuple):
    """An object as it stands, without what it says of the patient."""

    id: int
    study_uid: str
    sop_uid: str
    digest: str
    sop_class: str
    transfer_syntax: str
    size: int
    state: ObjectState
    node: str
    partner: str
    association: str
    received_at: str
    forwarded_at: str | None
    attempts: int
    not_before: str | None
    transaction_uid: str | None
    problem: str | None


class StoredDicomStudy(NamedTuple):
    """A study of the quarantine as it stands."""

    study_uid: str
    state: StudyState
    received_at: str
    checked_at: str | None
    not_before: str | None
    attempts: int
    problem: str | None


class Kept(NamedTuple):
    """What became of an object that came in, and whose folder its file belongs in."""

    custody: Custody
    node: str


# The study's row first: it is locked until the end, so that no check ends between an object and its study's state.
_touch = text(
    "INSERT INTO dicom_study (study_uid, state, received_at, attempts) VALUES (:study_uid, 'receiving', :now, 0)"
    " ON CONFLICT (study_uid) DO UPDATE SET received_at = excluded.received_at"
)
_insert = text(
    "INSERT INTO dicom_object (study_uid, sop_uid, digest, sop_class, transfer_syntax, size, header, state, node,"
    " partner, association, received_at, attempts) VALUES (:study_uid, :sop_uid, :digest, :sop_class,"
    " :transfer_syntax, :size, :header, :state, :node, :partner, :association, :received_at, 0)"
    " ON CONFLICT (sop_uid, digest) DO NOTHING"
)
_same_uid = select(t.c.digest, t.c.node, t.c.state, t.c.study_uid).where(t.c.sop_uid == bindparam("sop_uid"))
_known_header = (
    select(t.c.id).where(t.c.study_uid == bindparam("study_uid"), t.c.header == bindparam("header")).limit(1)
)
_set_study = update(dicom_study).where(dicom_study.c.study_uid == bindparam("uid"))
_study = select(dicom_study).where(dicom_study.c.study_uid == bindparam("study_uid"))
_lock_study = _study.with_for_update()
_headers = (
    select(t.c.header, func.min(t.c.id).label("first"), func.count().label("n"))
    .where(t.c.study_uid == bindparam("study_uid"), t.c.state != ObjectState.DIFFERS.value)
    .group_by(t.c.header)
    .order_by(func.min(t.c.id))
)
_unchecked = (
    select(dicom_study.c.study_uid)
    .where(
        dicom_study.c.state == StudyState.RECEIVING.value,
        dicom_study.c.received_at <= bindparam("before"),
        or_(dicom_study.c.not_before.is_(None), dicom_study.c.not_before <= bindparam("now")),
    )
    .order_by(dicom_study.c.received_at)
    .limit(bindparam("most"))
)
_ready = and_(
    t.c.node == bindparam("node"),
    t.c.state.in_(WAITING),
    or_(t.c.not_before.is_(None), t.c.not_before <= bindparam("now")),
)
_waiting_studies = (
    select(t.c.study_uid)
    .join(dicom_study, dicom_study.c.study_uid == t.c.study_uid)
    .where(
        _ready,
        dicom_study.c.state == StudyState.CHECKED.value,
        or_(dicom_study.c.not_before.is_(None), dicom_study.c.not_before <= bindparam("now")),
    )
    .group_by(t.c.study_uid)
    .order_by(func.min(t.c.id))
    .limit(bindparam("most"))
)
_parcels = select(t).where(_ready, t.c.study_uid == bindparam("study_uid")).order_by(t.c.id).limit(bindparam("most"))
_of_study = select(t).where(t.c.study_uid == bindparam("study_uid")).order_by(t.c.id)
_by_transaction = select(t).where(t.c.transaction_uid == bindparam("transaction_uid")).order_by(t.c.id)
_uncommitted = (
    select(t)
    .where(
        t.c.node == bindparam("node"),
        t.c.state == ObjectState.ACCEPTED.value,
        or_(t.c.not_before.is_(None), t.c.not_before <= bindparam("now")),
    )
    .order_by(t.c.id)
    .limit(bindparam("most"))
)
_here = (
    select(t.c.digest)
    .where(t.c.node == bindparam("node"), t.c.state.in_(HERE), t.c.digest.in_(bindparam("digests", expanding=True)))
    .distinct()
)
_digests_here = (
    select(t.c.id, t.c.digest)
    .where(t.c.node == bindparam("node"), t.c.state.in_(HERE), t.c.id > bindparam("after"))
    .order_by(t.c.id)
    .limit(bindparam("most"))
)
_set = update(t).where(t.c.id == bindparam("object_id"))
_set_of_study = update(t).where(
    t.c.study_uid == bindparam("uid"), t.c.state.in_(bindparam("from_states", expanding=True))
)
_counts = select(t.c.state, func.count(), func.min(t.c.received_at)).group_by(t.c.state)
_standing = (
    select(dicom_study, t.c.state.label("object_state"), func.count().label("n"))
    .join(t, t.c.study_uid == dicom_study.c.study_uid)
    .where(t.c.state.not_in(GONE))
    .group_by(*dicom_study.c, t.c.state)
    .order_by(dicom_study.c.received_at, dicom_study.c.study_uid)
)


def _object(row: Any) -> StoredObject:
    values = {name: getattr(row, name) for name in StoredObject._fields}
    return StoredObject(**{**values, "state": ObjectState(row.state)})


def _parcel(row: Any) -> Parcel:
    return Parcel(
        row.id,
        row.study_uid,
        row.sop_uid,
        row.sop_class,
        row.transfer_syntax,
        row.digest,
        row.partner,
        row.attempts,
        row.state == ObjectState.SENDING.value,
    )


def _stored_study(row: Any) -> StoredDicomStudy:
    return StoredDicomStudy(
        row.study_uid,
        StudyState(row.state),
        row.received_at,
        row.checked_at,
        row.not_before,
        row.attempts,
        row.problem,
    )


class Quarantine:
    """The quarantine inside one transaction."""

    def __init__(self, connection: Statements, trail: TrailLike) -> None:
        self._connection = connection
        self._trail = trail

    def take(self, new: NewObject, *, event: AuditEvent) -> Kept:
        """Write down that an object came in; what became of it. The event is written when it is new.

        A header that the study's objects did not have before makes the study one that must be checked.
        """
        study_uid, now = new.header.study_uid, self._trail.now
        self._connection.execute(_touch, {"study_uid": study_uid, "now": now})
        header = json.dumps(asdict(new.header), sort_keys=True)
        known = self._connection.execute(_known_header, {"study_uid": study_uid, "header": header}).first()
        others = self._connection.execute(_same_uid, {"sop_uid": new.sop_uid}).all()
        same = next((one for one in others if one.digest == new.digest), None)
        if same is not None:
            return Kept(Custody.AGAIN, "" if same.state in GONE else same.node)
        state = ObjectState.DIFFERS if others else ObjectState.KEPT
        row = {
            "study_uid": study_uid,
            "sop_uid": new.sop_uid,
            "digest": new.digest,
            "sop_class": new.sop_class,
            "transfer_syntax": new.transfer_syntax,
            "size": new.size,
            "header": header,
            "state": state.value,
            "node": new.node,
            "partner": new.partner,
            "association": new.association,
            "received_at": now,
        }
        if self._connection.execute(_insert, row).rowcount == 0:
            return Kept(Custody.AGAIN, "")  # somebody else wrote the same this moment
        if known is None and state is ObjectState.KEPT:
            values = {"state": StudyState.RECEIVING.value, "not_before": None, "attempts": 0}
            self._connection.execute(_set_study, {"uid": study_uid, **values})
        self._trail.add(replace(event, study_uid=study_uid))
        return Kept(Custody.DIFFERS if others else Custody.KEPT, new.node)

    def study(self, study_uid: str, *, lock: bool = False) -> StoredDicomStudy | None:
        """The study, or None; with `lock` nobody else changes it before the end of this unit."""
        row = self._connection.execute(_lock_study if lock else _study, {"study_uid": study_uid}).first()
        return _stored_study(row) if row else None

    def headers(self, study_uid: str) -> list[tuple[StudyHeader, int]]:
        """The different headers of a study's objects, oldest first, each with the number of objects that have it."""
        rows = self._connection.execute(_headers, {"study_uid": study_uid})
        return [(header_of(row.header), row.n) for row in rows]

    def unchecked(self, before: str, most: int) -> list[str]:
        """Studies to be checked whose latest object came before the instant `before`."""
        values = {"before": before, "now": self._trail.now, "most": most}
        return list(self._connection.execute(_unchecked, values).scalars())

    def checked(self, study_uid: str, problem: str | None, *, event: AuditEvent) -> None:
        """Note that all headers of a study have been judged."""
        values = {"state": StudyState.CHECKED.value, "checked_at": self._trail.now, "problem": problem}
        self._connection.execute(_set_study, {"uid": study_uid, **values, "not_before": None, "attempts": 0})
        self._trail.add(replace(event, study_uid=study_uid))

    def put_off(self, study_uid: str, until: str, attempts: int, problem: str) -> None:
        """Look at a study again at the instant `until`."""
        values = {"not_before": until, "attempts": attempts, "problem": problem}
        self._connection.execute(_set_study, {"uid": study_uid, **values})

    def goes_on(self, study_uid: str) -> None:
        """Note that nothing holds a study up."""
        self._connection.execute(_set_study, {"uid": study_uid, "not_before": None, "attempts": 0, "problem": None})

    def judge_again(self, study_uid: str) -> None:
        """Let a study be judged once more."""
        values = {"state": StudyState.RECEIVING.value, "not_before": None}
        self._connection.execute(_set_study, {"uid": study_uid, **values})

    def waiting(self, node: str, most: int) -> list[str]:
        """Judged studies with objects that could go on now, the longest waiting first."""
        values = {"node": node, "now": self._trail.now, "most": most}
        return list(self._connection.execute(_waiting_studies, values).scalars())

    def parcels(self, node: str, study_uid: str, most: int) -> list[Parcel]:
        """Objects of a study that could go on now, oldest first."""
        values = {"node": node, "study_uid": study_uid, "now": self._trail.now, "most": most}
        return [_parcel(row) for row in self._connection.execute(_parcels, values)]

    def of_study(self, study_uid: str) -> list[StoredObject]:
        """All objects of a study, oldest first."""
        return [_object(row) for row in self._connection.execute(_of_study, {"study_uid": study_uid})]

    def sending(self, parcels: Sequence[Parcel]) -> None:
        """Note the intent to send, before anything is sent."""
        rows = [{"object_id": one.id, "state": ObjectState.SENDING.value} for one in parcels]
        self._connection.execute(_set, rows)

    def arrived(self, ids: Iterable[int], *, commitment: bool, event: AuditEvent) -> None:
        """Note that the archive has objects; with `commitment` it has yet to give its word."""
        state = ObjectState.ACCEPTED if commitment else ObjectState.FORWARDED
        values = {"state": state.value, "forwarded_at": self._trail.now, "problem": None, "not_before": None}
        self._connection.execute(_set, [{"object_id": one, **values} for one in ids])
        self._trail.add(event)

    def unsent(self, ids: Iterable[int], *, event: AuditEvent) -> None:
        """Note that objects did not leave after all: they wait as before."""
        self._connection.execute(_set, [{"object_id": one, "state": ObjectState.KEPT.value} for one in ids])
        self._trail.add(event)

    def refused_by_archive(
        self, one: Parcel | StoredObject, problem: str, until: str, *, give_up: bool, event: AuditEvent
    ) -> None:
        """Note that the archive would not take an object."""
        values = {
            "state": (ObjectState.GIVEN_UP if give_up else ObjectState.KEPT).value,
            "attempts": one.attempts + 1,
            "not_before": None if give_up else until,
            "problem": problem,
        }
        self._connection.execute(_set, {"object_id": one.id, **values})
        self._trail.add(replace(event, study_uid=one.study_uid))

    def move(
        self,
        study_uid: str,
        from_states: Sequence[ObjectState],
        to: ObjectState,
        problem: str | None,
        *,
        event: AuditEvent,
    ) -> int:
        """Bring all objects of a study that are in one of these states to another; how many there were."""
        values = {"uid": study_uid, "from_states": [one.value for one in from_states]}
        change = {"state": to.value, "problem": problem, "not_before": None, "attempts": 0}
        done = self._connection.execute(_set_of_study.values(**change), values).rowcount
        self._trail.add(replace(event, study_uid=study_uid))
        return done

    def asked_to_commit(self, ids: Iterable[int], transaction_uid: str, until: str) -> None:
        """Note that the archive was asked to commit to objects; `until` is when it is asked again."""
        values = {"transaction_uid": transaction_uid, "not_before": until}
        self._connection.execute(_set, [{"object_id": one, **values} for one in ids])

    def uncommitted(self, node: str, most: int) -> list[StoredObject]:
        """Objects that the archive has yet to be asked to commit to (or asked again)."""
        values = {"node": node, "now": self._trail.now, "most": most}
        return [_object(row) for row in self._connection.execute(_uncommitted, values)]

    def of_transaction(self, transaction_uid: str) -> list[StoredObject]:
        """The objects of one request for commitment."""
        return [_object(row) for row in self._connection.execute(_by_transaction, {"transaction_uid": transaction_uid})]

    def digests_here(self, node: str, digests: Sequence[str]) -> set[str]:
        """Which of these digests have an object whose file must lie in the node's folder."""
        return set(self._connection.execute(_here, {"node": node, "digests": list(digests)}).scalars())

    def files_of(self, node: str, after: int, most: int) -> list[tuple[int, str]]:
        """Id and digest of objects whose file must lie in the node's folder, by id."""
        rows = self._connection.execute(_digests_here, {"node": node, "after": after, "most": most})
        return [(row.id, row.digest) for row in rows]

    def lost(self, object_id: int, problem: str, *, event: AuditEvent) -> None:
        """Note that an object's file is not where it must be."""
        values = {"state": ObjectState.GIVEN_UP.value, "problem": problem}
        self._connection.execute(_set, {"object_id": object_id, **values})
        self._trail.add(event)

    def counts(self) -> dict[ObjectState, tuple[int, str]]:
        """How many objects are in each state, and when the oldest of them came."""
        return {ObjectState(state): (n, oldest) for state, n, oldest in self._connection.execute(_counts)}

    def standing(self) -> dict[StoredDicomStudy, dict[ObjectState, int]]:
        """Studies with objects that have not gone on, the oldest first, and how many objects in which state."""
        found: dict[StoredDicomStudy, dict[ObjectState, int]] = {}
        for row in self._connection.execute(_standing):
            found.setdefault(_stored_study(row), {})[ObjectState(row.object_state)] = row.n
        return found
