"""Accounts and tokens may be bound to sites."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("account", sa.Column("sites", sa.Text(), nullable=True))
    op.add_column("api_token", sa.Column("sites", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("api_token", "sites")
    op.drop_column("account", "sites")
