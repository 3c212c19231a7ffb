"""The SQL of a Splink level read as a condition of our vocabulary."""

import re
from collections.abc import Sequence
from typing import Any

from mpi.engines.splink_settings.templates import patterns, usable
from mpi.matching.kinds import VALUE_KINDS
from mpi.matching.prepared import PREPARED_FIELDS

COLUMNS: dict[str, str] = {
    "first_name": "given", "forename": "given", "given_name": "given", "firstname": "given",
    "surname": "family", "last_name": "family", "family_name": "family", "lastname": "family",
    "middle_name": "middle", "middle_names": "middle", "dob": "birth", "date_of_birth": "birth", "birth_date": "birth",
    "gender": "sex", "post_code": "postcode", "postcode_fake": "postcode", "zip": "postcode",
    "address_line": "address", "city": "town", "phone_number": "phone", "telephone": "phone", "email_address": "email",
    "nhs_number": "nhs", "nhs_no": "nhs", "soc_sec_id": "other_id", "other_identifier": "other_id",
}  # fmt: skip
"""Columns as analysts call them -> our prepared field; one that is neither here nor a field is the user's own."""

_NULL = re.compile(r"""["`]?(\w+?)_[lr]["`]?\s+IS(?:\s+NOT)?\s+NULL""", re.IGNORECASE)


def field_of(column: str) -> str:
    """The field of a model for a column of Splink's input."""
    if column in PREPARED_FIELDS:
        return column
    if column.startswith("extra_"):
        return f"extra.{column.removeprefix('extra_')}"
    return COLUMNS.get(column.lower(), f"extra.{column}")


def read_needs(null_conditions: Sequence[str]) -> tuple[str, ...]:
    """The fields without which a comparison is missing, in the order they are named."""
    named = [field_of(found) for sql in null_conditions for found in _NULL.findall(sql)]
    if not named:
        # Null levels on a transformed column: `try_strptime("dob_l", ...) IS NULL`.
        named = [field_of(c) for sql in null_conditions for c in re.findall(r"""["`](\w+?)_[lr]["`]""", sql)]
    return tuple(dict.fromkeys(named))


def split_and(sql: str) -> list[str]:
    """The parts between top-level ANDs; what is one condition as a whole is not taken apart."""
    parts, depth, start = [], 0, 0
    for token in re.finditer(r"'[^']*'|\(|\)|\bAND\b", sql, re.IGNORECASE):
        if token[0] == "(":
            depth += 1
        elif token[0] == ")":
            depth -= 1
        elif depth == 0 and token[0].upper() == "AND":
            parts.append(sql[start : token.start()].strip())
            start = token.end()
    return [*parts, sql[start:].strip()]


def read_conditions(sql: str, dialect: str) -> tuple[list[dict[str, Any]], list[str]]:
    """The conditions that a level's SQL joins by AND, and notes on those that say only nearly the same.

    Raises ValueError with the part that no kind says.
    """
    whole, note = read_condition(sql, dialect)
    if whole is not None:
        return [whole], [note] if note else []
    parts = split_and(sql)
    if len(parts) == 1 and sql.startswith("(") and sql.endswith(")"):
        return read_conditions(sql[1:-1].strip(), dialect)
    found: list[dict[str, Any]] = []
    notes: list[str] = []
    for part in parts:
        if len(parts) == 1:
            raise ValueError(part)
        own, said = read_conditions(part, dialect)
        found += own
        notes += said
    return found, notes


def read_condition(sql: str, dialect: str) -> tuple[dict[str, Any] | None, str | None]:
    """The condition, or None when no kind says it; and a note where it says only nearly the same."""
    for text in _spellings(sql.strip(), dialect):
        for kind, pattern in patterns(dialect):
            found = pattern.fullmatch(text)
            if found is not None:
                return _spec(kind, found), None
        for wording, make, note in _NEARLY:
            found = re.fullmatch(wording, text.replace("`", '"'), re.IGNORECASE)
            if found is not None:
                return make(found), note
    return None, None


