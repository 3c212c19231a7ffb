"""A source record: what one authority says of one of its local numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

NHS = "NHS"
"""Code of the assigning authority that issues NHS numbers; it exists without being configured."""

NOT_A_PERSONS_NUMBER = frozenset({"AN", "VN", "BC", "FN", "ANON", "ANC", "ANT"})
"""Type codes of account, visit, bed and anonymous numbers (HL7 table 0203): never the number of a person's record."""


@dataclass(frozen=True, slots=True)
class Identifier:
    """A number with the assigning authority that issued it (HL7 CX.1 and CX.4)."""

    authority: str
    value: str


@dataclass(frozen=True, slots=True)
class Demographics:
    """What was recorded about a person, exactly as it was received; None means that nothing was said.

    Values are text as the source wrote them (`"19800101"` and `"1980-01-01"` are both birth dates, `"1"` and
    `"M"` both a sex): `mpi.matching.prepare` reads them. Field names are the columns of a person file.
    """

    nhs_number: str | None = None
    nhs_number_status: str | None = None
    family_name: str | None = None
    given_name: str | None = None
    middle_names: str | None = None
    previous_family_name: str | None = None
    birth_date: str | None = None
    sex: str | None = None
    address_line: str | None = None
    town: str | None = None
    postcode: str | None = None
    phone: str | None = None
    email: str | None = None
    gp_practice: str | None = None
    other_identifier: str | None = None
    multiple_birth_order: str | None = None
    death_date: str | None = None

    def changed(self, changes: Mapping[str, str]) -> "Demographics":
        """These demographics after an update: a field that is absent stays, one that is `""` is erased.

        That is the HL7 v2 reading of absent against `""` (HL7 v2.5 chapter 2, 2.5.3.3). A status belongs to its NHS
        number: another number without a status of its own leaves none. Unknown names raise KeyError.
        """
        values = self.as_dict()
        for name, value in changes.items():
            if name not in _FIELD_NAMES:
                raise KeyError(name)
            if value == "":
                values.pop(name, None)
            else:
                values[name] = value
        if "nhs_number_status" not in changes and _digits(values.get("nhs_number")) != _digits(self.nhs_number):
            values.pop("nhs_number_status", None)
        return Demographics(**values)

    def as_dict(self) -> dict[str, str]:
        """Only the fields that were recorded, in the order of the person file's columns."""
        return {name: value for name in DEMOGRAPHIC_FIELDS if (value := getattr(self, name)) is not None}


def _digits(number: str | None) -> str:
    """A number without the blanks and hyphens it is written with: only to see whether it is another one."""
    return "".join(character for character in number or "" if character.isalnum())


DEMOGRAPHIC_FIELDS: tuple[str, ...] = tuple(f.name for f in fields(Demographics))
_FIELD_NAMES = frozenset(DEMOGRAPHIC_FIELDS)


@dataclass(frozen=True, slots=True)
class ValueProblem:
    """A recorded value that matching cannot use: it is kept, left out of matching and counted for its source.

    `problem` is one of the codes in `mpi.matching.prepare.PROBLEMS` (`unreadable`, `check-digit`, ...). No value here.
    """

    field: str
    problem: str


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """One registration to store or change: the local number of one authority, and what is said about its bearer.

    `changes` holds only what the sender said (see `Demographics.changed`). `complete` is True when the sender
    gave its whole picture (a row of a file), so that fields it leaves out are erased.
    """

    authority: str
    local_id: str
    changes: Mapping[str, str]
    complete: bool = False
    restricted: bool | None = None
    """True or False when the sender said so; None leaves what is stored."""
    national: tuple[Identifier, ...] = ()
    """Numbers of national authorities but the NHS (a CHI, an H&SC number): kept, and never compared with NHS numbers.

    What is stored of an authority named here is replaced; an empty value only ends it.
    """
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the user's own (`[extra.*]` of a column map); batch only."""
    said_at: str | None = None
    """When the source says that this was so (`mpi.domain.moment`); None when it does not say."""
