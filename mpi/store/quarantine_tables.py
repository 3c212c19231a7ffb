"""The tables of the DICOM node: received objects and their studies."""

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text, UniqueConstraint

from mpi.store.tables import _Id, _Instant, metadata

dicom_study = Table(
    "dicom_study",
    metadata,
    Column("study_uid", String(64), primary_key=True),
    Column("state", String(12), nullable=False, index=True),
    # When its latest object came.
    Column("received_at", _Instant, nullable=False),
    Column("checked_at", _Instant),
    # Not looked at again before; NULL: at once.
    Column("not_before", _Instant),
    Column("attempts", Integer, nullable=False),
    # Why it does not go on, in plain words without a patient's value.
    Column("problem", Text),
)

dicom_object = Table(
    "dicom_object",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("study_uid", String(64), nullable=False),
    Column("sop_uid", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("sop_class", String(64), nullable=False),
    Column("transfer_syntax", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    # The header as received (JSON of `mpi.domain.study.StudyHeader`).
    Column("header", Text, nullable=False),
    Column("state", String(12), nullable=False),
    # Whose folder the file lies in.
    Column("node", String(32), nullable=False),
    Column("partner", String(16), nullable=False),
    Column("association", Text, nullable=False),
    Column("received_at", _Instant, nullable=False),
    Column("forwarded_at", _Instant),
    Column("attempts", Integer, nullable=False),
    Column("not_before", _Instant),
    # The storage commitment that was asked for (Transaction UID).
    Column("transaction_uid", String(64)),
    Column("problem", Text),
    UniqueConstraint("sop_uid", "digest"),
    Index("ix_dicom_object_study_uid_state", "study_uid", "state", "id"),
    Index("ix_dicom_object_node_state", "node", "state", "id"),
    Index("ix_dicom_object_transaction_uid", "transaction_uid"),
)
