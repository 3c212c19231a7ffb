"""Studies that sites have told of."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_WAITING = sa.text("record_id IS NULL")


def upgrade() -> None:
    op.create_table(
        "known_study",
        sa.Column("id", _ID, nullable=False),
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column("authority", sa.String(length=64), nullable=False),
        sa.Column("local_id", sa.Text(), nullable=False),
        sa.Column("record_id", _ID, nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("study_date", sa.String(length=8), nullable=True),
        sa.Column("modality", sa.String(length=64), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("accession_number", sa.Text(), nullable=True),
        sa.Column("accession_issuer", sa.Text(), nullable=True),
        sa.Column("patient", sa.Text(), nullable=False),
        sa.Column("said_at", sa.String(length=27), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("message_id", _ID, nullable=True),
        sa.Column("first_seen_at", sa.String(length=27), nullable=False),
        sa.Column("updated_at", sa.String(length=27), nullable=False),
        sa.ForeignKeyConstraint(["record_id"], ["source_record.id"], name=op.f("fk_known_study_record_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_known_study")),
        sa.UniqueConstraint(
            "study_uid", "authority", "local_id", name=op.f("uq_known_study_study_uid_authority_local_id")
        ),
    )
    op.create_index(op.f("ix_known_study_record_id"), "known_study", ["record_id"], unique=False)
    op.create_index(
        "ix_known_study_waiting",
        "known_study",
        ["local_id", "authority"],
        unique=False,
        sqlite_where=_WAITING,
        postgresql_where=_WAITING,
    )


def downgrade() -> None:
    raise NotImplementedError("what sites have told of studies would be lost; restore a backup instead")
