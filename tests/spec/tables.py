"""Small text tables that an analyst can read, as rows of a test."""

from typing import Any

import pytest

from mpi.domain.person import DEMOGRAPHIC_FIELDS, Demographics


def rows(table: str) -> list[dict[str, str]]:
    """Rows of a table drawn with `|`; the first line holds the headers. An empty cell is empty text."""
    lines = [line.strip().strip("|") for line in table.strip().splitlines() if line.strip() and "---" not in line]
    headers = [cell.strip() for cell in lines[0].split("|")]
    return [dict(zip(headers, (cell.strip() for cell in line.split("|")), strict=True)) for line in lines[1:]]


def cases(table: str) -> list[Any]:
    """Each row as a pytest case; its column `case` is the English id."""
    return [pytest.param(row, id=row["case"]) for row in rows(table)]


def person(text: str, **rest: str) -> Demographics:
    """Demographics out of `family, given, birth date, sex, postcode`, then `field=value` pairs; `-` is missing."""
    parts = [part.strip() for part in text.split(",")]
    names = ("family_name", "given_name", "birth_date", "sex", "postcode")
    values: dict[str, str | None] = dict(zip(names, parts, strict=False)) | rest
    for part in parts[len(names) :]:
        name, _, value = part.partition("=")
        values[SHORT.get(name.strip(), name.strip())] = value.strip()
    return Demographics(**{name: value for name, value in values.items() if value not in ("-", "")})


SHORT = {
    "nhs": "nhs_number", "status": "nhs_number_status", "address": "address_line", "previous": "previous_family_name",
    "other": "other_identifier", "order": "multiple_birth_order", "middle": "middle_names",
} | {name: name for name in DEMOGRAPHIC_FIELDS}  # fmt: skip
