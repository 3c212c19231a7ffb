"""Scorecards of the sources: what is wrong with their records, how that changes, and the list to mend it by."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from mpi.config import Config
from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.errors import NotFound
from mpi.domain.roles import Permission, check_actor
from mpi.matching.defects import Defect, Fault, defects_of
from mpi.matching.prepared import Prepared
from mpi.store import clock
from mpi.store.records import ACTIVE, StoredRecord
from mpi.store.sources import FIXED, RECORDS, Listed, Score
from mpi.store.unit_of_work import Store, UnitOfWork

CHUNK = 500
_OVERLAP = timedelta(hours=1)
"""A look goes back so far beyond the one before, for what was being written when that began."""
_EVERY = timedelta(hours=20)
TREND_WEEKS = 12


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look did: records looked at, defects newly listed, and found gone."""

    records: int
    listed: int
    fixed: int


@dataclass(frozen=True, slots=True)
class Card:
    """How one source of one authority stands: registrations, and how many of them have which kind of fault, by field.

    `fixed` counts the faults that the last look found gone.
    """

    authority: str
    name: str
    source: str
    records: int
    faults: tuple[tuple[Defect, int], ...]
    """Most frequent first."""
    fixed: int

    def of(self, fault: Fault) -> int:
        """How many faults of this kind there are, all fields together."""
        return sum(n for defect, n in self.faults if defect.fault is fault)

    def per_thousand(self, fault: Fault) -> float:
        """The same for each thousand registrations."""
        return 1000 * self.of(fault) / self.records if self.records else 0.0


@dataclass(frozen=True, slots=True)
class Week:
    """How an authority stood at the last look of a week, which begins on the Monday `monday` (ISO 8601)."""

    monday: str
    records: int
    faults: int
    duplicates: int
    fixed: int


@dataclass(frozen=True, slots=True)
class Scorecards:
    """The cards of all sources at the last look (`at`; None: nobody has looked yet)."""

    at: str | None
    cards: tuple[Card, ...]


@dataclass(frozen=True, slots=True)
class FixList:
    """What one authority has to mend; `withheld` counts lines of restricted people, which are left out."""

    authority: str
    lines: tuple[Listed, ...]
    withheld: int


def _always() -> bool:
    return True


