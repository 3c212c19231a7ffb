"""Custody of outside objects: taken in, judged once for each study, and looked at by those who run the node.

An object is taken when its file is safe on disk; only then its sender is told so. What the gate says of a study is
asked when all its objects seem to be there, and again when one comes that says something else of the patient.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from mpi.config import Config
from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.errors import BadInput, Conflict, NotFound, TemporaryFailure
from mpi.domain.quarantine import Custody, NewObject, ObjectState
from mpi.domain.roles import Permission, Role, check, role_of
from mpi.domain.study import Arrival, GateAnswer, GateDecision, Origin, RuleResult, StudyHeader
from mpi.matching.joined_header import joined
from mpi.services.gate import Gate
from mpi.store.clock import stamp
from mpi.store.database import retrying
from mpi.store.quarantine import Kept, StoredDicomStudy, StoredObject
from mpi.store.unit_of_work import Store

_log = logging.getLogger(__name__)
STUDIES_AT_ONCE = 20
LONGEST_WAIT = 60.0
"""Seconds after which a study that could not be judged is judged again, at the latest."""


def machine(ae_title: str) -> Actor:
    """Who acts when an application entity does."""
    return Actor(ae_title, Role.SERVICE.value)


def later(seconds: float) -> str:
    """The instant so many seconds from now, as stored."""
    return stamp(datetime.now(UTC) + timedelta(seconds=seconds))


class Quarantine:
    """Objects of outside studies, from the network to the gate's answer."""

    def __init__(self, store: Store, config: Config, gate: Gate) -> None:
        self._store = store
        self._config = config
        self._gate = gate
        self._me = machine(config.dicom.ae_title)

    def take(self, actor: Actor, new: NewObject) -> Kept:
        """What becomes of an object whose file is safe on disk.

        Raises `NotAllowed`, and `TemporaryFailure` when nothing could be stored: then its sender keeps it.
        """
        check(role_of(actor), Permission.CHECK_STUDY)
        named = replace(new, header=self._with_issuer(new))
        return retrying(lambda: self._take(actor, named))

    def _take(self, actor: Actor, new: NewObject) -> Kept:
        with self._store.writing(identities=False) as unit:
            study = unit.studies.get(new.header.study_uid)
            if study is not None and study.person_id is None and study.decision is GateDecision.REFUSE:
                return Kept(Custody.REFUSED, "")
            detail = {"sop_instance": new.sop_uid, "digest": new.digest, "association": new.association}
            kept = unit.quarantine.take(new, event=AuditEvent(actor, Action.OBJECT_RECEIVED, detail=detail))
        if kept.custody is Custody.DIFFERS:
            _log.warning(
                "an instance came again with other bytes: kept beside the first, not forwarded",
                extra={"facts": {"study": new.header.study_uid, "instance": new.sop_uid, "partner": new.partner}},
            )
        return kept

    def _with_issuer(self, new: NewObject) -> StudyHeader:
        """The header, its Patient ID of the authority that the partner is configured for where it names none."""
        header, partner = new.header, self._config.dicom.partner(new.partner)
        own = header.patient_id
        if own is None or own.issuer or own.issuer_oid or partner is None or partner.issuer is None:
            return header
        return replace(header, patient_id=replace(own, issuer=partner.issuer))

    def needed(self, node: str, digests: Sequence[str]) -> set[str]:
        """Which of these digests have an object whose file must lie in the node's folder."""
        with self._store.reading() as unit:
            return unit.quarantine.digests_here(node, digests)

    def judge_due(self) -> int:
        """Judge the studies whose objects seem to be all there; how many."""
        before = later(-self._config.dicom.quiet)
        with self._store.reading() as unit:
            due = unit.quarantine.unchecked(before, STUDIES_AT_ONCE)
        for study_uid in due:
            self.judge(study_uid)
        return len(due)

    def judge(self, study_uid: str) -> GateAnswer | None:
        """The gate's answer for a study as its objects describe it; None when it could not be had, or is overtaken."""
        with self._store.reading() as unit:
            seen = unit.quarantine.headers(study_uid)
        if not seen:
            return None
        try:
            header = joined([header for header, _ in seen])[0]
            answer = self._gate.check(self._me, header, Arrival(Origin.PARTNER, header.source_ae))
        except (TemporaryFailure, Conflict, BadInput) as error:
            self._put_off(study_uid, str(error))
            return None
        problem = self._problem(answer, seen)
        detail = {"decision": answer.decision.value, "headers": len(seen)}
        with self._store.writing(identities=False) as unit:
            unit.quarantine.study(study_uid, lock=True)
            if _differ(unit.quarantine.headers(study_uid), seen):
                return None  # an object came meanwhile that says something else
            event = AuditEvent(self._me, Action.QUARANTINE_CHECKED, detail=detail)
            unit.quarantine.checked(study_uid, problem, event=event)
        _log.info("study judged", extra={"facts": {"study": study_uid, **detail}})
        return answer

    def _problem(self, answer: GateAnswer, seen: Sequence[tuple[StudyHeader, int]]) -> str | None:
        if answer.decision is GateDecision.ATTACH:
            return None
        failed = [one.rule for one in answer.rules if one.result is RuleResult.FAILED]
        mixed = f"; {len(seen)} different headers in it" if len(seen) > 1 else ""
        return f"{answer.decision.value}: {', '.join(failed)}{mixed}"

    def _put_off(self, study_uid: str, problem: str) -> None:
        with self._store.writing(identities=False) as unit:
            study = unit.quarantine.study(study_uid, lock=True)
            attempts = (study.attempts if study else 0) + 1
            unit.quarantine.put_off(study_uid, later(min(LONGEST_WAIT, 2.0**attempts)), attempts, problem)

    def studies(self) -> dict[StoredDicomStudy, dict[ObjectState, int]]:
        """Studies with objects that have not gone on, the oldest first, and how many objects in which state."""
        with self._store.reading() as unit:
            return unit.quarantine.standing()

    def objects(self, study_uid: str) -> list[StoredObject]:
        """The objects of a study; raises `NotFound`."""
        with self._store.reading() as unit:
            found = unit.quarantine.of_study(study_uid)
        if not found:
            raise NotFound("no object of this study ever came here")
        return found

    def retry(self, actor: Actor, study_uid: str) -> int:
        """Let objects that were given up be sent again; how many there were. Raises `NotAllowed`, `NotFound`."""
        check(role_of(actor), Permission.REPLAY)
        self.objects(study_uid)
        event = AuditEvent(actor, Action.QUARANTINE_DECIDED, detail={"decision": "retry"})
        with self._store.writing(identities=False) as unit:
            found = unit.quarantine.move(study_uid, (ObjectState.GIVEN_UP,), ObjectState.KEPT, None, event=event)
            unit.quarantine.goes_on(study_uid)
        return found

    def discard(self, actor: Actor, study_uid: str, reason: str) -> int:
        """Let what is in quarantine of a study go for good; how many objects there were.

        Their files are removed by the node. Raises `NotAllowed`, `NotFound`, and `BadInput` without a reason.
        """
        check(role_of(actor), Permission.REPLAY)
        if not reason.strip():
            raise BadInput("a reason is needed", field="reason")
        self.objects(study_uid)
        states = (ObjectState.KEPT, ObjectState.DIFFERS, ObjectState.GIVEN_UP)
        event = AuditEvent(actor, Action.QUARANTINE_DECIDED, reason=reason, detail={"decision": "discard"})
        with self._store.writing(identities=False) as unit:
            return unit.quarantine.move(study_uid, states, ObjectState.DISCARDED, reason, event=event)

    def groups(self, study_uid: str) -> list[int]:
        """How many objects of a study have the same header, header by header: more than one group may be two people."""
        with self._store.reading() as unit:
            return [n for _, n in unit.quarantine.headers(study_uid)]


def _differ(now: Sequence[tuple[StudyHeader, int]], then: Sequence[tuple[StudyHeader, int]]) -> bool:
    return {header for header, _ in now} != {header for header, _ in then}
