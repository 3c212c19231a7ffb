"""Overrides of failed rules of the gate, and how far jobs have come in the audit trail."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "study_override",
        sa.Column("id", _ID, nullable=False),
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column("person_id", _ID, nullable=False),
        sa.Column("record_id", _ID, nullable=False),
        sa.Column("check_id", _ID, nullable=False),
        sa.Column("rules", sa.Text(), nullable=False),
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("reason_code", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("second_person", sa.Boolean(), nullable=False),
        sa.Column("holds_until", sa.String(length=27), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("made_at", sa.String(length=27), nullable=False),
        sa.Column("closed_by", sa.Text(), nullable=True),
        sa.Column("closed_role", sa.String(length=32), nullable=True),
        sa.Column("closed_at", sa.String(length=27), nullable=True),
        sa.Column("closed_reason", sa.Text(), nullable=True),
        sa.Column("policy_version", sa.Text(), nullable=False),
        sa.Column("policy_hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_study_override_person_id")),
        sa.ForeignKeyConstraint(["record_id"], ["source_record.id"], name=op.f("fk_study_override_record_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_study_override")),
    )
    for name in ("study_uid", "person_id", "record_id"):
        op.create_index(op.f(f"ix_study_override_{name}"), "study_override", [name], unique=False)
    op.create_index("ix_study_override_state", "study_override", ["state", "holds_until"], unique=False)
    is_open = sa.text("state = 'open'")
    op.create_index(
        "uq_study_override_open",
        "study_override",
        ["study_uid"],
        unique=True,
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
    op.create_table(
        "position",
        sa.Column("job", sa.String(length=40), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("job", name=op.f("pk_position")),
    )
    op.add_column("study", sa.Column("judged_at_seq", sa.BigInteger(), nullable=False, server_default=sa.text("0")))


def downgrade() -> None:
    raise NotImplementedError("the overrides would be lost; restore a backup instead")