def _spellings(sql: str, dialect: str) -> list[str]:
    """The SQL as it stands, and without brackets around it or the guard of NHS numbers behind it."""
    found = [sql]
    if sql.startswith("(") and sql.endswith(")"):
        inner = sql[1:-1].strip()
        found.append(inner.removesuffix(f" AND {usable(dialect)}"))
    return found


def _spec(kind: str, found: re.Match[str]) -> dict[str, Any]:
    groups = found.groupdict()
    name, _, part = kind.partition(" ")
    spec: dict[str, Any] = {"kind": name, "field": field_of(groups["field"])}
    if "other" in groups:
        spec["other"] = field_of(groups["other"])
    if part:
        spec["part"] = part
    elif "p" in groups:
        spec[str(VALUE_KINDS[name].parameter)] = _number(groups["p"])
    return spec


def _number(text: str) -> float | int:
    return int(text) if re.fullmatch(r"[-+]?\d+", text) else float(text)


def _value(kind: str, setting: str, number: str = "p") -> Any:
    def make(found: re.Match[str]) -> dict[str, Any]:
        return {"kind": kind, "field": field_of(found["f"]), setting: _number(found[number])}

    return make


def _reversed(found: re.Match[str]) -> dict[str, Any]:
    return {"kind": "swapped", "field": field_of(found["f"]), "other": field_of(found["o"])}


def _days(found: re.Match[str]) -> dict[str, Any]:
    return {"kind": "days-apart", "field": field_of(found["f"]), "at_most": int(float(found["p"]) // 86400)}


def _part(part: str) -> Any:
    return lambda found: {"kind": "postcode-part", "field": field_of(found["f"]), "part": part}


_PAIR = r'"(?P<f>\w+?)_l",\s*"(?P=f)_r"'
_NUMBER = r"(?P<p>[-+0-9.eE]+)"
_OUTWARD = r"\^\[A-Za-z\]\{1,2\}\[0-9\]\[A-Za-z0-9\]\?"
_EXTRACT = r"""NULLIF\(regexp_extract\("(?P<f>\w+?)_l", '%s', 0\), ''\) = NULLIF\(regexp_extract\("(?P=f)_r", '%s', 0\), ''\)"""  # noqa: E501 - one pattern
_WRITTEN = "ours looks at British postcodes only, prepared without spaces"

_NEARLY: tuple[tuple[str, Any, str | None], ...] = (
    (rf"jaro_winkler(?:_similarity)?\({_PAIR}\) >= {_NUMBER}", _value("jaro-winkler", "at_least"), None),
    (
        rf"levenshtein\({_PAIR}\) <= {_NUMBER}",
        _value("damerau-levenshtein", "at_most"),
        "Levenshtein became Damerau-Levenshtein: two neighbours exchanged count as one slip, not two",
    ),
    (
        r'"(?P<f>\w+?)_l" = "(?P<o>\w+?)_r" AND "(?P=f)_r" = "(?P=o)_l"',
        _reversed,
        "names that are equal in all four places are not taken for exchanged",
    ),
    (
        r"""ABS\(EPOCH\(try_strptime\("(?P<f>\w+?)_l", '[^']*'\)\) - """
        rf"""EPOCH\(try_strptime\("(?P=f)_r", '[^']*'\)\)\) <= {_NUMBER}""",
        _days,
        None,
    ),
    (
        r"""abs\(datediff\(date\(try_to_timestamp\("(?P<f>\w+?)_l", '[^']*'\)\), """
        rf"""date\(try_to_timestamp\("(?P=f)_r", '[^']*'\)\)\)\) <= floor\({_NUMBER} / 86400\)""",
        _days,
        None,
    ),
    (_EXTRACT % ((_OUTWARD + r" \[0-9\]",) * 2), _part("sector"), _WRITTEN),
    (_EXTRACT % ((_OUTWARD,) * 2), _part("outward"), _WRITTEN),
    (_EXTRACT % ((r"\^\[A-Za-z\]\{1,2\}",) * 2), _part("area"), _WRITTEN),
)
"""What Splink's own library writes: pattern, how it becomes a condition, and what is not quite the same."""
