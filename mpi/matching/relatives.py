"""What the data themselves say of relatives: whether there are any, and whether an identifier is theirs together.

Both questions are answered without truth, from counts of agreement patterns, and doubt is decided for caution: the
rules against relatives rest only where data show that they have nothing to guard.
"""

from collections.abc import Mapping, Sequence
from math import sqrt

Pattern = tuple[int, ...]
_ONE_SIDED = 1.645
"""Standard errors above an estimate that leave one chance in twenty."""
_MOST_ALIKE = 0.1
"""Pairs of relatives who can pass for one person (twins, namesakes), for each pair who live together and cannot: in the
shipped model, whose people have several times the twins of life, 0.06."""
_MOST_SHARED = 0.02
"""Share of relatives among pairs with one identifier, up to which it passes for a person's own."""


def has_families(household: float, matches: float, target: float) -> bool:
    """Whether relatives among the records could make more than `target` of the links false.

    Where families are recorded at all, brothers, sisters, parents and couples at one address, with names and birth
    dates of their own, outnumber twins and namesakes by far and are easily told from matches. So their number
    (`household`, in pairs) bounds that of the relatives who are not. The upper 95 % bound of a Poisson count is what
    counts. Less than one link says nothing of a share, so that one is allowed, but for a `target` of 0.
    """
    alike = _MOST_ALIKE * (sqrt(household + 1.0) + _ONE_SIDED / 2) ** 2
    return target <= 0.0 or alike > max(target * matches, 1.0)


def is_own(names: Sequence[str], last: Sequence[int], counts: Mapping[Pattern, float]) -> bool:
    """Whether the other identifier is each person's own and not a family's, as far as pairs that share one tell.

    A person's slips in given name and birth date come one by one: both differ as often as chance has it. Relatives
    differ in both together. So what both differ more often than chance is the share of relatives, whose upper 95 %
    bound must be small. `names` are the model's comparisons, `last` the place of each one's level "different".
    """
    if not {"other_identifier", "given_name", "birth_date"} <= set(names):
        return False
    other, given, birth = (names.index(name) for name in ("other_identifier", "given_name", "birth_date"))
    total = of_given = of_birth = both = 0.0
    for pattern, count in counts.items():
        if pattern[other] != 0 or pattern[given] < 0 or pattern[birth] < 0:
            continue
        given_differs, birth_differs = pattern[given] == last[given], pattern[birth] == last[birth]
        total += count
        of_given += count * given_differs
        of_birth += count * birth_differs
        both += count * (given_differs and birth_differs)
    if total < 1:
        return False
    more_than_chance = both - of_given * of_birth / total
    return (more_than_chance + _ONE_SIDED * sqrt(both + 1.0)) / total <= _MOST_SHARED
