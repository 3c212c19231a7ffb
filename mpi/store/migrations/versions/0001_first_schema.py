"""The first schema: people, links, review, inbox, audit, accounts, studies."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_APPEND_ONLY = "the audit trail is append-only"


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("locked_at", sa.String(length=27), nullable=True),
        sa.Column("failed_attempts", sa.Integer(), nullable=False),
        sa.Column("failed_at", sa.String(length=27), nullable=True),
        sa.Column("session_version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("name", name=op.f("uq_account_name")),
    )
    op.create_table(
        "api_token",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.String(length=27), nullable=False),
        sa.Column("revoked_at", sa.String(length=27), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_token")),
        sa.UniqueConstraint("name", name=op.f("uq_api_token_name")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_api_token_token_hash")),
    )
    op.create_table(
        "audit_event",
        sa.Column("seq", _ID, autoincrement=False, nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("record_id", _ID, nullable=True),
        sa.Column("person_id", _ID, nullable=True),
        sa.Column("task_id", _ID, nullable=True),
        sa.Column("message_id", _ID, nullable=True),
        sa.Column("changes_identity", sa.Boolean(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("previous_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_event")),
    )
    op.create_index(op.f("ix_audit_event_at"), "audit_event", ["at"], unique=False)
    op.create_index(
        "ix_audit_event_changes",
        "audit_event",
        ["seq"],
        unique=False,
        sqlite_where=sa.text("changes_identity"),
        postgresql_where=sa.text("changes_identity"),
    )
    op.create_index(op.f("ix_audit_event_person_id"), "audit_event", ["person_id"], unique=False)
    op.create_index(op.f("ix_audit_event_record_id"), "audit_event", ["record_id"], unique=False)
    op.create_index(op.f("ix_audit_event_task_id"), "audit_event", ["task_id"], unique=False)
    op.create_table(
        "blocking_key",
        sa.Column("key", _KEY, nullable=False),
        sa.Column("record_id", _ID, nullable=False),
        sa.PrimaryKeyConstraint("key", "record_id", name=op.f("pk_blocking_key")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "inbox_message",
        sa.Column("id", _ID, nullable=False),
        sa.Column("received_at", sa.String(length=27), nullable=False),
        sa.Column("application", sa.Text(), nullable=False),
        sa.Column("facility", sa.Text(), nullable=False),
        sa.Column("control_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("ack", sa.String(length=2), nullable=False),
        sa.Column("errors", sa.Text(), nullable=False),
        sa.Column("phase", sa.String(length=20), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("record_id", _ID, nullable=True),
        sa.Column("person_id", _ID, nullable=True),
        sa.Column("finished_at", sa.String(length=27), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox_message")),
        sa.UniqueConstraint(
            "application",
            "facility",
            "control_id",
            "digest",
            name=op.f("uq_inbox_message_application_facility_control_id_digest"),
        ),
    )
    op.create_index("ix_inbox_message_state_ack", "inbox_message", ["state", "ack"], unique=False)
    op.create_table(
        "linkage_model",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("first_used_at", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_linkage_model")),
    )
    op.create_table(
        "load_run",
        sa.Column("id", _ID, nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("file_digest", sa.String(length=64), nullable=False),
        sa.Column("authority", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("rows_done", sa.BigInteger(), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("started_at", sa.String(length=27), nullable=False),
        sa.Column("updated_at", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_load_run")),
    )
    op.create_index("ix_load_run_file_digest", "load_run", ["file_digest"], unique=False)
    op.create_table(
        "person",
        sa.Column("id", _ID, nullable=False),
        sa.Column("enterprise_id", sa.String(length=13), nullable=False),
        sa.Column("created_at", sa.String(length=27), nullable=False),
        sa.Column("merged_into", _ID, nullable=True),
        sa.Column("merged_at", sa.String(length=27), nullable=True),
        sa.ForeignKeyConstraint(["merged_into"], ["person.id"], name=op.f("fk_person_merged_into")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
        sa.UniqueConstraint("enterprise_id", name=op.f("uq_person_enterprise_id")),
    )
    op.create_index(op.f("ix_person_merged_into"), "person", ["merged_into"], unique=False)
    op.create_table(
        "quality_count",
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "source", "field", "problem", name=op.f("pk_quality_count")),
    )
    op.create_table(
        "source_record",
        sa.Column("id", _ID, nullable=False),
        sa.Column("authority", sa.String(length=64), nullable=False),
        sa.Column("local_id", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("merged_into", _ID, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("recorded", sa.Text(), nullable=False),
        sa.Column("prepared", sa.Text(), nullable=False),
        sa.Column("problems", sa.Text(), nullable=False),
        sa.Column("restricted", sa.Boolean(), nullable=False),
        sa.Column("protected", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("traced", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("said_at", sa.String(length=27), nullable=True),
        sa.Column("held_task", _ID, nullable=True),
        sa.Column("message_id", _ID, nullable=True),
        sa.Column("created_at", sa.String(length=27), nullable=False),
        sa.Column("updated_at", sa.String(length=27), nullable=False),
        sa.ForeignKeyConstraint(["merged_into"], ["source_record.id"], name=op.f("fk_source_record_merged_into")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source_record")),
        sa.UniqueConstraint("authority", "local_id", name=op.f("uq_source_record_authority_local_id")),
    )
    op.create_index(
        "ix_source_record_protected",
        "source_record",
        ["id"],
        unique=False,
        sqlite_where=sa.text("protected"),
        postgresql_where=sa.text("protected"),
    )
    op.create_index(op.f("ix_source_record_merged_into"), "source_record", ["merged_into"], unique=False)
    op.create_table(
        "do_not_link",
        sa.Column("id", _ID, nullable=False),
        sa.Column("record_low", _ID, nullable=False),
        sa.Column("record_high", _ID, nullable=False),
        sa.Column("valid_from", sa.String(length=27), nullable=False),
        sa.Column("valid_to", sa.String(length=27), nullable=True),
        sa.Column("kind", sa.String(length=10), server_default="decision", nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("task_id", _ID, nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.Column("ended_reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["record_high"], ["source_record.id"], name=op.f("fk_do_not_link_record_high")),
        sa.ForeignKeyConstraint(["record_low"], ["source_record.id"], name=op.f("fk_do_not_link_record_low")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_do_not_link")),
    )
    op.create_index(op.f("ix_do_not_link_record_high"), "do_not_link", ["record_high"], unique=False)
    op.create_index(
        "uq_do_not_link_current",
        "do_not_link",
        ["record_low", "record_high"],
        unique=True,
        sqlite_where=sa.text("valid_to IS NULL"),
        postgresql_where=sa.text("valid_to IS NULL"),
    )
    op.create_table(
        "identity_change",
        sa.Column("id", _ID, nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("message_id", _ID, nullable=True),
        sa.Column("task_id", _ID, nullable=True),
        sa.Column("statements", sa.Text(), nullable=False),
        sa.Column("tasks_closed", sa.Text(), nullable=False),
        sa.Column("tasks_opened", sa.Text(), nullable=False),
        sa.Column("undoes", _ID, nullable=True),
        sa.Column("undone_by", _ID, nullable=True),
        sa.ForeignKeyConstraint(["undoes"], ["identity_change.id"], name=op.f("fk_identity_change_undoes")),
        sa.ForeignKeyConstraint(["undone_by"], ["identity_change.id"], name=op.f("fk_identity_change_undone_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_change")),
    )
    op.create_index(op.f("ix_identity_change_task_id"), "identity_change", ["task_id"], unique=False)
    op.create_table(
        "identity_change_record",
        sa.Column("record_id", _ID, nullable=False),
        sa.Column("change_id", _ID, nullable=False),
        sa.PrimaryKeyConstraint("record_id", "change_id", name=op.f("pk_identity_change_record")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "identifier",
        sa.Column("id", _ID, nullable=False),
        sa.Column("record_id", _ID, nullable=False),
        sa.Column("authority", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("verified", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(length=2), nullable=True),
        sa.Column("verified_at", sa.String(length=27), nullable=True),
        sa.Column("valid_from", sa.String(length=27), nullable=False),
        sa.Column("valid_to", sa.String(length=27), nullable=True),
        sa.ForeignKeyConstraint(["record_id"], ["source_record.id"], name=op.f("fk_identifier_record_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identifier")),
    )
    op.create_index("ix_identifier_authority_value", "identifier", ["authority", "value"], unique=False)
    op.create_index("ix_identifier_record_id_authority", "identifier", ["record_id", "authority"], unique=False)
    op.create_table(
        "link",
        sa.Column("id", _ID, nullable=False),
        sa.Column("record_id", _ID, nullable=False),
        sa.Column("person_id", _ID, nullable=False),
        sa.Column("valid_from", sa.String(length=27), nullable=False),
        sa.Column("valid_to", sa.String(length=27), nullable=True),
        sa.Column("how", sa.String(length=16), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("weight", sa.Double(), nullable=True),
        sa.Column("pattern", sa.Text(), nullable=True),
        sa.Column("rule", sa.Text(), nullable=True),
        sa.Column("other_record_id", _ID, nullable=True),
        sa.Column("model_hash", sa.String(length=64), nullable=True),
        sa.Column("message_id", _ID, nullable=True),
        sa.Column("task_id", _ID, nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.Column("ended_reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_link_person_id")),
        sa.ForeignKeyConstraint(["record_id"], ["source_record.id"], name=op.f("fk_link_record_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link")),
    )
    op.create_index(op.f("ix_link_person_id"), "link", ["person_id"], unique=False)
    op.create_index(op.f("ix_link_record_id"), "link", ["record_id"], unique=False)
    op.create_index(
        "uq_link_record_current",
        "link",
        ["record_id"],
        unique=True,
        sqlite_where=sa.text("valid_to IS NULL"),
        postgresql_where=sa.text("valid_to IS NULL"),
    )
    op.create_table(
        "record_version",
        sa.Column("record_id", _ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("merged_into", _ID, nullable=True),
        sa.Column("recorded", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("message_id", _ID, nullable=True),
        sa.Column("valid_from", sa.String(length=27), nullable=False),
        sa.Column("valid_to", sa.String(length=27), nullable=False),
        sa.ForeignKeyConstraint(["record_id"], ["source_record.id"], name=op.f("fk_record_version_record_id")),
        sa.PrimaryKeyConstraint("record_id", "version", name=op.f("pk_record_version")),
    )
    op.create_index(
        "ix_record_version_merged_into",
        "record_version",
        ["merged_into"],
        unique=False,
        sqlite_where=sa.text("merged_into IS NOT NULL"),
        postgresql_where=sa.text("merged_into IS NOT NULL"),
    )
    op.create_table(
        "review_task",
        sa.Column("id", _ID, nullable=False),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("left_record", _ID, nullable=True),
        sa.Column("right_record", _ID, nullable=True),
        sa.Column("weight", sa.Double(), nullable=True),
        sa.Column("pattern", sa.Text(), nullable=True),
        sa.Column("rule", sa.Text(), nullable=True),
        sa.Column("model_hash", sa.String(length=64), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("message_id", _ID, nullable=True),
        sa.Column("created_at", sa.String(length=27), nullable=False),
        sa.Column("updated_at", sa.String(length=27), nullable=False),
        sa.Column("closed_at", sa.String(length=27), nullable=True),
        sa.Column("closed_how", sa.String(length=16), nullable=True),
        sa.ForeignKeyConstraint(["left_record"], ["source_record.id"], name=op.f("fk_review_task_left_record")),
        sa.ForeignKeyConstraint(["right_record"], ["source_record.id"], name=op.f("fk_review_task_right_record")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_task")),
    )
    op.create_index(op.f("ix_review_task_left_record"), "review_task", ["left_record"], unique=False)
    op.create_index(op.f("ix_review_task_right_record"), "review_task", ["right_record"], unique=False)
    op.create_index("ix_review_task_state", "review_task", ["state", "type", "weight"], unique=False)
    op.create_index(
        "uq_review_task_open_pair",
        "review_task",
        ["type", "left_record", "right_record"],
        unique=True,
        sqlite_where=sa.text("state <> 'closed'"),
        postgresql_where=sa.text("state <> 'closed'"),
    )
    op.create_table(
        "superseded_number",
        sa.Column("id", _ID, nullable=False),
        sa.Column("old_number", sa.String(length=10), nullable=False),
        sa.Column("new_number", sa.String(length=10), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.String(length=27), nullable=False),
        sa.Column("valid_to", sa.String(length=27), nullable=True),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.Column("ended_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_superseded_number")),
    )
    op.create_index(op.f("ix_superseded_number_new_number"), "superseded_number", ["new_number"], unique=False)
    op.create_index(
        "uq_superseded_number_current",
        "superseded_number",
        ["old_number"],
        unique=True,
        sqlite_where=sa.text("valid_to IS NULL"),
        postgresql_where=sa.text("valid_to IS NULL"),
    )
    op.create_table(
        "trace_result",
        sa.Column("id", _ID, nullable=False),
        sa.Column("reference", sa.String(length=40), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("answer", sa.String(length=40), nullable=False),
        sa.Column("record_id", _ID, nullable=True),
        sa.Column("fate", sa.String(length=20), nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["record_id"], ["source_record.id"], name=op.f("fk_trace_result_record_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trace_result")),
        sa.UniqueConstraint("reference", "outcome", "answer", name=op.f("uq_trace_result_reference_outcome_answer")),
    )
    op.create_index(op.f("ix_trace_result_record_id"), "trace_result", ["record_id"], unique=False)
    op.create_table(
        "study",
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column("person_id", _ID, nullable=True),
        sa.Column("record_id", _ID, nullable=True),
        sa.Column("decision", sa.String(length=10), nullable=False),
        sa.Column("first_seen_at", sa.String(length=27), nullable=False),
        sa.Column("updated_at", sa.String(length=27), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_study_person_id")),
        sa.ForeignKeyConstraint(["record_id"], ["source_record.id"], name=op.f("fk_study_record_id")),
        sa.PrimaryKeyConstraint("study_uid", name=op.f("pk_study")),
    )
    op.create_index(op.f("ix_study_person_id"), "study", ["person_id"], unique=False)
    op.create_index(op.f("ix_study_record_id"), "study", ["record_id"], unique=False)
    op.create_table(
        "study_check",
        sa.Column("id", _ID, nullable=False),
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("decision", sa.String(length=10), nullable=False),
        sa.Column("person_id", _ID, nullable=True),
        sa.Column("header", sa.Text(), nullable=False),
        sa.Column("rules", sa.Text(), nullable=False),
        sa.Column("policy_version", sa.Text(), nullable=False),
        sa.Column("policy_hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_study_check_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_study_check")),
    )
    op.create_index(op.f("ix_study_check_person_id"), "study_check", ["person_id"], unique=False)
    op.create_index(op.f("ix_study_check_study_uid"), "study_check", ["study_uid"], unique=False)
    op.create_table(
        "web_session",
        sa.Column("id_hash", sa.String(length=64), nullable=False),
        sa.Column("account_id", _ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.String(length=27), nullable=False),
        sa.Column("seen_at", sa.String(length=27), nullable=False),
        sa.Column("ended_at", sa.String(length=27), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_web_session_account_id")),
        sa.PrimaryKeyConstraint("id_hash", name=op.f("pk_web_session")),
    )
    op.create_index(op.f("ix_web_session_account_id"), "web_session", ["account_id"], unique=False)
    op.create_table(
        "task_verdict",
        sa.Column("id", _ID, nullable=False),
        sa.Column("task_id", _ID, nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("verdict", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["review_task.id"], name=op.f("fk_task_verdict_task_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_verdict")),
    )
    op.create_index(op.f("ix_task_verdict_task_id"), "task_verdict", ["task_id"], unique=False)
    op.create_table(
        "subscriber",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=True),
        sa.Column("beat", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_problem", sa.Text(), nullable=True),
        sa.Column("last_sent_at", sa.String(length=27), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_subscriber")),
    )
    op.create_table(
        "notification",
        sa.Column("id", _ID, nullable=False),
        sa.Column("subscriber", sa.Text(), nullable=False),
        sa.Column("person_id", _ID, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("control_id", sa.String(length=20), nullable=False),
        sa.Column("identifiers", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.String(length=27), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("created_at", sa.String(length=27), nullable=False),
        sa.Column("finished_at", sa.String(length=27), nullable=True),
        sa.ForeignKeyConstraint(["subscriber"], ["subscriber.name"], name=op.f("fk_notification_subscriber")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_notification_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notification")),
        sa.UniqueConstraint("control_id", name=op.f("uq_notification_control_id")),
    )
    op.create_index("ix_notification_subscriber_state", "notification", ["subscriber", "state", "id"], unique=False)
    op.create_index(
        "ix_notification_subscriber_person_id", "notification", ["subscriber", "person_id", "id"], unique=False
    )
    _protect_audit()


def _protect_audit() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_event_no_{verb.lower()} BEFORE {verb} ON audit_event"
                f" BEGIN SELECT RAISE(ABORT, '{_APPEND_ONLY}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION audit_event_refuse() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION '{_APPEND_ONLY}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_event"
        " FOR EACH STATEMENT EXECUTE FUNCTION audit_event_refuse()"
    )


def downgrade() -> None:
    raise NotImplementedError("the first schema has nothing before it; drop the database instead")
