"""When a source said something: times as sources write them, only as exact as they were written."""

import re
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_WRITTEN = re.compile(r"(\d{4,14})(?:\.\d*)?(?:([+-])(\d\d)(\d\d))?")
_FORMATS = {10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_DATES = {4: "0101", 6: "01", 8: ""}
_AHEAD = timedelta(days=1)
"""A clock may be wrong by that much; what lies further ahead is no time at which anything was said."""


def _home() -> ZoneInfo | None:
    try:
        return ZoneInfo("Europe/London")
    except ZoneInfoNotFoundError:  # a system without time zone data
        return None


_HOME = _home()


def moment(written: str | None) -> str | None:
    """The digits of an HL7 time (`YYYY[MM[DD[HH[MM[SS]]]]]`, with or without an offset) in UTC; None for no time.

    Without an offset it is a time of the United Kingdom. In the hour that comes twice when clocks go back nobody can
    tell which one was meant: it is cut down to its day, as exact as it is. A date stays as it was written.
    """
    match = _WRITTEN.fullmatch((written or "").strip())
    if match is None:
        return None
    digits = match[1]
    try:
        if len(digits) in _DATES:
            datetime.strptime(digits + _DATES[len(digits)], "%Y%m%d").replace(tzinfo=UTC)
            return digits
        form = _FORMATS.get(len(digits))
        if form is None:
            return None
        at = datetime.strptime(digits, form).replace(tzinfo=_zone(match))
        if at.utcoffset() != at.replace(fold=1).utcoffset():
            return digits[:8]
        return at.astimezone(UTC).strftime(form)
    except (ValueError, OverflowError):
        return None


def _zone(match: re.Match[str]) -> ZoneInfo | timezone:
    if match[2] is None:
        return _HOME or UTC
    offset = timedelta(hours=int(match[3]), minutes=int(match[4]))
    return timezone(offset if match[2] == "+" else -offset)


def older(one: str | None, other: str | None) -> bool:
    """Whether one moment certainly lies before another: as far as both are exact. Unknown ones never do."""
    if one is None or other is None:
        return False
    shared = min(len(one), len(other))
    return one[:shared] < other[:shared]


def latest(one: str | None, other: str | None) -> str | None:
    """The later of two moments; the more exact one where nobody can tell."""
    if one is None or older(one, other):
        return other
    if other is None or older(other, one):
        return one
    return max(one, other, key=len)


def ahead(said: str, now: str) -> bool:
    """Whether a moment lies so far after `now` (ISO 8601, UTC) that the sender's clock must be wrong."""
    limit = (datetime.fromisoformat(now) + _AHEAD).astimezone(UTC).strftime("%Y%m%d%H%M%S")
    return older(limit, said)
