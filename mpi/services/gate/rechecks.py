"""Attached studies are looked at again when the index changes: what does not hold any more waits, and a human is asked.

What changed stands in the audit trail, whose events are numbered without gaps in the order of the commits. This job
keeps how far it has come, and so never misses one.
"""

import logging
from collections.abc import Iterable

from mpi.config import Config
from mpi.domain.audit import Action, AuditEvent
from mpi.domain.errors import TemporaryFailure
from mpi.domain.study import GateDecision, header_of
from mpi.domain.study_life import Doubt
from mpi.domain.study_override import OverrideState, OverrideStep
from mpi.matching.gate_policy import GatePolicy
from mpi.services.gate import life, tasks
from mpi.services.gate.attached import holder, holding_override
from mpi.services.gate.judge import Judged, judge, write_check
from mpi.services.gate.overrides import GATE
from mpi.store.database import retrying
from mpi.store.positions import Event
from mpi.store.studies import StoredStudy
from mpi.store.study_overrides import StoredOverride
from mpi.store.unit_of_work import Store, UnitOfWork

JOB = "gate"
AT_ONCE = 2000
"""Audit events that are looked at in one step."""

NOT_AFTERWARDS = frozenset({"no-open-review", "not-restricted", "no-do-not-link"})
"""Rules that say that a human must look before a study is attached; they do not say that one was attached wrongly."""

_log = logging.getLogger(__name__)


class Rechecks:
    """Looks at studies again."""

    def __init__(self, store: Store, config: Config, policy: GatePolicy) -> None:
        self._store = store
        self._config = config
        self._policy = policy

    def step(self) -> bool:
        """Look at what the next events of the trail concern; whether there may be more to do at once.

        Raises `TemporaryFailure` when the database is gone or locked: then the same is looked at again.
        """
        with self._store.reading() as unit:
            before = unit.positions.get(JOB)
            until = min(unit.positions.head(), before + AT_ONCE)
            concerned = _concerned(unit, unit.positions.events(before, until))
        for study_uid in concerned:
            self.look_again(study_uid)
        if until != before:
            with self._store.writing(identities=False) as unit:
                unit.positions.advance(JOB, before, until)
        return until - before == AT_ONCE

    def is_behind(self, unit: UnitOfWork, study: StoredStudy) -> bool:
        """Whether something was said of people since the attachment of a study was judged."""
        return unit.positions.anything(max(unit.positions.get(JOB), study.judged_at_seq))

    def look_again(self, study_uid: str) -> None:
        """Judge one study by the index as it is now, and write down what follows from that."""

        def look() -> None:
            with self._store.writing() as unit:
                seen = unit.positions.head()
                study = unit.studies.get(study_uid)
                if study is not None and study.person_id is not None:
                    self._look_at_attached(unit, study, study.person_id)
                    unit.studies.note_judged(study, seen)
                elif study is not None and study.decision is GateDecision.HOLD and not study.set_aside:
                    self._look_at_held(unit, study)

        retrying(look)

    def _look_at_attached(self, unit: UnitOfWork, study: StoredStudy, person_id: int) -> None:
        if study.doubt in (Doubt.CONFLICT, Doubt.OVERRIDE) or study.check_id is None:
            return
        override = holding_override(unit, study)
        judged = self._judged(unit, study.check_id, holder(unit, person_id) if override else None)
        wrong = _wrong(judged, override)
        if not wrong and judged is not None and judged.person_id != holder(unit, person_id):
            wrong = ["numbers-lead-to-one-person"]
        if not wrong:
            self._holds(unit, study, override, judged)
        elif override is not None and override.state is OverrideState.OPEN:
            reason = f"What the override was made on has changed: {', '.join(wrong)}."
            life.let_fall(unit, GATE, study, OverrideStep.REVOKE, reason)
        elif study.doubt is None:
            self._doubt(unit, study, wrong)

    def _judged(self, unit: UnitOfWork, check_id: int, chosen: int | None) -> Judged | None:
        """What the rules say of the header of a check; None where that could not be finished."""
        try:
            with unit.savepoint():
                check = unit.studies.check(check_id)
                header = header_of(check.header)
                return judge(unit, self._config, self._policy, header, chosen=chosen, arrival=check.arrival)
        except TemporaryFailure:
            raise
        except Exception:
            _log.exception("a study could not be judged again")
            return None

    def _holds(
        self, unit: UnitOfWork, study: StoredStudy, override: StoredOverride | None, judged: Judged | None
    ) -> None:
        if study.doubt is Doubt.INDEX:
            reason = "The rules hold again."
            unit.studies.clear(study, reason, event=AuditEvent(GATE, Action.STUDY_CLEARED))
            tasks.settle(unit, GATE, study.study_uid, reason)
        if override is not None and override.state is OverrideState.OPEN and judged is not None and not judged.unmet:
            reason = "Every rule holds by itself now."
            life.end_override(unit, GATE, study.study_uid, OverrideStep.CONFIRM, reason)
            unit.studies.verify(study, reason, event=AuditEvent(GATE, Action.STUDY_CLEARED))
            tasks.settle(unit, GATE, study.study_uid, reason)

    def _doubt(self, unit: UnitOfWork, study: StoredStudy, wrong: list[str]) -> None:
        reason = f"The index has changed, and these rules do not hold any more: {', '.join(wrong)}."
        event = AuditEvent(GATE, Action.STUDY_DOUBTED, record_id=study.record_id, detail={"doubt": "index"})
        unit.studies.doubt(study, Doubt.INDEX, reason, event=event)
        tasks.ask(unit, GATE, study.study_uid, reason, failed=wrong)
        _log.warning("an attached study is in doubt", extra={"facts": {"study": study.study_uid, "rules": wrong}})

    def _look_at_held(self, unit: UnitOfWork, study: StoredStudy) -> None:
        """Let a held study in where every rule holds now; an override that waits falls where more fails."""
        override = holding_override(unit, study)
        if override is not None:
            judged = self._judged(unit, override.check_id, holder(unit, override.person_id))
            if wrong := _wrong(judged, override):
                reason = f"What the override was made on has changed: {', '.join(wrong)}."
                life.let_fall(unit, GATE, study, OverrideStep.REVOKE, reason)
            return
        last = unit.studies.latest_check(study.study_uid)
        judged = self._judged(unit, last.id, None) if last is not None else None
        if last is not None and judged is not None and judged.decision is GateDecision.ATTACH:
            write_check(unit, self._policy, GATE, header_of(last.header), judged, last.arrival)


