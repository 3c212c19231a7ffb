"""From quarantine to the local archive: what may go now and in whose name, and what became of it.

The intent to send is written before anything is sent. Objects that are found half-way after a crash are sent again,
the very same bytes: an archive that has the instance keeps what it has (PS3.4 section B.2.3; the instance UID is the
identity of an object).
"""

import logging
from collections.abc import Sequence

from mpi.config import Config
from mpi.domain.audit import Action, AuditEvent
from mpi.domain.errors import NotFound
from mpi.domain.person import NHS
from mpi.domain.quarantine import (
    Consignment,
    Delivered,
    Fate,
    Identity,
    LocalNumber,
    ObjectState,
    Parcel,
    StudyState,
)
from mpi.domain.study import GateDecision, StudyHeader
from mpi.domain.study_life import LocalPatient, Standing
from mpi.matching.prepare import prepare
from mpi.services.gate import Gate
from mpi.services.quarantine import later, machine
from mpi.store.database import retrying
from mpi.store.quarantine import StoredObject
from mpi.store.unit_of_work import Store, UnitOfWork

_log = logging.getLogger(__name__)
STUDIES_AT_ONCE = 50
OBJECTS_AT_ONCE = 100
REFUSALS = 8
"""So many times the archive refuses one object before it is given up and waits for a human."""
LONGEST_WAIT = 60.0
"""Seconds after which the gate is asked again about a study that waits; a step of the study wakes it sooner."""
COMMIT_AGAIN_SECONDS = 300.0
"""Seconds that the archive has to report on storage commitment before it is asked again."""
NOT_COMMITTED = "the archive accepted it and did not commit to it"


