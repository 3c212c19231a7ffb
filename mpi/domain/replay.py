"""Who is one person, worked out from everything that was said: so anything that was said can be left out again.

The index keeps what was said of identities as statements ("these two are one person", "this number is that number
now") in the order in which they came. Taking a change back means that the rest is said again without it. Pure: what
is to be moved in the index follows from the difference of two results.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count


class Kind(StrEnum):
    """What a statement says. Stored: values never change."""

    LINK = "link"
    """Record `one`, alone, belongs to the person of record `other`."""
    JOIN = "join"
    """The persons of the two records are one; `person` stands for them if it is one of the two."""
    APART = "apart"
    """The two records are different people; `one` leaves where they are together, to `person` if that is free."""
    TOGETHER = "not-apart"
    """The two records may be one person again (a do-not-link that was ended by itself)."""
    MERGE = "merge"
    """The number `one` is no longer used, it is `other` now."""
    RENAME = "rename"
    """The same, and `other` was made for it: it is the one record under another number."""
    PUT = "put"
    """Record `one`, alone, leaves for the person of `other`; without that for `person`, whatever else was said."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing that was said: of record `one`, and of record `other` or a person."""

    kind: Kind
    one: int
    other: int | None = None
    person: int | None = None

    @property
    def records(self) -> tuple[int, ...]:
        """The records it names."""
        return (self.one,) if self.other is None else (self.one, self.other)


@dataclass(frozen=True, slots=True)
class Change:
    """What was said at once (by a message, a reviewer, a run). `id` 0 is one that is only thought of."""

    id: int
    at: str
    statements: tuple[Statement, ...]
    effective: bool = True
    """False once it was taken back."""


