"""How two people's own values stand to each other, in words the hard rules of `decide` are made of."""

from enum import Enum
from operator import attrgetter

from mpi.matching.block import sound
from mpi.matching.kinds import (
    address_alike,
    damerau_levenshtein,
    date_parts,
    day_month_swapped,
    is_initial,
    jaro_winkler,
    shares_word,
    years_within,
)
from mpi.matching.nicknames import are_nicknames
from mpi.matching.prepared import Prepared


class Standing(Enum):
    """How one part of two records stands: `SAME` and `CLOSE` speak for one person, `UNKNOWN` for nothing."""

    SAME = "same"
    CLOSE = "close"
    DIFFERENT = "different"
    UNKNOWN = "unknown"


S = Standing
NAME_CLOSE = 0.85
HOME_FIELDS = ("postcode", "phone", "email")
"""Fields of which equality alone says that two people share a home."""
_HOME = tuple(attrgetter(field) for field in HOME_FIELDS)
GENERATION = 16
"""Years."""
YEARS_CLOSE = 2
"""Years that an age or a year of birth may be off."""


def _alike(x: str, y: str) -> bool:
    """A slip of the pen or the ear lies between two spellings."""
    return (
        jaro_winkler(x, y) >= NAME_CLOSE or damerau_levenshtein(x, y) <= 1 or x.replace(" ", "") == y.replace(" ", "")
    )


def given(a: Prepared, b: Prepared) -> Standing:
    """The given names: same or a form of one name; close spelling, initial or middle name; clearly different."""
    x, y = a.given, b.given
    if x is None or y is None:
        return S.UNKNOWN
    if x == y or are_nicknames(x, y):
        return S.SAME
    if names_exchanged(a, b):
        return S.SAME
    if is_initial(x, y) or _alike(x, y) or shares_word(x, y):
        return S.CLOSE
    if (a.middle and y in a.middle.split()) or (b.middle and x in b.middle.split()):
        return S.CLOSE
    return S.CLOSE if sound(x) == sound(y) and damerau_levenshtein(x, y) <= 2 else S.DIFFERENT


def family(a: Prepared, b: Prepared) -> Standing:
    """The family names, previous ones counted: a married name is the same person's."""
    x, y = a.family, b.family
    if x is None or y is None:
        return S.UNKNOWN
    if x == y or names_exchanged(a, b) or x == b.previous_family or y == a.previous_family:
        return S.SAME
    if _alike(x, y) or shares_word(x, y):
        return S.CLOSE
    return S.CLOSE if sound(x) == sound(y) else S.DIFFERENT


def names_exchanged(a: Prepared, b: Prepared) -> bool:
    """Family and given name stand in each other's place."""
    return a.family is not None and a.given is not None and a.family == b.given and a.given == b.family


def birth(a: Prepared, b: Prepared) -> Standing:
    """The birth dates: same; one slip away, two parts of three or a fitting part; clearly different.

    A shared birthday a generation apart is no slip: fathers and sons have it too.
    """
    x, y = a.birth, b.birth
    if x is None or y is None:
        return _birth_in_part(a, b)
    if x == y:
        return S.SAME
    if day_month_swapped(x, y) or damerau_levenshtein(x, y) <= 1:
        return S.CLOSE
    one_generation = abs(int(x[:4]) - int(y[:4])) < GENERATION
    return S.CLOSE if date_parts(x, y) >= 2 and one_generation else S.DIFFERENT


def _birth_in_part(a: Prepared, b: Prepared) -> Standing:
    """Where of a side only the year, or year and month, are known."""
    x, y = a.birth or a.birth_partial, b.birth or b.birth_partial
    if x is None or y is None:
        return S.UNKNOWN
    if x.startswith(y) or y.startswith(x):
        return S.CLOSE
    only_years = a.birth_partial is not None and b.birth_partial is not None
    return S.CLOSE if only_years and years_within(x, y, YEARS_CLOSE) else S.DIFFERENT


def sex(a: Prepared, b: Prepared) -> Standing:
    """The sexes; "other" and unknown speak for nothing."""
    if a.sex not in ("M", "F") or b.sex not in ("M", "F"):
        return S.UNKNOWN
    return S.SAME if a.sex == b.sex else S.DIFFERENT


def same_nhs(a: Prepared, b: Prepared) -> bool:
    """One valid NHS number on both sides, whatever its status."""
    return a.nhs is not None and a.nhs == b.nhs


def usable_nhs(a: Prepared, b: Prepared) -> bool:
    """Neither side's number has status 04 or 05."""
    return a.nhs_usable and b.nhs_usable


def verified_numbers_differ(a: Prepared, b: Prepared) -> bool:
    """Two NHS numbers, both verified, and not the same."""
    return a.nhs_verified and b.nhs_verified and a.nhs != b.nhs


def same_other_id(a: Prepared, b: Prepared) -> bool:
    """One other identifier on both sides."""
    return a.other_id is not None and a.other_id == b.other_id


def other_id_slips(a: Prepared, b: Prepared) -> bool:
    """Two other identifiers that are one number with a slip in it: one edit apart, and they end alike.

    Numbers given out one after another, as to children of one birth, differ at their end.
    """
    x, y = a.other_id, b.other_id
    return x is not None and y is not None and x != y and x[-1:] == y[-1:] and damerau_levenshtein(x, y) <= 1


def share_home(a: Prepared, b: Prepared) -> bool:
    """One postcode, address, telephone or e-mail address."""
    if any((value := get(a)) is not None and value == get(b) for get in _HOME):
        return True
    return a.address is not None and b.address is not None and address_alike(a.address, b.address, NAME_CLOSE)


def home_unknown(a: Prepared, b: Prepared) -> bool:
    """Nothing of where they live or are reached stands on both sides: they may well share a home."""
    pairs = ((a.postcode, b.postcode), (a.address, b.address), (a.phone, b.phone), (a.email, b.email))
    return not any(x is not None and y is not None for x, y in pairs)


def birth_orders_differ(a: Prepared, b: Prepared) -> bool:
    """Two known places in one multiple birth, and not the same."""
    return a.birth_order is not None and b.birth_order is not None and a.birth_order != b.birth_order


def clearly_another(a: Prepared, b: Prepared) -> bool:
    """Name, birth date or sex clearly differs: enough to doubt a shared NHS number.

    A family name alone may have changed, unless the sex is male or nothing else of the name or birth date agrees.
    """
    if birth(a, b) is S.DIFFERENT or sex(a, b) is S.DIFFERENT or birth_orders_differ(a, b):
        return True
    forename = given(a, b)
    if forename is S.DIFFERENT:
        return True
    if family(a, b) is not S.DIFFERENT:
        return False
    changed_name = forename is S.SAME and birth(a, b) is S.SAME and "M" not in (a.sex, b.sex)
    return not changed_name
