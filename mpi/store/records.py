"""Source records with their versions, identifiers and blocking keys."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

from sqlalchemy import bindparam, delete, func, insert, literal, select, update

from mpi.domain.audit import AuditEvent
from mpi.domain.moment import latest
from mpi.domain.person import NHS, Demographics, Identifier, ValueProblem
from mpi.store.lookups import AROUND, BLOCK, CANDIDATES, NUMBERS, RESTRICTED
from mpi.store.plain import Fixed
from mpi.store.statements import Statements
from mpi.store.tables import blocking_key, identifier, known_study, record_version
from mpi.store.tables import source_record as t

ACTIVE, MERGED, DELETED = "active", "merged", "deleted"


class TrailLike(Protocol):
    """Where audit events of the open transaction go."""

    now: str

    def add(self, event: AuditEvent) -> None:
        """Note `event`."""


class StoredRecord(NamedTuple):
    """A source record as stored. `prepared` is the JSON of `mpi.matching.prepared.Prepared`."""

    id: int
    authority: str
    local_id: str
    status: str
    merged_into: int | None
    version: int
    recorded: Demographics
    prepared: str
    problems: tuple[ValueProblem, ...]
    restricted: bool
    source: str
    message_id: int | None
    created_at: str
    updated_at: str
    protected: bool = False
    """Left behind by its person for a new number: kept, and shown to nobody but who may."""
    traced: str | None = None
    """JSON of `mpi.domain.trace.Traced`, the latest answer of tracing; None: it was never traced."""
    said_at: str | None = None
    """When the source last said something of it (`mpi.domain.moment`); None: it never said when."""
    held_task: int | None = None
    """The open task in which updates wait that look like another person; None: none waits."""


class NumberRow(NamedTuple):
    """An identifier that stands on a record beside its local number; `verified_at` is when it was first seen so."""

    record_id: int
    authority: str
    value: str
    verified: bool
    status: str | None
    verified_at: str | None


class Values(NamedTuple):
    """What is written of a record: recorded values, their prepared form, keys and NHS number with its status."""

    recorded: Demographics
    prepared: str
    problems: tuple[ValueProblem, ...]
    keys: tuple[str, ...]
    nhs_number: str | None
    nhs_verified: bool
    restricted: bool
    source: str
    message_id: int | None
    nhs_status: str | None = None
    traced: str | None = None
    said_at: str | None = None
    """When the source says so; None leaves what is stored."""


class CandidateRow(NamedTuple):
    """A record that shares a blocking key: its prepared values and the person it belongs to."""

    record_id: int
    prepared: str
    person_id: int


class Around(NamedTuple):
    """What the index knows around some blocking keys."""

    candidates: list[CandidateRow]
    """The records that share one of the keys, in order of id."""
    skipped: int
    """Keys that were left out as too common."""
    numbers: dict[int, list[tuple[str, bool]]]
    """By person of a candidate, as `Records.numbers_of_persons` gives them."""


class Version(NamedTuple):
    """What a record said from `valid_from` to `valid_to` (None: still)."""

    version: int
    status: str
    recorded: Demographics
    source: str
    message_id: int | None
    valid_from: str
    valid_to: str | None


_COLUMNS = (
    t.c.id,
    t.c.authority,
    t.c.local_id,
    t.c.status,
    t.c.merged_into,
    t.c.version,
    t.c.recorded,
    t.c.prepared,
    t.c.problems,
    t.c.restricted,
    t.c.source,
    t.c.message_id,
    t.c.created_at,
    t.c.updated_at,
    t.c.protected,
    t.c.traced,
    t.c.said_at,
    t.c.held_task,
)
_by_identity = Fixed(
    select(*_COLUMNS).where(t.c.authority == bindparam("authority"), t.c.local_id == bindparam("local_id"))
)
_by_local_id = select(*_COLUMNS).where(t.c.local_id == bindparam("local_id")).limit(100)
_by_ids = Fixed(select(*_COLUMNS).where(t.c.id.in_(bindparam("ids", expanding=True))).order_by(t.c.id))
_up = select(t.c.id, t.c.merged_into).where(t.c.id == bindparam("record_id")).cte("up", recursive=True)
_up = _up.union(select(t.c.id, t.c.merged_into).where(t.c.id == _up.c.merged_into))
_survivor = Fixed(
    select(*_COLUMNS).where(t.c.id == select(_up.c.id).where(_up.c.merged_into.is_(None)).scalar_subquery())
)
_direct = select(t.c.id, literal(1).label("depth")).where(t.c.merged_into.in_(bindparam("ids", expanding=True)))
_down = _direct.cte("down", recursive=True)
_down = _down.union_all(select(t.c.id, _down.c.depth + 1).where(t.c.merged_into == _down.c.id))
_absorbed = Fixed(select(*_COLUMNS).where(t.c.id == _down.c.id).order_by(_down.c.depth, t.c.id))
_insert = insert(t)
_update = update(t).where(t.c.id == bindparam("record_id"))
_insert_version = insert(record_version)
_versions = Fixed(
    select(record_version)
    .where(record_version.c.record_id == bindparam("record_id"))
    .order_by(record_version.c.version)
)
_leave_versions = (
    update(record_version)
    .where(record_version.c.record_id == bindparam("of_record"), record_version.c.version < bindparam("before"))
    .values(record_id=bindparam("past"))
)
_leave_identifiers = (
    update(identifier)
    .where(identifier.c.record_id == bindparam("of_record"), identifier.c.valid_to <= bindparam("since"))
    .values(record_id=bindparam("past"))
)
_begin_at = (
    update(t).where(t.c.id == bindparam("of_record")).values(created_at=bindparam("since"), version=bindparam("number"))
)
_insert_key = insert(blocking_key)
_delete_keys = Fixed(
    delete(blocking_key).where(
        blocking_key.c.record_id == bindparam("of_record"), blocking_key.c.key.in_(bindparam("of_keys", expanding=True))
    )
)
_insert_identifier = insert(identifier)
_of_record = select(
    identifier.c.id,
    identifier.c.authority,
    identifier.c.value,
    identifier.c.verified,
    identifier.c.status,
    identifier.c.verified_at,
).where(identifier.c.record_id == bindparam("record_id"), identifier.c.valid_to.is_(None))
_called_until = Fixed(
    select(func.max(identifier.c.valid_to)).where(
        identifier.c.record_id == bindparam("record_id"), identifier.c.authority == bindparam("authority")
    )
)
"""Until when a record was known by the number that it had before the one of now."""
_all_identifiers = Fixed(_of_record)
_current_identifier = Fixed(_of_record.where(identifier.c.authority == NHS))
_identifiers_of = Fixed(
    select(
        identifier.c.record_id,
        identifier.c.authority,
        identifier.c.value,
        identifier.c.verified,
        identifier.c.status,
        identifier.c.verified_at,
    )
    .where(identifier.c.record_id.in_(bindparam("ids", expanding=True)), identifier.c.valid_to.is_(None))
    .order_by(identifier.c.id)
)
_bind_studies = (
    update(known_study)
    .where(
        known_study.c.record_id.is_(None),
        known_study.c.authority == bindparam("of_authority"),
        known_study.c.local_id == bindparam("of_number"),
    )
    .values(record_id=bindparam("record_id"))
)
_end_identifier = update(identifier).where(identifier.c.id == bindparam("identifier_id"))
_records_with_number = Fixed(
    select(identifier.c.record_id)
    .where(
        identifier.c.authority == bindparam("authority"),
        identifier.c.value == bindparam("value"),
        identifier.c.valid_to.is_(None),
    )
    .order_by(identifier.c.record_id)
    .limit(bindparam("most"))
)
_count = select(func.count()).select_from(t)


def _stored(row: Any) -> StoredRecord:
    problems = tuple(ValueProblem(*pair) for pair in json.loads(row.problems))
    return StoredRecord(
        row.id,
        row.authority,
        row.local_id,
        row.status,
        row.merged_into,
        row.version,
        Demographics(**json.loads(row.recorded)),
        row.prepared,
        problems,
        row.restricted,
        row.source,
        row.message_id,
        row.created_at,
        row.updated_at,
        row.protected,
        row.traced,
        row.said_at,
        row.held_task,
    )


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _moved(event: AuditEvent, old: StoredRecord, merged_into: int | None) -> AuditEvent:
    """The event of a record whose status changes; it names the record that it no longer leads to, if it led to one."""
    left = old.merged_into if old.merged_into != merged_into else None
    detail = event.detail if left is None else {**event.detail, "left": left}
    return replace(event, record_id=old.id, detail=detail, changes_identity=True)


class Records:
    """Source records inside one transaction."""

    def __init__(self, connection: Statements, trail: TrailLike) -> None:
        self._connection = connection
        self._trail = trail
        self._dialect = connection.dialect.name

    def find(self, authority: str, local_id: str) -> StoredRecord | None:
        """The record known by this number of this authority, whatever its status; None when there is none."""
        row = self._connection.ask(_by_identity, {"authority": authority, "local_id": local_id}).first()
        return _stored(row) if row else None

    def with_local_id(self, local_id: str) -> list[StoredRecord]:
        """The records of any authority with this local number (at most 100)."""
        return [_stored(row) for row in self._connection.execute(_by_local_id, {"local_id": local_id})]

    def get(self, ids: Iterable[int]) -> dict[int, StoredRecord]:
        """The records with these internal ids; ids that do not exist are left out."""
        wanted = list(ids)
        if not wanted:
            return {}
        return {row.id: _stored(row) for row in self._connection.ask(_by_ids, {"ids": wanted})}

    def survivor(self, record: StoredRecord) -> StoredRecord:
        """The record that stands for `record` now: itself, or the end of its chain of merges."""
        if record.merged_into is None:
            return record
        return _stored(self._connection.ask(_survivor, {"record_id": record.id})[0])

    def absorbed(self, ids: Iterable[int]) -> list[StoredRecord]:
        """The records merged into any of `ids`, directly or through others: the direct ones first."""
        wanted = list(ids)
        return [_stored(row) for row in self._connection.ask(_absorbed, {"ids": wanted})] if wanted else []

    def create(self, authority: str, local_id: str, values: Values, *, event: AuditEvent) -> int:
        """Store a new record with its keys and number; its internal id."""
        now = self._trail.now
        row = {
            "authority": authority,
            "local_id": local_id,
            "said_at": values.said_at,
            "held_task": None,
            "status": ACTIVE,
            "merged_into": None,
            "version": 1,
            "created_at": now,
            **self._columns(values, now),
        }
        record_id = self._connection.insert(_insert, t, row)
        self._write_keys(record_id, values.keys)
        self._write_number(record_id, values)
        self._trail.add(replace(event, record_id=record_id))
        return record_id

    def change(self, old: StoredRecord, values: Values, old_keys: Sequence[str], *, event: AuditEvent) -> None:
        """Store what the record says now; what it said before stays as a version."""
        now = self._trail.now
        self._keep_version(old, now)
        said_at = latest(old.said_at, values.said_at)
        self._connection.later(
            _update,
            {"record_id": old.id, "version": old.version + 1, "said_at": said_at, **self._columns(values, now)},
        )
        gone = set(old_keys) - set(values.keys)
        if gone:
            self._connection.change(_delete_keys, {"of_record": old.id, "of_keys": sorted(gone)})
        if not old.protected and old.status == ACTIVE:
            self._write_keys(old.id, [key for key in values.keys if key not in set(old_keys)])
        renumbered = self._change_number(old.id, values)
        self._trail.add(replace(event, record_id=old.id, changes_identity=renumbered))

    def hear_again(self, old: StoredRecord, said_at: str, *, event: AuditEvent) -> None:
        """Note that the source said the same once more, later."""
        self._connection.later(_update, {"record_id": old.id, "said_at": said_at})
        self._trail.add(replace(event, record_id=old.id))

    def hold(self, record_id: int, task_id: int | None, *, event: AuditEvent) -> None:
        """Note the task in which updates of this record wait; None: none waits any more."""
        self._connection.later(_update, {"record_id": record_id, "held_task": task_id})
        self._trail.add(replace(event, record_id=record_id))

    def call(self, old: StoredRecord, local_id: str, *, event: AuditEvent) -> None:
        """Let a record be known by another number, so that its own is free; until now the old one led to it."""
        called = {"record_id": old.id, "authority": old.authority}
        # Studies told of under the old number stay with who had it, whoever gets it next.
        studies = {"of_authority": old.authority, "of_number": old.local_id, "record_id": old.id}
        self._connection.later(_bind_studies, studies)
        self._connection.later(_update, {"record_id": old.id, "local_id": local_id})
        self._connection.later(
            _insert_identifier,
            {
                "record_id": old.id,
                "authority": old.authority,
                "value": old.local_id,
                "verified": False,
                "status": None,
                "verified_at": None,
                "valid_from": self._connection.ask(_called_until, called).scalar() or old.created_at,
                "valid_to": self._trail.now,
            },
        )
        detail = {**event.detail, "before": {"local_id": old.local_id}, "after": {"local_id": local_id}}
        self._trail.add(replace(event, record_id=old.id, detail=detail, changes_identity=True))

    def revive(self, old: StoredRecord, values: Values, *, event: AuditEvent) -> None:
        """Bring back a record that was merged or deleted: it stands for itself, and says this."""
        now = self._trail.now
        self._keep_version(old, now)
        self._connection.later(
            _update,
            {
                "record_id": old.id,
                "version": old.version + 1,
                "status": ACTIVE,
                "merged_into": None,
                "said_at": latest(old.said_at, values.said_at),
                **self._columns(values, now),
            },
        )
        if not old.protected:
            self._write_keys(old.id, values.keys)
        self._change_number(old.id, values)
        self._trail.add(_moved(event, old, None))

    def set_status(
        self,
        old: StoredRecord,
        status: str,
        merged_into: int | None,
        keys: Sequence[str],
        *,
        event: AuditEvent,
        renamed: bool = False,
        said_at: str | None = None,
    ) -> None:
        """Set a record's status; what is not active has no blocking keys (`keys` are those of its prepared values).

        A record that was merged into another keeps its NHS number: it is the person's. One that was `renamed` has
        handed it on with everything else. `said_at` as in `Values`.
        """
        now = self._trail.now
        self._keep_version(old, now)
        self._connection.later(
            _update,
            {
                "record_id": old.id,
                "version": old.version + 1,
                "status": status,
                "merged_into": merged_into,
                "said_at": latest(old.said_at, said_at),
                "updated_at": now,
            },
        )
        if status == ACTIVE and old.status != ACTIVE and not old.protected:
            self._write_keys(old.id, keys)
        elif status != ACTIVE and old.status == ACTIVE and keys:
            self._connection.change(_delete_keys, {"of_record": old.id, "of_keys": list(keys)})
        if renamed:
            self._end_numbers(old.id)
        self._trail.add(_moved(event, old, merged_into))

    def restrict(self, old: StoredRecord, *, event: AuditEvent) -> None:
        """Mark a record as restricted; nothing else of it changes."""
        now = self._trail.now
        self._keep_version(old, now)
        self._connection.later(
            _update, {"record_id": old.id, "version": old.version + 1, "restricted": True, "updated_at": now}
        )
        self._trail.add(replace(event, record_id=old.id))

    def protect(self, old: StoredRecord, protected: bool, keys: Sequence[str], *, event: AuditEvent) -> None:
        """Hide a record from matching and from whoever may not see it, or show it again; `keys` as in `set_status`."""
        now = self._trail.now
        self._keep_version(old, now)
        self._connection.later(
            _update, {"record_id": old.id, "version": old.version + 1, "protected": protected, "updated_at": now}
        )
        if old.status == ACTIVE and protected and keys:
            self._connection.change(_delete_keys, {"of_record": old.id, "of_keys": list(keys)})
        elif old.status == ACTIVE and not protected:
            self._write_keys(old.id, keys)
        self._trail.add(replace(event, record_id=old.id, changes_identity=True))

    def leave_past(self, record: StoredRecord, past: int, first: Version, *, event: AuditEvent) -> None:
        """Let the record `past` have said all that `record` said before its version `first`, and carried it too."""
        values = {"of_record": record.id, "past": past}
        self._connection.execute(_leave_versions, {**values, "before": first.version})
        self._connection.execute(_leave_identifiers, {**values, "since": first.valid_from})
        self._connection.execute(_begin_at, {"of_record": past, "since": record.created_at, "number": first.version})
        self._connection.execute(
            _begin_at, {"of_record": record.id, "since": first.valid_from, "number": record.version}
        )
        self._trail.add(replace(event, record_id=past, detail={**event.detail, "left_by": record.id}))

    def keep_identifiers(self, record_id: int, said: Sequence[Identifier], *, event: AuditEvent) -> bool:
        """Let a record carry these identifiers of other national authorities; whether anything changed.

        What it carries of the authorities named in `said` is replaced, that of others stays. An empty value ends.
        """
        rows = [row for row in self._connection.ask(_all_identifiers, {"record_id": record_id}) if row[1] != NHS]
        wanted = {(one.authority, one.value) for one in said if one.value}
        named = {one.authority for one in said}
        gone = [row for row in rows if row.authority in named and (row.authority, row.value) not in wanted]
        new = sorted(wanted - {(row.authority, row.value) for row in rows})
        for row in gone:
            self._connection.later(_end_identifier, {"identifier_id": row.id, "valid_to": self._trail.now})
        for authority, value in new:
            self._add_identifier(record_id, authority, value)
        if gone or new:
            before, after = [[row.authority, row.value] for row in gone], [list(pair) for pair in new]
            detail = {**event.detail, "before": {"identifiers": before}, "after": {"identifiers": after}}
            self._trail.add(replace(event, record_id=record_id, detail=detail, changes_identity=True))
        return bool(gone or new)

    def identifiers_of(self, record_ids: Iterable[int]) -> list[NumberRow]:
        """The identifiers that stand on these records now, the NHS number among them."""
        wanted = list(record_ids)
        rows = self._connection.ask(_identifiers_of, {"ids": wanted}) if wanted else ()
        return [NumberRow(*row) for row in rows]

    def _columns(self, values: Values, now: str) -> dict[str, Any]:
        return {
            "recorded": _dump(values.recorded.as_dict()),
            "prepared": values.prepared,
            "problems": _dump([[p.field, p.problem] for p in values.problems]),
            "restricted": values.restricted,
            "source": values.source,
            "message_id": values.message_id,
            "traced": values.traced,
            "updated_at": now,
        }

    def _keep_version(self, old: StoredRecord, now: str) -> None:
        self._connection.later(
            _insert_version,
            {
                "record_id": old.id,
                "version": old.version,
                "status": old.status,
                "merged_into": old.merged_into,
                "recorded": _dump(old.recorded.as_dict()),
                "source": old.source,
                "message_id": old.message_id,
                "valid_from": old.updated_at,
                "valid_to": now,
            },
        )

    def _write_keys(self, record_id: int, keys: Sequence[str]) -> None:
        if keys:
            self._connection.later(_insert_key, [{"key": key, "record_id": record_id} for key in keys])

    def _write_number(self, record_id: int, values: Values, verified_at: str | None = None) -> None:
        if values.nhs_number:
            since = (verified_at or self._trail.now) if values.nhs_verified else None
            self._add_identifier(
                record_id, NHS, values.nhs_number, verified=values.nhs_verified, status=values.nhs_status, since=since
            )

    def _add_identifier(
        self,
        record_id: int,
        authority: str,
        value: str,
        *,
        verified: bool = False,
        status: str | None = None,
        since: str | None = None,
    ) -> None:
        self._connection.later(
            _insert_identifier,
            {
                "record_id": record_id,
                "authority": authority,
                "value": value,
                "verified": verified,
                "status": status,
                "verified_at": since,
                "valid_from": self._trail.now,
                "valid_to": None,
            },
        )

    def _change_number(self, record_id: int, values: Values) -> bool:
        """Bring the NHS number up to date; whether another number stands there now."""
        wanted = (values.nhs_number, values.nhs_verified, values.nhs_status)
        before = since = None
        for row in self._connection.ask(_current_identifier, {"record_id": record_id}):
            if (row.value, row.verified, row.status) == wanted:
                return False
            before = row.value
            since = row.verified_at if row.value == values.nhs_number else None
            self._connection.later(_end_identifier, {"identifier_id": row.id, "valid_to": self._trail.now})
        self._write_number(record_id, values, since)
        return before != values.nhs_number

    def _end_numbers(self, record_id: int) -> None:
        for row in self._connection.ask(_all_identifiers, {"record_id": record_id}):
            self._connection.later(_end_identifier, {"identifier_id": row.id, "valid_to": self._trail.now})

    def versions(self, record: StoredRecord) -> list[Version]:
        """Everything the record has said, oldest first; the last one is what it says now."""
        past = [
            Version(
                row.version,
                row.status,
                Demographics(**json.loads(row.recorded)),
                row.source,
                row.message_id,
                row.valid_from,
                row.valid_to,
            )
            for row in self._connection.ask(_versions, {"record_id": record.id})
        ]
        return [
            *past,
            Version(
                record.version,
                record.status,
                record.recorded,
                record.source,
                record.message_id,
                record.updated_at,
                None,
            ),
        ]

    def block(self, keys: Sequence[str], cap: int) -> tuple[list[int], int]:
        """The ids of the records that share one of `keys`, and how many keys were skipped as too common.

        A key that more than `cap` records carry says little and would cost much: none of its records count.
        """
        if not keys:
            return [], 0
        found: dict[int, None] = {}
        skipped = 0
        for row in self._connection.ask(BLOCK[self._dialect], {"keys": _dump(list(keys)), "cap": cap + 1}):
            ids = json.loads(row.ids) if isinstance(row.ids, str) else row.ids or []
            if len(ids) > cap:
                skipped += 1
            else:
                found.update(dict.fromkeys(ids))
        return sorted(found), skipped

    def candidates(self, ids: Sequence[int]) -> list[CandidateRow]:
        """Prepared values and present person of each of these records that is linked to one, in order of id."""
        if not ids:
            return []
        rows = self._connection.ask(CANDIDATES[self._dialect], {"ids": self._ids(ids)})
        return sorted(CandidateRow(row.id, row.prepared, row.person_id) for row in rows)

    def numbers_of_persons(self, person_ids: Iterable[int]) -> dict[int, list[tuple[str, bool]]]:
        """The NHS numbers of each person's records and of those merged into them, each with whether it is verified."""
        wanted = list(person_ids)
        found: dict[int, list[tuple[str, bool]]] = {person_id: [] for person_id in wanted}
        if wanted:
            for row in self._connection.ask(NUMBERS[self._dialect], {"ids": self._ids(wanted)}):
                found[row.person_id].append((row.value, bool(row.verified)))
        return found

    def around(self, keys: Sequence[str], cap: int) -> Around:
        """What `block`, `candidates` and `numbers_of_persons` say one after the other; on PostgreSQL in one journey."""
        if not keys:
            return Around([], 0, {})
        if self._dialect == "sqlite":
            ids, skipped = self.block(keys, cap)
            candidates = self.candidates(ids)
            return Around(candidates, skipped, self.numbers_of_persons({one.person_id for one in candidates}))
        rows = self._connection.ask(AROUND, {"keys": _dump(list(keys)), "cap": cap + 1})
        candidates = sorted(CandidateRow(row.id, row.value, row.person_id) for row in rows if row.what == "c")
        numbers: dict[int, list[tuple[str, bool]]] = {one.person_id: [] for one in candidates}
        for row in rows:
            if row.what == "n":
                numbers[row.person_id].append((row.value, row.verified))
        return Around(candidates, sum(row.id for row in rows if row.what == "s"), numbers)

    def restricted_persons(self, person_ids: Iterable[int]) -> set[int]:
        """Those of these persons of whom any record, or one merged into it, is restricted."""
        wanted = list(person_ids)
        if not wanted:
            return set()
        return set(self._connection.ask(RESTRICTED[self._dialect], {"ids": self._ids(wanted)}).scalars())

    def _ids(self, ids: Sequence[int]) -> object:
        """A list of ids as one parameter: JSON for SQLite, an array for PostgreSQL."""
        return _dump(list(ids)) if self._dialect == "sqlite" else list(ids)

    def with_number(self, authority: str, value: str, *, most: int = 200) -> list[int]:
        """Ids of the records that carry this identifier now (at most `most`)."""
        values = {"authority": authority, "value": value, "most": most}
        return list(self._connection.ask(_records_with_number, values).scalars())

    def count(self) -> int:
        """How many records there are."""
        return int(self._connection.execute(_count).scalar_one())
