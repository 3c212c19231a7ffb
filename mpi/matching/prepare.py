"""Recorded demographics into prepared values, with the problems of what could not be used."""

from collections.abc import Callable, Mapping

from mpi.domain.person import Demographics, ValueProblem
from mpi.matching import nhs_number
from mpi.matching.contacts import read_email, read_other_identifier, read_phone, read_practice
from mpi.matching.dates import read_date
from mpi.matching.fold import fold
from mpi.matching.names import ReadName, read_middle, read_name
from mpi.matching.places import read_address, read_postcode, read_town
from mpi.matching.prepared import Prepared

PROBLEMS: dict[str, str] = {
    "unreadable": "The value cannot be read.",
    "impossible-date": "No such date exists, or it lies outside the years 1000 to 2100.",
    "placeholder": 'The value stands for "unknown", a default or a test entry.',
    "check-digit": "The NHS number's check digit is wrong.",
    "old-style": "An NHS number of a kind from before 1996: kept, and never matched.",
    "lost-leading-zero": "Nine digits that would be a valid number with a 0 in front; not repaired.",
    "not-issued": "The NHS number lies in a range that is not issued.",
    "test-range": "The NHS number is of the test range and the source is not marked as a test.",
    "unknown-code": "The code is not one that the standard knows.",
}
"""Code of a value's problem -> what it means, in plain English."""

_SEX = {
    "1": "M", "M": "M", "MALE": "M", "2": "F", "F": "F", "FEMALE": "F", "9": "O", "O": "O", "A": "O", "N": "O",
    "OTHER": "O", "NOT SPECIFIED": "O", "INDETERMINATE": "O", "0": None, "X": None, "U": None, "UNKNOWN": None,
    "NOT KNOWN": None,
}  # fmt: skip
"""NHS data dictionary codes, HL7 table 0001 and FHIR words."""

TEST_PEOPLE = frozenset({("DOE", "JOHN"), ("DOE", "JANE"), ("BLOGGS", "JOE"), ("MOUSE", "MICKEY"), ("DUCK", "DONALD")})
"""Family and given name of people who stand for nobody."""

_Reader = Callable[[str], tuple[str | None, str | None]]


class _Reading:
    """One record being read: gathers problems as values are taken."""

    def __init__(self) -> None:
        self.problems: list[ValueProblem] = []

    def found(self, field: str, problem: str | None) -> None:
        if problem is not None:
            self.problems.append(ValueProblem(field, problem))

    def take(self, field: str, text: str | None, reader: _Reader) -> str | None:
        if text is None or not text.strip():
            return None
        value, problem = reader(text)
        self.found(field, problem)
        return value

    def name(self, field: str, text: str | None, *, given: bool) -> ReadName:
        if text is None or not text.strip():
            return ReadName()
        read = read_name(text, given=given)
        self.found(field, read.problem)
        return read


def _read_sex(text: str) -> tuple[str | None, str | None]:
    code = fold(text)
    return (_SEX[code], None) if code in _SEX else (None, "unknown-code")


def _read_order(text: str) -> tuple[str | None, str | None]:
    digits = text.strip().lstrip("0")
    return (digits, None) if digits in set("123456789") else (None, "unreadable")


def _read_day(text: str) -> tuple[str | None, str | None]:
    found = read_date(text)
    return found.whole, found.problem


READERS: dict[str, tuple[str, _Reader]] = {
    "sex": ("sex", _read_sex),
    "postcode": ("postcode", read_postcode),
    "address_line": ("address", read_address),
    "town": ("town", read_town),
    "phone": ("phone", read_phone),
    "email": ("email", read_email),
    "gp_practice": ("gp", read_practice),
    "other_identifier": ("other_id", read_other_identifier),
    "multiple_birth_order": ("birth_order", _read_order),
    "death_date": ("death", _read_day),
}
"""Column that is read by itself -> the prepared field, and what reads it into a value and a problem."""


def _nhs(reading: _Reading, d: Demographics, allow_test_numbers: bool) -> tuple[str | None, bool, bool]:
    """The number, whether it is verified, whether it may count for a link."""
    status = None
    if d.nhs_number_status and d.nhs_number_status.strip():
        status = nhs_number.status(d.nhs_number_status)
        if status is None:
            reading.found("nhs_number_status", "unknown-code")
    if not d.nhs_number or not d.nhs_number.strip():
        return None, False, False
    found = nhs_number.read(d.nhs_number, allow_test_numbers=allow_test_numbers)
    reading.found("nhs_number", found.problem)
    if found.number is None:
        return None, False, False
    return found.number, status == "01", status not in ("04", "05")


def _birth(reading: _Reading, text: str | None) -> tuple[str | None, str | None]:
    if text is None or not text.strip():
        return None, None
    found = read_date(text)
    reading.found("birth_date", found.problem)
    return found.whole, found.partial


def prepare_extra(value: str, compare: str) -> str | None:
    """A user's own field made comparable; `compare` is `exact`, `string`, `date` or `number`. None: unusable."""
    if compare == "date":
        return read_date(value).whole
    if compare == "number":
        try:
            number = float(value.strip().replace(",", ""))
        except ValueError:
            return None
        return repr(number) if number == number and abs(number) != float("inf") else None
    return fold(value) or None


def prepare(
    d: Demographics,
    *,
    allow_test_numbers: bool,
    extra: Mapping[str, str] | None = None,
    extra_kinds: Mapping[str, str] | None = None,
) -> tuple[Prepared, tuple[ValueProblem, ...]]:
    """The prepared values of one record and the problems of its recorded ones. Never raises, whatever the text.

    `extra_kinds` says for each extra field how it is compared (`mpi.domain.columns`); others are taken as `exact`.
    """
    reading = _Reading()
    family = reading.name("family_name", d.family_name, given=False)
    given = reading.name("given_name", d.given_name, given=True)
    previous = reading.name("previous_family_name", d.previous_family_name, given=False)
    birth, partial = _birth(reading, d.birth_date)
    nhs, verified, usable = _nhs(reading, d, allow_test_numbers)
    read = {to: reading.take(column, getattr(d, column), reader) for column, (to, reader) in READERS.items()}
    read["birth_order"] = read["birth_order"] or given.order or family.order
    kinds = extra_kinds or {}
    kept = ((name, prepare_extra(value, kinds.get(name, "exact"))) for name, value in sorted((extra or {}).items()))
    prepared = Prepared(
        family=family.name,
        given=given.name,
        middle=read_middle(d.middle_names) if d.middle_names else None,
        previous_family=previous.name or family.previous,
        birth=birth,
        birth_partial=partial,
        nhs=nhs,
        nhs_verified=verified,
        nhs_usable=usable,
        newborn=(given.newborn or family.newborn) and given.name is None,
        placeholder=_is_placeholder(family, given),
        extra=tuple((name, value) for name, value in kept if value is not None),
        **read,
    )
    return prepared, tuple(reading.problems)


def _is_placeholder(family: ReadName, given: ReadName) -> bool:
    """Nobody in particular: an unknown family name, a test entry, or a stock name."""
    if family.placeholder or given.test:
        return True
    if family.name is None and given.placeholder:
        return True
    return (family.name, given.name) in TEST_PEOPLE
