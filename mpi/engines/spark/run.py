"""The tables of one run on Spark: each written once as Parquet and read by the next step."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi.domain.errors import TemporaryFailure
from mpi.engines.base import FLAGS, TEXTS, Dataset, Progress
from mpi.engines.spark.levels import Masks, asked_sql, column, fields_of, level_sql, term_sql
from mpi.engines.spark.values import FIELDS, KEYS_SCHEMA, MASKS_SCHEMA, facts_work, key_work, mask_work
from mpi.matching.block import BLOCK_LIMIT
from mpi.matching.model import EXTRA, Comparison, LinkageModel


class Run:
    """Spark jobs over one data set; `work` is a folder of its own, which driver and workers see."""

    def __init__(self, session: Any, data: Dataset, work: Path, progress: Progress) -> None:
        self.session = session
        self.data = data
        self.work = work
        self.progress = progress
        self.seconds: dict[str, float] = {}

    def blocked(self, *, between: bool) -> tuple[Any, int, int]:
        """All pairs that share a key, the number of keys skipped, and how many records those have in all."""
        keys = self.step("blocking", self.keys())
        skipped_keys, skipped_records = self.skipped(keys)
        return self.candidates(keys, between=between), skipped_keys, skipped_records

    def chosen(self, left: NDArray[np.int32], right: NDArray[np.int32]) -> Any:
        """These pairs, sent as one Arrow table."""
        import pyarrow as pa

        table = {"left_rid": pa.array(left.astype(np.int64)), "right_rid": pa.array(right.astype(np.int64))}
        return self.session.createDataFrame(pa.table(table))

    def levels(self, pairs: Any, comparisons: Sequence[Comparison]) -> Any:
        """Written as Parquet and read as Arrow: `left_rid`, `right_rid` and the level of each comparison."""
        frame, names = self.compared(pairs, comparisons, None)
        self.step("comparing", frame.select("left_rid", "right_rid", *names))
        return self.read()

    def patterns(self, pairs: Any, model: LinkageModel) -> Any:
        """As `levels`, with the terms, and the facts where a rule can ask."""
        frame, names = self.compared(pairs, model.comparisons, model)
        terms = {}
        for place, (c, name) in enumerate(zip(model.comparisons, names, strict=True)):
            if c.table is not None:
                terms[f"term_{place}"] = term_sql(c, name, model.frequencies[c.table].bits(""))
        frame = frame.select("*", *(_expr(f"{sql} AS {name}") for name, sql in terms.items()))
        kept = ["left_rid", "right_rid", *names, *terms]
        sides = [f"{side}_{name}" for side in ("l", "r") for name in FIELDS]
        asked = _expr(f"({asked_sql(model, names)}) AS asked")
        kinds = [*(f"{n} smallint" for n in names), *(f"{n} double" for n in terms)]
        schema = ", ".join(["left_rid bigint, right_rid bigint", *kinds, "facts bigint"])
        self.step("comparing", frame.select(*kept, asked, *sides).mapInArrow(facts_work(len(kept)), schema))
        return self.read()

    def compared(
        self, pairs: Any, comparisons: Sequence[Comparison], model: LinkageModel | None
    ) -> tuple[Any, list[str]]:
        """The pairs with both sides' values and each comparison's level, and the names of the columns with levels."""
        wide = self.step("pairs", self.wide(self.records(comparisons, model), pairs))
        masks = Masks()
        levels = [level_sql(c, masks) for c in comparisons]
        frame = self.masked(wide, masks) if masks.conditions else wide
        names = [f"level_{place}" for place in range(len(levels))]
        made = [_expr(f"CAST({sql} AS smallint) AS {name}") for sql, name in zip(levels, names, strict=True)]
        return frame.select("*", *made), names

    def step(self, name: str, frame: Any) -> Any:
        """The table written as Parquet, and read again: a plan that grows with each step would be run again and again.

        Raises `TemporaryFailure` when the job fails.
        """
        self.progress(name, 0.0)
        started = time.perf_counter()
        target = str(self.work / name)
        try:
            frame.write.parquet(target)
        except Exception as error:
            # Whatever a worker met (no disk, a lost executor) arrives as one of Py4J's or pyspark's own classes. Its
            # text may quote values, so only the class is passed on.
            raise TemporaryFailure(f"Spark could not finish the phase {name} ({type(error).__name__})") from error
        self.seconds[name] = time.perf_counter() - started
        self.progress(name, 1.0)
        return self.session.read.parquet(target)

    def records(self, comparisons: Sequence[Comparison], model: LinkageModel | None) -> Any:
        """The prepared records: `rid`, `source`, each field, and the bits of values in the model's frequency tables."""
        from pyspark.sql import functions as F  # noqa: N812 - what everybody calls it

        extras = sorted({f for f in fields_of(comparisons) if f.startswith("extra.")})
        frame = self.session.read.parquet(str(self.data.prepared))
        known = set(frame.columns)
        frame = frame.select(
            F.col("_metadata.row_index").alias("rid"),
            *(F.col(f"`{name}`") for name in (*TEXTS, *FLAGS)),
            # A field of the user's own that the model knows and the files do not have is missing everywhere.
            *((F.col(f"`{e}`") if e in known else F.lit(None).cast("string")).alias(column(e)) for e in extras),
            F.expr("CASE WHEN nhs_usable THEN nhs END").alias("nhs_counted"),
        )
        if model is not None:
            for table in sorted({c.table for c in comparisons if c.table}):
                frame = frame.join(F.broadcast(self.terms(model, table)), on=column(table), how="left")
        return frame

    def terms(self, model: LinkageModel, table: str) -> Any:
        """Value and bits of a frequency table, sent as one Arrow table."""
        import pyarrow as pa

        seen = model.frequencies[table]
        values = sorted(seen.values)
        bits = pa.table(
            {
                column(table): pa.array(values, pa.string()),
                f"term_{column(table)}": pa.array([seen.bits(value) for value in values], pa.float64()),
            }
        )
        return self.session.createDataFrame(bits)

    def keys(self) -> Any:
        """A row for each blocking key of each record."""
        from pyspark.sql import functions as F  # noqa: N812 - what everybody calls it

        frame = self.session.read.parquet(str(self.data.prepared))
        extras = [name for name in sorted(self.data.extras) if f"{EXTRA}{name}" in frame.columns]
        frame = frame.select(
            F.col("_metadata.row_index").alias("rid"),
            F.col("source").cast("int"),
            *FIELDS,
            *(F.col(f"`{EXTRA}{name}`").alias(column(f"{EXTRA}{name}")) for name in extras),
        )
        return frame.mapInArrow(key_work(extras), KEYS_SCHEMA)

    def skipped(self, keys: Any) -> tuple[int, int]:
        """How many keys too many records share, and how many records those have in all."""
        sizes = keys.groupBy("key").count().where(f"count > {BLOCK_LIMIT}")
        row = sizes.selectExpr("count(*) AS number", "coalesce(sum(count), 0) AS records").first()
        return int(row["number"]), int(row["records"])

    def candidates(self, keys: Any, *, between: bool) -> Any:
        """All pairs that share a key, each once."""
        sizes = keys.groupBy("key").count().where(f"count BETWEEN 2 AND {BLOCK_LIMIT}").select("key")
        kept = keys.join(sizes, on="key")
        left, right = kept.alias("l"), kept.alias("r")
        apart = " AND l.source <> r.source" if between else ""
        joined = left.join(right, on=_expr(f"l.key = r.key AND l.rid < r.rid{apart}"))
        return joined.selectExpr("l.rid AS left_rid", "r.rid AS right_rid").distinct()

    def wide(self, records: Any, pairs: Any) -> Any:
        """The pairs with both sides' values as columns `l_...` and `r_...`."""
        frame = pairs
        for side, number in (("l", "left_rid"), ("r", "right_rid")):
            named = records.select(*(_expr(f"{name} AS {side}_{name}") for name in records.columns))
            frame = frame.join(named, on=_expr(f"{number} = {side}_rid")).drop(f"{side}_rid")
        return frame

    def masked(self, wide: Any, masks: Masks) -> Any:
        """The pairs with the masks of the fields that Python compares, each distinct pair of values once."""
        known = self.step("values", self.values(wide, masks))
        frame = wide
        for field in masks.conditions:
            name = column(field)
            own = known.where(f"field = '{name}'").selectExpr("x", "y", f"mask AS m_{name}")
            x, y = f"l_{name}", f"r_{name}"
            # Spark's least() and greatest() pass over nulls, so both sides are asked for.
            same = f"{x} IS NOT NULL AND {y} IS NOT NULL AND x = least({x}, {y}) AND y = greatest({x}, {y})"
            frame = frame.join(own, on=_expr(same), how="left").drop("x", "y")
        return frame

    def values(self, wide: Any, masks: Masks) -> Any:
        """Each distinct pair of values of the fields that Python must compare, with what it found."""
        frame = None
        for field in masks.conditions:
            name = column(field)
            x, y = f"l_{name}", f"r_{name}"
            both = wide.where(f"{x} IS NOT NULL AND {y} IS NOT NULL")
            own = both.selectExpr(f"'{name}' AS field", f"least({x}, {y}) AS x", f"greatest({x}, {y}) AS y").distinct()
            frame = own if frame is None else frame.union(own)
        assert frame is not None  # noqa: S101 - asked for only where there are conditions
        return frame.repartition("x", "y").mapInArrow(mask_work(masks), MASKS_SCHEMA)

    def read(self) -> Any:
        """What the last step wrote, as one Arrow table sorted by both records."""
        import pyarrow.parquet as pq

        table = pq.read_table(self.work / "comparing")
        left, right = (table.column(name).to_numpy() for name in ("left_rid", "right_rid"))
        return table.take(np.lexsort((right, left)))


def _expr(sql: str) -> Any:
    from pyspark.sql import functions as F  # noqa: N812 - what everybody calls it

    return F.expr(sql)
