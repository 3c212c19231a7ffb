"""A linkage model as Splink settings: m, u, levels in SQL, term frequencies, prior and simple blocking rules."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mpi.engines.splink_settings.templates import DIALECTS, both, column_of, condition_sql
from mpi.matching.model import Comparison, Level, LinkageModel

_BLOCKING: tuple[tuple[str, ...], ...] = (
    ("nhs",),
    ("other_id",),
    ("postcode", "birth"),
    ("phone",),
    ("email",),
    ("family", "birth"),
    ("given", "birth"),
)
"""Blocking that equality alone can say; ours by sound of name has no plain form in Splink."""


def to_splink(model: LinkageModel, *, dialect: str = "duckdb") -> dict[str, Any]:
    """The settings, ready for `json.dumps` or Splink's `SettingsCreator.from_path_or_dict`.

    They are for a table with the prepared values as columns (`mpi dedup` writes it), unique id `rid`. `dialect` is
    `duckdb` or `spark`; raises KeyError for another. A level that takes a term-frequency adjustment has m and u scaled
    so that u is the chance of agreeing by accident that the adjustment starts from: its weight stays what it is.
    """
    if dialect not in DIALECTS:
        raise KeyError(dialect)
    return {
        "link_type": "dedupe_only",
        "probability_two_random_records_match": model.prior,
        "unique_id_column_name": "rid",
        "comparisons": [_comparison(model, c, dialect) for c in model.comparisons],
        "blocking_rules_to_generate_predictions": [{"blocking_rule": _rule(fields, dialect)} for fields in _BLOCKING],
        "retain_intermediate_calculation_columns": False,
        "retain_matching_columns": False,
    }


def _rule(fields: tuple[str, ...], dialect: str) -> str:
    quote = {"duckdb": '"', "spark": "`"}[dialect]
    return " AND ".join(f"l.{quote}{field}{quote} = r.{quote}{field}{quote}" for field in fields)


def _comparison(model: LinkageModel, c: Comparison, dialect: str) -> dict[str, Any]:
    levels = [_level(model, c, level, dialect) for level in c.levels]
    compared = " OR ".join(f"({both(field, dialect)})" for field in c.needs)
    missing = {
        # Next to last, not first: a level on another field (the same telephone) holds without the comparison's own.
        # `IS NOT TRUE` would say it shorter, but flags may be null and not every reader of this SQL knows it.
        "sql_condition": f"NOT coalesce({compared}, false)",
        "label_for_charts": "missing",
        "is_null_level": True,
    }
    return {
        "output_column_name": column_of(c.name),
        "comparison_description": c.name,
        "comparison_levels": [*levels[:-1], missing, levels[-1]],
    }


def _level(model: LinkageModel, c: Comparison, level: Level, dialect: str) -> dict[str, Any]:
    m, u = (level.m, level.m) if level.counted_elsewhere else (level.m, level.u)
    entry: dict[str, Any] = {
        "sql_condition": " AND ".join(condition_sql(spec, dialect) for spec in level.when) or "ELSE",
        "label_for_charts": level.label,
    }
    if level.frequency and c.table is not None:
        table = model.frequencies[c.table]
        m, u = m * (table.base / u), table.base
        entry |= {
            "tf_adjustment_column": column_of(c.table),
            "tf_adjustment_weight": level.frequency,
            "tf_minimum_u_value": table.floor,
            "disable_tf_exact_match_detection": True,
        }
    return entry | {"m_probability": m, "u_probability": u}


def term_frequencies(model: LinkageModel) -> dict[str, Mapping[str, float]]:
    """Column -> value -> relative frequency, of each column whose term frequencies the settings use."""
    used = {c.table for c in model.comparisons if c.table and any(level.frequency for level in c.levels)}
    return {column_of(name): model.frequencies[name].values for name in sorted(used)}


def complete_term_frequencies(model: LinkageModel, column: str, values: Iterable[str]) -> dict[str, list[Any]]:
    """Columns of a table to register with Splink: each of the data's distinct `values`, unseen ones as rare ones.

    Splink takes a value that it has no frequency for as one that needs no adjustment, our models as a rare one.
    """
    table = next(own for name, own in model.frequencies.items() if column_of(name) == column)
    there = sorted(set(values))
    return {column: there, f"tf_{column}": [table.values.get(value, table.floor) for value in there]}


def write_term_frequencies(model: LinkageModel, settings: Path) -> list[Path]:
    """CSV files beside the settings, one a column (`NAME.tf_COLUMN.csv`: the column, `tf_COLUMN`), in order of values.

    A value that is not in the file counts as `tf_minimum_u_value`; Splink needs a row for it to know (see
    `docs/how-to/move-to-and-from-splink.md`).
    """
    import csv

    written = []
    for column, values in term_frequencies(model).items():
        path = settings.with_name(f"{settings.stem}.tf_{column}.csv")
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([column, f"tf_{column}"])
            writer.writerows((value, repr(values[value])) for value in sorted(values))
        written.append(path)
    return written
