"""What must hold of the feed of changes: whatever changed whose an identifier is, at whatever moment, is in it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import select

from mpi.store.tables import (
    audit_event,
    identifier,
    link,
    notification,
    person,
    record_version,
    source_record,
    subscriber,
)
from mpi.store.unit_of_work import UnitOfWork


def check_feed(unit: UnitOfWork) -> None:
    """Assert that each change of links, numbers, statuses and persons has an event in the feed, at its own instant."""
    execute = unit.connection.execute
    events = execute(select(audit_event).where(audit_event.c.changes_identity)).all()
    records = {(row.at, row.record_id) for row in events}
    persons = {(row.at, row.person_id) for row in events}
    for row in execute(select(link)):
        for at in (row.valid_from, row.valid_to):
            assert at is None or {(at, row.record_id)} <= records, f"link {row.id}: the feed has nothing of its record"
            assert at is None or {(at, row.person_id)} <= persons, f"link {row.id}: the feed has nothing of its person"
    for row in execute(select(person).where(person.c.merged_at.is_not(None))):
        assert (row.merged_at, row.id) in persons, f"person {row.id} was merged, and the feed has nothing of it"
    # The past of an identity that was left behind may stand on a record made for it later: the feed told it of another.
    hidden = set(execute(select(source_record.c.id).where(source_record.c.protected)).scalars())
    for at, record_id in _renumbered(row for row in execute(select(identifier)) if row.record_id not in hidden):
        assert (at, record_id) in records, f"record {record_id}: its number changed, and the feed has nothing of it"
    versions = execute(select(record_version)).all()
    for at, record_id in _changed_status(versions, execute(select(source_record)).all()):
        assert (at, record_id) in records, f"record {record_id}: its status changed, and the feed has nothing of it"
    positions = {row.name: row.position for row in execute(select(subscriber))}
    for row in execute(select(notification)):
        assert row.seq <= positions[row.subscriber] or positions[row.subscriber] == 0


def _renumbered(rows: Iterable[Any]) -> Iterator[tuple[str, int]]:
    """The instants at which other numbers stood on a record than before; a new status of the same number is none."""
    began, ended = defaultdict(set), defaultdict(set)
    for row in rows:
        began[row.valid_from, row.record_id].add((row.authority, row.value))
        if row.valid_to is not None:
            ended[row.valid_to, row.record_id].add((row.authority, row.value))
    return (key for key in began.keys() | ended.keys() if began[key] != ended[key])


def _changed_status(versions: Iterable[Any], records: Iterable[Any]) -> Iterator[tuple[str, int]]:
    history = defaultdict(list)
    for row in versions:
        history[row.record_id].append((row.version, row.status, row.valid_to))
    now = {row.id: row.status for row in records}
    for record_id, found in history.items():
        found.sort()
        following = [status for _, status, _ in found[1:]] + [now[record_id]]
        for (_, status, until), then in zip(found, following, strict=True):
            if status != then:
                yield until, record_id
