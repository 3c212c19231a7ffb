"""The audit trail: who did or read what, in which role, when, why, from what to what."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Action(StrEnum):
    """Names of audit events. Stored: values never change."""

    RECORD_CREATED = "record.created"
    RECORD_UPDATED = "record.updated"
    RECORD_UNCHANGED = "record.unchanged"
    RECORD_MERGED = "record.merged"
    RECORD_RENAMED = "record.renamed"
    RECORD_DELETED = "record.deleted"
    RECORD_REVIVED = "record.revived"
    RECORD_HELD = "record.update-held"
    RECORD_OLDER = "record.older-update"
    PERSON_CREATED = "person.created"
    PERSON_MERGED = "person.merged"
    PERSON_REVIVED = "person.revived"
    LINKED = "link.made"
    UNLINKED = "link.ended"
    KEPT_APART = "do-not-link.made"
    KEPT_APART_ENDED = "do-not-link.ended"
    CHANGE_UNDONE = "change.undone"
    TASK_OPENED = "task.opened"
    TASK_DECIDED = "task.decided"
    TASK_REOPENED = "task.reopened"
    TASK_ANSWERED = "task.answered"
    TASK_TAKEN = "task.taken"
    TASK_LET_GO = "task.let-go"
    TASK_ASSIGNED = "task.assigned"
    TASK_DUE = "task.due"
    QUEUE_ORDERED = "queue.ordered"
    VIEW_CHANGED = "queue.view-changed"
    MESSAGE_RECEIVED = "message.received"
    MESSAGE_HELD = "message.held"
    MESSAGE_REPLAYED = "message.replayed"
    PERSON_READ = "person.read"
    GLASS_BROKEN = "glass.broken"
    REFUSED = "access.refused"
    AUDIT_READ = "audit.read"
    AUDIT_EXPORTED = "audit.exported"
    AUDIT_VERIFIED = "audit.verified"
    TASK_READ = "task.read"
    SEARCHED = "search.made"
    CROSSWALK_READ = "crosswalk.read"
    MATCHED = "match.made"
    STUDY_CHECKED = "study.checked"
    STUDY_READ = "study.read"
    STUDY_DOUBTED = "study.doubted"
    STUDY_CLEARED = "study.cleared"
    POLICY_TRIED = "policy.tried"
    OVERRIDE_OPENED = "override.opened"
    OVERRIDE_CONFIRMED = "override.confirmed"
    OVERRIDE_EXPIRED = "override.expired"
    OVERRIDE_REVOKED = "override.revoked"
    STUDY_RELEASED = "study.released"
    STUDY_DETACHED = "study.detached"
    STUDY_REFUSED = "study.refused"
    OBJECT_RECEIVED = "object.received"
    QUARANTINE_CHECKED = "quarantine.checked"
    OBJECTS_FORWARDED = "objects.forwarded"
    OBJECTS_COMMITTED = "objects.committed"
    OBJECT_NOT_FORWARDED = "object.not-forwarded"
    QUARANTINE_DECIDED = "quarantine.decided"
    STUDY_TOLD = "study.told"
    STUDIES_READ = "studies.read"
    SIGNED_IN = "user.signed-in"
    SIGN_IN_FAILED = "user.sign-in-failed"
    SIGNED_OUT = "user.signed-out"
    USER_CHANGED = "user.changed"
    TOKEN_ISSUED = "user.token-issued"  # noqa: S105 - an event's name, no secret
    NOTIFIED = "person.notified"
    NOTIFICATION_GIVEN_UP = "notification.given-up"
    NOTIFICATION_RETRIED = "notification.retried"
    CHANGES_READ = "changes.read"
    NUMBER_SUPERSEDED = "number.superseded"
    NUMBER_RESTORED = "number.restored"
    TRACE_EXPORTED = "trace.exported"
    TRACE_TAKEN = "trace.taken"
    PROTECTED = "identity.protected"
    PROTECTION_ENDED = "identity.shown"
    PROTECTED_READ = "identity.read"
    BACKUP_MADE = "backup.made"
    BACKUP_RESTORED = "backup.restored"
    SAMPLE_DRAWN = "sample.drawn"
    SOURCES_LOOKED_AT = "sources.looked-at"
    FIX_LIST_EXPORTED = "fix-list.exported"
    MODEL_TRIED = "model.tried"
    LABELS_EXPORTED = "labels.exported"
    RUN_STARTED = "run.started"
    RUN_FINISHED = "run.finished"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: `name` of an account, feed or command, and the role it acts in."""

    name: str
    role: str
    sites: frozenset[str] | None = None
    """Codes of the authorities it is bound to: it reaches people with a record there only; None: everybody."""
    session: str | None = field(default=None, compare=False, repr=False)
    """The mark of the session in which it acts, not the session's id; None: none, as for tokens and commands."""


SYSTEM = Actor("system", "system")


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One line of the trail. Every change in the store takes one, and it is written in the same transaction.

    `detail` holds before and after and is JSON; it may hold patient values (the trail is protected like the
    records themselves), but never secrets.
    """

    actor: Actor
    action: Action
    record_id: int | None = None
    person_id: int | None = None
    task_id: int | None = None
    study_uid: str | None = None
    message_id: int | None = None
    model_hash: str | None = None
    reason: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    changes_identity: bool = False
    """Set by the store where it may have changed whose an identifier is: of such events other systems are told."""