@dataclass(frozen=True, slots=True)
class Birth:
    """When a record came to be; `person` is the one that was made for it, None when it joined somebody at once."""

    at: str
    record: int
    person: int | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A statement that can no longer be done, and why in plain English."""

    change: int
    statement: Statement
    why: str


@dataclass(slots=True)
class State:
    """Who is who. A person below 0 is a new one, made for a record of `fresh`."""

    person_of: dict[int, int] = field(default_factory=dict)
    """The person of each record that stands."""
    origin: dict[int, str] = field(default_factory=dict)
    """Since when, by the statements, a record belongs to its person: the instant of the change that put it there."""
    merged: dict[int, tuple[int, bool]] = field(default_factory=dict)
    """Number that is no longer used -> the number it is now, and whether it was only renamed."""
    apart: dict[tuple[int, int], int] = field(default_factory=dict)
    """Pairs of different people, lower record first -> the change that says so."""
    retired: dict[int, int] = field(default_factory=dict)
    """Person without records -> the person that stands for it."""
    fresh: dict[int, int] = field(default_factory=dict)
    refused: list[Refusal] = field(default_factory=list)

    def members(self, person: int) -> set[int]:
        """The records of a person."""
        return {record for record, its in self.person_of.items() if its == person}

    def survivor(self, record: int) -> int:
        """The record that stands for `record`."""
        while record in self.merged:
            record = self.merged[record][0]
        return record


def pair(one: int, other: int) -> tuple[int, int]:
    """Two records as a key, lower first."""
    return (one, other) if one < other else (other, one)


def replay(births: Iterable[Birth], changes: Iterable[Change], own: Mapping[int, Sequence[int]]) -> State:
    """What comes of all that was said and not taken back, in the order of its instants.

    `own` names the persons that were ever made for a record: they are used again, so that identities keep their ids.
    """
    fold = _Fold(own)
    events: list[tuple[str, int, int, Birth | Change]] = [(b.at, 0, b.record, b) for b in births]
    events += [(c.at or "~", 1, c.id, c) for c in changes]  # one that is only thought of comes last
    for *_, event in sorted(events, key=lambda found: found[:3]):
        if isinstance(event, Birth):
            fold.birth(event)
        else:
            fold.change(event)
    return fold.finished()


_PEOPLE_DIFFER = "a decision says that they are different people"


class _Refused(Exception):
    """The statement cannot be done; the message says why."""


class _Fold:
    def __init__(self, own: Mapping[int, Sequence[int]]) -> None:
        self.state = State()
        self._own = own
        self._next = count(1)
        self._alias: dict[int, int] = {}
        self._do = {
            Kind.LINK: self._link,
            Kind.JOIN: self._join,
            Kind.APART: self._apart,
            Kind.TOGETHER: self._together,
            Kind.MERGE: self._merge,
            Kind.RENAME: self._rename,
            Kind.PUT: self._put,
        }

    def birth(self, born: Birth) -> None:
        person = born.person if born.person is not None else self._free_person(born.record, None)
        self._settle(born.record, person, born.at)

    def change(self, change: Change) -> None:
        for said in change.statements:
            if not change.effective:
                if said.kind is Kind.RENAME and said.other is not None:
                    self._alias[said.other] = self._now(said.one)
                continue
            one = self._now(said.one)
            other = self._now(said.other) if said.other is not None else None
            try:
                self._do[said.kind](change, Statement(said.kind, one, other, said.person))
            except _Refused as refused:
                self.state.refused.append(Refusal(change.id, said, str(refused)))
                known = other in self.state.person_of or other in self.state.merged
                if said.kind is Kind.RENAME and other is not None and other != one and not known:
                    self._alias[other] = one  # made for this alone: it leads where the old number leads

    def finished(self) -> State:
        """The result, in which a number that was never handed on leads back to the one it was made for."""
        state = self.state
        for new, old in self._alias.items():
            if new not in state.person_of and new not in state.merged:
                state.merged[new] = (old, True)
        state.retired = {gone: to for gone, to in state.retired.items() if not state.members(gone)}
        return state

    def _now(self, record: int) -> int:
        while record in self._alias:
            record = self._alias[record]
        return record

    def _free_person(self, record: int, wanted: int | None) -> int:
        used = set(self.state.person_of.values())
        own = [wanted] if wanted is not None else []
        for person in (*own, *self._own.get(record, ())):
            if person not in used:
                return person
        person = -next(self._next)
        self.state.fresh[person] = record
        return person

    def _settle(self, record: int, person: int, at: str) -> None:
        self.state.person_of[record] = person
        self.state.origin[record] = at
        self.state.retired.pop(person, None)

    def _leave(self, before: int | None, to: int) -> None:
        if before is not None and before != to and not self.state.members(before):
            self.state.retired[before] = to

    def _may_move(self, movers: set[int], person: int) -> None:
        there = self.state.members(person)
        if any(pair(mover, other) in self.state.apart for mover in movers for other in there - movers):
            raise _Refused(_PEOPLE_DIFFER)

    def _person(self, record: int) -> int:
        found = self.state.person_of.get(self.state.survivor(record))
        if found is None:
            raise _Refused("the record belongs to nobody")
        return found

    def _link(self, change: Change, said: Statement) -> None:
        if said.one in self.state.merged or said.other is None:
            return  # the number is another one now, whose own statements count
        before, to = self._person(said.one), self._person(said.other)
        if before == to:
            return
        if len(self.state.members(before)) > 1:
            raise _Refused("the record has become part of a person with other records")
        self._may_move({said.one}, to)
        self._settle(said.one, to, change.at)
        self._leave(before, to)

    def _join(self, change: Change, said: Statement) -> None:
        one, other = self._person(said.one), self._person(said.other if said.other is not None else said.one)
        if one == other:
            for record in {self.state.survivor(r) for r in said.records}:
                self.state.origin[record] = change.at
            return
        keep = said.person if said.person in (one, other) else min(one, other, key=lambda p: (p < 0, p))
        lose = other if keep == one else one
        movers = self.state.members(lose)
        self._may_move(movers, keep)
        for record in movers:
            self._settle(record, keep, change.at)
        self.state.retired[lose] = keep

    def _apart(self, change: Change, said: Statement) -> None:
        if said.other is None:
            return
        one, other = self.state.survivor(said.one), self.state.survivor(said.other)
        if one == other:
            raise _Refused("the two numbers are one number now")
        self.state.apart.setdefault(pair(one, other), change.id)
        mine = self.state.person_of.get(one)
        if mine is not None and mine == self.state.person_of.get(other):
            self._settle(one, self._free_person(one, said.person), change.at)

    def _together(self, change: Change, said: Statement) -> None:
        if said.other is not None:
            self.state.apart.pop(pair(said.one, said.other), None)

    def _merge(self, change: Change, said: Statement) -> None:
        state = self.state
        if said.other is None:
            return
        losing, keeping = said.one, state.survivor(said.other)
        if losing in state.merged:
            if state.survivor(losing) != keeping:
                raise _Refused("the number leads to another number now")
            return
        if keeping == losing:
            raise _Refused("the merge would run in a circle")
        if pair(losing, keeping) in state.apart:
            raise _Refused(_PEOPLE_DIFFER)
        self._may_carry(losing, keeping)
        self._hand_on(change, losing, keeping, renamed=False)

    def _may_carry(self, losing: int, keeping: int) -> None:
        """What was said of the losing number holds for the surviving one: it must not stand with those people."""
        there = self.state.members(self._person(keeping))
        if any(pair(losing, other) in self.state.apart for other in there):
            raise _Refused(_PEOPLE_DIFFER)

    def _rename(self, change: Change, said: Statement) -> None:
        if said.other is None:
            return
        if said.one in self.state.merged:
            raise _Refused("the number leads to another number now")
        if said.other not in self.state.person_of:
            self._settle(said.other, self._person(said.one), change.at)
        self._hand_on(change, said.one, said.other, renamed=True)

    def _hand_on(self, change: Change, losing: int, keeping: int, *, renamed: bool) -> None:
        state = self.state
        before = state.person_of.pop(losing)
        state.merged[losing] = (keeping, renamed)
        for low, high in list(state.apart):
            if losing in (low, high):
                other = high if low == losing else low
                if other != keeping:
                    state.apart.setdefault(pair(keeping, other), change.id)
        self._leave(before, state.person_of[keeping])

    def _put(self, change: Change, said: Statement) -> None:
        to = self._person(said.other) if said.other is not None else said.person
        if to is None or said.one in self.state.merged:
            return
        before = self.state.person_of.get(said.one)
        if before == to:
            self.state.origin[said.one] = change.at
            return
        self._may_move({said.one}, to)
        self._settle(said.one, to, change.at)
        self._leave(before, to)