class Forwarding:
    """What goes on to the archive."""

    def __init__(self, store: Store, config: Config, gate: Gate) -> None:
        self._store = store
        self._config = config
        self._gate = gate
        self._me = machine(config.dicom.ae_title)
        self._cursor: int | None = None

    def follow(self) -> int:
        """Wake the studies of which a step is new; how many steps there were. The first time only finds the end."""
        first, woken = self._cursor is None, 0
        cursor = self._cursor or 0
        while steps := self._gate.changes(self._me, cursor):
            cursor = steps[-1].cursor
            if not first:
                with self._store.writing(identities=False) as unit:
                    for study_uid in {step.study_uid for step in steps}:
                        unit.quarantine.goes_on(study_uid)
                woken += len(steps)
        self._cursor = cursor
        return woken

    def next(self, node: str) -> Consignment | None:
        """Objects of one study that may go now, marked as being sent; None when there are none."""
        forward = self._config.dicom.forward
        if forward is None:
            return None
        with self._store.reading() as unit:
            waiting = unit.quarantine.waiting(node, STUDIES_AT_ONCE)
        for study_uid in waiting:
            try:
                standing = self._gate.standing(self._me, study_uid, forward.authority)
            except NotFound:
                self._judge_again(study_uid)
                continue
            if standing.decision is not GateDecision.ATTACH or standing.patient is None:
                self._wait(standing)
                continue
            found = self._pack(node, standing, standing.patient)
            if found is not None:
                return found
        return None

    def _pack(self, node: str, standing: Standing, patient: LocalPatient) -> Consignment | None:
        with self._store.writing(identities=False) as unit:
            study = unit.quarantine.study(standing.study_uid, lock=True)
            if study is None or study.state is not StudyState.CHECKED or study.checked_at is None:
                return None
            parcels = unit.quarantine.parcels(node, standing.study_uid, OBJECTS_AT_ONCE)
            if not parcels:
                return None
            headers = unit.quarantine.headers(standing.study_uid)
            unit.quarantine.sending(parcels)
            if study.problem is not None:
                unit.quarantine.goes_on(standing.study_uid)
        identity = _identity(patient, headers[0][0], verified=standing.verified)
        return Consignment(standing.study_uid, identity, patient.person, study.checked_at, tuple(parcels))

    def _wait(self, standing: Standing) -> None:
        """Leave a study alone for a while."""
        with self._store.writing(identities=False) as unit:
            study = unit.quarantine.study(standing.study_uid, lock=True)
            if study is None or study.state is not StudyState.CHECKED:
                return
            attempts = study.attempts + 1
            wait = min(LONGEST_WAIT, 2.0 ** min(attempts, 10))
            reason = f"{standing.decision.value}: {standing.reason}"
            unit.quarantine.put_off(standing.study_uid, later(wait), attempts, reason)

    def _judge_again(self, study_uid: str) -> None:
        with self._store.writing(identities=False) as unit:
            unit.quarantine.judge_again(study_uid)

    def settle(self, sent: Consignment, delivered: Sequence[Delivered]) -> None:
        """Write down what became of a consignment's parcels."""
        retrying(lambda: self._settle(sent, delivered))

    def _settle(self, sent: Consignment, delivered: Sequence[Delivered]) -> None:
        forward = self._config.dicom.forward
        taken = [one.parcel for one in delivered if one.fate is Fate.TAKEN]
        unsent = [one.parcel for one in delivered if one.fate is Fate.UNSENT]
        with self._store.writing(identities=False) as unit:
            if taken:
                event = self._event(Action.OBJECTS_FORWARDED, sent, taken)
                commitment = forward is not None and forward.commitment
                unit.quarantine.arrived([one.id for one in taken], commitment=commitment, event=event)
            if unsent:
                event = self._event(Action.OBJECT_NOT_FORWARDED, sent, unsent)
                unit.quarantine.unsent([one.id for one in unsent], event=event)
            for one in delivered:
                if one.fate in (Fate.REFUSED, Fate.LOST):
                    self._refused(unit, sent, one)

    def _refused(self, unit: UnitOfWork, sent: Consignment, one: Delivered) -> None:
        problem, attempts = one.problem or "refused", one.parcel.attempts + 1
        event = self._event(Action.OBJECT_NOT_FORWARDED, sent, [one.parcel], problem)
        give_up = one.fate is Fate.LOST or attempts >= REFUSALS
        until = later(min(3600.0, 2.0**attempts))
        unit.quarantine.refused_by_archive(one.parcel, problem, until, give_up=give_up, event=event)
        level = logging.ERROR if give_up else logging.WARNING
        facts = {"study": sent.study_uid, "instance": one.parcel.sop_uid, "problem": problem}
        _log.log(level, "object given up" if give_up else "object not forwarded", extra={"facts": facts})

    def _event(
        self, action: Action, sent: Consignment, parcels: Sequence[Parcel], problem: str | None = None
    ) -> AuditEvent:
        detail = {"person": sent.person, "instances": [one.sop_uid for one in parcels]}
        if problem:
            detail["problem"] = problem
        return AuditEvent(self._me, action, study_uid=sent.study_uid, detail=detail)

    def to_commit(self, node: str, transaction_uid: str) -> list[StoredObject]:
        """Objects that the archive is to be asked to commit to, noted under this request."""
        with self._store.writing(identities=False) as unit:
            found = unit.quarantine.uncommitted(node, OBJECTS_AT_ONCE)
            if found:
                unit.quarantine.asked_to_commit([one.id for one in found], transaction_uid, later(COMMIT_AGAIN_SECONDS))
            return found

    def committed(self, transaction_uid: str, held: set[str], failed: set[str]) -> list[StoredObject]:
        """Take the archive's report; the objects whose files need not be kept any more.

        Instances that it failed to commit to wait as before, and are sent again.
        """
        with self._store.writing(identities=False) as unit:
            asked = unit.quarantine.of_transaction(transaction_uid)
            open_ones = [one for one in asked if one.state is ObjectState.ACCEPTED]
            kept = [one for one in open_ones if one.sop_uid in held and one.sop_uid not in failed]
            again = [one for one in open_ones if one.sop_uid in failed]
            detail = {"transaction": transaction_uid, "instances": [one.sop_uid for one in kept]}
            if kept:
                event = AuditEvent(self._me, Action.OBJECTS_COMMITTED, study_uid=kept[0].study_uid, detail=detail)
                unit.quarantine.arrived([one.id for one in kept], commitment=False, event=event)
            for one in again:
                detail = {"transaction": transaction_uid, "instances": [one.sop_uid]}
                event = AuditEvent(self._me, Action.OBJECT_NOT_FORWARDED, detail=detail)
                until, give_up = later(min(3600.0, 2.0 ** (one.attempts + 1))), one.attempts + 1 >= REFUSALS
                unit.quarantine.refused_by_archive(one, NOT_COMMITTED, until, give_up=give_up, event=event)
        if again:
            _log.warning("the archive did not commit", extra={"facts": {"instances": len(again)}})
        return kept


def _identity(patient: LocalPatient, header: StudyHeader, *, verified: bool) -> Identity:
    """Whom the objects are to name: the local number, and the numbers that lead there from elsewhere."""
    said = patient.demographics
    prepared, _ = prepare(said, allow_test_numbers=True)
    others = []
    if prepared.nhs and prepared.nhs_verified:
        others.append(LocalNumber(prepared.nhs, NHS, None))
    own = header.patient_id
    if own is not None and (own.value, own.issuer) != (patient.value, patient.authority):
        others.append(LocalNumber(own.value, own.issuer, own.issuer_oid))
    return Identity(
        number=LocalNumber(patient.value, patient.authority, patient.authority_oid),
        others=tuple(others),
        family=said.family_name or "",
        given=said.given_name or "",
        middle=said.middle_names or "",
        birth_date=(prepared.birth or "").replace("-", ""),
        sex=prepared.sex or "",
        verified=verified,
    )
