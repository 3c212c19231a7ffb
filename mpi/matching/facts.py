"""What the hard rules must know of a pair, packed into one integer that every engine can work out over columns.

`facts_of` is its meaning. Two bits hold each `Standing`, one bit each yes or no; a pair's facts say nothing of weights.
"""

from mpi.matching import rules
from mpi.matching.block import sound
from mpi.matching.prepared import Prepared
from mpi.matching.rules import Standing
from mpi.matching.same_name import only_short_form

STANDINGS: tuple[str, ...] = ("given", "family", "birth", "sex")
"""Two bits each, from the lowest bit on: how this part of two records stands."""

CODES: dict[Standing, int] = {
    Standing.SAME: 0, Standing.CLOSE: 1, Standing.DIFFERENT: 2, Standing.UNKNOWN: 3,
}  # fmt: skip
STANDING_OF: tuple[Standing, ...] = tuple(CODES)

FLAGS: dict[str, str] = {
    "placeholder": "a side is nobody in particular",
    "newborn": "a side is a baby without a given name",
    "same_nhs": "one valid NHS number on both sides, whatever its status",
    "nhs_differ": "a valid NHS number on each side, and not the same",
    "nhs_usable": "neither side's NHS number has status 04 or 05",
    "nhs_verified": "both sides' NHS numbers are verified",
    "same_other_id": "one other identifier on both sides",
    "other_id_slips": "two other identifiers that are one number with a slip in it",
    "share_home": "one postcode, address, telephone or e-mail address",
    "postcode_missing": "a side has no postcode",
    "orders_differ": "two known places in one multiple birth, and not the same",
    "clearly_another": "name, birth date or sex clearly differs: enough to doubt a shared NHS number",
    "could_be_two": "given names that two children of one birth may bear",
    "perhaps_one_home": "similar given names of a boy and a girl, or, sounding apart, where no home can be compared",
    "only_a_year": "born on one 1 January, which is written of people who know only their year",
    "of_several": "a side's place in a multiple birth is known: there is a twin",
}
"""One bit each, above the standings, in this order: name -> what it says."""

_FIRST_FLAG = 2 * len(STANDINGS)
SHIFT: dict[str, int] = {name: 2 * place for place, name in enumerate(STANDINGS)} | {
    name: _FIRST_FLAG + place for place, name in enumerate(FLAGS)
}
"""Name -> its lowest bit."""
WIDTH = _FIRST_FLAG + len(FLAGS)
"""Bits in all."""


class Facts:
    """Packed facts opened again: `standing(name)` and `flag` by name."""

    __slots__ = ("packed",)

    def __init__(self, packed: int) -> None:
        self.packed = packed

    def standing(self, name: str) -> Standing:
        """How this part of the two records stands."""
        return STANDING_OF[self.packed >> SHIFT[name] & 3]

    def has(self, name: str) -> bool:
        """Whether this flag is up."""
        return bool(self.packed >> SHIFT[name] & 1)


def could_be_two(a: Prepared, b: Prepared) -> bool:
    """Given names that two children of one birth may bear: an initial, similar ones, two short forms of one name.

    A name and its short form are one name, but for a boy and a girl, where a twin is known, or where it is short for
    other names too: EMMA and EMMIE may be EMMA and EMILY.
    """
    x, y = a.given, b.given
    if x is None or y is None or len(x) == 1 or len(y) == 1:
        return True
    if x == y or rules.names_exchanged(a, b):
        return False
    return not only_short_form(x, y) or rules.sex(a, b) is Standing.DIFFERENT or of_several(a, b)


def perhaps_one_home(a: Prepared, b: Prepared) -> bool:
    """Two similar given names, no initials, of a boy and a girl, or of two of whom no home can be compared.

    Of the latter, two spellings of one sound are one name.
    """
    x, y = a.given or "", b.given or ""
    if rules.given(a, b) is not Standing.CLOSE or min(len(x), len(y)) < 2:
        return False
    return rules.sex(a, b) is Standing.DIFFERENT or (sound(x) != sound(y) and rules.home_unknown(a, b))


def only_a_year(a: Prepared, b: Prepared) -> bool:
    """Both born on the same 1 January: what is written of people who know only the year says no more than that."""
    return a.birth is not None and a.birth == b.birth and a.birth.endswith("-01-01")


def of_several(a: Prepared, b: Prepared) -> bool:
    """A side's place in a multiple birth is known: there is a twin."""
    return a.birth_order is not None or b.birth_order is not None


def facts_of(a: Prepared, b: Prepared) -> int:
    """The packed facts of a pair; the same whichever side comes first."""
    same_nhs = rules.same_nhs(a, b)
    flags = (
        a.placeholder or b.placeholder,
        a.newborn or b.newborn,
        same_nhs,
        a.nhs is not None and b.nhs is not None and not same_nhs,
        rules.usable_nhs(a, b),
        a.nhs_verified and b.nhs_verified,
        rules.same_other_id(a, b),
        rules.other_id_slips(a, b),
        rules.share_home(a, b),
        a.postcode is None or b.postcode is None,
        rules.birth_orders_differ(a, b),
        rules.clearly_another(a, b),
        could_be_two(a, b),
        perhaps_one_home(a, b),
        only_a_year(a, b),
        of_several(a, b),
    )
    packed = CODES[rules.given(a, b)] | CODES[rules.family(a, b)] << 2
    packed |= CODES[rules.birth(a, b)] << 4 | CODES[rules.sex(a, b)] << 6
    for place, up in enumerate(flags, _FIRST_FLAG):
        if up:
            packed |= 1 << place
    return packed
