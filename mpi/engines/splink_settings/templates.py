"""The SQL of each kind of level in the dialects that Splink speaks: written for export, recognised on import.

A template's `{x}` and `{y}` are the two sides of a field, `{other_x}` and `{other_y}` those of a second one, `{p}` the
kind's setting. One table serves both ways, so that what was exported is read back as the same kind.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from mpi.matching.kinds import RECORD_KINDS, VALUE_KINDS
from mpi.matching.nicknames import nickname_pairs

DIALECTS = ("duckdb", "spark")
_QUOTES = {"duckdb": '"', "spark": "`"}

_BRITISH = "^(GIR0AA|[A-Z]{1,2}[0-9][A-Z0-9]?[0-9][A-Z]{2})$"
_CODES = "01230120022455012623010202"
"""Soundex digits of A to Z; a vowel parts two equal codes, which H and W (taken out before) do not."""
_BOTH = "{x} IS NOT NULL AND {y} IS NOT NULL"
"""`least`, `greatest` and DuckDB's `concat` pass over nulls, and levels are asked before the one that says missing."""
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def _between_words(text: str, all_of: str) -> str:
    """The words without digits, joined by one space."""
    without = f"regexp_replace({text}, '[^ ]*[0-9][^ ]*', ''{all_of})"
    return f"trim(regexp_replace({without}, ' +', ' '{all_of}))"


def _soundex(text: str, all_of: str) -> str:
    """American Soundex, as jellyfish has it, out of functions that both dialects have."""
    name = f"replace({text}, ' ', '')"
    # The first letter keeps its place even when it is H or W, so that the letters behind it can be told from it.
    rest = f"regexp_replace(substr({name}, 2), '[HW]', ''{all_of})"
    codes = f"translate(concat(substr({name}, 1, 1), {rest}), '{_LETTERS}', '{_CODES}0000000000')"
    for digit in "123456":
        codes = f"regexp_replace({codes}, '{digit}+', '{digit}'{all_of})"
    digits = f"regexp_replace(substr({codes}, 2), '[^1-6]', ''{all_of})"
    return f"concat(substr({name}, 1, 1), substr(concat({digits}, '000'), 1, 3))"


def _postcode(part: str, matches: str) -> str:
    cut = {
        "sector": "substr({s}, 1, length({s}) - 2)",
        "outward": "substr({s}, 1, length({s}) - 3)",
        "area": "regexp_extract({s}, '^[A-Z]{{1,2}}', 0)",
    }[part]
    british = [matches.format(side, _BRITISH.replace("{", "{{").replace("}", "}}")) for side in ("{x}", "{y}")]
    return f"({british[0]} AND {british[1]} AND {cut.replace('{s}', '{x}')} = {cut.replace('{s}', '{y}')})"


def _date_parts() -> str:
    parts = ("1, 4", "6, 2", "9, 2")
    counted = [f"(CASE WHEN substr({{x}}, {p}) = substr({{y}}, {p}) THEN 1 ELSE 0 END)" for p in parts]
    return f"{' + '.join(counted)} >= {{p}}"


_COMMON: dict[str, str] = {
    "exact": "{x} = {y}",
    "damerau-levenshtein": "damerau_levenshtein({x}, {y}) <= {p}",
    "day-month-swapped": (
        "({x} <> {y} AND substr({x}, 1, 4) = substr({y}, 1, 4) AND substr({x}, 6, 2) = substr({y}, 9, 2)"
        " AND substr({x}, 9, 2) = substr({y}, 6, 2))"
    ),
    "date-parts": _date_parts(),
    "initial": ("({x} <> {y} AND (length({x}) = 1 OR length({y}) = 1) AND substr({x}, 1, 1) = substr({y}, 1, 1))"),
    "swapped": "({x} = {other_y} AND {y} = {other_x} AND {x} <> {y})",
    "other-name": (
        "({x} IS NOT NULL AND {y} IS NOT NULL AND"
        " (coalesce({x} = {other_y}, false) OR coalesce({y} = {other_x}, false)))"
    ),
    "partial-date": (
        "(({other_x} IS NOT NULL OR {other_y} IS NOT NULL) AND"
        " substr(coalesce({other_x}, {x}), 1, length(coalesce({other_y}, {y}))) ="
        " substr(coalesce({other_y}, {y}), 1, length(coalesce({other_x}, {x}))))"
    ),
    "years-within": "abs(cast(substr({x}, 1, 4) as int) - cast(substr({y}, 1, 4) as int)) <= {p}",
    "number-within": "abs(cast({x} as double) - cast({y} as double)) <= {p}",
}


def _nicknames() -> str:
    pairs = ", ".join(f"'{x}/{y}'" for x, y in nickname_pairs())
    return f"({_BOTH} AND concat(least({{x}}, {{y}}), '/', greatest({{x}}, {{y}})) IN ({pairs}))"