class SourceCards:
    """Looks for faults, counts and lists them."""

    def __init__(self, store: Store, config: Config) -> None:
        self._store = store
        self._config = config

    def look_due(self, actor: Actor, go_on: Callable[[], bool] = _always) -> Looked | None:
        """Look where the last look is most of a day old; None: it is not, or the look was broken off."""
        with self._store.reading() as unit:
            last = unit.sources.last_look()
            if last is not None and clock.read(unit.now) - clock.read(last) < _EVERY:
                return None
        return self.look(actor, go_on)

    def look(self, actor: Actor, go_on: Callable[[], bool] = _always) -> Looked | None:
        """Look at what has changed since the last look; what was listed and is gone counts as fixed.

        `go_on` is asked between handfuls of records: it may wait a while, so that others come to their turn, and breaks
        the look off where it says no (None). A look that was broken off counts for nothing, and the next begins anew.
        """
        check_actor(actor, Permission.LOOK_AT_SOURCES)
        with self._store.writing(identities=False) as unit:
            before = unit.sources.last_look()
            look_id = unit.sources.begin_look()
        since = clock.stamp(clock.read(before) - _OVERLAP) if before else None
        total, after = Counter[str](), 0
        while True:
            with self._store.reading() as unit:
                ids = unit.sources.changed(since, after, CHUNK)
                found = _defects(unit, ids)
            if not ids:
                break
            after = ids[-1]
            total += self._write(found)
            if not go_on():
                return None
        done = Looked(total["records"], total["listed"], total["fixed"])
        detail = {"records": done.records, "listed": done.listed, "fixed": done.fixed}
        with self._store.writing(identities=False) as unit:
            unit.sources.end_look(look_id, before, event=AuditEvent(actor, Action.SOURCES_LOOKED_AT, detail=detail))
        return done

    def _write(self, found: dict[int, frozenset[Defect]]) -> Counter[str]:
        with self._store.writing(identities=False) as unit:
            known = {(s.record_id, Defect(s.field, Fault(s.fault))): s.id for s in unit.sources.standing(sorted(found))}
            now = {(record, defect) for record, defects in found.items() for defect in defects}
            new = sorted(now - known.keys())
            gone = [known[key] for key in sorted(known.keys() - now)]
            unit.sources.list_defects((record, defect.field, defect.fault.value) for record, defect in new)
            unit.sources.fix(gone)
        return Counter(records=len(found), listed=len(new), fixed=len(gone))

    def cards(self, actor: Actor) -> Scorecards:
        """How the sources stood at the last look. Raises `NotAllowed`."""
        check_actor(actor, Permission.VIEW_QUALITY)
        with self._store.reading() as unit:
            last = unit.sources.last_look()
            scores = unit.sources.scores(last) if last else []
        keys = dict.fromkeys((score.authority, score.source) for score in scores)
        return Scorecards(last, tuple(self._card(*key, scores) for key in keys))

    def _card(self, authority: str, source: str, scores: Sequence[Score]) -> Card:
        own = [s for s in scores if (s.authority, s.source) == (authority, source)]
        faults = [(Defect(s.field, Fault(s.measure)), s.n) for s in own if s.measure not in (RECORDS, FIXED)]
        counted = {s.measure: s.n for s in own}
        known = self._config.authority(authority)
        return Card(
            authority,
            known.name if known else authority,
            source,
            counted.get(RECORDS, 0),
            tuple(sorted(faults, key=lambda one: (-one[1], one[0]))),
            counted.get(FIXED, 0),
        )

    def trend(self, actor: Actor, authority: str) -> tuple[Week, ...]:
        """How an authority stood week by week, oldest first. Raises `NotAllowed`."""
        check_actor(actor, Permission.VIEW_QUALITY)
        with self._store.reading() as unit:
            since = clock.stamp(clock.read(unit.now) - timedelta(weeks=TREND_WEEKS))
            scores = [s for s in unit.sources.scores(since) if s.authority == authority]
        weeks: dict[str, dict[str, list[Score]]] = {}
        for score in scores:
            weeks.setdefault(_monday(score.at), {}).setdefault(score.at, []).append(score)
        return tuple(_week(monday, looks) for monday, looks in sorted(weeks.items()))

    def fix_list(self, actor: Actor, authority: str) -> FixList:
        """What an authority's records have wrong, by local number. Raises `NotAllowed`, `NotFound`; audited."""
        check_actor(actor, Permission.EXPORT_FIX_LIST)
        known = self._config.authority(authority)
        if known is None:
            raise NotFound("there is no such authority")
        with self._store.reading() as unit:
            lines = unit.sources.listed(known.code)
            links = unit.persons.current_links(dict.fromkeys(line.record_id for line in lines))
            restricted = unit.records.restricted_persons({one.person_id for one in links})
            hidden = {one.record_id for one in links if one.person_id in restricted}
            shown = tuple(line for line in lines if line.record_id not in hidden)
            detail = {"site": known.code, "lines": len(shown)}
            unit.audit(AuditEvent(actor, Action.FIX_LIST_EXPORTED, detail=detail))
        return FixList(known.code, shown, len(lines) - len(shown))


def _defects(unit: UnitOfWork, ids: list[int]) -> dict[int, frozenset[Defect]]:
    """The faults of these records, and of the others of their persons: what one says may contradict the other."""
    persons = {link.person_id for link in unit.persons.current_links(ids)} if ids else set()
    members: dict[int, list[int]] = {}
    for link in unit.persons.members(persons):
        members.setdefault(link.person_id, []).append(link.record_id)
    wanted = set(ids).union(*members.values())
    records = unit.records.get(sorted(wanted)) if wanted else {}
    prepared = {i: Prepared.from_json(r.prepared) for i, r in records.items()}
    whose = {record: person for person, own in members.items() for record in own}
    found = {}
    for i, record in records.items():
        together = [j for j in members.get(whose.get(i, 0), []) if j != i and j in records and _stands(records[j])]
        twice = any(records[j].authority == record.authority for j in together)
        found[i] = (
            defects_of(
                record.recorded, prepared[i], record.problems, [prepared[j] for j in together], registered_twice=twice
            )
            if _stands(record) and not prepared[i].placeholder
            else frozenset()
        )
    return found


def _stands(record: StoredRecord) -> bool:
    return record.status == ACTIVE and not record.protected


def _monday(at: str) -> str:
    day = clock.read(at).date()
    return (day - timedelta(days=day.weekday())).isoformat()


def _week(monday: str, looks: dict[str, list[Score]]) -> Week:
    last = looks[max(looks)]
    return Week(
        monday,
        sum(s.n for s in last if s.measure == RECORDS),
        sum(s.n for s in last if s.measure not in (RECORDS, FIXED)),
        sum(s.n for s in last if s.measure == Fault.DUPLICATE.value),
        sum(s.n for look in looks.values() for s in look if s.measure == FIXED),
    )
