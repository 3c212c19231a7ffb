"""The verdict of a pair: a pure function of its packed facts and of where its weights lie. The one place of the rules.

Real time works facts and zones out of two records, batch over columns; both ask here.
"""

from functools import lru_cache

from mpi.domain.decision import HardRule, Outcome
from mpi.matching.facts import Facts
from mpi.matching.rules import Standing

Verdict = tuple[Outcome, HardRule | None]
"""The outcome and the hard rule that decided it, if one did."""

APART: Verdict = (Outcome.APART, None)
_LINK: Verdict = (Outcome.LINK, None)

OBJECTIONS = frozenset(
    {HardRule.TWINS, HardRule.SAME_NHS_PERSON_DIFFERS, HardRule.VERIFIED_NHS_DIFFER, HardRule.VALID_NHS_DIFFER}
)
"""Rules that keep the two records of a pair out of one person, whatever links them to others."""

LARGEST_NHS_PENALTY = 20.0
"""Bits: more than any model takes off for two different NHS numbers. Further below review, no rule can ask."""
ENOUGH_OF_ONES_OWN = 18.0
"""Bits that make up for an unknown birth date or given name: more than the names and sex a father passes on."""

ENOUGH_OF_EXTRAS = 10.0
"""Bits of the user's own fields that make up for a given name merely alike or unknown, or for an assumed birthday: one
in a thousand relatives would agree so far."""

FAR, BELOW, BETWEEN, ABOVE = range(4)
"""Where the weight lies: further below review than any rule can ask, below it, below link, at or above link."""
REST_REVIEWS = 4
"""Bit of the zones: without the NHS number the weight reaches review."""
ENOUGH_OWN = 8
"""Bit of the zones: what a household does not share adds up to `ENOUGH_OF_ONES_OWN`."""
NO_FAMILIES = 16
"""Bit of the zones: the model's own records hold no relatives, so that no rule need hold them back."""
NOT_OWN_IDENTIFIER = 32
"""Bit of the zones: by the model a family may share the other identifier."""
ENOUGH_BUT_BIRTH = 64
"""Bit of the zones: what children of one birth do not share adds up to `ENOUGH_OF_ONES_OWN`."""
ENOUGH_EXTRA = 128
"""Bit of the zones: the user's own fields that relatives do not share add up to `ENOUGH_OF_EXTRAS`."""
ZONES = 256


class _Pair:
    """Facts and zones opened, once for each distinct pair of them."""

    __slots__ = (
        "birth",
        "enough_but_birth",
        "enough_extra",
        "enough_own",
        "facts",
        "families",
        "family",
        "given",
        "has",
        "outcome",
        "own_identifier",
        "reviews_rest",
        "sex",
        "where",
    )

    def __init__(self, facts: int, zones: int) -> None:
        opened = Facts(facts)
        self.has = opened.has
        self.given = opened.standing("given")
        self.family = opened.standing("family")
        self.birth = opened.standing("birth")
        self.sex = opened.standing("sex")
        self.where = zones & 3
        self.reviews_rest = bool(zones & REST_REVIEWS)
        self.enough_own = bool(zones & ENOUGH_OWN)
        self.enough_but_birth = bool(zones & ENOUGH_BUT_BIRTH)
        self.enough_extra = bool(zones & ENOUGH_EXTRA)
        self.families = not zones & NO_FAMILIES
        self.own_identifier = not zones & NOT_OWN_IDENTIFIER
        self.outcome = (Outcome.APART, Outcome.APART, Outcome.REVIEW, Outcome.LINK)[self.where]

    @property
    def shared_number(self) -> bool:
        """A number of the person's own on both sides: a usable NHS number or another identifier."""
        return (self.has("same_nhs") and self.has("nhs_usable")) or (self.own_identifier and self.has("same_other_id"))

    @property
    def one_number(self) -> bool:
        """A number of the person's own on both sides, on one of them perhaps with a slip."""
        return self.shared_number or (self.own_identifier and self.has("other_id_slips"))

    @property
    def verified_number(self) -> bool:
        """One of the numbers shared is surely the person's own: an NHS number verified on both sides, or another."""
        own = self.own_identifier and (self.has("same_other_id") or self.has("other_id_slips"))
        return own or (self.has("same_nhs") and self.has("nhs_verified"))

    @property
    def names_of_two(self) -> bool:
        """Given names that children of one birth may bear: merely alike, or forms of one name where a twin is near.

        Not where fields of the user's own, that relatives do not share, speak for one person.
        """
        if not self.has("could_be_two"):
            return False
        if self.enough_extra:
            return False
        near = self.has("share_home") or self.has("of_several")
        return self.given is Standing.CLOSE or (self.given is Standing.SAME and near)