def _dialect(jaro_winkler: str, matches: str, all_of: str, *, arrays: Mapping[str, str]) -> dict[str, str]:
    x, y = _between_words("{x}", all_of), _between_words("{y}", all_of)
    return _COMMON | {
        "jaro-winkler": f"({_BOTH} AND {jaro_winkler}(least({{x}}, {{y}}), greatest({{x}}, {{y}})) >= {{p}})",
        "nickname": _nicknames(),
        "phonetic": f"({_BOTH} AND {_soundex('{x}', all_of)} = {_soundex('{y}', all_of)})",
        "postcode-part sector": _postcode("sector", matches),
        "postcode-part outward": _postcode("outward", matches),
        "postcode-part area": _postcode("area", matches),
        "address-alike": (
            f"({_BOTH} AND ({{x}} = {{y}} OR {arrays['numbers'].format('{x}')} = {arrays['numbers'].format('{y}')}"
            f" AND {jaro_winkler}(least({x}, {y}), greatest({x}, {y})) >= {{p}}))"
        ),
        "days-apart": arrays["days"],
        "token-overlap": arrays["overlap"],
        "shares-word": arrays["shares"],
    }


TEMPLATES: dict[str, dict[str, str]] = {
    "duckdb": _dialect(
        "jaro_winkler_similarity",
        "regexp_matches({0}, '{1}')",
        ", 'g'",
        arrays={
            "numbers": "list_sort(regexp_extract_all({0}, '[^ ]*[0-9][^ ]*'))",
            "days": "abs(date_diff('day', cast({x} as date), cast({y} as date))) <= {p}",
            "overlap": (
                "len(list_intersect(string_split({x}, ' '), string_split({y}, ' '))) /"
                " len(list_distinct(list_concat(string_split({x}, ' '), string_split({y}, ' ')))) >= {p}"
            ),
            "shares": "list_has_any(regexp_extract_all({x}, '[^ ][^ ]+'), regexp_extract_all({y}, '[^ ][^ ]+'))",
        },
    ),
    "spark": _dialect(
        "jaro_winkler",
        "{0} RLIKE '{1}'",
        "",
        arrays={
            "numbers": "sort_array(regexp_extract_all({0}, '[^ ]*[0-9][^ ]*', 0))",
            "days": "abs(datediff(cast({x} as date), cast({y} as date))) <= {p}",
            "overlap": (
                "size(array_intersect(split({x}, ' '), split({y}, ' '))) /"
                " size(array_union(split({x}, ' '), split({y}, ' '))) >= {p}"
            ),
            "shares": (
                "arrays_overlap(regexp_extract_all({x}, '[^ ][^ ]+', 0), regexp_extract_all({y}, '[^ ][^ ]+', 0))"
            ),
        },
    ),
}
"""Dialect -> kind (for `postcode-part` with its part) -> SQL."""


def _side(column: str, side: str, dialect: str) -> str:
    quote = _QUOTES[dialect]
    return f"{quote}{column}_{side}{quote}"


def column_of(field: str) -> str:
    """The column of the prepared table that holds a model's `field`."""
    return re.sub(r"\W", "_", field)


def condition_sql(spec: Mapping[str, Any], dialect: str) -> str:
    """SQL of one condition of a level; raises KeyError for a kind that the vocabulary does not have."""
    kind, field = spec["kind"], spec["field"]
    parameter = VALUE_KINDS[kind].parameter if kind in VALUE_KINDS else None
    template = TEMPLATES[dialect][f"{kind} {spec['part']}" if kind == "postcode-part" else kind]
    values = {"x": _side(column_of(field), "l", dialect), "y": _side(column_of(field), "r", dialect)}
    if kind in RECORD_KINDS:
        other = column_of(spec["other"])
        values |= {"other_x": _side(other, "l", dialect), "other_y": _side(other, "r", dialect)}
    sql = template.format(**values, p=repr(spec[parameter]) if parameter else "")
    # A number of status 04 or 05 takes no part: the comparison is missing.
    return f"({sql} AND {usable(dialect)})" if field == "nhs" else sql


def usable(dialect: str) -> str:
    """SQL that is true where both sides' NHS numbers may count."""
    return f"{_side('nhs_usable', 'l', dialect)} AND {_side('nhs_usable', 'r', dialect)}"


def both(field: str, dialect: str) -> str:
    """SQL that is true where both sides have a value."""
    x, y = (_side(column_of(field), side, dialect) for side in ("l", "r"))
    present = f"{x} IS NOT NULL AND {y} IS NOT NULL"
    return f"{present} AND {usable(dialect)}" if field == "nhs" else present


@lru_cache(maxsize=4)
def patterns(dialect: str) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Kind -> what its SQL looks like, columns in the groups `x`, `y` and so on, the setting in `p`."""
    return tuple((kind, _pattern(template, dialect)) for kind, template in TEMPLATES[dialect].items())


def _pattern(template: str, dialect: str) -> re.Pattern[str]:
    quote = _QUOTES[dialect]
    sides = {"x": ("field", "l"), "y": ("field", "r"), "other_x": ("other", "l"), "other_y": ("other", "r")}
    seen: set[str] = set()
    found = []
    for piece in re.split(r"(\{(?:x|y|other_x|other_y|p)\})", template):
        name = piece.strip("{}")
        if piece.startswith("{") and name in sides:
            group, side = sides[name]
            column = f"(?P={group})" if group in seen else f"(?P<{group}>\\w+?)"
            seen.add(group)
            found.append(f"{quote}{column}_{side}{quote}")
        elif piece == "{p}":
            found.append(r"(?P<p>[-+0-9.eE]+)")
        else:
            found.append(re.escape(piece.replace("{{", "{").replace("}}", "}")))
    return re.compile("".join(found))
