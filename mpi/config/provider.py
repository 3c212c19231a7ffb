"""The table `[oidc]`: a provider at which people sign in, and what its claims give them here."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PROVIDER_KEYS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "oidc": {
        "issuer": str,
        "client_id": str,
        "client_secret_file": str,
        "name": str,
        "scope": str,
        "acr": list,
        "userinfo": bool,
        "name_claim": str,
        "role_claim": str,
        "site_claim": str,
        "roles": dict,
        "sites": dict,
        "local_accounts": bool,
    },
}


@dataclass(frozen=True, slots=True)
class Provider:
    """Who vouches for people by OpenID Connect, and what its claims give them here."""

    issuer: str
    client_id: str
    name: str
    role_claim: str
    roles: Mapping[str, str]
    """A value of the claim -> a role. The first that a person has counts, in this order."""
    site_claim: str | None = None
    sites: Mapping[str, str] = field(default_factory=dict)
    """A value of the claim -> the code of an authority. Without `site_claim` accounts reach people of every site."""
    name_claim: str = "preferred_username"
    scope: str = "openid profile"
    acr: tuple[str, ...] = ()
    """Ways of signing in there that are good enough (`acr` of the id token); empty: any."""
    userinfo: bool = False
    """Whether claims are asked for at the userinfo endpoint too."""
    local_accounts: bool = True
    """Whether people may sign in with a password of ours beside it."""
    client_secret_file: Path | None = None

    def client_secret(self) -> str | None:
        """`MPI_OIDC_CLIENT_SECRET`, else what the file holds; None: a public client. Raises `OSError`."""
        if given := os.environ.get("MPI_OIDC_CLIENT_SECRET"):
            return given
        file = self.client_secret_file
        return file.read_text(encoding="utf-8").strip() if file is not None else None


def read_provider(
    given: Mapping[str, Any], codes: Mapping[str, str], folder: Path, error: Callable[..., Exception]
) -> Provider | None:
    """The provider of the table; None where there is none. `codes`: spellings of authorities; `error` makes errors."""
    if not given:
        return None
    table = dict(given)
    for key in ("issuer", "client_id", "role_claim", "roles"):
        if not table.get(key):
            raise error(f"{key} is missing", "oidc")
    issuer, sites = urlsplit(table["issuer"]), table.get("sites", {})
    if not issuer.hostname or (issuer.scheme != "https" and issuer.hostname not in ("127.0.0.1", "localhost")):
        raise error("issuer must be an https address", "oidc", 0, "issuer")
    if bool(sites) != bool(table.get("site_claim")):
        raise error("site_claim and sites go together", "oidc", 0, "site_claim")
    for code in sites.values():
        if str(code).upper() not in codes:
            raise error(f"sites names the unknown authority {code!r}", "oidc.sites")
    table["issuer"] = table["issuer"].rstrip("/")
    table["sites"] = {str(value): codes[str(code).upper()] for value, code in sites.items()}
    table["roles"] = {str(value): str(role) for value, role in table["roles"].items()}
    table["acr"] = tuple(str(one) for one in table.get("acr", ()))
    if secret := table.get("client_secret_file"):
        table["client_secret_file"] = folder / secret
    return Provider(**{"name": issuer.hostname, **table})
