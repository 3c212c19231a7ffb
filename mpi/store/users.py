"""Accounts of people, their sessions, and the bearer tokens of machines."""

import json
from dataclasses import replace
from typing import Any, NamedTuple

from sqlalchemy import bindparam, insert, select, update

from mpi.domain.audit import AuditEvent
from mpi.domain.roles import Role
from mpi.store.records import TrailLike
from mpi.store.statements import Statements
from mpi.store.tables import account, api_token, web_session


class StoredAccount(NamedTuple):
    """An account as stored. `locked_at` None means not locked by an administrator."""

    id: int
    name: str
    role: Role
    password_hash: str
    locked_at: str | None
    failed_attempts: int
    failed_at: str | None
    session_version: int
    created_at: str
    sites: frozenset[str] | None
    """Authority codes that it is bound to; None: every site."""
    issuer: str | None
    """Who vouches for it by OpenID Connect; None: its own password does."""
    must_change: bool
    """Whether its password is good for choosing another only."""


class StoredSession(NamedTuple):
    """A session and the account it belongs to; `version` is the account's at the time of sign-in."""

    account: StoredAccount
    version: int
    started_at: str
    seen_at: str
    ended_at: str | None


class OpenSession(NamedTuple):
    """A session that was not ended; whether it has run out is for its reader to say."""

    id_hash: str
    version: int
    started_at: str
    seen_at: str


class StoredToken(NamedTuple):
    """A bearer token as stored, without the token. `revoked_at` None means that it is still good."""

    name: str
    role: Role
    created_at: str
    revoked_at: str | None
    sites: frozenset[str] | None


_account_columns = (
    account.c.id,
    account.c.name,
    account.c.role,
    account.c.password_hash,
    account.c.locked_at,
    account.c.failed_attempts,
    account.c.failed_at,
    account.c.session_version,
    account.c.created_at,
    account.c.sites,
    account.c.issuer,
    account.c.must_change,
)
_by_name = select(*_account_columns).where(account.c.name == bindparam("name"))
_by_name_held = _by_name.with_for_update()
_all = select(*_account_columns).order_by(account.c.name)
_insert = insert(account)
_by_id = update(account).where(account.c.id == bindparam("account_id"))
_new_version = _by_id.values(session_version=account.c.session_version + 1)
_insert_session = insert(web_session)
_session = (
    select(
        *_account_columns,
        web_session.c.version,
        web_session.c.started_at,
        web_session.c.seen_at,
        web_session.c.ended_at,
    )
    .join_from(web_session, account)
    .where(web_session.c.id_hash == bindparam("id_hash"))
)
_open_sessions = (
    select(web_session.c.id_hash, web_session.c.version, web_session.c.started_at, web_session.c.seen_at)
    .where(web_session.c.account_id == bindparam("account_id"), web_session.c.ended_at.is_(None))
    .order_by(web_session.c.seen_at.desc())
)
_by_subject = select(*_account_columns).where(
    account.c.issuer == bindparam("issuer"), account.c.subject == bindparam("subject")
)
_update_session = update(web_session).where(web_session.c.id_hash == bindparam("digest"))
_insert_token = insert(api_token)
_token_columns = (api_token.c.name, api_token.c.role, api_token.c.created_at, api_token.c.revoked_at, api_token.c.sites)
_token = select(*_token_columns).where(api_token.c.token_hash == bindparam("token_hash"))
_token_by_name = select(*_token_columns).where(api_token.c.name == bindparam("name"))
_tokens = select(*_token_columns).order_by(api_token.c.name)
_revoke = update(api_token).where(api_token.c.name == bindparam("token_name"), api_token.c.revoked_at.is_(None))


def _account(row: Any) -> StoredAccount:
    return StoredAccount(*row[:12])._replace(role=Role(row[2]), sites=_sites(row[9]))


def _sites(text: str | None) -> frozenset[str] | None:
    return None if text is None else frozenset(json.loads(text))


def _written(sites: frozenset[str] | None) -> str | None:
    return None if sites is None else json.dumps(sorted(sites))


