"""Which column of a person file holds what: the person file's own names, usual headers of others, and a user's map."""

import itertools
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mpi.domain.errors import BadInput
from mpi.domain.person import DEMOGRAPHIC_FIELDS

TARGETS: tuple[str, ...] = ("record_id", "authority", *DEMOGRAPHIC_FIELDS)
"""The columns that are read. `true_person` is not one of them: truth is never read by matching or training."""

COMPARE_KINDS = ("exact", "string", "date", "number")

USUAL_HEADERS: dict[str, tuple[tuple[str, ...], ...]] = {
    "record_id": (("rec_id",), ("unique_id",), ("recid",), ("id",)),
    "nhs_number": (("nhs_no",), ("nhsnumber",)),
    "family_name": (("surname",), ("last_name",), ("lastname",), ("familyname",)),
    "given_name": (("first_name",), ("forename",), ("firstname",), ("givenname",), ("given_names",)),
    "middle_names": (("middle_name",),),
    "previous_family_name": (("maiden_name",), ("previous_surname",)),
    "birth_date": (("dob",), ("date_of_birth",), ("birthdate",), ("birth_dt",)),
    "sex": (("gender",),),
    "address_line": (("street_number", "address_1"), ("address_1",), ("address",), ("address_line_1",)),
    "town": (("city",), ("suburb",)),
    "postcode": (("post_code",), ("postal_code",), ("zip_code",), ("zip",), ("postcode_fake",)),
    "phone": (("phone_number",), ("telephone",), ("mobile",)),
    "email": (("email_address",),),
    "gp_practice": (("gp_code",), ("practice_code",)),
    "death_date": (("date_of_death",), ("dod",)),
}
"""Column -> headers of other tools' files that are recognised without a map, best first; several are joined."""


@dataclass(frozen=True, slots=True)
class ExtraField:
    """A field of the user's own that takes part in matching; `compare` is one of `COMPARE_KINDS`."""

    name: str
    headers: tuple[str, ...]
    compare: str


@dataclass(frozen=True, slots=True)
class Columns:
    """A column map applied to the headers of one file."""

    sources: Mapping[str, tuple[str, ...]]
    """Column -> headers that fill it; a column without a header in this file is not here."""
    extras: tuple[ExtraField, ...] = ()
    birth_date_format: str | None = None
    recognised: Mapping[str, str] = field(default_factory=dict)
    """Header -> column, for headers that are neither the person file's own nor in the map: to be reported."""
    absent: tuple[str, ...] = ()
    """Headers that the map names and this file does not have: to be reported."""

    def values(self, row: Mapping[str, str | None]) -> dict[str, str]:
        """Column -> text of one row; what is empty is left out. Several headers are joined by a space."""
        found = {}
        for target, headers in self.sources.items():
            text = _joined(row, headers)
            if text:
                found[target] = text
        if self.birth_date_format and "birth_date" in found:
            found["birth_date"] = self.dated(found["birth_date"])
        return found

    def dated(self, text: str) -> str:
        """A birth date in ISO form where it is written as the map says, else as it stands."""
        return _iso(text, self.birth_date_format) if self.birth_date_format else text

    def extra_values(self, row: Mapping[str, str | None]) -> dict[str, str]:
        """Name -> text of the user's own fields in one row; what is empty is left out."""
        return {extra.name: text for extra in self.extras if (text := _joined(row, extra.headers))}

    @property
    def extra_kinds(self) -> dict[str, str]:
        """Name of each extra field -> how it is compared."""
        return {extra.name: extra.compare for extra in self.extras}


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """A user's map (`--columns MAP.toml`), or the empty one."""

    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    extras: tuple[ExtraField, ...] = ()
    birth_date_format: str | None = None

    @staticmethod
    def parse(text: str) -> "ColumnMap":
        """The map a TOML document describes; raises `BadInput` naming the entry at fault."""
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise BadInput(f"the column map is no TOML: {error}", code="columns") from error
        unknown = set(document) - {"columns", "extra", "birth_date_format"}
        _refuse(bool(unknown), f"unknown entries {sorted(unknown)}")
        form = document.get("birth_date_format")
        _refuse(form is not None and not isinstance(form, str), "birth_date_format is no text")
        mapped = document.get("columns", {})
        extra = document.get("extra", {})
        _refuse(not isinstance(mapped, dict) or not isinstance(extra, dict), "columns and extra are tables")
        columns = {}
        for target, headers in mapped.items():
            _refuse(target not in TARGETS, f"no such column: {target}")
            columns[target] = _headers(target, headers)
        return ColumnMap(columns, tuple(_extra(name, entry) for name, entry in extra.items()), form)

    def resolve(self, headers: Sequence[str]) -> Columns:
        """This map applied to a file's headers: the map first, then the person file's names, then usual headers."""
        by_name = {_plain(header): header for header in reversed(headers)}
        present = set(headers)
        taken = {h for hs in self.columns.values() for h in hs} | {h for extra in self.extras for h in extra.headers}
        sources: dict[str, tuple[str, ...]] = {}
        recognised: dict[str, str] = {}
        for target in TARGETS:
            if target in self.columns:
                kept = tuple(h for h in self.columns[target] if h in present)
                if kept:
                    sources[target] = kept
            elif target in by_name and by_name[target] not in taken:
                sources[target] = (by_name[target],)
            else:
                guess = _usual(target, by_name, taken)
                if guess:
                    sources[target] = guess
                    recognised.update(dict.fromkeys(guess, target))
        extras = tuple(extra for extra in self.extras if present & set(extra.headers))
        absent = tuple(sorted(taken - present))
        return Columns(sources, extras, self.birth_date_format, recognised, absent)


