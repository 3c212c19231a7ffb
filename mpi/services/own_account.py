"""What people do with their own account: choose a password, see where they are signed in, sign out everywhere."""

import secrets
from dataclasses import dataclass

from mpi.domain.audit import Action, AuditEvent
from mpi.domain.errors import BadInput, Conflict
from mpi.services.passwords import check_password
from mpi.services.users import SignedIn, Users, is_over, mark_of
from mpi.store import clock
from mpi.store.unit_of_work import Store

_WORDS = "abcdefghjkmnpqrstuvwxyz23456789"


@dataclass(frozen=True, slots=True)
class SessionView:
    """A place where an account is signed in; `here` is the session that asks."""

    started_at: str
    seen_at: str
    here: bool


def one_time_password() -> str:
    """A password to be handed over once: 80 random bits in four groups, without letters that are read as others."""
    return "-".join("".join(secrets.choice(_WORDS) for _ in range(4)) for _ in range(4))


class OwnAccount:
    """The account of whoever is signed in. Nothing here takes the name of another."""

    def __init__(self, store: Store, users: Users) -> None:
        self._store = store
        self._users = users

    def sessions(self, who: SignedIn) -> list[SessionView]:
        """Where the account is signed in now, the session used last first."""
        with self._store.reading() as unit:
            account = unit.accounts.get(who.actor.name)
            rows = unit.accounts.sessions(account.id) if account is not None else []
            now = clock.read(unit.now)
        return [
            SessionView(row.started_at, row.seen_at, mark_of(row.id_hash) == who.actor.session)
            for row in rows
            if account is not None
            and row.version == account.session_version
            and not is_over(row.started_at, row.seen_at, now)
        ]

    def sign_out_everywhere(self, who: SignedIn) -> None:
        """End every session of the account, this one too."""
        with self._store.writing(identities=False) as unit:
            account = unit.accounts.hold(who.actor.name)
            if account is not None:
                event = AuditEvent(who.actor, Action.SIGNED_OUT, detail={"account": account.name, "kind": "everywhere"})
                unit.accounts.end_sessions(account.id, event=event)

    def change_password(self, who: SignedIn, current: str, chosen: str) -> SignedIn:
        """Choose another password; every session ends, and the new one that is returned begins.

        Raises `BadInput` naming the field: a wrong `current` (which counts as a failed sign-in), or a `chosen` that is
        not allowed. Raises `Conflict` for an account that signs in at a provider.
        """
        name = who.actor.name
        if who.provider is not None:
            raise Conflict("this account signs in at its provider and has no password here")
        if self._users.prove(name, current) is None:
            raise BadInput("This is not your password, or the account is locked for now", field="current")
        check_password(name, chosen)
        if chosen == current:
            raise BadInput("Choose a password that is not the one you have", field="password")
        hashed = self._users.hashed(chosen)
        with self._store.writing(identities=False) as unit:
            account = unit.accounts.hold(name)
            if account is None or account.locked_at is not None:
                raise Conflict("this account is locked")
            event = AuditEvent(who.actor, Action.USER_CHANGED, detail={"account": name, "changed": "own password"})
            unit.accounts.set_password(account.id, hashed, event=event)
        fresh = self._users.sign_in(name, chosen)
        if fresh is None:
            raise Conflict("the password is changed; sign in again")
        return fresh