@lru_cache(maxsize=1 << 16)
def verdict(facts: int, zones: int) -> Verdict:
    """The outcome of one pair, and the hard rule that decided it, if one did.

    `facts` come from `mpi.matching.facts.facts_of`, `zones` from `mpi.matching.decide.zones_of`.
    """
    pair = _Pair(facts, zones)
    if pair.has("placeholder"):
        return Outcome.APART, HardRule.PLACEHOLDER
    same_nhs, usable = pair.has("same_nhs"), pair.has("nhs_usable")
    if same_nhs and usable and pair.has("clearly_another"):
        return Outcome.REVIEW, HardRule.SAME_NHS_PERSON_DIFFERS
    if pair.where == FAR and not same_nhs:
        return APART
    found = _twins(pair) or _numbers_differ(pair)
    if found is not None:
        return found
    if same_nhs and not usable:
        return _unresolved(pair)
    if pair.outcome is Outcome.APART:
        return APART
    return _held(pair) or (pair.outcome, None)


def _review_from(reached: bool, rule: HardRule) -> Verdict:
    return (Outcome.REVIEW if reached else Outcome.APART), rule


def _numbers_differ(pair: _Pair) -> Verdict | None:
    """Two different NHS numbers: a human is asked if the rest is similar enough.

    That holds whatever the statuses: a number that never counts for a link may well count against it. Where name,
    birth date or sex clearly differs too, two numbers are what one expects: father and son.
    """
    if not pair.has("nhs_differ"):
        return None
    if not pair.reviews_rest:
        return APART
    rule = HardRule.VERIFIED_NHS_DIFFER if pair.has("nhs_verified") else HardRule.VALID_NHS_DIFFER
    return (Outcome.APART if pair.has("clearly_another") else Outcome.REVIEW), rule


def _twins(pair: _Pair) -> Verdict | None:
    """Same birth date and family, but two given names: two children of one birth, never an automatic link.

    Where no home can be compared, and between the sexes, names that are much alike are enough to ask a human.
    """
    if pair.birth is not Standing.SAME:
        return _twins_with_a_slip(pair) if pair.birth is Standing.CLOSE else None
    shared, at_home = pair.shared_number, pair.has("share_home")
    if pair.has("orders_differ"):
        return _review_from(shared, HardRule.TWINS)
    if not pair.families or pair.family in (Standing.DIFFERENT, Standing.UNKNOWN):
        return None
    if pair.given is Standing.DIFFERENT and at_home:
        if (pair.has("nhs_differ") or pair.sex is Standing.DIFFERENT) and not shared:
            return Outcome.APART, HardRule.TWINS
        return _review_from(pair.where == ABOVE or shared, HardRule.TWINS)
    if not pair.names_of_two:
        return None
    if pair.one_number:
        return _number_of_a_twin(pair)
    if at_home:
        return _review_from(pair.where >= BETWEEN, HardRule.TWINS)
    return _review_from(pair.where >= BETWEEN, HardRule.TWINS) if pair.has("perhaps_one_home") else None


def _number_of_a_twin(pair: _Pair) -> Verdict | None:
    """Names alike, one number that nobody verified, and a twin there is: the number may be the twin's."""
    doubtful = pair.families and pair.has("of_several") and not pair.verified_number
    return (Outcome.REVIEW, HardRule.TWINS) if doubtful else None


