"""What a change of identities would touch, told before anything is done: identifiers, sites, tasks, studies, others.

The list is worked out by saying the change and looking at the difference, so it shows what will be done, not more.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mpi.config import Config
from mpi.domain.errors import Conflict
from mpi.domain.person import NHS
from mpi.domain.replay import Kind, State, Statement
from mpi.domain.roles import Role
from mpi.services import identity
from mpi.services.lives import Lives
from mpi.services.reshape import Difference
from mpi.services.views import WITHHELD
from mpi.store.history import StoredChange
from mpi.store.records import StoredRecord
from mpi.store.unit_of_work import UnitOfWork

NEW_PERSON = "a new person"


@dataclass(frozen=True, slots=True)
class Named:
    """An identifier as pages write it: `not shown` of a hidden identity, `withheld` of a restricted person."""

    authority: str
    value: str

    def __str__(self) -> str:
        return self.value if self.authority == self.value else f"{self.authority} {self.value}"


@dataclass(frozen=True, slots=True)
class Moved:
    """An identifier that goes elsewhere. Persons are enterprise ids; None: it leads to another number instead."""

    identifier: Named
    from_person: str | None
    to_person: str | None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class KeptApart:
    """Two identifiers whose people are marked as different (`made`), or no longer."""

    one: Named
    other: Named
    made: bool


@dataclass(frozen=True, slots=True)
class Effect:
    """Everything a change touches."""

    identifiers: tuple[Moved, ...] = ()
    apart: tuple[KeptApart, ...] = ()
    persons_gone: tuple[str, ...] = ()
    """Enterprise ids for which another stands afterwards."""
    persons_back: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    """Authorities whose numbers lie with the persons concerned; none are told of restricted people."""
    tasks: tuple[tuple[int, str], ...] = ()
    """Task numbers with what becomes of each."""
    studies: tuple[tuple[str, str], ...] = ()
    """Attached imaging studies with the person each is attached to now (enterprise id)."""
    subscribers: tuple[str, ...] = ()
    """Systems that hear of it; none are named of restricted people, for they would tell the sites."""
    notes: tuple[str, ...] = ()
    """What cannot be done as it was, in plain English."""

    @property
    def digest(self) -> str:
        """A short mark of all of it: what was shown and what would be done are the same where their marks are."""
        return hashlib.sha256(repr(self).encode("utf-8", "surrogatepass")).hexdigest()[:16]

    @property
    def nothing(self) -> bool:
        """Whether no identity changes."""
        return not (self.identifiers or self.apart or self.persons_gone or self.persons_back)


@dataclass(frozen=True, slots=True)
class ChangeView:
    """One change as pages show it. `undoes` and `undone_by` are the numbers of other changes."""

    id: int
    at: str
    made_by: str
    role: str
    text: str
    reason: str | None
    task_id: int | None
    undoes: int | None
    undone_by: int | None


def check_seen(effect: Effect, seen: str | None) -> None:
    """Raise `Conflict` where what was shown (`Effect.digest`; None: nothing was) is not what would be done now."""
    if seen is not None and seen != effect.digest:
        raise Conflict("something has changed since this was shown; look again at what it would touch")


_WORDS = {
    Kind.LINK: "{one} was linked with {other}",
    Kind.JOIN: "{one} and {other} became one person",
    Kind.APART: "{one} and {other} were marked as different people",
    Kind.TOGETHER: "{one} and {other} are no longer marked as different people",
    Kind.MERGE: "{one} was merged into {other}",
    Kind.RENAME: "{one} was renamed to {other}",
    Kind.PUT: "{one} was moved to another person",
}
_MOST_SAID = 10


def change_view(unit: UnitOfWork, change: StoredChange) -> ChangeView:
    """A change in plain English."""
    return change_views(unit, [change])[0]


def change_views(unit: UnitOfWork, changes: Sequence[StoredChange]) -> list[ChangeView]:
    """Changes in plain English, in their order."""
    touched = {r for c in changes for said in c.statements for r in said.records}
    records = _guarded(unit, unit.records.get(sorted(touched)))
    return [
        ChangeView(
            c.id, c.at, _maker(c, records), c.role, _text(c, records), c.reason, c.task_id, c.undoes, c.undone_by
        )
        for c in changes
    ]


def _guarded(unit: UnitOfWork, records: Mapping[int, StoredRecord]) -> dict[int, StoredRecord]:
    """The records, each marked as restricted where any record of its person is."""
    persons = {record_id: identity.person_of(unit, record_id) for record_id in records}
    restricted = unit.records.restricted_persons({p for p in persons.values() if p is not None})
    return {r: one._replace(restricted=one.restricted or persons[r] in restricted) for r, one in records.items()}


def _maker(change: StoredChange, records: Mapping[int, StoredRecord]) -> str:
    """Who made a change; of a restricted person not which hospital's feed it was."""
    touched = {r for said in change.statements for r in said.records}
    told = change.role != "feed" or not any(records[r].restricted for r in touched if r in records)
    return change.made_by if told else WITHHELD


def changes_of(unit: UnitOfWork, person_id: int) -> list[ChangeView]:
    """The changes that touched the records of a person, now or ever, newest first."""
    ever = {link.record_id for link in unit.persons.ever([person_id])}
    return change_views(unit, may_be_shown(unit, unit.history.of_records(ever)[::-1]))


def may_be_shown(unit: UnitOfWork, changes: Sequence[StoredChange]) -> list[StoredChange]:
    """The changes without those that tell of an identity that was left behind."""
    touched = {c.id: touched_by(unit, c) for c in changes}
    records = unit.records.get(sorted(set().union(*touched.values())))
    hidden = {record.id for record in records.values() if record.protected}
    return [c for c in changes if not hidden & touched[c.id]]