def _wrong(judged: Judged | None, override: StoredOverride | None) -> list[str]:
    """The rules that speak against an attachment, beside those that its override covers."""
    if judged is None:
        return ["internal-error"]
    return sorted(set(judged.unmet) - set(override.rules if override else ()) - NOT_AFTERWARDS)


def _concerned(unit: UnitOfWork, events: Iterable[Event]) -> list[str]:
    """The studies that these events may touch, each once: attached ones, and held ones that could be let in."""
    records: set[int] = set()
    persons: set[int] = set()
    for event in events:
        records |= {r for r in (event.record_id, *event.others) if r is not None}
        persons |= {event.person_id} if event.person_id is not None else set()
        task = unit.tasks.get(event.task_id) if event.task_id is not None else None
        if task is not None:
            records |= {r for r in (task.left_record, task.right_record) if r is not None}
        for number in event.numbers:
            records |= set(unit.records.with_number("NHS", number))
    if not records and not persons:
        return []
    stored = unit.records.get(sorted(records))
    records |= {unit.records.survivor(record).id for record in stored.values()}
    persons |= {link.person_id for link in unit.persons.current_links(sorted(records))}
    rows = unit.persons.get(sorted(persons))
    persons |= unit.persons.with_merged({unit.persons.survivor(row).id for row in rows.values()})
    found = {study.study_uid for study in unit.studies.concerned(persons, records)}
    return sorted(found | set(unit.studies.held_for(persons)) | set(unit.overrides.open_of(sorted(persons))))
