"""The closed vocabulary of comparison levels: each kind has exactly one meaning, here, whatever engine works it out.

A *value kind* looks at one field of both sides; a *record kind* looks at several fields. All are symmetric, and all
are False where a side is missing: a missing value never agrees and never disagrees.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Any

import jellyfish

from mpi.matching.block import sound
from mpi.matching.nicknames import are_nicknames
from mpi.matching.places import postcode_part
from mpi.matching.prepared import PREPARED_FIELDS, Prepared

ValueTest = Callable[[str, str], bool]
RecordTest = Callable[[Prepared, Prepared], bool]
Getter = Callable[[Prepared], str | None]

_CACHE = 1 << 17


@lru_cache(maxsize=_CACHE)
def jaro_winkler(x: str, y: str) -> float:
    """Jaro-Winkler similarity 0-1, the same whichever side comes first."""
    return jellyfish.jaro_winkler_similarity(x, y) if x <= y else jellyfish.jaro_winkler_similarity(y, x)


@lru_cache(maxsize=_CACHE)
def damerau_levenshtein(x: str, y: str) -> int:
    """True Damerau-Levenshtein distance (not optimal string alignment)."""
    return jellyfish.damerau_levenshtein_distance(x, y)


@lru_cache(maxsize=_CACHE)
def address_words(address: str) -> tuple[tuple[str, ...], str]:
    """The words with digits, sorted, and the rest of an address."""
    numbers: list[str] = []
    rest: list[str] = []
    for word in address.split():
        # Most words are letters only, and that is quickly said.
        numbered = not word.isalpha() and any(c.isdigit() for c in word)
        (numbers if numbered else rest).append(word)
    return tuple(sorted(numbers)), " ".join(rest)


def address_alike(x: str, y: str, at_least: float) -> bool:
    """The same house numbers, and the other words at least so similar by Jaro-Winkler."""
    if x == y:
        return True
    (numbers_x, words_x), (numbers_y, words_y) = address_words(x), address_words(y)
    return numbers_x == numbers_y and jaro_winkler(words_x, words_y) >= at_least


def day_month_swapped(x: str, y: str) -> bool:
    """ISO dates of one year, day and month exchanged."""
    return x != y and x[:4] == y[:4] and x[5:7] == y[8:] and x[8:] == y[5:7]


def date_parts(x: str, y: str) -> int:
    """How many of year, month and day two ISO dates share."""
    return (x[:4] == y[:4]) + (x[5:7] == y[5:7]) + (x[8:] == y[8:])


def days_apart(x: str, y: str) -> int:
    """Days between two ISO dates."""
    from datetime import date

    return abs((date.fromisoformat(x) - date.fromisoformat(y)).days)


def token_share(x: str, y: str) -> float:
    """Shared words over all words, 0-1."""
    mine, theirs = set(x.split()), set(y.split())
    return len(mine & theirs) / len(mine | theirs)


def shares_word(x: str, y: str) -> bool:
    """At least one word of two letters or more stands on both sides (`ANN MARIE`, `MARIE`)."""
    return any(len(w) > 1 for w in set(x.split()) & set(y.split()))


def is_initial(x: str, y: str) -> bool:
    """One side is a single letter and the other begins with it."""
    return x != y and (len(x) == 1 or len(y) == 1) and x[:1] == y[:1]


def number_within(x: str, y: str, at_most: float) -> bool:
    """Two numbers differ by no more than this."""
    return abs(float(x) - float(y)) <= at_most


def years_within(x: str, y: str, at_most: float) -> bool:
    """The years of two dates, whole or in part, differ by no more than this."""
    return abs(int(x[:4]) - int(y[:4])) <= at_most


@dataclass(frozen=True, slots=True)
class ValueKind:
    """A kind on one field. `parameter` is the name of its setting in a model, or None; `make` binds it."""

    meaning: str
    make: Callable[[Any], ValueTest]
    parameter: str | None = None


VALUE_KINDS: dict[str, ValueKind] = {
    "exact": ValueKind("both sides equal", lambda _: str.__eq__),
    "jaro-winkler": ValueKind(
        "Jaro-Winkler similarity at least `at_least`", lambda t: lambda x, y: jaro_winkler(x, y) >= t, "at_least"
    ),
    "damerau-levenshtein": ValueKind(
        "true Damerau-Levenshtein distance at most `at_most`",
        lambda t: lambda x, y: abs(len(x) - len(y)) <= t and damerau_levenshtein(x, y) <= t,
        "at_most",
    ),
    "day-month-swapped": ValueKind("dates of one year with day and month exchanged", lambda _: day_month_swapped),
    "date-parts": ValueKind(
        "at least `at_least` of year, month and day equal", lambda t: lambda x, y: date_parts(x, y) >= t, "at_least"
    ),
    "days-apart": ValueKind(
        "dates at most `at_most` days apart", lambda t: lambda x, y: days_apart(x, y) <= t, "at_most"
    ),
    "postcode-part": ValueKind(
        "British postcodes of one `part`: sector, outward, area",
        lambda t: lambda x, y: (p := postcode_part(x, t)) is not None and p == postcode_part(y, t),
        "part",
    ),
    "nickname": ValueKind("different forms of one given name", lambda _: are_nicknames),
    "initial": ValueKind("one side is the initial of the other", lambda _: is_initial),
    "phonetic": ValueKind("equal Soundex", lambda _: lambda x, y: sound(x) == sound(y)),
    "token-overlap": ValueKind(
        "shared words over all words at least `at_least`", lambda t: lambda x, y: token_share(x, y) >= t, "at_least"
    ),
    "shares-word": ValueKind("at least one word of two letters or more shared", lambda _: shares_word),
    "address-alike": ValueKind(
        "same house numbers, other words Jaro-Winkler at least `at_least`",
        lambda t: lambda x, y: address_alike(x, y, t),
        "at_least",
    ),
    "years-within": ValueKind(
        "years of dates at most `at_most` apart", lambda t: lambda x, y: years_within(x, y, t), "at_most"
    ),
    "number-within": ValueKind(
        "numbers at most `at_most` apart", lambda t: lambda x, y: number_within(x, y, t), "at_most"
    ),
}


def getter(field: str) -> Getter:
    """Reads `field` of prepared values; `extra.NAME` is a user's own; an NHS number of status 04 or 05 reads as absent.

    Raises KeyError for a field that does not exist.
    """
    if field.startswith("extra."):
        name = field.removeprefix("extra.")
        return lambda p: dict(p.extra).get(name) if p.extra else None
    if field == "nhs":
        return lambda p: p.nhs if p.nhs_usable else None
    if field not in PREPARED_FIELDS:
        raise KeyError(field)
    return attrgetter(field)


def _swapped(field: str, other: str) -> RecordTest:
    mine, its = getter(field), getter(other)

    def test(a: Prepared, b: Prepared) -> bool:
        x = mine(a)
        return x is not None and x == its(b) and (y := mine(b)) is not None and y == its(a) and x != y

    return test


def _other_name(field: str, other: str) -> RecordTest:
    mine, its = getter(field), getter(other)

    def test(a: Prepared, b: Prepared) -> bool:
        x, y = mine(a), mine(b)
        return x is not None and y is not None and (x == its(b) or y == its(a))

    return test


def _partial_date(field: str, other: str) -> RecordTest:
    whole, part = getter(field), getter(other)

    def test(a: Prepared, b: Prepared) -> bool:
        x, y = part(a), part(b)
        if x is None and y is None:
            return False
        x, y = x or whole(a), y or whole(b)
        return x is not None and y is not None and (x.startswith(y) or y.startswith(x))

    return test


RECORD_KINDS: dict[str, tuple[str, Callable[[str, str], RecordTest]]] = {
    "swapped": ("`field` and `other` exchanged between the sides", _swapped),
    "other-name": ("one side's `field` equals the other side's `other`, both sides having a `field`", _other_name),
    "partial-date": ("a date known in part (`other`) fits the other side's whole (`field`) or part", _partial_date),
}


def value_test(spec: Mapping[str, Any]) -> ValueTest | None:
    """The test of two values that a condition means, or None for a record kind. Raises KeyError for unknown kinds."""
    if spec["kind"] in RECORD_KINDS:
        return None
    entry = VALUE_KINDS[spec["kind"]]
    return entry.make(spec[entry.parameter] if entry.parameter else None)


def condition(spec: Mapping[str, Any]) -> RecordTest:
    """The test that one condition of a level means. KeyError for what the vocabulary does not have."""
    kind, field = spec["kind"], spec["field"]
    if kind in RECORD_KINDS:
        return RECORD_KINDS[kind][1](field, spec["other"])
    test = value_test(spec)
    get = getter(field)

    def holds(a: Prepared, b: Prepared) -> bool:
        x = get(a)
        if x is None:
            return False
        y = get(b)
        return y is not None and test is not None and test(x, y)

    return holds
