"""What an operator of the gate has to do, and how the gate has done: lists, turnaround, overrides by rule."""

import json
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from statistics import median

from mpi.config import Config
from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.errors import BadInput
from mpi.domain.roles import Permission, check_actor
from mpi.domain.study import GateDecision, Origin, RuleResult
from mpi.domain.study_life import Doubt, StudyStep
from mpi.domain.study_lists import Figures, RuleFigures, StudyFilter, StudyLine, StudyList, StudyPlace
from mpi.store import clock
from mpi.store.studies import StoredStudy
from mpi.store.study_lists import ListedStudy, place_of
from mpi.store.unit_of_work import Store, UnitOfWork

MOST_COUNTED = 50_000
"""Steps, checks and overrides that statistics look at; the newest."""
_SETTLED = frozenset({StudyStep.ATTACHED.value, StudyStep.RELEASED.value, StudyStep.REFUSED.value})
_WAITING = frozenset({StudyStep.HELD.value, StudyStep.DETACHED.value, StudyStep.DOUBTED.value})


class StudyLists:
    """Lists of outside studies for who may see them."""

    def __init__(self, store: Store, config: Config) -> None:
        self._store = store
        self._config = config

    def page(self, actor: Actor, wanted: StudyFilter, limit: int = 100, offset: int = 0) -> StudyList:
        """Studies by place, time and site; nothing in the question names a patient. Raises `BadInput` by field."""
        check_actor(actor, Permission.VIEW_STUDY)
        if wanted.site is not None and self._config.authority(wanted.site) is None:
            raise BadInput("the site is not known", field="site", code="unknown-authority")
        with self._store.reading() as unit:
            rows = unit.study_lists.page(wanted, actor.sites, limit, offset)
            total = unit.study_lists.count(wanted, actor.sites)
            detail = {"listed": [row.study_uid for row in rows if row.person_id is not None]}
            unit.audit(AuditEvent(actor, Action.STUDIES_READ, detail=detail))
            return StudyList(tuple(_line(unit, row) for row in rows), total)

    def counts(self, actor: Actor) -> dict[StudyPlace, int]:
        """How many studies are where."""
        check_actor(actor, Permission.VIEW_STUDY)
        with self._store.reading() as unit:
            return {place: unit.study_lists.count(StudyFilter(place), actor.sites) for place in StudyPlace}

    def figures(self, actor: Actor, days: int = 30) -> Figures:
        """Turnaround and overrides of the last `days`, over all sites."""
        check_actor(actor, Permission.VIEW_STUDY)
        with self._store.reading() as unit:
            since = clock.stamp(clock.read(unit.now) - timedelta(days=days))
            hours = _turnaround(unit.study_lists.steps(since, MOST_COUNTED))
            made = unit.study_lists.overrides(since, MOST_COUNTED)
            held = Counter(rule for text in unit.study_lists.held_rules(since, MOST_COUNTED) for rule in _failed(text))
            waiting = unit.study_lists.count(StudyFilter(StudyPlace.HELD), None)
        overridden = Counter(rule for one in made for rule in json.loads(one.rules))
        return Figures(
            days,
            len(hours),
            round(median(hours), 1) if hours else None,
            round(max(hours), 1) if hours else None,
            waiting,
            tuple(_rules(held, overridden)),
            tuple(Counter(one.role for one in made).most_common()),
            tuple(Counter(one.site for one in made).most_common()),
        )


def line_of(unit: UnitOfWork, study: StoredStudy) -> StudyLine:
    """One study as lists show it."""
    record = unit.records.get([study.record_id]).get(study.record_id) if study.record_id is not None else None
    return _line(
        unit,
        ListedStudy(
            study.study_uid,
            study.person_id,
            None,
            record.authority if record else None,
            study.decision.value,
            study.doubt.value if study.doubt else None,
            study.verified,
            study.origin.value,
            study.first_seen_at,
            study.updated_at,
        ),
    )


def _line(unit: UnitOfWork, row: ListedStudy) -> StudyLine:
    person = row.person
    if row.person_id is not None:
        person = unit.persons.survivor(unit.persons.get([row.person_id])[row.person_id]).enterprise_id
    return StudyLine(
        row.study_uid,
        place_of(row),
        GateDecision(row.decision),
        Doubt(row.doubt) if row.doubt else None,
        row.verified,
        Origin(row.origin),
        person,
        row.site if row.person_id is not None else None,
        row.first_seen_at,
        row.updated_at,
    )


def _turnaround(steps: Iterable[tuple[str, str, str]]) -> list[float]:
    """Hours from each hold (or doubt, or detachment) to what settled it."""
    found = []
    study, since = "", None
    for uid, at, step in steps:
        if uid != study:
            study, since = uid, None
        if step in _WAITING:
            since = since or at
        elif since is not None and (step in _SETTLED or step == StudyStep.CLEARED.value):
            found.append((clock.read(at) - clock.read(since)).total_seconds() / 3600)
            since = None
    return found


def _failed(rules: str) -> list[str]:
    return [rule for rule, result, *_ in json.loads(rules) if result == RuleResult.FAILED.value]


def _rules(held: Counter[str], overridden: Counter[str]) -> Iterable[RuleFigures]:
    for rule in sorted(held | overridden, key=lambda one: (-overridden[one], -held[one], one)):
        both = held[rule] + overridden[rule]
        yield RuleFigures(rule, held[rule], overridden[rule], round(overridden[rule] / both, 3))
