"""Searching the audit trail: by person, account, kind of event, time and site. Newest events first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, exists, or_, select

from mpi.store.statements import Statements
from mpi.store.tables import audit_event as t
from mpi.store.tables import link, person, review_task, source_record

_CHUNK = 1000


@dataclass(frozen=True, slots=True)
class Trace:
    """What a person's name in the trail can be: ids of persons, of records and of tasks about these, enterprise ids."""

    person_ids: frozenset[int]
    record_ids: frozenset[int]
    task_ids: frozenset[int]
    enterprise_ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events are wanted; None: whichever. Instants as stored; `until` is left out itself."""

    trace: Trace | None = None
    actor: str | None = None
    actions: frozenset[str] | None = None
    since: str | None = None
    until: str | None = None
    site: str | None = None
    before: int | None = None
    """Events before this sequence number: the next page."""


class EventRow(NamedTuple):
    """One event; `enterprise_id` is of the person it names, None where it names none."""

    seq: int
    at: str
    actor: str
    role: str
    action: str
    task_id: int | None
    body: str
    enterprise_id: str | None


def trace_of(connection: Statements, person_ids: Sequence[int], record_ids: Sequence[int]) -> Trace:
    """All that these persons and records go by in the trail, persons that were merged into them among it."""
    persons, wave = set(person_ids), list(person_ids)
    while wave:
        merged = select(person.c.id).where(person.c.merged_into.in_(wave))
        wave = [one for one in connection.execute(merged).scalars() if one not in persons]
        persons.update(wave)
    records = set(record_ids)
    sides = or_(review_task.c.left_record.in_(records), review_task.c.right_record.in_(records))
    tasks = connection.execute(select(review_task.c.id).where(sides)).scalars() if records else ()
    names = connection.execute(select(person.c.enterprise_id).where(person.c.id.in_(persons))).scalars()
    return Trace(frozenset(persons), frozenset(records), frozenset(tasks), frozenset(names))


def page(connection: Statements, wanted: Wanted, most: int) -> list[EventRow]:
    """The latest `most` of the events that are wanted."""
    return [EventRow(*row) for row in connection.execute(_statement(wanted).limit(most))]


def every(connection: Statements, wanted: Wanted, most: int) -> Iterator[EventRow]:
    """The same, page by page, up to `most` events."""
    left = most
    while left > 0 and (rows := page(connection, wanted, min(left, _CHUNK))):
        yield from rows
        left -= len(rows)
        wanted = _before(wanted, rows[-1].seq)


def _before(wanted: Wanted, seq: int) -> Wanted:
    return Wanted(wanted.trace, wanted.actor, wanted.actions, wanted.since, wanted.until, wanted.site, seq)


def _statement(wanted: Wanted) -> Select[Any]:
    columns = (t.c.seq, t.c.at, t.c.actor, t.c.role, t.c.action, t.c.task_id, t.c.body, person.c.enterprise_id)
    found = select(*columns).outerjoin_from(t, person, person.c.id == t.c.person_id).order_by(t.c.seq.desc())
    if wanted.trace is not None:
        found = found.where(_about(wanted.trace))
    if wanted.actor is not None:
        found = found.where(t.c.actor == wanted.actor)
    if wanted.actions is not None:
        found = found.where(t.c.action.in_(sorted(wanted.actions)))
    if wanted.since is not None:
        found = found.where(t.c.at >= wanted.since)
    if wanted.until is not None:
        found = found.where(t.c.at < wanted.until)
    if wanted.site is not None:
        found = found.where(_of_site(wanted.site))
    if wanted.before is not None:
        found = found.where(t.c.seq < wanted.before)
    return found


def _about(trace: Trace) -> ColumnElement[bool]:
    """Events that name the person, or list it: a search tells whom it found by enterprise id, a queue by task."""
    listed = [t.c.body.contains(f'"{name}"', autoescape=True) for name in sorted(trace.enterprise_ids)]
    shown = [
        t.c.body.contains(mark, autoescape=True)
        for task in sorted(trace.task_ids)
        for mark in (f"[{task},", f",{task},", f",{task}]", f"[{task}]")
    ]
    return or_(
        t.c.person_id.in_(sorted(trace.person_ids)),
        t.c.record_id.in_(sorted(trace.record_ids)),
        t.c.task_id.in_(sorted(trace.task_ids)),
        *listed,
        and_(t.c.action == "task.read", t.c.task_id.is_(None), or_(*shown)) if shown else or_(False),
    )


def _of_site(site: str) -> ColumnElement[bool]:
    """Events about a record of the site, or about a person who has one now."""
    own = exists().where(source_record.c.id == t.c.record_id, source_record.c.authority == site)
    theirs = exists().where(
        link.c.person_id == t.c.person_id,
        link.c.valid_to.is_(None),
        source_record.c.id == link.c.record_id,
        source_record.c.authority == site,
    )
    return or_(own, theirs)
