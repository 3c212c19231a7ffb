"""What must hold of an index at every moment, whatever happened before."""

from collections import defaultdict

from sqlalchemy import select

from mpi.matching.block import blocking_keys
from mpi.matching.prepared import Prepared
from mpi.services.lives import gather, unexplained
from mpi.store import audit
from mpi.store.tables import blocking_key, do_not_link, identifier, link, person, review_task, source_record
from mpi.store.unit_of_work import Store
from tests.feed_invariants import check_feed

MOST_REPLAYED = 60
"""Of a larger index it is not worked out again who is who: that is for small ones, after every step."""


def check_index(store: Store) -> None:
    """Assert every invariant; a failure names records and persons by internal id only."""
    with store.reading() as unit:
        execute = unit.connection.execute
        records = {row.id: row for row in execute(select(source_record))}
        persons = {row.id: row for row in execute(select(person))}
        links = execute(select(link).where(link.c.valid_to.is_(None))).all()
        keys = defaultdict(set)
        for row in execute(select(blocking_key)):
            keys[row.record_id].add(row.key)
        apart = execute(select(do_not_link).where(do_not_link.c.valid_to.is_(None))).all()
        numbers = execute(select(identifier).where(identifier.c.valid_to.is_(None))).all()
        tasks = {row.id: row for row in execute(select(review_task).where(review_task.c.state != "closed"))}
        checked, broken = audit.verify(unit.connection)
        check_feed(unit)
        if 0 < len(records) <= MOST_REPLAYED:
            lives = gather(unit, records)
            unexplained_records = unexplained(lives.told(), lives.now(unit))
            assert not unexplained_records, "records stand elsewhere than all that was said puts them"

    person_of = {row.record_id: row.person_id for row in links}
    assert len(person_of) == len(links), "a record has two links"
    members = defaultdict(set)
    for record_id, person_id in person_of.items():
        members[person_id].add(record_id)

    for record in records.values():
        if record.status == "active":
            assert record.id in person_of, f"record {record.id} is active and nobody's"
            prepared = Prepared.from_json(record.prepared)
            wanted = set() if record.protected else set(blocking_keys(prepared))
            assert keys[record.id] == wanted, f"record {record.id} has other keys than its values"
            carried = {row.value for row in numbers if row.record_id == record.id and row.authority == "NHS"}
            assert carried == ({prepared.nhs} if prepared.nhs else set()), f"record {record.id}: number rows differ"
        elif record.status == "deleted":
            assert record.id in person_of, f"record {record.id} is deleted and nobody's"
            assert not keys[record.id], f"record {record.id} is deleted and still found"
        else:
            assert record.id not in person_of, f"record {record.id} is merged and still linked"
            assert not keys[record.id], f"record {record.id} is merged and still found"
            seen = {record.id}
            while record.merged_into is not None:
                assert record.merged_into not in seen, "merges run in a circle"
                seen.add(record.merged_into)
                record = records[record.merged_into]
            assert record.status in ("active", "deleted"), "a chain of merges ends nowhere"

    for row in persons.values():
        if row.merged_into is not None:
            assert not members[row.id], f"person {row.id} is merged and has records"
            assert row.merged_into in persons
        else:
            assert members[row.id], f"person {row.id} has no record"
    for record in records.values():
        if record.held_task is not None:
            assert tasks[record.held_task].left_record == record.id, f"record {record.id} waits for nothing"
    for task in tasks.values():
        if task.type in ("possible-overlay", "reused-number"):
            assert records[task.left_record].held_task == task.id, f"task {task.id} holds nothing"
    for row in apart:
        together = person_of.get(row.record_low) == person_of.get(row.record_high)
        assert not (together and row.record_low in person_of), "two records kept apart are one person"
    assert broken is None, f"the audit trail is broken: {broken}"
    assert checked > 0 or not records
