"""Accounts of people and tokens of machines: who may come in, and as whom they act."""

import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mpi.config import Config
from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.errors import BadInput, Conflict, NotFound, TemporaryFailure
from mpi.domain.roles import Permission, Role, check_actor, may_be_bound
from mpi.domain.text import storable
from mpi.services.passwords import Passwords, check_password
from mpi.store import clock
from mpi.store.unit_of_work import Store, UnitOfWork
from mpi.store.users import StoredAccount

FAILURES_ALLOWED = 5
LOCKED_FOR = timedelta(minutes=15)
"""After `FAILURES_ALLOWED` wrong passwords in a row no password is looked at for this long."""

IDLE_LIMIT = timedelta(minutes=30)
SESSION_LIMIT = timedelta(hours=12)
_SEEN_STEP = timedelta(minutes=1)
"""A session's last use is written at most this often, so that reading pages does not write at each step."""

TOKEN_PREFIX = "mpi_"  # noqa: S105 - lets secret scanners find a token that leaked; it is no secret itself
Sites = Iterable[str] | None
_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")


@dataclass(frozen=True, slots=True)
class Account:
    """An account as administrators see it."""

    name: str
    role: Role
    locked: bool
    created_at: str
    sites: tuple[str, ...] | None = None
    """Codes of the sites it is bound to; None: every site."""
    provider: str | None = None
    """Who vouches for it by OpenID Connect; None: its own password does."""