class Accounts:
    """Accounts, sessions and tokens inside one transaction."""

    def __init__(self, connection: Statements, trail: TrailLike) -> None:
        self._connection = connection
        self._trail = trail

    def get(self, name: str) -> StoredAccount | None:
        """The account of this name; None when there is none."""
        row = self._connection.execute(_by_name, {"name": name}).first()
        return _account(row) if row else None

    def hold(self, name: str) -> StoredAccount | None:
        """The same, kept from other transactions until this one ends: what is read may be counted on and written."""
        row = self._connection.execute(_by_name_held, {"name": name}).first()
        return _account(row) if row else None

    def all(self) -> list[StoredAccount]:
        """All accounts by name."""
        return [_account(row) for row in self._connection.execute(_all)]

    def vouched(self, issuer: str, subject: str) -> StoredAccount | None:
        """The account of whom a provider knows by this subject, held as by `hold`; None when there is none."""
        row = self._connection.execute(_by_subject.with_for_update(), {"issuer": issuer, "subject": subject}).first()
        return _account(row) if row else None

    def add(
        self,
        name: str,
        role: Role,
        password_hash: str,
        sites: frozenset[str] | None = None,
        *,
        must_change: bool = False,
        vouched: tuple[str, str] | None = None,
        event: AuditEvent,
    ) -> None:
        """Make an account. The caller has looked that the name is free. `vouched`: a provider and its subject."""
        issuer, subject = vouched or (None, None)
        row = {
            "name": name,
            "role": role.value,
            "sites": _written(sites),
            "issuer": issuer,
            "subject": subject,
            "must_change": must_change,
            "password_hash": password_hash,
            "failed_attempts": 0,
            "session_version": 1,
            "created_at": self._trail.now,
        }
        self._connection.execute(_insert, row)
        self._trail.add(event)

    def set_password(
        self, account_id: int, password_hash: str, *, must_change: bool = False, event: AuditEvent
    ) -> None:
        """Give an account another password; its sessions end and its failures are forgotten."""
        values = {
            "password_hash": password_hash,
            "failed_attempts": 0,
            "failed_at": None,
            "must_change": must_change,
        }
        self._change(account_id, values, event)

    def set_role(self, account_id: int, role: Role, *, event: AuditEvent) -> None:
        """Give an account another role; its sessions end."""
        self._change(account_id, {"role": role.value}, event)

    def set_sites(self, account_id: int, sites: frozenset[str] | None, *, event: AuditEvent) -> None:
        """Bind an account to these sites (None: every site); its sessions end."""
        self._change(account_id, {"sites": _written(sites)}, event)

    def set_grant(self, account_id: int, role: Role, sites: frozenset[str] | None, *, event: AuditEvent) -> None:
        """Give an account role and sites at once; its sessions end."""
        self._change(account_id, {"role": role.value, "sites": _written(sites)}, event)

    def end_sessions(self, account_id: int, *, event: AuditEvent) -> None:
        """End all sessions of an account."""
        self._change(account_id, {}, event)

    def sessions(self, account_id: int) -> list[OpenSession]:
        """The sessions of an account that were not ended, the one used last first."""
        return [OpenSession(*row) for row in self._connection.execute(_open_sessions, {"account_id": account_id})]

    def set_lock(self, account_id: int, locked: bool, *, event: AuditEvent) -> None:
        """Lock an account, which ends its sessions, or unlock it, which forgets its failures too."""
        values: dict[str, Any] = {"locked_at": self._trail.now if locked else None}
        if not locked:
            values |= {"failed_attempts": 0, "failed_at": None}
        self._change(account_id, values, event)

    def _change(self, account_id: int, values: dict[str, Any], event: AuditEvent) -> None:
        self._connection.execute(_new_version, {"account_id": account_id, **values})
        self._trail.add(event)

    def note_failure(self, account_id: int, attempts: int, *, event: AuditEvent) -> None:
        """Write down that `attempts` sign-ins in a row have failed, the last one now."""
        values = {"account_id": account_id, "failed_attempts": attempts, "failed_at": self._trail.now}
        self._connection.execute(_by_id, values)
        self._trail.add(event)

    def note_success(self, account_id: int, new_hash: str | None) -> None:
        """Forget failures; `new_hash` replaces a password hash made with older parameters."""
        values: dict[str, Any] = {"account_id": account_id, "failed_attempts": 0, "failed_at": None}
        if new_hash is not None:
            values["password_hash"] = new_hash
        self._connection.execute(_by_id, values)

    def start_session(self, holder: StoredAccount, id_hash: str, *, event: AuditEvent) -> None:
        """Write down a session that begins now."""
        now = self._trail.now
        row = {
            "id_hash": id_hash,
            "account_id": holder.id,
            "version": holder.session_version,
            "started_at": now,
            "seen_at": now,
        }
        self._connection.execute(_insert_session, row)
        self._trail.add(event)

    def session(self, id_hash: str) -> StoredSession | None:
        """The session whose id has this digest, ended or not; None when there never was one."""
        row = self._connection.execute(_session, {"id_hash": id_hash}).first()
        return StoredSession(_account(row), *row[12:16]) if row else None

    def touch_session(self, id_hash: str) -> None:
        """Note that a session is in use now."""
        self._connection.execute(_update_session, {"digest": id_hash, "seen_at": self._trail.now})

    def end_session(self, id_hash: str, *, event: AuditEvent) -> None:
        """End a session for good."""
        self._connection.execute(_update_session, {"digest": id_hash, "ended_at": self._trail.now})
        self._trail.add(event)

    def add_token(
        self, name: str, role: Role, token_hash: str, sites: frozenset[str] | None = None, *, event: AuditEvent
    ) -> None:
        """Write down a bearer token by its digest. The caller has looked that the name is free."""
        row = {
            "name": name,
            "role": role.value,
            "sites": _written(sites),
            "token_hash": token_hash,
            "created_at": self._trail.now,
        }
        self._connection.execute(_insert_token, row)
        self._trail.add(replace(event, detail={**event.detail, "token": name}))

    def token(self, token_hash: str) -> StoredToken | None:
        """The token with this digest, revoked or not; None when there never was one."""
        return _as_token(self._connection.execute(_token, {"token_hash": token_hash}).first())

    def token_named(self, name: str) -> StoredToken | None:
        """The token issued under this name; None when there is none."""
        return _as_token(self._connection.execute(_token_by_name, {"name": name}).first())

    def tokens(self) -> list[StoredToken]:
        """All tokens by name, revoked ones too."""
        return [t for row in self._connection.execute(_tokens) if (t := _as_token(row))]

    def revoke_token(self, name: str, *, event: AuditEvent) -> None:
        """Make the token of this name useless from now on."""
        self._connection.execute(_revoke, {"token_name": name, "revoked_at": self._trail.now})
        self._trail.add(event)


def _as_token(row: Any) -> StoredToken | None:
    return StoredToken(row[0], Role(row[1]), row[2], row[3], _sites(row[4])) if row else None
