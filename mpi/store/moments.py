"""What the index held at a moment of the past, read from what it keeps of every change.

A link, an identifier and a version of a record each carry from when to when they stood; an instant belongs to what
began at it.
"""

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import BindParameter, bindparam, select

from mpi.store.statements import Statements
from mpi.store.tables import identifier, link, record_version, source_record, superseded_number

_AT: BindParameter[str] = bindparam("at")
_IDS: BindParameter[int] = bindparam("ids", expanding=True)
_record = select(source_record).where(source_record.c.id.in_(_IDS), source_record.c.created_at <= _AT)
_found = select(source_record.c.id).where(
    source_record.c.authority == bindparam("authority"),
    source_record.c.local_id == bindparam("value"),
    source_record.c.created_at <= _AT,
)
_carriers = select(identifier.c.record_id).where(
    identifier.c.authority == bindparam("authority"),
    identifier.c.value == bindparam("value"),
    identifier.c.valid_from <= _AT,
    identifier.c.valid_to.is_(None) | (identifier.c.valid_to > _AT),
)
_versions = (
    select(record_version.c.record_id, record_version.c.status, record_version.c.merged_into, record_version.c.valid_to)
    .where(record_version.c.record_id.in_(_IDS), record_version.c.valid_to > _AT)
    .order_by(record_version.c.record_id, record_version.c.version)
)
_merged_now = select(source_record.c.id).where(source_record.c.merged_into.in_(_IDS))
_merged_once = select(record_version.c.record_id).where(
    record_version.c.merged_into.in_(_IDS), record_version.c.merged_into.is_not(None), record_version.c.valid_to > _AT
)
_standing = (link.c.valid_from <= _AT) & (link.c.valid_to.is_(None) | (link.c.valid_to > _AT))
_links = select(link.c.record_id, link.c.person_id).where(link.c.record_id.in_(_IDS), _standing)
_members = select(link.c.record_id).where(link.c.person_id == bindparam("person_id"), _standing)
_numbers = (
    select(identifier.c.record_id, identifier.c.authority, identifier.c.value, identifier.c.verified)
    .where(
        identifier.c.record_id.in_(_IDS),
        identifier.c.valid_from <= _AT,
        identifier.c.valid_to.is_(None) | (identifier.c.valid_to > _AT),
    )
    .order_by(identifier.c.id)
)
_replaced = superseded_number.c
_was_replaced = (_replaced.valid_from <= _AT) & (_replaced.valid_to.is_(None) | (_replaced.valid_to > _AT))
_successor = select(_replaced.new_number).where(_replaced.old_number == bindparam("number"), _was_replaced)
_predecessors = select(_replaced.old_number).where(_replaced.new_number == bindparam("number"), _was_replaced)


class PastRecord(NamedTuple):
    """A record as it stood at the moment. `protected` is as it is now: what is hidden now is hidden in the past too."""

    id: int
    authority: str
    local_id: str
    status: str
    merged_into: int | None
    protected: bool


class PastNumber(NamedTuple):
    """An identifier that stood on a record at the moment; of its own authority: the local number that it had then."""

    record_id: int
    authority: str
    value: str
    verified: bool


class Moments:
    """Questions about one instant (as stored text) inside one transaction."""

    def __init__(self, connection: Statements) -> None:
        self._connection = connection

    def records(self, ids: Iterable[int], at: str) -> dict[int, PastRecord]:
        """These records as they stood; those that were not known yet are left out."""
        wanted = sorted(set(ids))
        if not wanted:
            return {}
        values = {"ids": wanted, "at": at}
        past: dict[int, tuple[str, int | None]] = {}
        for row in self._connection.execute(_versions, values):
            past.setdefault(row.record_id, (row.status, row.merged_into))  # the first that ended later stood then
        found = {}
        for row in self._connection.execute(_record, values):
            status, merged_into = past.get(row.id, (row.status, row.merged_into))
            found[row.id] = PastRecord(row.id, row.authority, row.local_id, status, merged_into, row.protected)
        return found

    def with_local_id(self, authority: str, value: str, at: str) -> list[int]:
        """The record known by this number then, if there was one."""
        return list(
            self._connection.execute(_found, {"authority": authority, "value": value, "at": at}).scalars().all()
        )

    def with_number(self, authority: str, value: str, at: str) -> list[int]:
        """The records that carried this identifier then."""
        values = {"authority": authority, "value": value, "at": at}
        return sorted(set(self._connection.execute(_carriers, values).scalars()))

    def stands_for(self, number: str, at: str) -> str:
        """The NHS number that stood for `number` then: itself, or the end of its chain."""
        seen = {number}
        while (found := self._connection.execute(_successor, {"number": number, "at": at}).scalar()) not in seen:
            if found is None:
                break
            number = found
            seen.add(number)
        return number

    def replaced_by(self, number: str, at: str) -> list[str]:
        """The NHS numbers that `number` stood for then, directly or through others."""
        found: list[str] = []
        level = [number]
        while level:
            values = {"number": level.pop(), "at": at}
            new = [one for one in self._connection.execute(_predecessors, values).scalars() if one not in found]
            found += new
            level += new
        return found

    def survivors(self, ids: Iterable[int], at: str) -> set[int]:
        """The records that stood for these then."""
        ends: set[int] = set()
        seen: set[int] = set()
        level = set(ids)
        while level:
            seen |= level
            found = self.records(level, at).values()
            ends |= {r.id for r in found if r.merged_into is None}
            level = {r.merged_into for r in found if r.merged_into is not None} - seen
        return ends

    def persons(self, record_ids: Iterable[int], at: str) -> set[int]:
        """The persons to whom these records belonged then."""
        wanted = sorted(record_ids)
        rows = self._connection.execute(_links, {"ids": wanted, "at": at}) if wanted else ()
        return {row.person_id for row in rows}

    def tree(self, person_id: int, at: str) -> list[PastRecord]:
        """The records of a person then, and those that had been merged into them."""
        level = set(self._connection.execute(_members, {"person_id": person_id, "at": at}).scalars())
        found = self.records(level, at)
        while level:
            values = {"ids": sorted(level), "at": at}
            near = set(self._connection.execute(_merged_now, {"ids": values["ids"]}).scalars())
            near |= set(self._connection.execute(_merged_once, values).scalars())
            level = {r.id for r in self.records(near - set(found), at).values() if r.merged_into in set(values["ids"])}
            found |= self.records(level, at)
        return sorted(found.values())

    def numbers(self, record_ids: Iterable[int], at: str) -> list[PastNumber]:
        """The identifiers that stood on these records then, beside their local numbers."""
        wanted = sorted(record_ids)
        rows = self._connection.execute(_numbers, {"ids": wanted, "at": at}) if wanted else ()
        return [PastNumber(*row) for row in rows]
