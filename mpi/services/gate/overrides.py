"""Overrides: a study is attached in spite of failed rules, by who may, for a while, for somebody else to confirm."""

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from mpi.config import Config
from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.errors import BadInput, Conflict, NotAllowed, NotFound
from mpi.domain.roles import Permission, check_actor
from mpi.domain.study import header_of
from mpi.domain.study_override import Override, OverrideStep
from mpi.domain.text import storable
from mpi.matching.gate_overrides import allowance
from mpi.matching.gate_policy import KINDS, GatePolicy
from mpi.services.gate import life, tasks
from mpi.services.gate.attached import holder
from mpi.services.gate.judge import Judged, judge
from mpi.services.gate.known import check_reach, known
from mpi.store import clock
from mpi.store.database import retrying
from mpi.store.records import ACTIVE, StoredRecord
from mpi.store.studies import StoredCheck, StoredStudy
from mpi.store.study_overrides import NewOverride, StoredOverride
from mpi.store.unit_of_work import Store, UnitOfWork

GATE = Actor("gate", "system")
AT_ONCE = 100
_T = TypeVar("_T")


class Overrides:
    """Opens, confirms, revokes and expires overrides. The policy's table says who may, of what, where and why.

    The methods for people raise `NotAllowed` by role, table and floor, `BadInput`, `NotFound`, and `Conflict` where the
    state of the study or of the override does not allow it.
    """

    def __init__(self, store: Store, config: Config, policy: GatePolicy) -> None:
        self._store = store
        self._config = config
        self._policy = policy

    def open(self, actor: Actor, study_uid: str, authority: str, value: str, reason_code: str, reason: str) -> Override:
        """Attach a held study to the person who has this number of this authority, in spite of the rules that fail.

        Where the table asks for a second person, nothing is attached before `confirm`; else it is attached at once and
        carries *identity not verified* until then.
        """
        check_actor(actor, Permission.DECIDE_STUDY)
        reason = _text(reason)
        return self._unit(lambda unit: self._open(unit, actor, study_uid, (authority, value), reason_code, reason))

    def confirm(self, actor: Actor, study_uid: str, reason: str) -> Override:
        """Say as a second person that an open override is right. Nobody confirms their own."""
        check_actor(actor, Permission.DECIDE_STUDY)
        reason = _text(reason)
        return self._unit(lambda unit: self._confirm(unit, actor, study_uid, reason))

    def revoke(self, actor: Actor, study_uid: str, reason: str) -> Override:
        """Take an override back, open or confirmed: what it attached is detached."""
        check_actor(actor, Permission.DECIDE_STUDY)
        reason = _text(reason)
        return self._unit(lambda unit: self._revoke(unit, actor, study_uid, reason))

    def of_study(self, actor: Actor, study_uid: str) -> list[Override]:
        """All overrides of a study, oldest first."""
        check_actor(actor, Permission.VIEW_STUDY)
        with self._store.reading() as unit:
            known(unit, actor, study_uid)
            return [_view(unit, one) for one in unit.overrides.of_study(study_uid)]

    def expire(self) -> int:
        """End the overrides whose time is over and that nobody confirmed; how many. What they attached waits."""
        with self._store.reading() as unit:
            waiting = bool(unit.overrides.due(1))
        if not waiting:
            return 0

        def expire() -> int:
            with self._store.writing() as unit:
                due = unit.overrides.due(AT_ONCE)
                for one in due:
                    study = unit.studies.get(one.study_uid)
                    if study is not None:
                        reason = "The time of the override is over, and nobody has confirmed it."
                        life.let_fall(unit, GATE, study, OverrideStep.EXPIRE, reason)
            return len(due)

        return retrying(expire)

    def _unit(self, do: Callable[[UnitOfWork], _T]) -> _T:
        def once() -> _T:
            with self._store.writing() as unit:
                return do(unit)

        return retrying(once)

    def _open(
        self, unit: UnitOfWork, actor: Actor, study_uid: str, number: tuple[str, str], reason_code: str, reason: str
    ) -> Override:
        study = known(unit, actor, study_uid)
        last = unit.studies.latest_check(study_uid)
        if study.person_id is not None or last is None:
            raise Conflict("the study is attached; detach it first")
        if unit.overrides.standing(study_uid) is not None:
            raise Conflict("an override of this study is open already")
        record, person_id = self._target(unit, number)
        check_reach(unit, actor, person_id)
        judged = self._judge(unit, last, person_id)
        if not judged.unmet:
            raise Conflict("every rule holds; the study needs no override")
        role = check_actor(actor, Permission.DECIDE_STUDY)
        allowed = allowance(self._policy.overrides, KINDS, judged.unmet, role, record.authority, reason_code)
        until = clock.stamp(clock.read(unit.now) + timedelta(hours=allowed.hours))
        new = NewOverride(
            study_uid,
            person_id,
            record.id,
            last.id,
            tuple(judged.unmet),
            record.authority,
            reason_code,
            reason,
            allowed.second_person,
            until,
            self._policy.version,
            self._policy.hash,
        )
        override_id = unit.overrides.open(new, event=AuditEvent(actor, Action.OVERRIDE_OPENED, reason=reason))
        if not allowed.second_person:
            self._attach(unit, actor, study, new, reason, verified=False)
        tasks.ask(unit, actor, study_uid, "An override waits for a second person.", failed=judged.unmet)
        return _found(unit, override_id)

    def _target(self, unit: UnitOfWork, number: tuple[str, str]) -> tuple[StoredRecord, int]:
        """The record that stands for a number, and its person."""
        authority = self._config.authority(number[0])
        found = unit.records.find(authority.code, number[1].strip()) if authority else None
        record = unit.records.survivor(found) if found else None
        link = unit.persons.current_link(record.id) if record else None
        if record is None or link is None or record.status != ACTIVE or record.protected:
            raise NotFound("nobody in the index has this number")
        return record, holder(unit, link.person_id)

    def _judge(self, unit: UnitOfWork, check: StoredCheck, person_id: int) -> Judged:
        return judge(unit, self._config, self._policy, header_of(check.header), chosen=person_id, arrival=check.arrival)

    def _attach(
        self, unit: UnitOfWork, actor: Actor, study: StoredStudy, new: NewOverride, reason: str, *, verified: bool
    ) -> None:
        event = AuditEvent(actor, Action.STUDY_RELEASED, reason=reason, detail={"rules": list(new.rules)})
        unit.studies.attach(
            study, new.person_id, new.record_id, new.check_id, verified=verified, reason=reason, event=event
        )

    def _confirm(self, unit: UnitOfWork, actor: Actor, study_uid: str, reason: str) -> Override:
        study, found = self._standing(unit, actor, study_uid)
        if actor.name == found.made_by:
            raise NotAllowed("nobody confirms their own override")
        if found.holds_until <= unit.now:
            raise Conflict("the time of the override is over")
        role = check_actor(actor, Permission.DECIDE_STUDY)
        allowance(self._policy.overrides, KINDS, found.rules, role, found.site, None)
        person_id = self._still(unit, found)
        check_reach(unit, actor, person_id)
        more = set(self._judge(unit, unit.studies.check(found.check_id), person_id).unmet) - set(found.rules)
        if more:
            raise Conflict(f"what it was made on has changed: {', '.join(sorted(more))} failed since")
        event = AuditEvent(actor, Action.OVERRIDE_CONFIRMED, reason=reason)
        unit.overrides.close(found, OverrideStep.CONFIRM, reason, event=event)
        if study.person_id is None:
            self._attach(unit, actor, study, _again(found, person_id), reason, verified=True)
        else:
            unit.studies.verify(study, reason, event=AuditEvent(actor, Action.STUDY_CLEARED))
        tasks.settle(unit, actor, study_uid, "the override was confirmed")
        return _found(unit, found.id)

    def _still(self, unit: UnitOfWork, found: StoredOverride) -> int:
        """The person for whom an override was made, if the number still leads there."""
        record = unit.records.survivor(unit.records.get([found.record_id])[found.record_id])
        link = unit.persons.current_link(record.id)
        person_id = holder(unit, found.person_id)
        if link is None or record.protected or holder(unit, link.person_id) != person_id:
            raise Conflict("the number that the override names belongs to somebody else now")
        return person_id

    def _revoke(self, unit: UnitOfWork, actor: Actor, study_uid: str, reason: str) -> Override:
        study, found = self._standing(unit, actor, study_uid)
        check_reach(unit, actor, found.person_id)
        life.detach(unit, actor, study, reason)
        return _found(unit, found.id)

    def _standing(self, unit: UnitOfWork, actor: Actor, study_uid: str) -> tuple[StoredStudy, StoredOverride]:
        study = known(unit, actor, study_uid)
        found = unit.overrides.standing(study_uid)
        if found is None:
            raise NotFound("no override of this study is open or confirmed")
        return study, found


def _again(found: StoredOverride, person_id: int) -> NewOverride:
    names = NewOverride._fields
    return NewOverride(**{name: getattr(found, name) for name in names})._replace(person_id=person_id)


def _text(reason: str) -> str:
    reason = storable(reason.strip())
    if not reason:
        raise BadInput("Enter a reason", field="reason")
    return reason


def _found(unit: UnitOfWork, override_id: int) -> Override:
    found = unit.overrides.get(override_id)
    if found is None:
        raise AssertionError("an override that was just written is gone")
    return _view(unit, found)


def _view(unit: UnitOfWork, one: StoredOverride) -> Override:
    record = unit.records.get([one.record_id])[one.record_id]
    return Override(
        one.id,
        one.study_uid,
        one.state,
        unit.persons.get([one.person_id])[one.person_id].enterprise_id,
        record.authority,
        record.local_id,
        one.rules,
        one.reason_code,
        one.reason,
        one.second_person,
        one.holds_until,
        one.made_by,
        one.role,
        one.made_at,
        one.closed_by,
        one.closed_at,
        one.closed_reason,
    )
