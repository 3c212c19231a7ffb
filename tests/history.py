"""Looking at an index from the outside, to hold one moment against another."""

from sqlalchemy import select

from mpi.bootstrap import App
from mpi.store.history import StoredChange
from mpi.store.tables import do_not_link, identity_change, link, person, source_record

Picture = dict[tuple[str, str], tuple[str | None, str, str | None]]


def picture(app: App) -> Picture:
    """Of every number: the enterprise id it belongs to, its status and the number it leads to."""
    with app.store.reading() as unit:
        execute = unit.connection.execute
        records = {row.id: row for row in execute(select(source_record))}
        persons = {row.id: row.enterprise_id for row in execute(select(person))}
        links = {row.record_id: row.person_id for row in execute(select(link).where(link.c.valid_to.is_(None)))}
    found: Picture = {}
    for row in records.values():
        owner = persons[links[row.id]] if row.id in links else None
        into = records[row.merged_into].local_id if row.merged_into is not None else None
        found[row.authority, row.local_id] = (owner, row.status, into)
    return found


def kept_apart(app: App) -> set[tuple[int, int]]:
    """The pairs of records that are kept apart now."""
    with app.store.reading() as unit:
        rows = unit.connection.execute(select(do_not_link).where(do_not_link.c.valid_to.is_(None)))
        return {(row.record_low, row.record_high) for row in rows}


def changes(app: App) -> list[StoredChange]:
    """Every change of identities, oldest first."""
    with app.store.reading() as unit:
        ids = list(unit.connection.execute(select(identity_change.c.id)).scalars())
        found = [change for one in ids if (change := unit.history.get(one)) is not None]
    return sorted(found, key=lambda change: (change.at, change.id))


def last_change(app: App) -> int:
    """The number of the latest change."""
    return changes(app)[-1].id
