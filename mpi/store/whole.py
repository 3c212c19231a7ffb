"""The whole index read in one go: what batch linkage over it starts from."""

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import bindparam, select

from mpi.domain.person import NHS
from mpi.domain.review import TaskState, TaskType
from mpi.store.records import MERGED
from mpi.store.statements import Statements
from mpi.store.tables import do_not_link, identifier, link, review_task, source_record

_PAGE = 5_000


class IndexRow(NamedTuple):
    """A record that belongs to a person: its version, prepared values (JSON) and that person."""

    id: int
    authority: str
    version: int
    prepared: str
    person_id: int


class MergedRow(NamedTuple):
    """A record that was merged into another, with the NHS number it brought along (None: it had none)."""

    id: int
    merged_into: int
    number: str | None
    verified: bool


_rows = (
    select(
        source_record.c.id,
        source_record.c.authority,
        source_record.c.version,
        source_record.c.prepared,
        link.c.person_id,
    )
    .join(link, (link.c.record_id == source_record.c.id) & link.c.valid_to.is_(None))
    .where(source_record.c.id > bindparam("after"), source_record.c.protected.is_(False))
    .order_by(source_record.c.id)
    .limit(_PAGE)
)
_merged = (
    select(source_record.c.id, source_record.c.merged_into, identifier.c.value, identifier.c.verified)
    .outerjoin(
        identifier,
        (identifier.c.record_id == source_record.c.id)
        & (identifier.c.authority == NHS)
        & identifier.c.valid_to.is_(None),
    )
    .where(source_record.c.status == MERGED, source_record.c.merged_into.is_not(None))
    .order_by(source_record.c.id, identifier.c.id)
)
_apart = (
    select(do_not_link.c.record_low, do_not_link.c.record_high)
    .where(do_not_link.c.valid_to.is_(None))
    .order_by(do_not_link.c.record_low, do_not_link.c.record_high)
)
_doubts = select(review_task.c.left_record, review_task.c.right_record).where(
    review_task.c.type == TaskType.BROKEN_CLUSTER.value, review_task.c.state != TaskState.CLOSED.value
)


class Whole:
    """All records, decisions and doubts as one transaction sees them."""

    def __init__(self, connection: Statements) -> None:
        self._connection = connection

    def records(self) -> Iterator[IndexRow]:
        """Every record that belongs to a person, in order of id."""
        after = 0
        while rows := self._connection.execute(_rows, {"after": after}).all():
            for row in rows:
                yield IndexRow(*row)
            after = int(rows[-1].id)

    def merged(self) -> list[MergedRow]:
        """Every record that was merged into another, in order of id."""
        return [MergedRow(row[0], row[1], row[2], bool(row[3])) for row in self._connection.execute(_merged)]

    def kept_apart(self) -> list[tuple[int, int]]:
        """The pairs of records that a human has said are different people."""
        return [(row[0], row[1]) for row in self._connection.execute(_apart)]

    def in_doubt(self) -> set[int]:
        """The records about which it is being asked whether they belong to the person they are tied to."""
        return {record for row in self._connection.execute(_doubts) for record in row if record is not None}
