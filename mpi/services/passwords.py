"""Passwords: which ones are taken, and how they are kept (Argon2id, RFC 9106).

The rule is the one that the National Cyber Security Centre recommends: length and a list of what everybody tries, no
demands for special characters, no regular change.
"""

import threading
from functools import cached_property

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from mpi.domain.errors import BadInput, TemporaryFailure

SHORTEST = 12
LONGEST = 1024
"""Longer ones are refused unread, so that nobody keeps the server hashing."""

_STEMS = (
    "password",
    "passphrase",
    "letmein",
    "welcome",
    "qwerty",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "iloveyou",
    "changeme",
    "administrator",
    "hospital",
    "patientindex",
    "masterpatientindex",
    "secret",
    "sunshine",
    "football",
    "liverpool",
    "arsenal",
    "chelsea",
)
"""What everybody tries. A password that is one of these, repeated or with digits and signs around it, is refused."""

_RUNS = ("abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm", "1234567890" * 3, "0987654321" * 3)
_LOOKALIKES = str.maketrans("@$!013457", "asioieast")
_WAIT_SECONDS = 5.0
MOST_AT_ONCE = 4
"""Sign-ins that may wait for their turn, the one at work included: fewer than the server's threads."""


def check_password(name: str, password: str) -> None:
    """Raise `BadInput` with the reason when the account `name` may not have this password."""
    if len(password) < SHORTEST:
        raise BadInput(f"a password needs at least {SHORTEST} characters", code="password-short", field="password")
    if len(password) > LONGEST:
        raise BadInput(f"a password has at most {LONGEST} characters", code="password-long", field="password")
    if _is_common(password.casefold()):
        raise BadInput("this password is among the first that anybody tries", code="password-common", field="password")
    if name.casefold() in password.casefold() and len(password) - len(name) < SHORTEST:
        raise BadInput("the password is built on the account's name", code="password-name", field="password")


def _is_common(password: str) -> bool:
    if len(set(password)) < 4 or any(password in run for run in _RUNS):
        return True
    for spelling in (password, password.translate(_LOOKALIKES)):
        letters = "".join(c for c in spelling if c.isalpha())
        for stem in sorted(_STEMS, key=len, reverse=True):
            letters = letters.replace(stem, "")
        if len(letters) < 4:
            return True
    return False


class Passwords:
    """Makes and checks password hashes, one at a time: each takes 64 MiB of memory and most of a core."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._turn = _Turn()

    def hash(self, password: str) -> str:
        """What is stored instead of `password`."""
        with self._turn:
            return self._hasher.hash(password)

    def matches(self, stored: str | None, password: str) -> bool:
        """Whether `password` is the one that was stored; with None the answer is no, after the same time."""
        with self._turn:
            try:
                self._hasher.verify(stored or self._nobodys, password[:LONGEST])
            except (VerificationError, InvalidHashError):
                return False
            return stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Whether `stored` was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    @cached_property
    def _nobodys(self) -> str:
        return self._hasher.hash("the password of no account")


class _Turn:
    """One at a time, few waiting, not for long: sign-ins in masses must not hold every thread of the server."""

    def __init__(self) -> None:
        self._places = threading.BoundedSemaphore(MOST_AT_ONCE)
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        if not self._places.acquire(blocking=False):
            raise TemporaryFailure("too many sign-ins at once")
        if not self._lock.acquire(timeout=_WAIT_SECONDS):
            self._places.release()
            raise TemporaryFailure("too many sign-ins at once")

    def __exit__(self, *_error: object) -> None:
        self._lock.release()
        self._places.release()
