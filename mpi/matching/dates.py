"""Dates as recorded, read into ISO form: whole, partial, impossible or filler."""

import re
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

_COMPACT = re.compile(r"^(\d{4})(\d{2})?(\d{2})?(?:\d{2}){0,3}(?:\.\d{1,4})?(?:[+-]\d{4})?$", re.ASCII)
_DASHED = re.compile(r"^(\d{4})[-/.](\d{1,2})(?:[-/.](\d{1,2})(?:[T ][\d:.+Z-]*)?)?$", re.ASCII)

FILLERS = frozenset(
    {
        "1900-01-01", "1901-01-01", "1899-12-30", "1899-12-31", "1800-01-01", "1753-01-01", "1111-11-11",
        "9999-12-31", "9999-09-09", "2099-12-31", "1800-12-28",
    }
)  # fmt: skip
"""Dates that systems and people write when they know none."""

EARLIEST, LATEST = 1000, 2100


@dataclass(frozen=True, slots=True)
class ReadDate:
    """`whole` is `YYYY-MM-DD`; else `partial` is `YYYY` or `YYYY-MM`; else `problem` says why there is neither."""

    whole: str | None = None
    partial: str | None = None
    problem: str | None = None


@lru_cache(maxsize=65536)
def read_date(text: str) -> ReadDate:
    """Read `YYYY-MM-DD`, `YYYYMMDD[HHMM[SS]]` (HL7 v2 2.A.77) or a part of them; zeros stand for unknown parts.

    Day-first and month-first forms are not guessed at: a column map names them (`birth_date_format`).
    """
    if (plain := _plain_day(text)) is not None:
        return plain
    found = _COMPACT.match(text.strip()) or _DASHED.match(text.strip())
    if found is None:
        return ReadDate(problem="unreadable")
    year, month, day = (int(part or 0) for part in found.groups())
    if year == 0 and (month, day) == (0, 0):
        return ReadDate(problem="placeholder")
    if year == 9999 or f"{year:04}-{month:02}-{day:02}" in FILLERS:
        return ReadDate(problem="placeholder")
    if not EARLIEST <= year <= LATEST or month > 12:
        return ReadDate(problem="impossible-date")
    if month == 0 or day == 0:
        return ReadDate(partial=f"{year:04}-{month:02}" if month else f"{year:04}")
    try:
        return ReadDate(whole=date(year, month, day).isoformat())
    except ValueError:
        return ReadDate(problem="impossible-date")


def _plain_day(text: str) -> ReadDate | None:
    """The reading of a day as it is usually written, None of all else."""
    if len(text) != 10 or text in FILLERS or not "1000" <= text[:4] <= "2100":
        return None
    try:
        whole = date.fromisoformat(text).isoformat()
    except ValueError:
        return None
    return ReadDate(whole=whole) if whole == text else None
