"""One condition of each kind that levels may have, for tests that try them all."""

from collections.abc import Mapping
from typing import Any

CONDITIONS: tuple[Mapping[str, Any], ...] = (
    {"kind": "exact", "field": "family"},
    {"kind": "jaro-winkler", "field": "family", "at_least": 0.85},
    {"kind": "damerau-levenshtein", "field": "nhs", "at_most": 1},
    {"kind": "day-month-swapped", "field": "birth"},
    {"kind": "date-parts", "field": "birth", "at_least": 2},
    {"kind": "days-apart", "field": "birth", "at_most": 10},
    {"kind": "postcode-part", "field": "postcode", "part": "sector"},
    {"kind": "postcode-part", "field": "postcode", "part": "outward"},
    {"kind": "postcode-part", "field": "postcode", "part": "area"},
    {"kind": "nickname", "field": "given"},
    {"kind": "initial", "field": "given"},
    {"kind": "phonetic", "field": "family"},
    {"kind": "token-overlap", "field": "address", "at_least": 0.5},
    {"kind": "shares-word", "field": "address"},
    {"kind": "address-alike", "field": "address", "at_least": 0.85},
    {"kind": "number-within", "field": "extra.age", "at_most": 1.0},
    {"kind": "years-within", "field": "birth_partial", "at_most": 2.0},
    {"kind": "swapped", "field": "family", "other": "given"},
    {"kind": "other-name", "field": "family", "other": "previous_family"},
    {"kind": "partial-date", "field": "birth", "other": "birth_partial"},
)
"""A condition of each kind in the vocabulary."""