def _twins_with_a_slip(pair: _Pair) -> Verdict | None:
    """A slip in one birth date makes no one child of two: what would be linked all the same, a human sees."""
    if pair.outcome is not Outcome.LINK:
        return None
    if pair.shared_number:
        return _number_of_a_twin(pair) if pair.names_of_two else None
    if pair.has("orders_differ") or (pair.families and pair.names_of_two):
        return Outcome.REVIEW, HardRule.TWINS
    return None


def _unresolved(pair: _Pair) -> Verdict:
    """The same number with status 04 or 05: left out of the weight; what the rest does not link, a human sees."""
    if pair.outcome is Outcome.LINK and _held(pair) is None:
        return _LINK
    return Outcome.REVIEW, HardRule.NHS_STATUS


def _held(pair: _Pair) -> Verdict | None:
    """What stands against a link even though the weight is high enough: only a household, or a baby without a name."""
    household = _household(pair) if pair.families else None
    if household is not None and household[0] is Outcome.APART:
        return household
    return _newborn(pair) or household


def _newborn(pair: _Pair) -> Verdict | None:
    """A baby without a given name joins only by a verified NHS number, or another identifier with all else agreeing."""
    if not pair.has("newborn"):
        return None
    if pair.has("same_nhs") and pair.has("nhs_usable") and pair.has("nhs_verified"):
        return None
    if pair.own_identifier and pair.has("same_other_id") and _all_else_agrees(pair):
        return None
    return Outcome.REVIEW, HardRule.NEWBORN


def _all_else_agrees(pair: _Pair) -> bool:
    return (
        pair.family is Standing.SAME
        and pair.birth is Standing.SAME
        and pair.sex is not Standing.DIFFERENT
        and (pair.has("share_home") or pair.has("postcode_missing"))
        and not pair.has("orders_differ")
    )


def _household(pair: _Pair) -> Verdict | None:
    """What agrees is what a household shares: father and son, sisters, two records without a birth date.

    An automatic link needs a given name and a birth date that speak for one person, or one of the two with a number
    or other evidence of the person's own; a 1 January needs the number, and where one of the two and the sex differ, a
    number is the family's. Where both speak against it and no number is shared, nobody is asked.
    """
    shared = pair.shared_number
    both = (pair.given, pair.birth)
    if pair.given is Standing.DIFFERENT and pair.birth is Standing.DIFFERENT:
        return _review_from(shared, HardRule.HOUSEHOLD)
    contradicted = Standing.DIFFERENT in both
    if pair.outcome is not Outcome.LINK:
        # What one home gives both sides is in the weight: without it such a pair would not have come this far.
        apart = contradicted and not shared and pair.has("share_home")
        return (Outcome.APART, HardRule.HOUSEHOLD) if apart else None
    renamed = pair.family is Standing.DIFFERENT and pair.has("clearly_another")
    only_a_year = pair.has("only_a_year") and not pair.enough_extra
    if ((only_a_year or renamed) and not shared) or (pair.names_of_two and not pair.one_number):
        return Outcome.REVIEW, HardRule.HOUSEHOLD
    fits = sum(standing in (Standing.SAME, Standing.CLOSE) for standing in both)
    # A number with a slip in it speaks for one person only where nothing speaks against it.
    shared = shared or (pair.one_number and not contradicted)
    unsure = pair.given is Standing.UNKNOWN and not pair.verified_number
    of_family = shared and (unsure or (contradicted and pair.sex is Standing.DIFFERENT))
    if fits == 2 or (shared and fits == 1 and not of_family):
        return None
    enough = pair.enough_but_birth if pair.given is Standing.UNKNOWN else pair.enough_own
    if fits == 1 and not (contradicted or of_family) and (enough or pair.enough_extra):
        return None
    return Outcome.REVIEW, HardRule.HOUSEHOLD