def _usual(target: str, by_name: Mapping[str, str], taken: set[str]) -> tuple[str, ...]:
    for names in USUAL_HEADERS.get(target, ()):
        found = tuple(by_name[name] for name in names if name in by_name)
        if len(found) == len(names) and not taken & set(found):
            return found
    return ()


def _plain(header: str) -> str:
    return "_".join(header.strip().lower().replace("-", " ").replace(".", " ").replace("_", " ").split())


def _joined(row: Mapping[str, str | None], headers: Sequence[str]) -> str:
    return " ".join(text for header in headers if (text := (row.get(header) or "").strip()))


_PARTS = ("YyGDFcx", "mbBjUWVDFcx", "djuwaADFcx")
"""The directives of `strptime` that give a year, a month, a day."""


def _iso(text: str, form: str) -> str:
    """The date in ISO form, or the text as it stands where it does not fit: preparing it reports what is wrong.

    A form without a day or a month gives a date known in part, `YYYY-MM` or `YYYY`.
    """
    try:
        found = datetime.strptime(text, form).date().isoformat()  # noqa: DTZ007 - a birth date has no time zone
    except ValueError:
        return text
    said = {letter for letter, percent in zip(form[1:], form, strict=False) if percent == "%"}
    known = itertools.takewhile(lambda part: said & set(part[1]), zip(found.split("-"), _PARTS, strict=True))
    return "-".join(part for part, _ in known)


def _headers(name: str, headers: Any) -> tuple[str, ...]:
    listed = [headers] if isinstance(headers, str) else headers
    fine = isinstance(listed, list) and len(listed) > 0 and all(isinstance(h, str) for h in listed)
    _refuse(not fine, f"{name}: a header or a list of headers is needed")
    return tuple(listed)


def _extra(name: str, entry: Any) -> ExtraField:
    _refuse(not isinstance(entry, dict) or "column" not in entry, f"extra.{name}: needs a column")
    compare = entry.get("compare", "exact")
    _refuse(compare not in COMPARE_KINDS, f"extra.{name}: compare is one of {', '.join(COMPARE_KINDS)}")
    return ExtraField(name, _headers(f"extra.{name}", entry["column"]), compare)


def _refuse(wrong: bool, what: str) -> None:
    if wrong:
        raise BadInput(f"the column map is not valid: {what}", code="columns")
