"""Review tasks get a place in the queue, a due time, an owner and a study; verdicts say whether they are blind."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_RISKS = {
    "possible-overlay": 9, "reused-number": 9, "nhs-number-on-two-persons": 8, "broken-cluster": 8, "held-merge": 7,
    "held-move": 7, "held-link": 6, "two-nhs-numbers-on-one-person": 5, "trace-conflict": 5, "possible-duplicate": 3,
    "deleted-number": 2,
}  # fmt: skip


def upgrade() -> None:
    for column in (
        sa.Column("priority", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("due_at", sa.String(length=27), nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("claimed_at", sa.String(length=27), nullable=True),
        sa.Column("sample", sa.String(length=10), nullable=True),
        sa.Column("study_uid", sa.String(length=64), nullable=True),
    ):
        op.add_column("review_task", column)
    for column in (
        sa.Column("blind", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("reason_code", sa.String(length=40), nullable=True),
        sa.Column("vote", sa.Integer(), nullable=False, server_default=sa.text("1")),
        sa.Column("counts", sa.Boolean(), nullable=False, server_default=sa.text("true")),
    ):
        op.add_column("task_verdict", column)
    task = sa.table("review_task", sa.column("priority", sa.Integer), sa.column("type", sa.String))
    for kind, risk in _RISKS.items():
        op.execute(task.update().where(task.c.type == kind).values(priority=risk * 4))
    _make_indexes()
    op.create_table(
        "queue_view",
        sa.Column("id", _ID, nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("filters", sa.Text(), nullable=False),
        sa.Column("created_at", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_queue_view")),
        sa.UniqueConstraint("owner", "name", name=op.f("uq_queue_view_owner_name")),
    )


def _make_indexes() -> None:
    restricted = sa.text("restricted")
    op.create_index(
        "ix_source_record_restricted", "source_record", ["id"], sqlite_where=restricted, postgresql_where=restricted
    )
    op.create_index("ix_review_task_queue", "review_task", ["state", "priority", "due_at", "id"])
    op.create_index("ix_review_task_owner", "review_task", ["owner", "state"])
    not_closed = sa.text("state <> 'closed'")
    op.create_index(
        "uq_review_task_open_study",
        "review_task",
        ["type", "study_uid"],
        unique=True,
        sqlite_where=not_closed,
        postgresql_where=not_closed,
    )


def downgrade() -> None:
    raise NotImplementedError("a database is not brought back to an older schema; restore a backup instead")
