"""The moment of a question about the past, read from text."""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mpi.domain.errors import BadInput

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_FIELD = "at"


def _home() -> tzinfo:
    try:
        return ZoneInfo("Europe/London")
    except ZoneInfoNotFoundError:  # a system without time zone data
        return UTC


def past_moment(text: str, now: datetime) -> datetime:
    """The instant that `text` names, in UTC.

    An ISO 8601 time must say its zone (`2026-11-21T09:30:00Z`, `+01:00`). A date alone means the end of that day in
    the United Kingdom, and today's date means `now`. Raises `BadInput` for anything else and for the future.
    """
    written = text.strip()
    if _DATE.fullmatch(written):
        return _end_of_day(written, now)
    try:
        at = datetime.fromisoformat(written)
        if at.tzinfo is None:
            raise BadInput("say the time's zone, such as Z or +01:00", field=_FIELD, code="no-zone")
        at = at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadInput("this is no date and no ISO 8601 time", field=_FIELD, code="unreadable-time") from None
    if at > now:
        raise BadInput("this moment lies in the future", field=_FIELD, code="in-the-future")
    return at


def _end_of_day(written: str, now: datetime) -> datetime:
    try:
        day = datetime.strptime(written, "%Y-%m-%d").replace(tzinfo=_home())
        after = (day + timedelta(days=1)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadInput("this is no date and no ISO 8601 time", field=_FIELD, code="unreadable-time") from None
    if day.astimezone(UTC) > now:
        raise BadInput("this moment lies in the future", field=_FIELD, code="in-the-future")
    return min(after - timedelta(microseconds=1), now)
