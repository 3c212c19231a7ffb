"""What is wrong with records, for their sources to mend."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_STANDS = sa.text("fixed_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "source_look",
        sa.Column("id", _ID, nullable=False),
        sa.Column("started_at", sa.String(length=27), nullable=False),
        sa.Column("finished_at", sa.String(length=27), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source_look")),
    )
    op.create_table(
        "source_defect",
        sa.Column("id", _ID, nullable=False),
        sa.Column("record_id", _ID, nullable=False),
        sa.Column("field", sa.String(length=40), nullable=False),
        sa.Column("fault", sa.String(length=20), nullable=False),
        sa.Column("listed_at", sa.String(length=27), nullable=False),
        sa.Column("fixed_at", sa.String(length=27), nullable=True),
        sa.ForeignKeyConstraint(["record_id"], ["source_record.id"], name=op.f("fk_source_defect_record_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source_defect")),
    )
    op.create_index(
        "uq_source_defect_stands",
        "source_defect",
        ["record_id", "field", "fault"],
        unique=True,
        sqlite_where=_STANDS,
        postgresql_where=_STANDS,
    )
    op.create_index("ix_source_defect_fixed_at", "source_defect", ["fixed_at"], unique=False)
    op.create_table(
        "source_score",
        sa.Column("id", _ID, nullable=False),
        sa.Column("look_id", _ID, nullable=False),
        sa.Column("authority", sa.String(length=64), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("measure", sa.String(length=20), nullable=False),
        sa.Column("field", sa.String(length=40), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["look_id"], ["source_look.id"], name=op.f("fk_source_score_look_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source_score")),
        sa.UniqueConstraint(
            "look_id",
            "authority",
            "source",
            "measure",
            "field",
            name=op.f("uq_source_score_look_id_authority_source_measure_field"),
        ),
    )


def downgrade() -> None:
    raise NotImplementedError("what sources were shown would be lost; restore a backup instead")
