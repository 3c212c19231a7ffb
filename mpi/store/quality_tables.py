"""Tables of what is drawn at random to measure the index."""

from sqlalchemy import BigInteger, Column, Double, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from mpi.store.tables import _Id, _Instant, metadata

quality_draw = Table(
    "quality_draw",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("kind", String(10), nullable=False),
    Column("drawn_at", _Instant, nullable=False),
    Column("made_by", Text, nullable=False),
    # With it and the same index the same pairs would be drawn.
    Column("seed", BigInteger, nullable=False),
    Column("wanted", Integer, nullable=False),
    Column("drawn", Integer, nullable=False),
    # How many pairs there were in each band, drawn from or estimated (JSON).
    Column("sizes", Text, nullable=False),
    Column("model_hash", String(64), nullable=False),
    Index("ix_quality_draw_kind_drawn_at", "kind", "drawn_at"),
)

quality_pair = Table(
    "quality_pair",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("draw_id", _Id, ForeignKey("quality_draw.id"), nullable=False, index=True),
    Column("task_id", _Id, ForeignKey("review_task.id"), nullable=False, unique=True),
    Column("record_low", _Id, ForeignKey("source_record.id"), nullable=False),
    Column("record_high", _Id, ForeignKey("source_record.id"), nullable=False),
    Column("band", String(60), nullable=False),
    Column("site", String(64), nullable=False),
    Column("weight", Double, nullable=False),
    # The model's probability that the two are one person, when the pair was drawn.
    Column("said", Double, nullable=False),
    # How likely it was that this pair would be drawn.
    Column("inclusion", Double, nullable=False),
    UniqueConstraint("record_low", "record_high"),
)
