"""What every answer carries against attacks on browsers, where the secret key comes from, which way back is safe."""

import os
import secrets
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask, Response, request

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""Nothing inline and nothing from another host: text that slipped into a page as markup could still run nothing."""

_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
}
_A_YEAR = 31_536_000
_KEY_BYTES = 32


def install_headers(app: Flask, *, secure: bool) -> None:
    """Give every answer of `app` the headers; `secure` adds that browsers shall come by TLS only."""

    @app.after_request
    def add(response: Response) -> Response:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        if secure:
            response.headers.setdefault("Strict-Transport-Security", f"max-age={_A_YEAR}")
        # Pages and answers name patients: no cache may keep them. Styles and scripts are the same for everybody.
        if request.endpoint == "static":
            response.headers["Cache-Control"] = "public, max-age=3600"
        else:
            response.headers["Cache-Control"] = "no-store"
        return response


def secret_key(folder: Path) -> bytes:
    """The key that signs cookies: `MPI_SECRET_KEY`, else the file `secret.key` in `folder`, made when it is missing.

    The file is readable by its owner only. Several processes that start at once agree on one key.
    """
    given = os.environ.get("MPI_SECRET_KEY")
    if given:
        return given.encode()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "secret.key"
    if not file.exists():
        # Written under another name and then linked: who comes second finds the first one's key, never half of one.
        draft = folder / f".secret.key.{secrets.token_hex(8)}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(secrets.token_hex(_KEY_BYTES).encode())
        try:
            os.link(draft, file)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return file.read_bytes()


def safe_next(target: str | None) -> str:
    """`target` when it is a path of this site, else the home page: no sign-in sends people to a foreign host."""
    if not target or not target.startswith("/") or any(ord(c) < 33 or c == "\\" for c in target):
        return "/"
    parts = urlsplit(target)
    if parts.scheme or parts.netloc or target.startswith("//"):
        return "/"
    return target
