"""Lists and counts of outside studies."""

from collections.abc import Collection
from typing import Any, NamedTuple

from sqlalchemy import Boolean, ColumnElement, Select, Text, bindparam, func, or_, select

from mpi.domain.study import GateDecision
from mpi.domain.study_lists import StudyFilter, StudyPlace
from mpi.store import clock
from mpi.store.statements import Statements
from mpi.store.tables import person, source_record, study_check, study_event, study_override
from mpi.store.tables import study as t

_ATTACHED = t.c.person_id.is_not(None)
_PLACES: dict[StudyPlace, ColumnElement[bool]] = {
    StudyPlace.HELD: ~_ATTACHED & (t.c.decision == GateDecision.HOLD.value),
    StudyPlace.IN_DOUBT: _ATTACHED & t.c.doubt.is_not(None),
    StudyPlace.UNVERIFIED: _ATTACHED & ~t.c.verified & t.c.doubt.is_(None),
    StudyPlace.ATTACHED: _ATTACHED & t.c.verified & t.c.doubt.is_(None),
    StudyPlace.REFUSED: ~_ATTACHED & (t.c.decision == GateDecision.REFUSE.value),
}


class ListedStudy(NamedTuple):
    """A row of a list; `person` is the enterprise id, perhaps of one that was merged since."""

    study_uid: str
    person_id: int | None
    person: str | None
    site: str | None
    decision: str
    doubt: str | None
    verified: bool
    origin: str
    first_seen_at: str
    updated_at: str


class MadeOverride(NamedTuple):
    """What statistics need of an override; `rules` is JSON."""

    rules: str
    role: str
    site: str


def _text(name: str) -> ColumnElement[str]:
    return bindparam(name, type_=Text)


_FILTERS = (
    or_(_text("since").is_(None), t.c.updated_at >= _text("since")),
    or_(_text("until").is_(None), t.c.updated_at < _text("until")),
    or_(_text("site").is_(None), source_record.c.authority == _text("site")),
    or_(
        bindparam("every_site", type_=Boolean).is_(True),
        t.c.person_id.is_(None),
        source_record.c.authority.in_(bindparam("sites", expanding=True)),
    ),
)
_FROM = t.outerjoin(source_record, source_record.c.id == t.c.record_id).outerjoin(person, person.c.id == t.c.person_id)


def _page(condition: ColumnElement[bool] | None) -> Select[Any]:
    found = (
        select(
            t.c.study_uid,
            t.c.person_id,
            person.c.enterprise_id,
            source_record.c.authority,
            t.c.decision,
            t.c.doubt,
            t.c.verified,
            t.c.origin,
            t.c.first_seen_at,
            t.c.updated_at,
        )
        .select_from(_FROM)
        .where(*_FILTERS)
        .order_by(t.c.updated_at, t.c.study_uid)
        .limit(bindparam("most"))
        .offset(bindparam("skip"))
    )
    return found if condition is None else found.where(condition)


def _count(condition: ColumnElement[bool] | None) -> Select[Any]:
    found = select(func.count()).select_from(_FROM).where(*_FILTERS)
    return found if condition is None else found.where(condition)


_pages = {place: _page(condition) for place, condition in _PLACES.items()} | {None: _page(None)}
_counts = {place: _count(condition) for place, condition in _PLACES.items()} | {None: _count(None)}
_events = (
    select(study_event.c.study_uid, study_event.c.at, study_event.c.step)
    .where(study_event.c.at >= bindparam("since"))
    .order_by(study_event.c.study_uid, study_event.c.seq)
    .limit(bindparam("most"))
)
_held_rules = (
    select(study_check.c.rules)
    .where(study_check.c.at >= bindparam("since"), study_check.c.decision == GateDecision.HOLD.value)
    .order_by(study_check.c.id.desc())
    .limit(bindparam("most"))
)
_overrides = (
    select(study_override.c.rules, study_override.c.role, study_override.c.site)
    .where(study_override.c.made_at >= bindparam("since"))
    .order_by(study_override.c.id.desc())
    .limit(bindparam("most"))
)


class StudyLists:
    """Lists of studies inside one transaction. `sites` None: every site; else attached studies of these only."""

    def __init__(self, connection: Statements) -> None:
        self._connection = connection

    def page(self, wanted: StudyFilter, sites: Collection[str] | None, most: int, skip: int) -> list[ListedStudy]:
        """The studies that fit, those that changed longest ago first."""
        values = {**_values(wanted, sites), "most": most, "skip": skip}
        return [ListedStudy(*row) for row in self._connection.execute(_pages[wanted.place], values)]

    def count(self, wanted: StudyFilter, sites: Collection[str] | None) -> int:
        """How many studies fit."""
        return int(self._connection.execute(_counts[wanted.place], _values(wanted, sites)).scalar_one())

    def steps(self, since: str, most: int) -> list[tuple[str, str, str]]:
        """Study, instant and step of what happened since, study by study, in order."""
        rows = self._connection.execute(_events, {"since": since, "most": most})
        return [(row.study_uid, row.at, row.step) for row in rows]

    def held_rules(self, since: str, most: int) -> list[str]:
        """The rules' outcomes (JSON) of the checks since that held a study, the newest first."""
        return list(self._connection.execute(_held_rules, {"since": since, "most": most}).scalars())

    def overrides(self, since: str, most: int) -> list[MadeOverride]:
        """The overrides made since, the newest first."""
        return [MadeOverride(*row) for row in self._connection.execute(_overrides, {"since": since, "most": most})]


def _values(wanted: StudyFilter, sites: Collection[str] | None) -> dict[str, object]:
    since, until = (clock.stamp(one) if one else None for one in (wanted.since, wanted.until))
    bounds = {"since": since, "until": until, "site": wanted.site}
    return {**bounds, "every_site": sites is None, "sites": sorted(sites or ())}


def place_of(row: ListedStudy) -> StudyPlace:
    """Where a listed study is."""
    if row.person_id is None:
        return StudyPlace.REFUSED if row.decision == GateDecision.REFUSE.value else StudyPlace.HELD
    if row.doubt is not None:
        return StudyPlace.IN_DOUBT
    return StudyPlace.ATTACHED if row.verified else StudyPlace.UNVERIFIED