@dataclass(frozen=True, slots=True)
class Token:
    """A machine's bearer token as administrators see it: never the token itself."""

    name: str
    role: Role
    revoked: bool
    created_at: str
    sites: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody who is signed in, and the id that their cookie carries."""

    actor: Actor
    role: Role
    session_id: str
    must_change: bool = False
    """Whether a password must be chosen before anything else."""
    provider: str | None = None
    """Who vouched for it; None: its own password did."""


class Users:
    """Accounts, sessions and tokens. Each method is one transaction with its audit events."""

    def __init__(self, store: Store, config: Config, passwords: Passwords | None = None) -> None:
        self._store = store
        self._config = config
        self._passwords = passwords or Passwords()

    # --- administration ----------------------------------------------------------------------------------------------

    def add(
        self,
        actor: Actor,
        name: str,
        role: Role,
        password: str,
        sites: Sites = None,
        *,
        must_change: bool = False,
    ) -> None:
        """Make an account, bound to `sites` (authority codes) where they are given.

        `must_change`: the password is good for choosing another only.

        Raises `Conflict` when the name is taken, `BadInput` for a name, password or site not allowed.
        """
        _may_manage(actor)
        bound = self.checked_sites(role, sites)
        name = checked_name(name)
        check_password(name, password)
        hashed = self._passwords.hash(password)
        with self._store.writing(identities=False) as unit:
            if unit.accounts.get(name):
                raise Conflict(f"there is an account {name!r} already")
            event = _changed(actor, {"account": name, "after": {"role": role.value, "sites": _listed(bound)}})
            unit.accounts.add(name, role, hashed, bound, must_change=must_change, event=event)

    def set_password(self, actor: Actor, name: str, password: str, *, must_change: bool = False) -> None:
        """Give an account another password and end its sessions; `must_change` as in `add`.

        Raises `Conflict` for an account that a provider vouches for.
        """
        _may_manage(actor)
        check_password(name, password)
        hashed = self._passwords.hash(password)
        with self._store.writing(identities=False) as unit:
            account = _account(unit, name)
            if account.issuer is not None:
                raise Conflict("this account signs in at its provider and has no password here")
            event = _changed(actor, {"account": account.name, "changed": "password"})
            unit.accounts.set_password(account.id, hashed, must_change=must_change, event=event)

    def set_role(self, actor: Actor, name: str, role: Role) -> None:
        """Give an account another role and end its sessions.

        Raises `BadInput` where it is bound to sites and the role concerns all of them.
        """
        _may_manage(actor)
        with self._store.writing(identities=False) as unit:
            account = _account(unit, name)
            _not_own(actor, account)
            self.checked_sites(role, account.sites)
            detail = {"account": account.name, "before": {"role": account.role.value}, "after": {"role": role.value}}
            unit.accounts.set_role(account.id, role, event=_changed(actor, detail))

    def set_access(self, actor: Actor, name: str, role: Role, sites: Sites) -> None:
        """Give an account role and sites at once and end its sessions. Raises as `set_role` and `set_sites`."""
        _may_manage(actor)
        bound = self.checked_sites(role, sites)
        with self._store.writing(identities=False) as unit:
            account = _account(unit, name)
            _not_own(actor, account)
            unit.accounts.set_grant(account.id, role, bound, event=granted(actor, account, role, bound))

    def set_sites(self, actor: Actor, name: str, sites: Sites) -> None:
        """Bind an account to `sites` (authority codes; None: every site) and end its sessions. Raises `BadInput`."""
        _may_manage(actor)
        with self._store.writing(identities=False) as unit:
            account = _account(unit, name)
            _not_own(actor, account)
            bound = self.checked_sites(account.role, sites)
            before, after = {"sites": _listed(account.sites)}, {"sites": _listed(bound)}
            event = _changed(actor, {"account": account.name, "before": before, "after": after})
            unit.accounts.set_sites(account.id, bound, event=event)

    def set_lock(self, actor: Actor, name: str, locked: bool) -> None:
        """Lock an account and end its sessions, or unlock it and forget its failed sign-ins."""
        _may_manage(actor)
        with self._store.writing(identities=False) as unit:
            account = _account(unit, name)
            _not_own(actor, account)
            detail = {"account": account.name, "after": {"locked": locked}}
            unit.accounts.set_lock(account.id, locked, event=_changed(actor, detail))

    def accounts(self, actor: Actor) -> list[Account]:
        """All accounts by name."""
        _may_manage(actor)
        with self._store.reading() as unit:
            found = unit.accounts.all()
        return [
            Account(a.name, a.role, a.locked_at is not None, a.created_at, _listed(a.sites), a.issuer) for a in found
        ]

    def issue_token(self, actor: Actor, name: str, role: Role, sites: Sites = None) -> str:
        """A new bearer token, readable this once: only its digest is kept. Raises `Conflict` when the name is taken."""
        _may_manage(actor)
        name = checked_name(name)
        bound = self.checked_sites(role, sites)
        token = TOKEN_PREFIX + secrets.token_urlsafe(32)
        with self._store.writing(identities=False) as unit:
            if unit.accounts.token_named(name):
                raise Conflict(f"a token was issued under the name {name!r} already; names are not used twice")
            event = AuditEvent(actor, Action.TOKEN_ISSUED, detail={"role": role.value, "sites": _listed(bound)})
            unit.accounts.add_token(name, role, _digest(token), bound, event=event)
        return token

    def revoke_token(self, actor: Actor, name: str) -> None:
        """Make a token useless. Raises `NotFound` when none was issued under this name."""
        _may_manage(actor)
        with self._store.writing(identities=False) as unit:
            if not unit.accounts.token_named(name):
                raise NotFound(f"no token was issued under the name {name!r}")
            unit.accounts.revoke_token(name, event=_changed(actor, {"token": name, "after": {"revoked": True}}))

    def tokens(self, actor: Actor) -> list[Token]:
        """All tokens by name, revoked ones too."""
        _may_manage(actor)
        with self._store.reading() as unit:
            found = unit.accounts.tokens()
        return [Token(t.name, t.role, t.revoked_at is not None, t.created_at, _listed(t.sites)) for t in found]

    def checked_sites(self, role: Role, sites: Sites) -> frozenset[str] | None:
        """The codes of `sites` (None: every site); raises `BadInput` where this role cannot be bound so."""
        if sites is None:
            return None
        if not may_be_bound(role):
            raise BadInput(f"the role {role.value} concerns every site", field="site")
        found = [self._config.authority(code) for code in sites]
        known = frozenset(site.code for site in found if site is not None and site.kind != "national")
        if not known or len(known) < len(set(found)):
            raise BadInput("a site is the code of a hospital in the configuration", field="site")
        return known

    # --- people at the door ------------------------------------------------------------------------------------------

    def sign_in(self, name: str, password: str) -> SignedIn | None:
        """A new session, or None: unknown name, wrong password and locked account look alike and take as long."""
        account = self.prove(name, password)
        if account is None:
            return None
        renewed = self._passwords.hash(password) if self._passwords.is_outdated(account.password_hash) else None
        return self.let_in(account, renewed)

    def hashed(self, password: str) -> str:
        """What is stored instead of `password`."""
        return self._passwords.hash(password)

    def prove(self, name: str, password: str) -> StoredAccount | None:
        """The account whose password this is; None, counted and written down, as `sign_in` says."""
        with self._store.reading() as unit:
            account = unit.accounts.get(storable(name.strip().casefold()))
            now = clock.read(unit.now)
        vouched = account is not None and account.issuer is not None
        shut = account is None or vouched or account.locked_at is not None or _is_locked_out(account, now)
        matches = self._passwords.matches(account.password_hash if account and not vouched else None, password)
        if account is None or shut or not matches:
            self._refuse(account, shut=shut)
            return None
        return account

    def _refuse(self, account: StoredAccount | None, *, shut: bool) -> None:
        # A name that is not known is not written down: people type their password there.
        detail = {"account": account.name} if account else {"account": "unknown"}
        reason = "no such account" if account is None else "locked" if shut else "wrong password"
        actor = Actor(account.name, account.role.value) if account else Actor("nobody", "nobody")
        event = AuditEvent(actor, Action.SIGN_IN_FAILED, reason=reason, detail=detail)
        with self._store.writing(identities=False) as unit:
            current = unit.accounts.hold(account.name) if account else None
            if current is None or shut:
                unit.audit(event)
            else:
                before = 0 if _is_over(current, clock.read(unit.now)) else current.failed_attempts
                unit.accounts.note_failure(current.id, before + 1, event=event)

    def let_in(self, account: StoredAccount, renewed: str | None = None) -> SignedIn | None:
        """A new session of somebody who has proved to be `account`; None where it was changed or locked meanwhile.

        `renewed` is the hash of the password made with today's parameters.
        """
        session_id = secrets.token_urlsafe(32)
        actor = _acting(account)
        with self._store.writing(identities=False) as unit:
            current = unit.accounts.hold(account.name)
            # Looked at again: tries sent at the same moment must not outrun the count, nor a change made meanwhile.
            if (
                current is None
                or current.session_version != account.session_version
                or current.locked_at is not None
                or _is_locked_out(current, clock.read(unit.now))
            ):
                detail = {"account": account.name}
                unit.audit(AuditEvent(actor, Action.SIGN_IN_FAILED, reason="locked", detail=detail))
                return None
            unit.accounts.note_success(account.id, renewed)
            unit.accounts.start_session(account, _digest(session_id), event=AuditEvent(actor, Action.SIGNED_IN))
        acting = replace(actor, session=mark_of(_digest(session_id)))
        return SignedIn(acting, account.role, session_id, account.must_change, account.issuer)

    def session(self, session_id: str) -> SignedIn | None:
        """Who holds this session; None when it ended, ran out, or the account was changed since sign-in."""
        digest = _digest(session_id)
        with self._store.reading() as unit:
            session = unit.accounts.session(digest)
            now = clock.read(unit.now)
        if session is None or session.ended_at is not None or session.version != session.account.session_version:
            return None
        idle = now - clock.read(session.seen_at)
        if idle > _SEEN_STEP and not is_over(session.started_at, session.seen_at, now):
            # The page matters more than the note of its being read.
            with suppress(TemporaryFailure), self._store.writing(identities=False) as unit:
                unit.accounts.touch_session(digest)
        if is_over(session.started_at, session.seen_at, now):
            return None
        account = session.account
        actor = replace(_acting(account), session=mark_of(digest))
        return SignedIn(actor, account.role, session_id, account.must_change, account.issuer)

    def sign_out(self, signed_in: SignedIn) -> None:
        """End a session for good: a copy of its cookie is worth nothing afterwards."""
        with self._store.writing(identities=False) as unit:
            event = AuditEvent(signed_in.actor, Action.SIGNED_OUT)
            unit.accounts.end_session(_digest(signed_in.session_id), event=event)

    # --- machines at the door ----------------------------------------------------------------------------------------

    def bearer(self, token: str) -> Actor | None:
        """As whom a machine with this token acts; None for a token that was never issued or is revoked."""
        with self._store.reading() as unit:
            found = unit.accounts.token(_digest(token))
        if found is None or found.revoked_at is not None:
            return None
        return Actor(f"token:{found.name}", found.role.value, found.sites)


def _may_manage(actor: Actor) -> None:
    check_actor(actor, Permission.MANAGE_USERS)


def _acting(account: StoredAccount) -> Actor:
    return Actor(account.name, account.role.value, account.sites)


def granted(actor: Actor, account: StoredAccount, role: Role, sites: frozenset[str] | None) -> AuditEvent:
    """The audit event of another role or other sites."""
    before = {"role": account.role.value, "sites": _listed(account.sites)}
    after = {"role": role.value, "sites": _listed(sites)}
    return _changed(actor, {"account": account.name, "before": before, "after": after})


def _listed(sites: frozenset[str] | None) -> tuple[str, ...] | None:
    return None if sites is None else tuple(sorted(sites))


def checked_name(name: str) -> str:
    """`name` as it is stored; raises `BadInput` for one that is not allowed."""
    name = name.strip().casefold()
    if not _NAME.fullmatch(name):
        raise BadInput("a name has 1 to 64 letters, digits or . _ @ - and begins with a letter or digit", field="name")
    return name


def _account(unit: UnitOfWork, name: str) -> StoredAccount:
    account = unit.accounts.hold(name.strip().casefold())
    if account is None:
        raise NotFound(f"there is no account {name!r}")
    return account


def _changed(actor: Actor, detail: Mapping[str, object]) -> AuditEvent:
    return AuditEvent(actor, Action.USER_CHANGED, detail=detail)


def _is_over(account: StoredAccount, now: datetime) -> bool:
    return account.failed_at is None or now - clock.read(account.failed_at) >= LOCKED_FOR


def _is_locked_out(account: StoredAccount, now: datetime) -> bool:
    return account.failed_attempts >= FAILURES_ALLOWED and not _is_over(account, now)


def _not_own(actor: Actor, account: StoredAccount) -> None:
    if actor.name == account.name:
        raise Conflict("nobody changes their own access; ask another administrator")


def is_over(started_at: str, seen_at: str, now: datetime) -> bool:
    """Whether a session has run out: it was not used for too long, or lasted too long."""
    return now - clock.read(seen_at) > IDLE_LIMIT or now - clock.read(started_at) > SESSION_LIMIT


def mark_of(id_hash: str) -> str:
    """What a session is known by to others: neither its id nor the digest under which it is stored."""
    return _digest("mark " + id_hash)[:16]


def _digest(secret: str) -> str:
    # The secrets are 256 random bits, so that one plain hash is enough: there is nothing to guess.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
