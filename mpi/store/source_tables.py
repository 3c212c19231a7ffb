"""Tables of what is wrong with records, for their sources to mend, and of how that changes."""

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint, text

from mpi.store.tables import _Id, _Instant, metadata

_STANDS = text("fixed_at IS NULL")

source_look = Table(
    "source_look",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("started_at", _Instant, nullable=False),
    # NULL: it was broken off, and the next look does its work again.
    Column("finished_at", _Instant),
)

source_defect = Table(
    "source_defect",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("record_id", _Id, ForeignKey("source_record.id"), nullable=False),
    Column("field", String(40), nullable=False),
    Column("fault", String(20), nullable=False),
    Column("listed_at", _Instant, nullable=False),
    # When a look found it gone; NULL: it stands.
    Column("fixed_at", _Instant),
    Index("uq_source_defect_stands", "record_id", "field", "fault", unique=True, sqlite_where=_STANDS,
          postgresql_where=_STANDS),
    Index("ix_source_defect_fixed_at", "fixed_at"),
)  # fmt: skip

source_score = Table(
    "source_score",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("look_id", _Id, ForeignKey("source_look.id"), nullable=False),
    Column("authority", String(64), nullable=False),
    Column("source", Text, nullable=False),
    # "records", "fixed", or a kind of fault; `field` is empty for the first two.
    Column("measure", String(20), nullable=False),
    Column("field", String(40), nullable=False),
    Column("n", Integer, nullable=False),
    UniqueConstraint("look_id", "authority", "source", "measure", "field"),
)
