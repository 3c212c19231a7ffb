"""The life of an outside study: how it came, whether it is in doubt, and every step."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    for column in (
        sa.Column("origin", sa.String(length=20), nullable=False, server_default=sa.text("'unknown'")),
        sa.Column("origin_name", sa.Text(), nullable=True),
        sa.Column("verified", sa.Boolean(), nullable=False, server_default=sa.text("true")),
        sa.Column("doubt", sa.String(length=10), nullable=True),
        sa.Column("set_aside", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("readable", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("check_id", _ID, nullable=True),
    ):
        op.add_column("study", column)
    op.add_column("study_check", sa.Column("arrival", sa.Text(), nullable=True))
    op.create_table(
        "study_event",
        sa.Column("seq", _ID, autoincrement=False, nullable=False),
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("step", sa.String(length=20), nullable=False),
        sa.Column("person_id", _ID, nullable=True),
        sa.Column("record_id", _ID, nullable=True),
        sa.Column("check_id", _ID, nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_study_event_person_id")),
        sa.ForeignKeyConstraint(["record_id"], ["source_record.id"], name=op.f("fk_study_event_record_id")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_study_event")),
    )
    for name in ("study_uid", "person_id", "record_id"):
        op.create_index(op.f(f"ix_study_event_{name}"), "study_event", [name], unique=False)
    # The attachments that stand already: each on the latest check that attached it, and in the history from here on.
    op.execute(
        "UPDATE study SET check_id = (SELECT max(c.id) FROM study_check c WHERE c.study_uid = study.study_uid"
        " AND c.decision = 'attach') WHERE person_id IS NOT NULL"
    )
    op.execute(
        'INSERT INTO study_event (seq, study_uid, at, "by", role, step, person_id, record_id, check_id)'
        " SELECT row_number() OVER (ORDER BY updated_at, study_uid), study_uid, updated_at, 'system', 'system',"
        " CASE decision WHEN 'attach' THEN 'attached' WHEN 'hold' THEN 'held' ELSE 'refused' END,"
        " person_id, record_id, check_id FROM study"
    )


def downgrade() -> None:
    raise NotImplementedError("the history of studies would be lost; restore a backup instead")
