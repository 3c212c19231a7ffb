"""Accounts that a provider vouches for, and passwords that must be changed at the first sign-in."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("account") as batch:
        batch.add_column(sa.Column("issuer", sa.Text(), nullable=True))
        batch.add_column(sa.Column("subject", sa.Text(), nullable=True))
        batch.add_column(sa.Column("must_change", sa.Boolean(), nullable=False, server_default=sa.text("false")))
        batch.create_unique_constraint(op.f("uq_account_issuer_subject"), ["issuer", "subject"])


def downgrade() -> None:
    with op.batch_alter_table("account") as batch:
        batch.drop_constraint(op.f("uq_account_issuer_subject"), type_="unique")
        batch.drop_column("must_change")
        batch.drop_column("subject")
        batch.drop_column("issuer")
