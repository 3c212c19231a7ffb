"""Splink settings as a linkage model: what the vocabulary of levels can say is taken over, the rest refused by name."""

import csv
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import log2
from pathlib import Path
from typing import Any

from mpi.domain.errors import BadInput
from mpi.engines.splink_settings.conditions import field_of, read_conditions, read_needs
from mpi.engines.splink_settings.templates import DIALECTS, column_of
from mpi.matching.model import Comparison, Frequencies, Level, LinkageModel, Thresholds, check

_DEFAULT_THRESHOLDS = Thresholds(link=round(log2(999), 2), keep=3.0, review=-2.0)
"""Splink has none: links from a probability of 0.999 on, questions from 0.2 on."""


@dataclass(slots=True)
class Imported:
    """The model, and in plain English what could not be taken over as it was."""

    model: LinkageModel
    notes: list[str] = field(default_factory=list)


def read_splink(path: Path, *, name: str, like: LinkageModel | None = None) -> Imported:
    """The model in a settings file, with the term frequencies that lie beside it (`NAME.tf_COLUMN.csv`).

    `like` lends its thresholds, and its term frequencies where no file has them. Raises `BadInput` naming comparison
    and level where the settings are not trained or say what the vocabulary of levels cannot.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"the Splink settings {path} cannot be read: {error}", code="model") from error
    tables = {
        found.name.removeprefix(f"{path.stem}.tf_").removesuffix(".csv"): _read_table(found)
        for found in sorted(path.parent.glob(f"{_escaped(path.stem)}.tf_*.csv"))
    }
    return from_splink(document, name=name, like=like, tables=tables)


def _escaped(stem: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", stem)


def _read_table(path: Path) -> dict[str, float]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        return {value: float(share) for value, share in rows[1:]}
    except (OSError, ValueError) as error:
        raise BadInput(f"the term frequencies {path} cannot be read: {error}", code="model") from error


def from_splink(
    document: Mapping[str, Any],
    *,
    name: str,
    like: LinkageModel | None = None,
    tables: Mapping[str, Mapping[str, float]] | None = None,
) -> Imported:
    """The model of a settings document (see `read_splink`); `tables` are term frequencies by Splink column."""
    reading = _Reading(like, dict(tables or {}))
    try:
        comparisons = tuple(reading.comparison(entry) for entry in document["comparisons"])
        prior = float(document["probability_two_random_records_match"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput(f"these are no trained Splink settings: {error!r}", code="model") from error
    if like is None:
        reading.notes.append("Splink has no thresholds: link from probability 0.999, review from 0.2")
    names = {c.name for c in comparisons}
    model = LinkageModel(
        name,
        prior,
        comparisons,
        reading.frequencies,
        like.thresholds if like else _DEFAULT_THRESHOLDS,
        families=like.families if like else True,
        relatives=tuple(r for r in like.relatives if names.issuperset(r.agree_on)) if like else (),
        own_identifier=like.own_identifier if like else True,
        trained={"imported_from": "splink"},
    )
    check(model)
    return Imported(model, reading.notes)


class _Reading:
    """One document being read: gathers frequency tables and notes."""

    def __init__(self, like: LinkageModel | None, tables: dict[str, Mapping[str, float]]) -> None:
        self.like = like
        self.tables = tables
        self.frequencies: dict[str, Frequencies] = {}
        self.notes: list[str] = []

    def comparison(self, entry: Mapping[str, Any]) -> Comparison:
        name, described = str(entry["output_column_name"]), str(entry.get("comparison_description"))
        # Our export puts the comparison's own name there, Splink the class that made it.
        name = described if column_of(described) == name else name
        levels = [level for level in entry["comparison_levels"] if not level.get("is_null_level")]
        if len(levels) < 2 or levels[-1]["sql_condition"].strip().upper() != "ELSE":
            raise BadInput(f"{name}: the last level must be ELSE", code="model")
        dialect = DIALECTS["`" in json.dumps(levels)]
        read = [self.level(name, level, dialect) for level in levels]
        nulls = [level["sql_condition"] for level in entry["comparison_levels"] if level.get("is_null_level")]
        needs = read_needs(nulls) or tuple(dict.fromkeys(w["field"] for level in read for w in level.when))
        table = self.table(levels)
        if table is None:
            return Comparison(name, needs, tuple(read))
        adjusted = [self.on_one_base(level, entry, levels, table) for level, entry in zip(read, levels, strict=True)]
        return Comparison(name, needs, tuple(adjusted), table)

    def level(self, comparison: str, entry: Mapping[str, Any], dialect: str) -> Level:
        label = str(entry.get("label_for_charts") or entry["sql_condition"])
        if "m_probability" not in entry or "u_probability" not in entry:
            raise BadInput(f"{comparison}, {label}: not trained (no m or u probability)", code="model")
        when: list[dict[str, Any]] = []
        if entry["sql_condition"].strip().upper() != "ELSE":
            try:
                when, notes = read_conditions(entry["sql_condition"].strip(), dialect)
            except ValueError as error:
                raise BadInput(f"{comparison}, {label}: no level of ours says {error}", code="model") from error
            self.notes += [f"{comparison}, {label}: {note}" for note in notes]
        share = float(entry.get("tf_adjustment_weight", 1.0)) if entry.get("tf_adjustment_column") else 0.0
        m, u = float(entry["m_probability"]), float(entry["u_probability"])
        return Level(label, tuple(when), m, u, frequency=min(share, 1.0))

    def table(self, levels: list[Mapping[str, Any]]) -> str | None:
        """The one field whose frequencies the comparison uses; the first level that uses one says its base."""
        adjusted = [level for level in levels if level.get("tf_adjustment_column")]
        if not adjusted:
            return None
        column = str(adjusted[0]["tf_adjustment_column"]).strip('"`')
        own = field_of(column)
        base = min(_base(adjusted[0], levels), 1.0)
        values = self.tables.get(column)
        if values is None and self.like is not None and own in self.like.frequencies:
            values = self.like.frequencies[own].values
        floor = float(adjusted[0].get("tf_minimum_u_value") or 0.0)
        if values is None:
            self.notes.append(f"{own}: no term frequencies were found, so that every value counts alike")
            values, floor = {}, base
        self.frequencies.setdefault(own, Frequencies(base, max(floor, 1e-12), values))
        return own

    def on_one_base(self, level: Level, entry: Mapping[str, Any], levels: list[Mapping[str, Any]], table: str) -> Level:
        """The level with the difference between its own base and its table's in m, and no probability above 1."""
        m, u = level.m, level.u
        if level.frequency:
            m *= (_base(entry, levels) / self.frequencies[table].base) ** level.frequency
        most = max(m, u, 1.0)
        return replace(level, m=m / most, u=u / most)


def _base(level: Mapping[str, Any], levels: list[Mapping[str, Any]]) -> float:
    """What Splink starts the adjustment from: the level's own u, or that of the exact match on the same column."""
    if level.get("disable_tf_exact_match_detection"):
        return float(level["u_probability"])
    column = str(level["tf_adjustment_column"]).strip('"`')
    for other in levels:
        plain = re.sub(r'["`()\s]', "", other["sql_condition"])
        if plain in (f"{column}_l={column}_r", f"{column}_r={column}_l"):
            return float(other["u_probability"])
    return float(level["u_probability"])
