"""Who may do what, and of whose people: one table of role x permission, and how far each goes for a site's account."""

from collections.abc import Iterable
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
    BREAK_GLASS = "break-glass"
    VIEW_QUEUE = "view-queue"
    DECIDE = "decide"
    ASSIGN = "assign"
    UNDO = "undo"
    CHECK_STUDY = "check-study"
    VIEW_STUDY = "view-study"
    DECIDE_STUDY = "decide-study"
    LIST_STUDIES = "list-studies"
    MATCH = "match"
    QUERY_CROSSWALK = "query-crosswalk"
    READ_CHANGES = "read-changes"
    VIEW_AUDIT = "view-audit"
    VIEW_QUALITY = "view-quality"
    DRAW_SAMPLE = "draw-sample"
    LOOK_AT_SOURCES = "look-at-sources"
    EXPORT_FIX_LIST = "export-fix-list"
    TRY_MODEL = "try-model"
    MANAGE_USERS = "manage-users"
    REPLAY = "replay"
    PROTECT = "protect"
    SEE_PROTECTED = "see-protected"


_P = Permission
PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset({_P.VIEW_PERSON, _P.SEARCH, _P.VIEW_QUEUE, _P.LIST_STUDIES}),
    Role.REVIEWER: frozenset({_P.VIEW_PERSON, _P.SEARCH, _P.VIEW_QUEUE, _P.DECIDE, _P.MATCH, _P.LIST_STUDIES}),
    Role.SENIOR_REVIEWER: frozenset(
        {
            _P.VIEW_PERSON,
            _P.SEARCH,
            _P.BREAK_GLASS,
            _P.VIEW_QUEUE,
            _P.DECIDE,
            _P.ASSIGN,
            _P.UNDO,
            _P.MATCH,
            _P.REPLAY,
            _P.VIEW_STUDY,
            _P.DECIDE_STUDY,
            _P.LIST_STUDIES,
            _P.VIEW_QUALITY,
            _P.EXPORT_FIX_LIST,
        }
    ),
    Role.GATE_OPERATOR: frozenset(
        {_P.VIEW_PERSON, _P.SEARCH, _P.VIEW_QUEUE, _P.CHECK_STUDY, _P.VIEW_STUDY, _P.DECIDE_STUDY, _P.LIST_STUDIES}
    ),
    Role.REGISTRATION_CLERK: frozenset({_P.VIEW_PERSON, _P.SEARCH, _P.MATCH}),
    Role.IG_AUDITOR: frozenset({_P.VIEW_AUDIT, _P.PROTECT, _P.SEE_PROTECTED}),
    Role.ADMINISTRATOR: frozenset(
        {
            _P.MANAGE_USERS,
            _P.REPLAY,
            _P.PROTECT,
            _P.VIEW_QUALITY,
            _P.DRAW_SAMPLE,
            _P.LOOK_AT_SOURCES,
            _P.EXPORT_FIX_LIST,
            _P.TRY_MODEL,
        }
    ),
    Role.SERVICE: frozenset(
        {_P.MATCH, _P.QUERY_CROSSWALK, _P.READ_CHANGES, _P.CHECK_STUDY, _P.VIEW_STUDY, _P.LIST_STUDIES}
    ),
}


class Reach(StrEnum):
    """How far a permission goes for an account or token that is bound to sites."""

    SITE = "its sites"
    """People with a record at one of the sites, with all that is linked to them."""
    NONE = "not at all"
    """What the permission opens concerns the people of every site, so that it needs an account of every site."""


REACH: dict[Permission, Reach] = {
    _P.VIEW_PERSON: Reach.SITE,
    _P.SEARCH: Reach.SITE,
    _P.BREAK_GLASS: Reach.SITE,
    _P.VIEW_QUEUE: Reach.SITE,
    _P.DECIDE: Reach.SITE,
    _P.ASSIGN: Reach.SITE,
    _P.UNDO: Reach.SITE,
    _P.CHECK_STUDY: Reach.SITE,
    _P.VIEW_STUDY: Reach.SITE,
    _P.DECIDE_STUDY: Reach.SITE,
    _P.LIST_STUDIES: Reach.SITE,
    _P.MATCH: Reach.SITE,
    _P.QUERY_CROSSWALK: Reach.SITE,
    _P.READ_CHANGES: Reach.NONE,
    _P.VIEW_AUDIT: Reach.NONE,
    _P.VIEW_QUALITY: Reach.NONE,
    _P.DRAW_SAMPLE: Reach.NONE,
    _P.LOOK_AT_SOURCES: Reach.NONE,
    _P.EXPORT_FIX_LIST: Reach.NONE,
    _P.TRY_MODEL: Reach.NONE,
    _P.MANAGE_USERS: Reach.NONE,
    _P.REPLAY: Reach.NONE,
    _P.PROTECT: Reach.NONE,
    _P.SEE_PROTECTED: Reach.NONE,
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


def permitted(actor: Actor, permission: Permission) -> bool:
    """Whether `actor` holds `permission`, by role and by the sites it is bound to."""
    try:
        role = role_of(actor)
    except NotAllowed:
        return False
    return can(role, permission) and (actor.sites is None or REACH[permission] is Reach.SITE)


def check_actor(actor: Actor, permission: Permission) -> Role:
    """The role in which `actor` holds `permission`; raises `NotAllowed` where it does not.

    What it may then reach is for `reaches` to say, of each person or question that is asked for.
    """
    role = role_of(actor)
    check(role, permission)
    if not permitted(actor, permission):
        raise NotAllowed(f"{permission.value} concerns every site, and this account is bound to some")
    return role


def reaches(actor: Actor, authorities: Iterable[str]) -> bool:
    """Whether `actor` may be shown people whose records stand under these authority codes."""
    return actor.sites is None or not actor.sites.isdisjoint(authorities)


def may_be_bound(role: Role) -> bool:
    """Whether an account of this role can be bound to sites: something must be left for it to do."""
    return any(REACH[permission] is Reach.SITE for permission in PERMISSIONS[role])
