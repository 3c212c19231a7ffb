"""What is drawn at random to measure the index."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "quality_draw",
        sa.Column("id", _ID, nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("drawn_at", sa.String(length=27), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("wanted", sa.Integer(), nullable=False),
        sa.Column("drawn", sa.Integer(), nullable=False),
        sa.Column("sizes", sa.Text(), nullable=False),
        sa.Column("model_hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quality_draw")),
    )
    op.create_index("ix_quality_draw_kind_drawn_at", "quality_draw", ["kind", "drawn_at"], unique=False)
    op.create_table(
        "quality_pair",
        sa.Column("id", _ID, nullable=False),
        sa.Column("draw_id", _ID, nullable=False),
        sa.Column("task_id", _ID, nullable=False),
        sa.Column("record_low", _ID, nullable=False),
        sa.Column("record_high", _ID, nullable=False),
        sa.Column("band", sa.String(length=60), nullable=False),
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("weight", sa.Double(), nullable=False),
        sa.Column("said", sa.Double(), nullable=False),
        sa.Column("inclusion", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["draw_id"], ["quality_draw.id"], name=op.f("fk_quality_pair_draw_id")),
        sa.ForeignKeyConstraint(["task_id"], ["review_task.id"], name=op.f("fk_quality_pair_task_id")),
        sa.ForeignKeyConstraint(["record_low"], ["source_record.id"], name=op.f("fk_quality_pair_record_low")),
        sa.ForeignKeyConstraint(["record_high"], ["source_record.id"], name=op.f("fk_quality_pair_record_high")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quality_pair")),
        sa.UniqueConstraint("task_id", name=op.f("uq_quality_pair_task_id")),
        sa.UniqueConstraint("record_low", "record_high", name=op.f("uq_quality_pair_record_low_record_high")),
    )
    op.create_index(op.f("ix_quality_pair_draw_id"), "quality_pair", ["draw_id"], unique=False)


def downgrade() -> None:
    raise NotImplementedError("what was measured would be lost; restore a backup instead")
