"""The other side of the batch benchmark: Splink on DuckDB with our prepared values, our blocking keys and our levels.

It is spared what it would be slow at: sounds, parts of postcodes and words of addresses stand ready as columns, and
blocking keys as integers. None of that time is counted as its own.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mpi.engines.base import FLAGS, TEXTS, Dataset
from mpi.engines.local.columns import Column, Table
from mpi.engines.local.keys import kept_keys
from mpi.engines.splink_settings.templates import both, condition_sql
from mpi.matching.kinds import address_words
from mpi.matching.shape import starting_model

READY = ("phonetic", "postcode-part", "address-alike")
SURE = 0.99
RULES: dict[str, tuple[tuple[str, ...], ...]] = {
    "narrow": (("family", "birth"), ("postcode", "given")),
    "usual": (("given", "family"), ("birth",)),
}
"""On what pairs m is estimated: `usual` is what Splink's own examples show, `narrow` costs it much less on many records
and still leaves every comparison free in one of the two."""


def write_input(data: Dataset, path: Path) -> None:
    """The prepared records as Splink's input, with what it is spared."""
    table = Table(data)
    names = [*TEXTS, *FLAGS]
    columns: dict[str, Any] = {"rid": pa.array(range(data.records), pa.int64())}
    columns |= {name: _text(pq.read_table(data.prepared, columns=[name]).column(0)) for name in names}
    for field in ("family", "given"):
        codes, texts = table.column(field).sounds
        columns[f"{field}_sound"] = _taken(table.column(field), codes, texts)
    for part in ("sector", "outward"):
        column = table.column("postcode")
        columns[f"postcode_{part}"] = pa.array(
            column.part(part)[column.codes], mask=column.part(part)[column.codes] < 0
        )
    address = table.column("address")
    for name, which in (("address_numbers", 0), ("address_words", 1)):
        codes, texts = address.numbered(lambda value, which=which: " ".join(address_words(value)[which : which + 1][0]))
        columns[name] = _taken(address, codes, texts)
    columns["keys"] = _lists(data.records, kept_keys(table))
    pq.write_table(pa.table(columns), path)


def _text(column: Any) -> Any:
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column


def _taken(column: Column, codes: np.ndarray[Any, Any], texts: list[str]) -> Any:
    own = codes[column.codes]
    return pa.array(texts, pa.string()).take(pa.array(own, mask=own < 0))


def _lists(records: int, keys: list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]) -> Any:
    """A list of key numbers for each record."""
    rids = np.concatenate([rid for rid, _ in keys])
    numbers = []
    for kind, (_, key) in enumerate(keys):
        numbers.append(np.unique(key, return_inverse=True)[1] * 16 + kind)
    order = np.argsort(rids, kind="stable")
    offsets = np.concatenate(([0], np.cumsum(np.bincount(rids, minlength=records))))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(np.concatenate(numbers)[order]))


def _condition(spec: Mapping[str, Any]) -> str:
    field = spec["field"]
    if spec["kind"] == "phonetic":
        return f"{field}_sound_l = {field}_sound_r"
    if spec["kind"] == "postcode-part":
        return f"{field}_{spec['part']}_l = {field}_{spec['part']}_r"
    if spec["kind"] == "address-alike":
        similar = f"jaro_winkler_similarity(address_words_l, address_words_r) >= {spec['at_least']}"
        return f"(address_l = address_r OR (address_numbers_l = address_numbers_r AND {similar}))"
    return condition_sql(spec, "duckdb")


def settings() -> dict[str, Any]:
    """Our comparisons and levels in Splink's words, m and u to be estimated."""
    from splink import block_on

    comparisons = []
    for c in starting_model().comparisons:
        missing = " OR ".join(f"({both(field, 'duckdb')})" for field in c.needs)
        levels: list[dict[str, Any]] = []
        for level in c.levels:
            entry: dict[str, Any] = {
                "sql_condition": " AND ".join(_condition(spec) for spec in level.when) or "ELSE",
                "label_for_charts": level.label,
            }
            if level.frequency == 1.0 and c.table:
                entry["tf_adjustment_column"] = c.table
            levels.append(entry)
        null = {
            "sql_condition": f"NOT coalesce({missing}, false)",
            "label_for_charts": "missing",
            "is_null_level": True,
        }
        comparisons.append(
            {
                "output_column_name": c.name,
                "comparison_description": c.name,
                "comparison_levels": [*levels[:-1], null, levels[-1]],
            }
        )
    rule = block_on("keys", arrays_to_explode=["keys"])
    return {
        "link_type": "dedupe_only",
        "unique_id_column_name": "rid",
        "comparisons": comparisons,
        "blocking_rules_to_generate_predictions": [rule.create_blocking_rule_dict("duckdb")],
        "retain_intermediate_calculation_columns": False,
        "retain_matching_columns": False,
    }


def run(path: Path, *, threads: int = 2, rules: str = "narrow") -> dict[str, Any]:
    """Estimate, predict and cluster as Splink's own material does; seconds of each phase."""
    import duckdb
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    found: dict[str, Any] = {}
    begin = time.perf_counter()

    def lap(phase: str) -> None:
        nonlocal begin
        found[phase] = time.perf_counter() - begin
        begin = time.perf_counter()

    connection = duckdb.connect(config={"threads": threads})
    connection.execute("CREATE TABLE people AS SELECT * FROM read_parquet(?)", [str(path)])
    linker = Linker(
        DuckDBAPI(connection).register("people"), SettingsCreator.from_path_or_dict(settings()), log_level=None
    )
    lap("read")
    sure = [block_on("nhs"), block_on("family", "given", "birth"), block_on("given", "birth", "postcode")]
    linker.training.estimate_probability_two_random_records_match(sure, recall=0.8)
    lap("prior")
    linker.training.estimate_u_using_random_sampling(seed=1)
    lap("u")
    for fields in RULES[rules]:
        linker.training.estimate_parameters_using_expectation_maximisation(block_on(*fields))
    lap("m")
    predicted = linker.inference.predict()
    lap("predict")
    clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(predicted, SURE)
    lap("cluster")
    for name, frame in (("pairs", predicted), ("clustered", clusters)):
        rows = connection.execute(f"SELECT count(*) FROM {frame.physical_name}").fetchone()  # noqa: S608 - Splink's own name
        found[name] = rows[0] if rows else 0
    return found
