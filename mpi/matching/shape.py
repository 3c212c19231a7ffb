"""The shape of the project's models: which comparisons, which levels, and where estimation starts from.

Starting m and u are round guesses that EM moves; they also steady the estimate where data say little (see `train`).
Fields that agree together because people live together stand in one comparison (`residence`): postcode, address,
town and telephone of one household must not be counted four times.
"""

from collections.abc import Mapping
from typing import Any

from mpi.matching.model import EXTRA, Comparison, Frequencies, Level, LinkageModel, Thresholds

_C = dict[str, Any]


def _exact(field: str) -> _C:
    return {"kind": "exact", "field": field}


def _jw(field: str, at_least: float) -> _C:
    return {"kind": "jaro-winkler", "field": field, "at_least": at_least}


def _dl(field: str, at_most: int) -> _C:
    return {"kind": "damerau-levenshtein", "field": field, "at_most": at_most}


def _years(field: str, at_most: float) -> _C:
    return {"kind": "years-within", "field": field, "at_most": at_most}


def _pair(kind: str, field: str, other: str) -> _C:
    return {"kind": kind, "field": field, "other": other}


def _part(part: str) -> _C:
    return {"kind": "postcode-part", "field": "postcode", "part": part}


_ALIKE: _C = {"kind": "address-alike", "field": "address", "at_least": 0.85}

FAMILY = Comparison(
    "family_name",
    ("family",),
    (
        Level("same", (_exact("family"),), 0.90, 0.004, frequency=1.0),
        Level("same as a previous name", (_pair("other-name", "family", "previous_family"),), 0.01, 0.0005),
        Level("exchanged with the given name", (_pair("swapped", "family", "given"),), 0.005, 0.00001),
        Level("nearly the same spelling", (_jw("family", 0.92),), 0.03, 0.002, frequency=0.5),
        Level("one part of the name the same", ({"kind": "shares-word", "field": "family"},), 0.01, 0.001),
        Level("similar spelling", (_jw("family", 0.85),), 0.01, 0.004),
        Level("same sound", ({"kind": "phonetic", "field": "family"},), 0.005, 0.004),
        Level("different", (), 0.03, 0.985),
    ),
    table="family",
)

GIVEN = Comparison(
    "given_name",
    ("given",),
    (
        Level("same", (_exact("given"),), 0.86, 0.01, frequency=1.0),
        Level("a short form of the same name", ({"kind": "nickname", "field": "given"},), 0.03, 0.004),
        Level("same initial, the other only an initial", ({"kind": "initial", "field": "given"},), 0.01, 0.001),
        Level(
            "exchanged with the family name",
            (_pair("swapped", "given", "family"),),
            0.005,
            0.005,
            counted_elsewhere=True,
        ),
        Level("nearly the same spelling", (_jw("given", 0.92),), 0.03, 0.005, frequency=0.5),
        Level("one part of the name the same", ({"kind": "shares-word", "field": "given"},), 0.01, 0.002),
        Level("same as the middle name", (_pair("other-name", "given", "middle"),), 0.01, 0.004),
        Level("similar spelling", (_jw("given", 0.85),), 0.01, 0.01),
        Level("same sound", ({"kind": "phonetic", "field": "given"},), 0.005, 0.01),
        Level("different", (), 0.03, 0.95),
    ),
    table="given",
)

MIDDLE = Comparison(
    "middle_names",
    ("middle",),
    (
        Level("same", (_exact("middle"),), 0.80, 0.02),
        Level("same initial, the other only an initial", ({"kind": "initial", "field": "middle"},), 0.06, 0.02),
        Level("similar", (_jw("middle", 0.85),), 0.05, 0.02),
        Level("one of them the same", ({"kind": "shares-word", "field": "middle"},), 0.04, 0.01),
        Level("different", (), 0.05, 0.93),
    ),
)

BIRTH = Comparison(
    "birth_date",
    ("birth",),
    (
        Level("same", (_exact("birth"),), 0.94, 0.00004),
        Level("day and month exchanged", ({"kind": "day-month-swapped", "field": "birth"},), 0.01, 0.00003),
        Level("one digit different", (_dl("birth", 1),), 0.02, 0.0008),
        Level("known in part, and that fits", (_pair("partial-date", "birth", "birth_partial"),), 0.004, 0.0001),
        Level("two parts of three the same", ({"kind": "date-parts", "field": "birth", "at_least": 2},), 0.01, 0.003),
        Level("different", (), 0.02, 0.996),
    ),
)

BIRTH_IN_YEARS = Comparison(
    "birth_date",
    ("birth", "birth_partial"),
    (
        Level("same", (_exact("birth"),), 0.10, 0.00004),
        Level("known in part, and that fits", (_pair("partial-date", "birth", "birth_partial"),), 0.65, 0.015),
        Level("years one apart", (_years("birth_partial", 1),), 0.12, 0.03),
        Level("years at most three apart", (_years("birth_partial", 3),), 0.06, 0.06),
        Level("one digit different", (_dl("birth_partial", 1),), 0.03, 0.15),
        Level("different", (), 0.04, 0.75),
    ),
)
"""For records of whom mostly the year of birth is known, or an age: it is off by a year or two more often than not."""

