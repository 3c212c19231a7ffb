"""What a human decides of a study: detach it, refuse it, let it in again, keep it where it is. Each with a reason."""

from collections.abc import Callable

from mpi.config import Config
from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.errors import BadInput, Conflict
from mpi.domain.roles import Permission, check_actor
from mpi.domain.study import Arrival, GateDecision, StudyHeader, header_of
from mpi.domain.study_override import OverrideStep
from mpi.domain.text import storable
from mpi.matching.gate_policy import GatePolicy
from mpi.services.gate import life, tasks
from mpi.services.gate.attached import holder, holding_override
from mpi.services.gate.judge import Judged, judge, write_check
from mpi.services.gate.known import check_reach, known
from mpi.store.database import retrying
from mpi.store.studies import StoredStudy
from mpi.store.unit_of_work import Store, UnitOfWork


class StudyDecisions:
    """Decisions about single studies. Whoever may make them holds `decide-study`.

    Every method raises `NotAllowed` by role, `BadInput` without a reason, `NotFound` for a study that the gate never
    checked, and `Conflict` where the study's state does not allow it.
    """

    def __init__(self, store: Store, config: Config, policy: GatePolicy) -> None:
        self._store = store
        self._config = config
        self._policy = policy

    def detach(self, actor: Actor, study_uid: str, reason: str) -> None:
        """Take a study away from its person. It is held from then on, and only a human lets it in again."""
        self._decide(actor, study_uid, reason, _detach)

    def refuse(self, actor: Actor, study_uid: str, reason: str) -> None:
        """Turn a held study away. Only a human lets it in again."""
        self._decide(actor, study_uid, reason, _refuse)

    def release(self, actor: Actor, study_uid: str, reason: str) -> None:
        """Attach a study that is held, was refused or detached, since every rule holds now; `Conflict` where not.

        The header judged is that of the last check. What a human set aside counts no more; every rule does.
        """
        self._decide(actor, study_uid, reason, self._release)

    def keep(self, actor: Actor, study_uid: str, reason: str) -> None:
        """Let an attached study that is in doubt go on, since the header it was attached by holds; `Conflict` if not.

        An object that said otherwise stays on record, and is judged anew when it comes again.
        """
        self._decide(actor, study_uid, reason, self._keep)

    def _decide(
        self, actor: Actor, study_uid: str, reason: str, do: Callable[[UnitOfWork, Actor, StoredStudy, str], None]
    ) -> None:
        check_actor(actor, Permission.DECIDE_STUDY)
        reason = storable(reason.strip())
        if not reason:
            raise BadInput("Enter a reason", field="reason")

        def decide() -> None:
            with self._store.writing() as unit:
                do(unit, actor, known(unit, actor, study_uid), reason)

        retrying(decide)

    def _release(self, unit: UnitOfWork, actor: Actor, study: StoredStudy, reason: str) -> None:
        if study.person_id is not None:
            raise Conflict("the study is attached already")
        last = unit.studies.latest_check(study.study_uid)
        if last is None:
            raise Conflict("the study was never checked")
        header = header_of(last.header)
        judged = judge(unit, self._config, self._policy, header, let_in=True, arrival=last.arrival)
        person_id, record_id = _attaches(judged)
        check_reach(unit, actor, person_id)
        # Written down while the study is not attached: it follows its check, and the human's step comes after it.
        check_id = write_check(unit, self._policy, actor, header, judged, last.arrival)
        event = AuditEvent(actor, Action.STUDY_RELEASED, reason=reason, detail={"check": check_id})
        life.end_override(unit, actor, study.study_uid, OverrideStep.REVOKE, "every rule holds by itself")
        unit.studies.attach(study, person_id, record_id, check_id, verified=True, reason=reason, event=event)
        tasks.settle(unit, actor, study.study_uid, "let in by a human")

    def _keep(self, unit: UnitOfWork, actor: Actor, study: StoredStudy, reason: str) -> None:
        if study.person_id is None or study.doubt is None or study.check_id is None:
            raise Conflict("the study is not in doubt")
        check = unit.studies.check(study.check_id)
        header = header_of(check.header)
        person_id, verified = self._holds_for(unit, study, header, check.arrival)
        if person_id != holder(unit, study.person_id):
            raise Conflict("the header that it was attached by leads to another person now")
        if verified and not study.verified:
            unit.studies.verify(study, reason, event=AuditEvent(actor, Action.STUDY_CLEARED))
        unit.studies.clear(study, reason, event=AuditEvent(actor, Action.STUDY_CLEARED))
        tasks.settle(unit, actor, study.study_uid, "kept where it is by a human")

    def _holds_for(
        self, unit: UnitOfWork, study: StoredStudy, header: StudyHeader, arrival: Arrival
    ) -> tuple[int, bool]:
        """The person for whom the header that a study was attached by holds, and whether without an open override."""
        override = holding_override(unit, study)
        if override is not None and study.person_id is not None:
            person_id = holder(unit, study.person_id)
            chosen = judge(unit, self._config, self._policy, header, let_in=True, chosen=person_id, arrival=arrival)
            if set(chosen.unmet) <= set(override.rules):
                return person_id, study.verified
        return _attaches(judge(unit, self._config, self._policy, header, let_in=True, arrival=arrival))[0], True


def _attaches(judged: Judged) -> tuple[int, int]:
    """The person and the record that a study goes to; raises `Conflict` with the rules that do not hold."""
    if judged.decision is not GateDecision.ATTACH or judged.person_id is None or judged.record_id is None:
        raise Conflict(f"these rules do not hold: {', '.join(judged.failed) or 'not every rule could be judged'}")
    return judged.person_id, judged.record_id


def _detach(unit: UnitOfWork, actor: Actor, study: StoredStudy, reason: str) -> None:
    if study.person_id is None:
        raise Conflict("the study is not attached")
    life.detach(unit, actor, study, reason)


def _refuse(unit: UnitOfWork, actor: Actor, study: StoredStudy, reason: str) -> None:
    if study.person_id is not None:
        raise Conflict("the study is attached; detach it first")
    if study.decision is GateDecision.REFUSE and study.set_aside:
        raise Conflict("the study was refused already")
    life.end_override(unit, actor, study.study_uid, OverrideStep.REVOKE, reason)
    unit.studies.take_away(study, GateDecision.REFUSE, reason, event=AuditEvent(actor, Action.STUDY_REFUSED))
    tasks.settle(unit, actor, study.study_uid, "refused by a human")
