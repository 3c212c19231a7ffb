"""NHS numbers: reading, check digit, ranges, status. ISB 0149 (2012) for format and display."""

import re
from dataclasses import dataclass
from enum import StrEnum
from operator import mul

import numpy as np
from numpy.typing import NDArray


class Range(StrEnum):
    """Who issues numbers of a range, by the first nine digits."""

    NOT_IN_USE = "not in use"
    SCOTLAND = "Scotland (CHI)"
    NORTHERN_IRELAND = "Northern Ireland (H&C)"
    ENGLAND_WALES = "England, Wales, Isle of Man"
    INTERNAL_TEST = "internal testing, not issued"
    IRELAND = "Ireland (IHI)"
    SPARE = "spare"
    TEST = "never issued, test patients"


_RANGES: tuple[tuple[int, Range], ...] = (
    (10_000_000, Range.NOT_IN_USE),
    (320_000_000, Range.SCOTLAND),
    (400_000_000, Range.NORTHERN_IRELAND),
    (500_000_000, Range.ENGLAND_WALES),
    (600_000_000, Range.INTERNAL_TEST),
    (800_000_000, Range.ENGLAND_WALES),
    (860_000_000, Range.IRELAND),
    (900_000_000, Range.SPARE),
    (1_000_000_000, Range.TEST),
)

FIRST_OF_TEST_RANGE = "9"
"""The digit that all numbers of `Range.TEST`, and no others, begin with."""

PLACEHOLDERS = frozenset(str(d) * 10 for d in range(10)) | {"1234567890", "0123456789", "9876543210", "1234567881"}
"""Numbers that sites type for "unknown". All ten repeated-digit strings pass the check digit."""

_SEPARATORS = re.compile(r"[ \t\u00a0.-]")
_OLD_STYLE = re.compile(
    r"(?=.{4,15}$)(?:[A-Z]{2,5}[ /:.-]?[0-9]{1,7}|[0-9]{1,7}[/:][0-9]{1,7})(?:[ /:.-][0-9]{1,7}){0,3}"
)
"""What was in use before 1996: letters and digits, or groups of digits, no check digit, up to 15 characters."""
_STATUS = re.compile(r"^(?:NSTS)?0?([1-8])$")
_WEIGHTS = range(10, 1, -1)


def check_digit(nine: str) -> int | None:
    """The check digit that belongs to nine ASCII digits, or None where no such number can exist (modulus 11)."""
    digit = 11 - sum(map(mul, map(int, nine), _WEIGHTS)) % 11
    if digit == 11:
        return 0
    return None if digit == 10 else digit


def is_valid(ten: str) -> bool:
    """Whether ten ASCII digits carry their right check digit. Says nothing of placeholders or ranges."""
    return len(ten) == 10 and ten.isascii() and ten.isdigit() and check_digit(ten[:9]) == int(ten[9])


def range_of(ten: str) -> Range:
    """The range a ten-digit number lies in; 3xx is labelled, never refused (sources differ on it)."""
    nine = int(ten[:9])
    return next(label for end, label in _RANGES if nine < end)


def display(ten: str) -> str:
    """The number as people read it: 3 3 4 with spaces (ISB 0149-08). Other text comes back unchanged."""
    return f"{ten[:3]} {ten[3:6]} {ten[6:]}" if len(ten) == 10 and ten.isdigit() else ten


def normalise(text: str) -> str:
    """`text` without spaces, dots and hyphens; may still be no number at all."""
    return _SEPARATORS.sub("", text.strip())


@dataclass(frozen=True, slots=True)
class Read:
    """What a recorded number turned out to be: `number` is ten valid digits or None, `problem` a code or None."""

    number: str | None
    problem: str | None = None


def read(text: str, *, allow_test_numbers: bool) -> Read:
    """Read a recorded NHS number; `problem` is a key of `mpi.matching.prepare.PROBLEMS`.

    Nine digits that would be valid with a leading 0 are flagged and not repaired: a spreadsheet may have eaten the 0
    of a CHI number, or the number may be wrong.
    """
    digits = normalise(text)
    if not (digits.isascii() and digits.isdigit()):
        return Read(None, "old-style" if _OLD_STYLE.fullmatch(text.strip().upper()) else "unreadable")
    if len(digits) == 9 and is_valid("0" + digits):
        return Read(None, "lost-leading-zero")
    if len(digits) != 10:
        return Read(None, "unreadable")
    if digits in PLACEHOLDERS:
        return Read(None, "placeholder")
    if not is_valid(digits):
        return Read(None, "check-digit")
    return _in_range(digits, allow_test_numbers)


def readable(numbers: NDArray[np.int64], *, allow_test_numbers: bool) -> NDArray[np.bool_]:
    """Of which numbers `read` gives the ten digits that they have with leading zeros, placeholders aside."""
    digits = [numbers // 10**place % 10 for place in range(10)]
    total = sum((place + 1) * digits[place] for place in range(1, 10))
    check = 11 - total % 11
    found: NDArray[np.bool_] = np.where(check == 11, 0, check) == digits[0]
    nine, start = numbers // 10, 0
    for end, label in _RANGES:
        if label in _NOT_ISSUED or (label is Range.TEST and not allow_test_numbers):
            found &= (nine < start) | (nine >= end)
        start = end
    return found & (numbers >= 0) & (numbers < 10**10)


_NOT_ISSUED = (Range.NOT_IN_USE, Range.INTERNAL_TEST, Range.SPARE)


def _in_range(digits: str, allow_test_numbers: bool) -> Read:
    found = range_of(digits)
    if found in _NOT_ISSUED:
        return Read(None, "not-issued")
    if found is Range.TEST and not allow_test_numbers:
        return Read(None, "test-range")
    return Read(digits)


def status(text: str) -> str | None:
    """The two-digit status code ("01" to "08"); `1` and `NSTS01` are read as 01; None when unreadable."""
    found = _STATUS.match(text.strip().upper())
    return f"0{found.group(1)}" if found else None