def touched_by(unit: UnitOfWork, change: StoredChange) -> set[int]:
    """The records of which a change speaks; of an undo, and of an undo of one, those of what was taken back too."""
    found: set[int] = set()
    step: StoredChange | None = change
    while step is not None:
        found |= {r for said in step.statements for r in said.records}
        step = unit.history.get(step.undoes) if step.undoes is not None else None
    return found


def _text(change: StoredChange, records: Mapping[int, StoredRecord]) -> str:
    said = [_said(one, records) for one in change.statements[:_MOST_SAID]]
    more = len(change.statements) - _MOST_SAID
    parts = [f"Change {change.undoes} was taken back"] if change.undoes is not None else []
    text = "; ".join(parts + said) + (f"; and {more} more" if more > 0 else "")
    return text[:1].upper() + text[1:]


def _said(said: Statement, records: Mapping[int, StoredRecord]) -> str:
    one, other = (named(records.get(r)) if r is not None else "" for r in (said.one, said.other))
    words = "{one} was moved to the person of {other}" if said.kind is Kind.PUT and other else _WORDS[said.kind]
    return words.format(one=one, other=other)


def named(record: StoredRecord | None) -> Named:
    """How a record is called; one that is protected has no name for whoever may not see it, nor a restricted one."""
    if record is None or record.protected:
        return Named("not shown", "not shown")
    if record.restricted:
        return Named(WITHHELD, f"record {record.id}")
    return Named(record.authority, record.local_id)


class Picture:
    """Draws effects for one role."""

    def __init__(self, unit: UnitOfWork, config: Config, role: Role, lives: Lives) -> None:
        self._unit = unit
        self._config = config
        self._role = role
        self._records = _guarded(unit, lives.records)

    def effect(
        self, before: State, after: State, todo: Difference, tasks: Mapping[int, str], notes: Iterable[str] = ()
    ) -> Effect:
        """What `todo` touches."""
        persons = {p for state in (before, after) for r in todo.moves if (p := state.person_of.get(r)) is not None}
        persons |= {p for pair in (*todo.apart_made, *todo.apart_ended) for r in pair if (p := after.person_of.get(r))}
        ids = self._enterprise_ids(persons)
        members = {r for state in (before, after) for p in persons for r in state.members(p)} | set(todo.moves)
        standing_before, standing_after = set(before.person_of.values()), set(after.person_of.values())
        domains = self._domains(members)
        restricted = self._restricted(members)
        return Effect(
            identifiers=tuple(self._moved(r, before, after, ids) for r in todo.moves),
            apart=tuple(
                KeptApart(named(self._records.get(one)), named(self._records.get(other)), made)
                for pairs, made in ((todo.apart_made, True), (todo.apart_ended, False))
                for one, other in pairs
            ),
            persons_gone=self._names((standing_before - standing_after) & persons, ids),
            persons_back=self._names({p for p in (standing_after - standing_before) & persons if p > 0}, ids),
            sites=() if restricted else tuple(sorted(code for code in domains if code != NHS)),
            tasks=self._tasks(members, tasks),
            studies=self._studies(persons, ids),
            subscribers=() if restricted else self._told(domains),
            notes=tuple(notes),
        )

    def _names(self, persons: Iterable[int], ids: Mapping[int, str]) -> tuple[str, ...]:
        return tuple(sorted(ids.get(person, NEW_PERSON) for person in persons))

    def _enterprise_ids(self, persons: Iterable[int]) -> dict[int, str]:
        rows = self._unit.persons.get(sorted(p for p in persons if p > 0))
        return {person_id: row.enterprise_id for person_id, row in rows.items()}

    def _moved(self, record_id: int, before: State, after: State, ids: Mapping[int, str]) -> Moved:
        def person(state: State) -> str | None:
            found = state.person_of.get(record_id)
            return None if found is None else ids.get(found, NEW_PERSON)

        into = after.merged.get(record_id)
        was = before.merged.get(record_id)
        note = None
        if into is not None and into != was:
            note = f"leads to {named(self._records.get(into[0]))}"
        elif was is not None and into is None:
            note = "is used again"
        return Moved(named(self._records.get(record_id)), person(before), person(after), note)

    def _restricted(self, members: Iterable[int]) -> bool:
        return any(r.restricted for m in members if (r := self._records.get(m)) is not None)

    def _told(self, domains: set[str]) -> tuple[str, ...]:
        return tuple(one.name for one in self._config.subscribers if domains & set(one.domains))

    def _domains(self, members: Iterable[int]) -> set[str]:
        records = [r for m in members if (r := self._records.get(m)) is not None and not r.protected]
        numbers = self._unit.records.identifiers_of([r.id for r in records])
        return {r.authority for r in records} | {row.authority for row in numbers}

    def _tasks(self, members: Iterable[int], known: Mapping[int, str]) -> tuple[tuple[int, str], ...]:
        found = {task.id: "open" for task in self._unit.tasks.open_of(sorted(members), shown=True)}
        return tuple(sorted((found | dict(known)).items()))

    def _studies(self, persons: Iterable[int], ids: Mapping[int, str]) -> tuple[tuple[str, str], ...]:
        known = sorted(p for p in persons if p > 0)
        return tuple(
            (study.study_uid, ids.get(study.person_id or 0, NEW_PERSON))
            for study in self._unit.studies.of_persons(known)
        )
