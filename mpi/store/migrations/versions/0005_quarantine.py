"""Outside objects in quarantine: what the DICOM node has received, and how far each has come."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "dicom_study",
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("received_at", sa.String(length=27), nullable=False),
        sa.Column("checked_at", sa.String(length=27), nullable=True),
        sa.Column("not_before", sa.String(length=27), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("study_uid", name=op.f("pk_dicom_study")),
    )
    op.create_index(op.f("ix_dicom_study_state"), "dicom_study", ["state"], unique=False)
    op.create_table(
        "dicom_object",
        sa.Column("id", _ID, nullable=False),
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column("sop_uid", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("sop_class", sa.String(length=64), nullable=False),
        sa.Column("transfer_syntax", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("header", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("node", sa.String(length=32), nullable=False),
        sa.Column("partner", sa.String(length=16), nullable=False),
        sa.Column("association", sa.Text(), nullable=False),
        sa.Column("received_at", sa.String(length=27), nullable=False),
        sa.Column("forwarded_at", sa.String(length=27), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.String(length=27), nullable=True),
        sa.Column("transaction_uid", sa.String(length=64), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dicom_object")),
        sa.UniqueConstraint("sop_uid", "digest", name=op.f("uq_dicom_object_sop_uid_digest")),
    )
    op.create_index("ix_dicom_object_study_uid_state", "dicom_object", ["study_uid", "state", "id"], unique=False)
    op.create_index("ix_dicom_object_node_state", "dicom_object", ["node", "state", "id"], unique=False)
    op.create_index("ix_dicom_object_transaction_uid", "dicom_object", ["transaction_uid"], unique=False)


def downgrade() -> None:
    raise NotImplementedError("what is in quarantine would be lost; restore a backup instead")
