"""All that was ever said of some records and of everybody they had to do with, ready to be said again.

Taking one change back is `replay` without it; what to do in the index is the difference to what stands now.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mpi.domain.errors import Conflict
from mpi.domain.replay import Birth, Change, Kind, State, Statement, pair, replay
from mpi.store.history import StoredChange
from mpi.store.persons import NEW, StoredLink
from mpi.store.records import StoredRecord
from mpi.store.unit_of_work import UnitOfWork

MOST_RECORDS = 2000
"""More records than this have to do with each other only where something is badly wrong."""


@dataclass(frozen=True, slots=True)
class Lives:
    """Records with all their links and changes. Nobody outside ever had to do with anybody inside."""

    records: Mapping[int, StoredRecord]
    links: Mapping[int, tuple[StoredLink, ...]]
    """Every link each record ever had, oldest first."""
    changes: Mapping[int, StoredChange]
    births: tuple[Birth, ...]
    own: Mapping[int, tuple[int, ...]]
    """The persons that were made for a record."""

    def told(self, flips: Mapping[int, bool] | None = None, more: tuple[Statement, ...] = ()) -> State:
        """Who is who by all that holds; `flips` lets changes hold or not, `more` is said after all."""
        flips = flips or {}
        changes = [
            Change(c.id, c.at, c.statements, flips.get(c.id, c.undone_by is None)) for c in self.changes.values()
        ]
        if more:
            changes.append(Change(0, "", more))
        return replay(self.births, changes, self.own)

    def now(self, unit: UnitOfWork) -> State:
        """Who is who in the index."""
        state = State()
        for record_id, links in self.links.items():
            for current in links:
                if current.valid_to is None:
                    state.person_of[record_id] = current.person_id
        for record in self.records.values():
            if record.merged_into is not None:
                state.merged[record.id] = (record.merged_into, False)
            for other in unit.persons.kept_apart_from(record.id):
                state.apart[pair(record.id, other)] = 0
        return state

    def flips(self, change_id: int, holds: bool) -> dict[int, bool]:
        """Which changes hold and which do not, once this one does or does not: an undo that goes brings back."""
        found: dict[int, bool] = {}
        step: int | None = change_id
        while step is not None and step in self.changes:
            found[step] = holds
            step, holds = self.changes[step].undoes, not holds
        return found


def gather(unit: UnitOfWork, record_ids: Iterable[int]) -> Lives:
    """The lives of these records and of all that ever had to do with them.

    Raises `Conflict` where these are too many to be one person's affair.
    """
    known: set[int] = set()
    changes: dict[int, StoredChange] = {}
    persons: set[int] = set()
    links: dict[int, StoredLink] = {}
    level = set(record_ids)
    while level:
        known |= level
        if len(known) > MOST_RECORDS:
            raise Conflict("too many records have to do with each other here; somebody must look at them first")
        near = {change.id: change for change in unit.history.of_records(level)}
        found = {r for change in near.values() for said in change.statements for r in said.records}
        own = {link.person_id for link in unit.persons.links_of(level)} - persons
        ever = unit.persons.ever(own)
        found |= {link.record_id for link in ever}
        found |= {r.merged_into for r in unit.records.get(level).values() if r.merged_into is not None}
        for record in level:
            found |= unit.persons.kept_apart_from(record)
        changes |= near
        persons |= own
        links |= {link.id: link for link in ever}
        level = found - known
    return _lives(unit.records.get(sorted(known)), changes, links)


def _lives(
    records: Mapping[int, StoredRecord], changes: Mapping[int, StoredChange], links: Mapping[int, StoredLink]
) -> Lives:
    of_record: dict[int, list[StoredLink]] = {record: [] for record in records}
    first: dict[int, StoredLink] = {}
    for link in sorted(links.values(), key=lambda found: (found.valid_from, found.id)):
        of_record[link.record_id].append(link)
        first.setdefault(link.person_id, link)
    own: defaultdict[int, list[int]] = defaultdict(list)
    for person, link in sorted(first.items()):
        own[link.record_id].append(person)
    made = {
        (said.other, change.at) for change in changes.values() for said in change.statements if said.kind is Kind.RENAME
    }
    births = tuple(
        Birth(begun[0].valid_from, record, begun[0].person_id if begun[0].grounds.how == NEW else None)
        for record, begun in of_record.items()
        if begun and (record, begun[0].valid_from) not in made
    )
    return Lives(
        records,
        {record: tuple(found) for record, found in of_record.items()},
        changes,
        births,
        {record: tuple(found) for record, found in own.items()},
    )


def unexplained(told: State, now: State) -> set[int]:
    """The records that stand elsewhere than all that was said explains: no conclusion is drawn about these."""
    every = told.person_of.keys() | now.person_of.keys() | told.merged.keys() | now.merged.keys()
    return {r for r in every if _place(told, r) != _place(now, r)}


def _place(state: State, record: int) -> tuple[int | None, int | None]:
    into = state.merged.get(record)
    return state.person_of.get(record), into[0] if into else None


def with_extra(lives: Lives, flips: Mapping[int, bool], apart: Iterable[tuple[int, int]]) -> tuple[Statement, ...]:
    """Do-not-links to be said with a change that is taken back: only of people who are not together all the same."""
    state = lives.told(flips)
    said = []
    for one, other in apart:
        left, right = state.survivor(one), state.survivor(other)
        if left != right and state.person_of.get(left) != state.person_of.get(right):
            said.append(Statement(Kind.APART, left, right))
    return tuple(dict.fromkeys(said))
