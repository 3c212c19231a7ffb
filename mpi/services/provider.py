"""People for whom a provider vouches (OpenID Connect): which account is theirs, and what the provider's claims give it.

An account belongs to issuer and subject, never to a name: who takes a name at the provider takes no account of ours.
Role and sites are read anew at each sign-in; where they give no role, nobody comes in.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mpi.config import Config, InvalidConfiguration, Provider
from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.errors import BadInput, NotAllowed
from mpi.domain.roles import Role
from mpi.domain.text import storable
from mpi.services.users import SignedIn, Users, checked_name, granted
from mpi.store.unit_of_work import Store, UnitOfWork
from mpi.store.users import StoredAccount

_NO_PASSWORD = "!"  # noqa: S105 - no hash: nothing verifies against it
_PROVIDER = "provider"
_MOST_NAMES = 100

Grant = tuple[Role, frozenset[str] | None]


class ProviderSignIn:
    """Lets people in whom the configured provider vouches for."""

    def __init__(self, store: Store, config: Config, users: Users) -> None:
        """Raises `InvalidConfiguration` where the mapping names a role that there is not."""
        self._store = store
        self._provider = config.provider
        self._users = users
        for role in config.provider.roles.values() if config.provider else ():
            if role not in {one.value for one in Role}:
                raise InvalidConfiguration(f"{config.path}: [oidc.roles] names {role!r}, which is no role")

    def sign_in(self, claims: Mapping[str, Any]) -> SignedIn:
        """A new session for the subject of `claims`, which the provider has signed; the first makes the account.

        Raises `NotAllowed`, saying why in words for the person, where the claims give no role or no site, the way of
        signing in is not good enough, or the account is locked.
        """
        provider = self._provider
        if provider is None:
            raise NotAllowed("no provider is configured")
        subject = storable(str(claims["sub"]))
        try:
            role, sites = self._grant(provider, claims)
        except NotAllowed as error:
            self._refused(provider, subject, str(error))
            raise
        with self._store.writing(identities=False) as unit:
            account = self._account(unit, provider, subject, claims, role, sites)
        found = self._users.let_in(account) if account.locked_at is None else None
        if found is None:
            self._refused(provider, subject, "the account is locked")
            raise NotAllowed("Your account is locked here.")
        return found

    def _grant(self, provider: Provider, claims: Mapping[str, Any]) -> Grant:
        if provider.acr and claims.get("acr") not in provider.acr:
            raise NotAllowed("The way in which you signed in there is not strong enough for this service.")
        said = set(values(claims, provider.role_claim))
        role = next((Role(role) for value, role in provider.roles.items() if value in said), None)
        if role is None:
            raise NotAllowed("Nothing that it says of you gives you a role here.")
        if provider.site_claim is None:
            return role, None
        sites = {provider.sites[v] for v in values(claims, provider.site_claim) if v in provider.sites}
        try:
            return role, self._users.checked_sites(role, sites)
        except BadInput:
            raise NotAllowed("Nothing that it says of you gives you a site at which this role counts.") from None

    def _account(
        self,
        unit: UnitOfWork,
        provider: Provider,
        subject: str,
        claims: Mapping[str, Any],
        role: Role,
        sites: frozenset[str] | None,
    ) -> StoredAccount:
        actor = Actor(provider.name, _PROVIDER)
        found = unit.accounts.vouched(provider.issuer, subject)
        if found is None:
            name = _free_name(unit, str(claims.get(provider.name_claim, "")))
            detail = {"account": name, "after": {"role": role.value, "sites": sorted(sites) if sites else None}}
            event = AuditEvent(actor, Action.USER_CHANGED, detail=detail)
            unit.accounts.add(name, role, _NO_PASSWORD, sites, vouched=(provider.issuer, subject), event=event)
        elif (found.role, found.sites) != (role, sites):
            unit.accounts.set_grant(found.id, role, sites, event=granted(actor, found, role, sites))
        account = unit.accounts.vouched(provider.issuer, subject)
        if account is None:
            raise AssertionError("the account was just written")
        return account

    def _refused(self, provider: Provider, subject: str, why: str) -> None:
        with self._store.writing(identities=False) as unit:
            known = unit.accounts.vouched(provider.issuer, subject)
            actor = Actor(known.name, known.role.value) if known is not None else Actor("nobody", "nobody")
            detail = {"account": known.name if known is not None else "unknown"}
            unit.audit(AuditEvent(actor, Action.SIGN_IN_FAILED, reason=why, detail=detail))
            if known is not None:
                # What gave it its role is gone: so are the sessions that it still has.
                event = AuditEvent(actor, Action.SIGNED_OUT, reason=why, detail=detail)
                unit.accounts.end_sessions(known.id, event=event)


def values(claims: Mapping[str, Any], path: str) -> Iterator[str]:
    """The texts at a claim: a name, or names joined by dots that lead into objects and lists of them."""
    if path in claims:
        yield from _texts(claims[path])
        return
    head, _, rest = path.partition(".")
    inner = claims.get(head)
    for each in inner if isinstance(inner, list) else [inner]:
        if rest and isinstance(each, Mapping):
            yield from values(each, rest)


def _texts(value: object) -> Iterator[str]:
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, str):
            yield each


def _free_name(unit: UnitOfWork, wanted: str) -> str:
    """A name for a new account: what the provider calls the person, made fit; with a number where that is taken."""
    plain = re.sub(r"[^a-z0-9._@-]", "", wanted.casefold()).lstrip("._@-")[:58] or "somebody"
    for number in range(1, _MOST_NAMES):
        name = checked_name(plain if number == 1 else f"{plain}-{number}")
        if unit.accounts.hold(name) is None:
            return name
    raise NotAllowed("There are too many accounts of this name here.")
