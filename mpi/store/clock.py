"""Instants as the store writes them: ISO 8601, UTC, microseconds, 27 characters, so that text order is time order."""

from datetime import UTC, datetime

_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"


def now() -> str:
    """This instant, as stored."""
    return datetime.now(UTC).strftime(_FORMAT)


def stamp(at: datetime) -> str:
    """`at` as stored; a time without a zone is read as UTC."""
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).strftime(_FORMAT)


def read(text: str) -> datetime:
    """The instant that `text` stores."""
    return datetime.strptime(text, _FORMAT).replace(tzinfo=UTC)
