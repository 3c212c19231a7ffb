"""Who may do what: one table of role x permission."""

from enum import StrEnum

from mpi.domain.audit import Actor
from mpi.domain.errors import NotAllowed


class Role(StrEnum):
    """The roles an account can have. Stored with accounts and audit events: values never change."""

    VIEWER = "viewer"
    REVIEWER = "reviewer"
    SENIOR_REVIEWER = "senior-reviewer"
    GATE_OPERATOR = "gate-operator"
    REGISTRATION_CLERK = "registration-clerk"
    IG_AUDITOR = "ig-auditor"
    ADMINISTRATOR = "administrator"
    SERVICE = "service"


class Permission(StrEnum):
    """One thing a person or a machine may do."""

    VIEW_PERSON = "view-person"
    SEARCH = "search"
    VIEW_QUEUE = "view-queue"
    DECIDE = "decide"
    UNDO = "undo"
    CHECK_STUDY = "check-study"
    MATCH = "match"
    QUERY_CROSSWALK = "query-crosswalk"
    READ_CHANGES = "read-changes"
    VIEW_AUDIT = "view-audit"
    MANAGE_USERS = "manage-users"
    REPLAY = "replay"
    PROTECT = "protect"
    SEE_PROTECTED = "see-protected"


_P = Permission
PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset({_P.VIEW_PERSON, _P.SEARCH, _P.VIEW_QUEUE}),
    Role.REVIEWER: frozenset({_P.VIEW_PERSON, _P.SEARCH, _P.VIEW_QUEUE, _P.DECIDE, _P.MATCH}),
    Role.SENIOR_REVIEWER: frozenset(
        {_P.VIEW_PERSON, _P.SEARCH, _P.VIEW_QUEUE, _P.DECIDE, _P.UNDO, _P.MATCH, _P.REPLAY}
    ),
    Role.GATE_OPERATOR: frozenset({_P.VIEW_PERSON, _P.SEARCH, _P.VIEW_QUEUE, _P.CHECK_STUDY}),
    Role.REGISTRATION_CLERK: frozenset({_P.VIEW_PERSON, _P.SEARCH, _P.MATCH}),
    Role.IG_AUDITOR: frozenset({_P.VIEW_AUDIT, _P.PROTECT, _P.SEE_PROTECTED}),
    Role.ADMINISTRATOR: frozenset({_P.MANAGE_USERS, _P.REPLAY, _P.PROTECT}),
    Role.SERVICE: frozenset({_P.MATCH, _P.QUERY_CROSSWALK, _P.READ_CHANGES, _P.CHECK_STUDY}),
}


def can(role: Role, permission: Permission) -> bool:
    """Whether `role` holds `permission`."""
    return permission in PERMISSIONS[role]


def check(role: Role, permission: Permission) -> None:
    """Raise `NotAllowed` unless `role` holds `permission`."""
    if not can(role, permission):
        raise NotAllowed(f"the role {role.value} may not {permission.value}")


def role_of(actor: Actor) -> Role:
    """The role an actor acts in; raises `NotAllowed` for an actor that has none (a feed, a command)."""
    try:
        return Role(actor.role)
    except ValueError:
        raise NotAllowed(f"{actor.role} is not a role that may ask") from None
