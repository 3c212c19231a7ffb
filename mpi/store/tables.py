"""The tables.

Instants are ISO 8601 UTC text with microseconds (`clock.now`), so that they sort, read and compare
alike on SQLite and PostgreSQL. A `valid_to` of NULL means "still so".
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite gives an automatic row id only to INTEGER PRIMARY KEY; PostgreSQL needs the wide type.
_Id = BigInteger().with_variant(Integer(), "sqlite")
_Instant = String(27)
# Read by its beginning too: in the order of its bytes, whatever language the database sorts in.
_Key = Text().with_variant(Text(collation="C"), "postgresql")
_CURRENT = text("valid_to IS NULL")


def _current(name: str, *columns: Column) -> Index:  # type: ignore[type-arg]
    """A unique index over what is valid now, so that no record can have two links at one time."""
    return Index(name, *columns, unique=True, sqlite_where=_CURRENT, postgresql_where=_CURRENT)


person = Table(
    "person",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("enterprise_id", String(13), nullable=False, unique=True),
    Column("created_at", _Instant, nullable=False),
    Column("merged_into", _Id, ForeignKey("person.id"), index=True),
    Column("merged_at", _Instant),
)

source_record = Table(
    "source_record",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("authority", String(64), nullable=False),
    Column("local_id", Text, nullable=False),
    Column("status", String(10), nullable=False),
    Column("merged_into", _Id, ForeignKey("source_record.id"), index=True),
    Column("version", Integer, nullable=False),
    Column("recorded", Text, nullable=False),
    Column("prepared", Text, nullable=False),
    Column("problems", Text, nullable=False),
    Column("restricted", Boolean, nullable=False),
    # An identity that was left behind (a new number for protection): stored, and shown to nobody but who may.
    Column("protected", Boolean, nullable=False, server_default=text("false")),
    # What tracing said of this record's NHS number (JSON); NULL: it was never traced.
    Column("traced", Text),
    Column("source", Text, nullable=False),
    # When the source last said something of this number, by its own clock (`mpi.domain.moment`); NULL: it never said.
    Column("said_at", String(27)),
    # The open task that an update waits in which looks like another person; NULL: nothing waits.
    Column("held_task", _Id),
    Column("message_id", _Id),
    Column("created_at", _Instant, nullable=False),
    Column("updated_at", _Instant, nullable=False),
    UniqueConstraint("authority", "local_id"),
    # Few records, asked for by every look at the queue.
    Index("ix_source_record_protected", "id", sqlite_where=text("protected"), postgresql_where=text("protected")),
    Index("ix_source_record_restricted", "id", sqlite_where=text("restricted"), postgresql_where=text("restricted")),
)

record_version = Table(
    "record_version",
    metadata,
    Column("record_id", _Id, ForeignKey("source_record.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("status", String(10), nullable=False),
    Column("merged_into", _Id),
    Column("recorded", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("message_id", _Id),
    Column("valid_from", _Instant, nullable=False),
    Column("valid_to", _Instant, nullable=False),
    PrimaryKeyConstraint("record_id", "version"),
    # Few rows: a version that was merged ends only when the merge is taken back.
    Index(
        "ix_record_version_merged_into",
        "merged_into",
        sqlite_where=text("merged_into IS NOT NULL"),
        postgresql_where=text("merged_into IS NOT NULL"),
    ),
)

identifier = Table(
    "identifier",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("record_id", _Id, ForeignKey("source_record.id"), nullable=False),
    Column("authority", String(64), nullable=False),
    Column("value", Text, nullable=False),
    Column("verified", Boolean, nullable=False),
    Column("status", String(2)),
    Column("verified_at", _Instant),
    Column("valid_from", _Instant, nullable=False),
    Column("valid_to", _Instant),
    Index("ix_identifier_authority_value", "authority", "value"),
    Index("ix_identifier_record_id_authority", "record_id", "authority"),
)

superseded_number = Table(
    "superseded_number",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("old_number", String(10), nullable=False),
    Column("new_number", String(10), nullable=False, index=True),
    Column("source", Text, nullable=False),
    Column("valid_from", _Instant, nullable=False),
    Column("valid_to", _Instant),
    Column("made_by", Text, nullable=False),
    Column("ended_by", Text),
    Column("ended_reason", Text),
    _current("uq_superseded_number_current", Column("old_number")),
)

trace_result = Table(
    "trace_result",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("reference", String(40), nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("answer", String(40), nullable=False),
    Column("record_id", _Id, ForeignKey("source_record.id"), index=True),
    Column("fate", String(20), nullable=False),
    Column("at", _Instant, nullable=False),
    Column("source", Text, nullable=False),
    UniqueConstraint("reference", "outcome", "answer"),
)

blocking_key = Table(
    "blocking_key",
    metadata,
    # The key comes first: the table is read by key. It is deleted by the keys of the old prepared values.
    Column("key", _Key, nullable=False),
    Column("record_id", _Id, nullable=False),
    PrimaryKeyConstraint("key", "record_id"),
    sqlite_with_rowid=False,
)

link = Table(
    "link",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("record_id", _Id, ForeignKey("source_record.id"), nullable=False, index=True),
    Column("person_id", _Id, ForeignKey("person.id"), nullable=False, index=True),
    Column("valid_from", _Instant, nullable=False),
    Column("valid_to", _Instant),
    Column("how", String(16), nullable=False),
    Column("made_by", Text, nullable=False),
    Column("reason", Text),
    Column("weight", Double),
    Column("pattern", Text),
    Column("rule", Text),
    Column("other_record_id", _Id),
    Column("model_hash", String(64)),
    Column("message_id", _Id),
    Column("task_id", _Id),
    Column("ended_by", Text),
    Column("ended_reason", Text),
    _current("uq_link_record_current", Column("record_id")),
)

do_not_link = Table(
    "do_not_link",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("record_low", _Id, ForeignKey("source_record.id"), nullable=False),
    Column("record_high", _Id, ForeignKey("source_record.id"), nullable=False, index=True),
    Column("valid_from", _Instant, nullable=False),
    Column("valid_to", _Instant),
    Column("kind", String(10), nullable=False, server_default="decision"),
    Column("made_by", Text, nullable=False),
    Column("reason", Text),
    Column("task_id", _Id),
    Column("ended_by", Text),
    Column("ended_reason", Text),
    _current("uq_do_not_link_current", Column("record_low"), Column("record_high")),
)

identity_change = Table(
    "identity_change",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("at", _Instant, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("role", String(32), nullable=False),
    Column("reason", Text),
    Column("message_id", _Id),
    Column("task_id", _Id, index=True),
    # What was said of identities (JSON, see mpi/domain/replay.py), and the tasks that were closed and opened by it.
    Column("statements", Text, nullable=False),
    Column("tasks_closed", Text, nullable=False),
    Column("tasks_opened", Text, nullable=False),
    Column("undoes", _Id, ForeignKey("identity_change.id")),
    Column("undone_by", _Id, ForeignKey("identity_change.id")),
)

identity_change_record = Table(
    "identity_change_record",
    metadata,
    Column("record_id", _Id, nullable=False),
    Column("change_id", _Id, nullable=False),
    PrimaryKeyConstraint("record_id", "change_id"),
    sqlite_with_rowid=False,
)

_NOT_CLOSED = text("state <> 'closed'")
review_task = Table(
    "review_task",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("type", String(40), nullable=False),
    Column("state", String(10), nullable=False),
    Column("left_record", _Id, ForeignKey("source_record.id"), index=True),
    Column("right_record", _Id, ForeignKey("source_record.id"), index=True),
    Column("weight", Double),
    Column("pattern", Text),
    Column("rule", Text),
    Column("model_hash", String(64)),
    Column("reason", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("message_id", _Id),
    Column("created_at", _Instant, nullable=False),
    Column("updated_at", _Instant, nullable=False),
    Column("closed_at", _Instant),
    Column("closed_how", String(16)),
    Column("priority", Integer, nullable=False, server_default=text("0")),
    Column("due_at", _Instant),
    # The account that has taken it; NULL: nobody.
    Column("owner", Text),
    Column("claimed_at", _Instant),
    # Drawn at random to measure the index (link, non-link); NULL: asked because somebody must decide. Shown nowhere.
    Column("sample", String(10)),
    Column("study_uid", String(64)),
    Index("ix_review_task_state", "state", "type", "weight"),
    Index("ix_review_task_queue", "state", "priority", "due_at", "id"),
    Index("ix_review_task_owner", "owner", "state"),
    Index(
        "uq_review_task_open_study",
        "type",
        "study_uid",
        unique=True,
        sqlite_where=_NOT_CLOSED,
        postgresql_where=_NOT_CLOSED,
    ),
    Index(
        "uq_review_task_open_pair",
        "type",
        "left_record",
        "right_record",
        unique=True,
        sqlite_where=_NOT_CLOSED,
        postgresql_where=_NOT_CLOSED,
    ),
)

task_verdict = Table(
    "task_verdict",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("task_id", _Id, ForeignKey("review_task.id"), nullable=False, index=True),
    Column("at", _Instant, nullable=False),
    Column("by", Text, nullable=False),
    Column("role", String(32), nullable=False),
    Column("verdict", String(20), nullable=False),
    Column("reason", Text, nullable=False),
    # Given before weight, thresholds and present links were shown.
    Column("blind", Boolean, nullable=False, server_default=text("false")),
    Column("reason_code", String(40)),
    # Which reader's it is, 1 for the first; and whether it decides, or waits for others who agree.
    Column("vote", Integer, nullable=False, server_default=text("1")),
    Column("counts", Boolean, nullable=False, server_default=text("true")),
)

queue_view = Table(
    "queue_view",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("name", Text, nullable=False),
    # A filter of the review queue (JSON); it names no patient.
    Column("filters", Text, nullable=False),
    Column("created_at", _Instant, nullable=False),
    UniqueConstraint("owner", "name"),
)

inbox_message = Table(
    "inbox_message",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("received_at", _Instant, nullable=False),
    Column("application", Text, nullable=False),
    Column("facility", Text, nullable=False),
    Column("control_id", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("event", Text, nullable=False),
    Column("peer", Text, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    # final: answered for good; temporary: a repeat is processed afresh; conflict: control id seen with other bytes
    Column("state", String(10), nullable=False),
    Column("ack", String(2), nullable=False),
    Column("errors", Text, nullable=False),
    Column("phase", String(20)),
    Column("reason", Text),
    Column("record_id", _Id),
    Column("person_id", _Id),
    Column("finished_at", _Instant, nullable=False),
    Column("attempts", Integer, nullable=False),
    UniqueConstraint("application", "facility", "control_id", "digest"),
    Index("ix_inbox_message_state_ack", "state", "ack"),
)

quality_count = Table(
    "quality_count",
    metadata,
    Column("day", String(10), nullable=False),
    Column("source", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("problem", Text, nullable=False),
    Column("n", BigInteger, nullable=False),
    PrimaryKeyConstraint("day", "source", "field", "problem"),
)

linkage_model = Table(
    "linkage_model",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("document", Text, nullable=False),
    Column("first_used_at", _Instant, nullable=False),
)

load_run = Table(
    "load_run",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("file_name", Text, nullable=False),
    Column("file_digest", String(64), nullable=False),
    Column("authority", Text, nullable=False),
    Column("state", String(10), nullable=False),
    Column("rows_done", BigInteger, nullable=False),
    Column("counts", Text, nullable=False),
    Column("started_at", _Instant, nullable=False),
    Column("updated_at", _Instant, nullable=False),
    Index("ix_load_run_file_digest", "file_digest"),
)

audit_event = Table(
    "audit_event",
    metadata,
    Column("seq", _Id, primary_key=True, autoincrement=False),
    Column("at", _Instant, nullable=False, index=True),
    Column("actor", Text, nullable=False),
    Column("role", String(32), nullable=False),
    Column("action", String(32), nullable=False),
    Column("record_id", _Id, index=True),
    Column("person_id", _Id, index=True),
    Column("task_id", _Id, index=True),
    Column("message_id", _Id),
    Column("changes_identity", Boolean, nullable=False),
    # The canonical JSON that is hashed; the columns beside it repeat parts of it for queries.
    Column("body", Text, nullable=False),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    # What other systems are told of is found without walking through everything else.
    Index(
        "ix_audit_event_changes",
        "seq",
        sqlite_where=text("changes_identity"),
        postgresql_where=text("changes_identity"),
    ),
)

subscriber = Table(
    "subscriber",
    metadata,
    Column("name", Text, primary_key=True),
    # The audit event up to which changes were turned into notifications.
    Column("position", BigInteger, nullable=False),
    # Who sends to it now, None for nobody; `beat` grows while they live.
    Column("holder", Text),
    Column("beat", BigInteger, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("last_problem", Text),
    Column("last_sent_at", _Instant),
)

notification = Table(
    "notification",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("subscriber", Text, ForeignKey("subscriber.name"), nullable=False),
    Column("person_id", _Id, ForeignKey("person.id"), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("control_id", String(20), nullable=False, unique=True),
    Column("identifiers", Text, nullable=False),
    # waiting; sent; dead: refused too often; silent: nothing to say in its domains; superseded: a later one says it
    Column("state", String(10), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("not_before", _Instant),
    Column("problem", Text),
    Column("created_at", _Instant, nullable=False),
    Column("finished_at", _Instant),
    Index("ix_notification_subscriber_state", "subscriber", "state", "id"),
    Index("ix_notification_subscriber_person_id", "subscriber", "person_id", "id"),
)

account = Table(
    "account",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("password_hash", Text, nullable=False),
    Column("role", String(32), nullable=False),
    # Codes of the authorities it is bound to (JSON); NULL: every site.
    Column("sites", Text),
    # Who vouches for it (OpenID Connect: issuer and subject); NULL: its own password does.
    Column("issuer", Text),
    Column("subject", Text),
    # Its password was given to it by an administrator, and is good for choosing another only.
    Column("must_change", Boolean, nullable=False, server_default=text("false")),
    Column("locked_at", _Instant),
    Column("failed_attempts", Integer, nullable=False),
    Column("failed_at", _Instant),
    # Raised when the password, role, sites or lock change: sessions carry it, and older ones end.
    Column("session_version", Integer, nullable=False),
    Column("created_at", _Instant, nullable=False),
    UniqueConstraint("issuer", "subject"),
)

web_session = Table(
    "web_session",
    metadata,
    # SHA-256 of the id in the cookie: who reads the table cannot take a session over.
    Column("id_hash", String(64), primary_key=True),
    Column("account_id", _Id, ForeignKey("account.id"), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("started_at", _Instant, nullable=False),
    Column("seen_at", _Instant, nullable=False),
    Column("ended_at", _Instant),
)

api_token = Table(
    "api_token",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("role", String(32), nullable=False),
    Column("sites", Text),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("created_at", _Instant, nullable=False),
    Column("revoked_at", _Instant),
)

study = Table(
    "study",
    metadata,
    Column("study_uid", String(64), primary_key=True),
    Column("person_id", _Id, ForeignKey("person.id"), index=True),
    Column("record_id", _Id, ForeignKey("source_record.id"), index=True),
    Column("decision", String(10), nullable=False),
    # How it came (`mpi.domain.study.Origin`) and through whom: what is known first is kept for good.
    Column("origin", String(20), nullable=False, server_default=text("'unknown'")),
    Column("origin_name", Text),
    # False: attached by a human although a rule failed, and nobody has closed that yet.
    Column("verified", Boolean, nullable=False, server_default=text("true")),
    # Why an attached study waits (`mpi.domain.study_life.Doubt`); NULL: it does not.
    Column("doubt", String(10)),
    # A human has refused it, or taken it from somebody: only a human lets it in again.
    Column("set_aside", Boolean, nullable=False, server_default=text("false")),
    # While it is held it may be read at once under its own header.
    Column("readable", Boolean, nullable=False, server_default=text("false")),
    # The check that its attachment stands on; NULL: it is not attached.
    Column("check_id", _Id),
    # The audit event up to which the index was looked at when its attachment was judged last.
    Column("judged_at_seq", BigInteger, nullable=False, server_default=text("0")),
    Column("first_seen_at", _Instant, nullable=False),
    Column("updated_at", _Instant, nullable=False),
)

study_check = Table(
    "study_check",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("study_uid", String(64), nullable=False, index=True),
    Column("at", _Instant, nullable=False),
    Column("by", Text, nullable=False),
    Column("decision", String(10), nullable=False),
    Column("person_id", _Id, ForeignKey("person.id"), index=True),
    Column("header", Text, nullable=False),
    Column("rules", Text, nullable=False),
    Column("policy_version", Text, nullable=False),
    Column("policy_hash", String(64), nullable=False),
    # How it came that time (JSON of `mpi.domain.study.Arrival`); NULL: nothing was said.
    Column("arrival", Text),
)

study_event = Table(
    "study_event",
    metadata,
    # Given in the order of the commits and without gaps, for only one writer at a time changes studies: who has come to
    # one never misses an earlier one.
    Column("seq", _Id, primary_key=True, autoincrement=False),
    Column("study_uid", String(64), nullable=False, index=True),
    Column("at", _Instant, nullable=False),
    Column("by", Text, nullable=False),
    Column("role", String(32), nullable=False),
    Column("step", String(20), nullable=False),
    Column("person_id", _Id, ForeignKey("person.id"), index=True),
    Column("record_id", _Id, ForeignKey("source_record.id"), index=True),
    Column("check_id", _Id),
    Column("reason", Text),
)

known_study = Table(
    "known_study",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("study_uid", String(64), nullable=False),
    # The local number it was told of, and the record that had it then; NULL: the index did not know the number.
    Column("authority", String(64), nullable=False),
    Column("local_id", Text, nullable=False),
    Column("record_id", _Id, ForeignKey("source_record.id"), index=True),
    Column("state", String(10), nullable=False),
    Column("study_date", String(8)),
    Column("modality", String(64)),
    Column("description", Text),
    Column("accession_number", Text),
    Column("accession_issuer", Text),
    # What the message says of the patient (JSON): whether the number still means the same person.
    Column("patient", Text, nullable=False),
    Column("said_at", String(27)),
    Column("source", Text, nullable=False),
    Column("message_id", _Id),
    Column("first_seen_at", _Instant, nullable=False),
    Column("updated_at", _Instant, nullable=False),
    UniqueConstraint("study_uid", "authority", "local_id"),
    Index(
        "ix_known_study_waiting",
        "local_id",
        "authority",
        sqlite_where=text("record_id IS NULL"),
        postgresql_where=text("record_id IS NULL"),
    ),
)

study_override = Table(
    "study_override",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("study_uid", String(64), nullable=False, index=True),
    Column("person_id", _Id, ForeignKey("person.id"), nullable=False, index=True),
    Column("record_id", _Id, ForeignKey("source_record.id"), nullable=False, index=True),
    # The check whose header it was judged on.
    Column("check_id", _Id, nullable=False),
    # The rules in whose spite it attaches (JSON).
    Column("rules", Text, nullable=False),
    Column("site", String(64), nullable=False),
    Column("reason_code", Text, nullable=False),
    Column("reason", Text, nullable=False),
    # Nothing is attached before somebody else has confirmed it.
    Column("second_person", Boolean, nullable=False),
    Column("holds_until", _Instant, nullable=False),
    # open, confirmed, expired, revoked
    Column("state", String(10), nullable=False),
    Column("made_by", Text, nullable=False),
    Column("role", String(32), nullable=False),
    Column("made_at", _Instant, nullable=False),
    Column("closed_by", Text),
    Column("closed_role", String(32)),
    Column("closed_at", _Instant),
    Column("closed_reason", Text),
    Column("policy_version", Text, nullable=False),
    Column("policy_hash", String(64), nullable=False),
    Index(
        "uq_study_override_open",
        "study_uid",
        unique=True,
        sqlite_where=text("state = 'open'"),
        postgresql_where=text("state = 'open'"),
    ),
    Index("ix_study_override_state", "state", "holds_until"),
)

position = Table(
    "position",
    metadata,
    # How far a job has come in the audit trail: it begins again there, whatever happens to it.
    Column("job", String(40), primary_key=True),
    Column("seq", BigInteger, nullable=False),
)