SEX = Comparison("sex", ("sex",), (Level("same", (_exact("sex"),), 0.99, 0.5), Level("different", (), 0.01, 0.5)))

RESIDENCE = Comparison(
    "residence",
    ("postcode", "address"),
    (
        Level("same address and telephone", (_exact("postcode"), _ALIKE, _exact("phone")), 0.30, 0.00001),
        Level("same address", (_exact("postcode"), _ALIKE), 0.30, 0.00001),
        Level("same telephone", (_exact("phone"),), 0.12, 0.00001),
        Level("same postcode", (_exact("postcode"),), 0.08, 0.0001),
        Level("same address line and town", (_ALIKE, _exact("town")), 0.02, 0.00001),
        Level("same address line", (_ALIKE,), 0.01, 0.0001),
        Level("postcode one character different", (_dl("postcode", 1),), 0.02, 0.0003),
        Level("same postcode sector", (_part("sector"),), 0.02, 0.001),
        Level("same town", (_exact("town"),), 0.05, 0.03),
        Level("same outward postcode", (_part("outward"),), 0.02, 0.01),
        Level("different", (), 0.06, 0.95),
    ),
)

EMAIL = Comparison(
    "email", ("email",), (Level("same", (_exact("email"),), 0.8, 0.000001), Level("different", (), 0.2, 0.999999))
)

NHS_NUMBER = Comparison(
    "nhs_number",
    ("nhs",),
    (
        Level("same", (_exact("nhs"),), 0.97, 0.0000005),
        Level("one digit different", (_dl("nhs", 1),), 0.005, 0.000005),
        Level("different", (), 0.025, 0.999994),
    ),
)

OTHER_IDENTIFIER = Comparison(
    "other_identifier",
    ("other_id",),
    (
        Level("same", (_exact("other_id"),), 0.9, 0.000001),
        Level("one character different", (_dl("other_id", 1),), 0.03, 0.00003),
        Level("different", (), 0.07, 0.99996),
    ),
)

COMPARISONS: tuple[Comparison, ...] = (
    FAMILY,
    GIVEN,
    MIDDLE,
    BIRTH,
    SEX,
    RESIDENCE,
    EMAIL,
    NHS_NUMBER,
    OTHER_IDENTIFIER,
)

HOUSEHOLD_FIELDS = frozenset({"family_name", "residence"})
"""Comparisons that members of one household agree on as one person's records do; everything else is a person's own."""

SHARED_AT_HOME = HOUSEHOLD_FIELDS | {"email"}
"""What no link may rest on where a name or a birth date is missing: children and the old are reached through others."""

SHARED_BY_TWINS = SHARED_AT_HOME | {"birth_date"}
"""The same for children of one birth."""

_FLAT = Frequencies(base=0.005, floor=0.0005, values={})


def extra_comparison(name: str, compare: str) -> Comparison:
    """The comparison of a user's own field, `compare` being `exact`, `string`, `date` or `number`."""
    field = f"{EXTRA}{name}"
    same = Level("same", (_exact(field),), 0.8, 0.05, frequency=1.0)
    different = Level("different", (), 0.1, 0.9)
    between: tuple[Level, ...] = ()
    if compare == "string":
        between = (
            Level("nearly the same spelling", (_jw(field, 0.92),), 0.05, 0.01, frequency=0.5),
            Level("one word the same", ({"kind": "shares-word", "field": field},), 0.05, 0.02),
            Level("similar spelling", (_jw(field, 0.8),), 0.04, 0.04),
        )
    elif compare == "date":
        between = (
            Level("day and month exchanged", ({"kind": "day-month-swapped", "field": field},), 0.01, 0.0001),
            Level("one digit different", (_dl(field, 1),), 0.03, 0.001),
            Level("two parts of three the same", ({"kind": "date-parts", "field": field, "at_least": 2},), 0.02, 0.005),
        )
    elif compare == "number":
        between = (Level("at most 1 apart", ({"kind": "number-within", "field": field, "at_most": 1.0},), 0.1, 0.05),)
    return Comparison(field, (field,), (same, *between, different), table=field)


def starting_model(
    extras: Mapping[str, str] | None = None, *, name: str = "untrained", births_in_years: bool = False
) -> LinkageModel:
    """A model of round guesses, the place where estimation starts; `extras` are a user's own fields and their kinds.

    `births_in_years` is for records of whom mostly the year of birth is known.
    """
    own = tuple(BIRTH_IN_YEARS if births_in_years and c is BIRTH else c for c in COMPARISONS)
    added = tuple(extra_comparison(extra, kind) for extra, kind in sorted((extras or {}).items()))
    tables = {c.table: _FLAT for c in (*own, *added) if c.table}
    return LinkageModel(name, 1e-6, (*own, *added), tables, Thresholds(10.0, 5.0, 0.0), trained={"on": "nothing"})
