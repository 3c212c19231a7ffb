"""A model's comparisons as Spark SQL over pairs whose two sides' values stand in columns `l_...` and `r_...`.

SQL is written only for what equality and beginnings of text can say. Every other kind of the vocabulary is a bit of a
mask that `values` works out with the one Python function, once for each distinct pair of values.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from mpi.engines.base import MISSING
from mpi.matching.kinds import RECORD_KINDS, VALUE_KINDS
from mpi.matching.model import Comparison, LinkageModel
from mpi.matching.verdict import LARGEST_NHS_PENALTY

_MOST_TESTS = 63
"""Bits of a mask that a signed 64-bit integer holds."""


def column(field: str) -> str:
    """The column that holds a model's `field` on each side, without its `l_` or `r_`.

    `nhs` of a model is a number that may count for a link; the number itself stands in `nhs`.
    """
    if field == "nhs":
        return "nhs_counted"
    return re.sub(r"\W", lambda found: f"_{ord(found[0]):x}_", field, flags=re.ASCII)


class Masks:
    """Which conditions are worked out in Python, per field; each has a bit. Made once per model and filled by use."""

    def __init__(self) -> None:
        self.conditions: dict[str, list[Mapping[str, Any]]] = {}

    def holds(self, spec: Mapping[str, Any]) -> str:
        """SQL that is true where the condition holds, false where it does not or a side is missing.

        The same condition takes the same bit. Raises KeyError for a kind that the vocabulary does not have.
        """
        parameter = VALUE_KINDS[spec["kind"]].parameter
        field = spec["field"]
        own = self.conditions.setdefault(field, [])
        asked = {"kind": spec["kind"], "field": field} | ({parameter: spec[parameter]} if parameter else {})
        if asked not in own:
            if len(own) == _MOST_TESTS:
                raise ValueError(f"more than {_MOST_TESTS} kinds of comparison of {field}")
            own.append(asked)
        return f"coalesce(m_{column(field)} & {1 << own.index(asked)}L, 0L) <> 0L"


def _sides(field: str) -> tuple[str, str]:
    return f"l_{column(field)}", f"r_{column(field)}"


def both(field: str) -> str:
    """SQL that is true where both sides have a value."""
    x, y = _sides(field)
    return f"{x} IS NOT NULL AND {y} IS NOT NULL"


def same(field: str) -> str:
    """SQL that is true where both sides have the same value, false else."""
    x, y = _sides(field)
    return f"coalesce({x} = {y}, false)"


def exchanged(field: str, other: str) -> str:
    """SQL of the kind `swapped`."""
    (x, y), (other_x, other_y) = _sides(field), _sides(other)
    return f"coalesce({x} = {other_y} AND {y} = {other_x} AND {x} <> {y}, false)"


def other_name(field: str, other: str) -> str:
    """SQL of the kind `other-name`."""
    (x, y), (other_x, other_y) = _sides(field), _sides(other)
    either = f"coalesce({x} = {other_y}, false) OR coalesce({y} = {other_x}, false)"
    return f"({both(field)} AND ({either}))"


def fits_in_part(field: str, other: str) -> str:
    """SQL of the kind `partial-date`, also of the whole where neither side is partial when `other` is missing."""
    (x, y), (part_x, part_y) = _sides(field), _sides(other)
    one, two = f"coalesce({part_x}, {x})", f"coalesce({part_y}, {y})"
    fits = f"startswith({one}, {two}) OR startswith({two}, {one})"
    return f"(({part_x} IS NOT NULL OR {part_y} IS NOT NULL) AND coalesce({fits}, false))"


_RECORD_SQL = {"swapped": exchanged, "other-name": other_name, "partial-date": fits_in_part}


def condition_sql(spec: Mapping[str, Any], masks: Masks) -> str:
    """SQL of one condition of a level; raises KeyError for a kind that the vocabulary does not have."""
    kind, field = spec["kind"], spec["field"]
    if kind in RECORD_KINDS:
        return _RECORD_SQL[kind](field, spec["other"])
    if kind == "exact":
        return same(field)
    return masks.holds(spec)


def level_sql(comparison: Comparison, masks: Masks) -> str:
    """SQL that gives the place of the first level that holds, the last one's when none does, or `MISSING`."""
    whens = []
    for place, level in enumerate(comparison.levels[:-1]):
        holds = " AND ".join(condition_sql(spec, masks) for spec in level.when)
        whens.append(f"WHEN {holds} THEN {place}")
    compared = " OR ".join(f"({both(field)})" for field in comparison.needs)
    last = len(comparison.levels) - 1
    return f"CASE {' '.join(whens)} WHEN {compared} THEN {last} ELSE {MISSING} END"


def term_sql(comparison: Comparison, level: str, unseen: float) -> str:
    """SQL of the term-frequency bits of the commoner side, before the level's share; 0 where the level takes none.

    `level` is the column with the comparison's level; `l_term_...` and `r_term_...` hold the bits of values seen.
    """
    shared = [str(place) for place, entry in enumerate(comparison.levels) if entry.frequency]
    if comparison.table is None or not shared:
        return "0.0D"
    x, y = (f"coalesce({side}_term_{column(comparison.table)}, {unseen!r}D)" for side in ("l", "r"))
    asked = f"{level} IN ({', '.join(shared)}) AND {both(comparison.table)}"
    return f"CASE WHEN {asked} THEN least({x}, {y}) ELSE 0.0D END"


def fields_of(comparisons: Sequence[Comparison]) -> tuple[str, ...]:
    """The fields that the comparisons look at, each once, in a fixed order."""
    found: dict[str, None] = {}
    for comparison in comparisons:
        found |= dict.fromkeys(comparison.needs)
        if comparison.table:
            found[comparison.table] = None
        for level in comparison.levels:
            for spec in level.when:
                found |= dict.fromkeys(spec[part] for part in ("field", "other") if part in spec)
    return tuple(found)


def asked_sql(model: LinkageModel, levels: Sequence[str]) -> str:
    """SQL that is true for every pair of which a hard rule can ask, and for a few more.

    `levels` are the columns with the levels; the terms stand in `term_0` and so on, by the comparison's place.

    It follows `weigh_columns.asked` with a bit to spare, since sums here may round otherwise than there.
    """
    places = enumerate(zip(model.comparisons, levels, strict=True))
    bits = [f"({_bits_sql(c, level, f'term_{place}')})" for place, (c, level) in places]
    weight = " + ".join([f"{model.prior_bits!r}D", *bits])
    others = [own for c, own in zip(model.comparisons, bits, strict=True) if c.name != "nhs_number"]
    rest = " + ".join([f"{model.prior_bits!r}D", *others])
    review = model.thresholds.review - 1.0
    same_nhs, same_other, same_birth = (f"coalesce(l_{f} = r_{f}, false)" for f in ("nhs", "other_id", "birth"))
    near = f"{weight} >= {review!r}D OR {rest} >= {review!r}D OR {same_other} OR {same_birth}"
    return f"({weight} >= {review - LARGEST_NHS_PENALTY!r}D AND ({near})) OR {same_nhs}"


def _bits_sql(comparison: Comparison, level: str, term: str) -> str:
    whens = []
    for place, entry in enumerate(comparison.levels):
        share = f" + {entry.frequency!r}D * {term}" if entry.frequency and comparison.table else ""
        whens.append(f"WHEN {place} THEN {entry.bits!r}D{share}")
    return f"CASE {level} {' '.join(whens)} ELSE 0.0D END"
