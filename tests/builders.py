"""Builders: a test states only what matters to it, the rest is an invented, plausible person."""

import itertools
from collections.abc import Iterator

from mpi.domain.person import Demographics, SourceRecord

_numbers = itertools.count(1)


def nhs_number(n: int = 0) -> str:
    """The n-th valid number of the range that is never issued (999 000 0000 to 999 999 9999), ten digits."""
    return next(itertools.islice(_valid_numbers(), n, None))


def with_wrong_check_digit(number: str) -> str:
    """`number` with another last digit, so that it is no NHS number any more."""
    return number[:9] + str((int(number[9]) + 1) % 10)


def demographics(**said: str | None) -> Demographics:
    """An invented person, changed by what the test says; a field given as None was not recorded."""
    person: dict[str, str | None] = {
        "family_name": "Ashworth",
        "given_name": "Maria",
        "birth_date": "1968-03-24",
        "sex": "female",
        "address_line": "14 Quarry Bank",
        "town": "Exampleton",
        "postcode": "LS6 4QB",
    }
    return Demographics(**(person | said))


def a_record(
    authority: str = "RXX", local_id: str | None = None, *, complete: bool = True, **said: str | None
) -> SourceRecord:
    """A registration of the same invented person under a number of its own, changed by what the test says."""
    return SourceRecord(
        authority=authority,
        local_id=local_id or f"T{next(_numbers):06d}",
        changes=demographics(**said).as_dict(),
        complete=complete,
    )


def _valid_numbers() -> Iterator[str]:
    for body in itertools.count(999_000_000):
        digits = f"{body:09d}"
        check = -sum(int(digit) * weight for digit, weight in zip(digits, range(10, 1, -1), strict=True)) % 11
        if check < 10:
            yield digits + str(check)
