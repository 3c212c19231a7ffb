"""The Spark engine: blocking, levels, terms and facts of all pairs as Spark jobs over Parquet."""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mpi.domain.errors import TemporaryFailure
from mpi.engines.base import FLAGS, TEXTS, Dataset, PairPatterns, Progress, silent
from mpi.engines.spark.levels import Masks, asked_sql, column, fields_of, level_sql, term_sql
from mpi.engines.spark.session import spark_session
from mpi.engines.spark.values import FIELDS, KEYS_SCHEMA, MASKS_SCHEMA, facts_work, key_work, mask_work
from mpi.matching.block import BLOCK_LIMIT
from mpi.matching.model import LinkageModel


class SparkEngine:
    """Works out pairs on Spark: on this machine, or on the cluster that `spark-submit` or `SPARK_MASTER` names.

    The data set's folder must be one that driver and workers see. What Spark writes lies in its folder `spark` and is
    removed when the pairs have been read.
    """

    name = "spark"

    def __init__(self, *, master: str | None = None, partitions: int | None = None) -> None:
        self.master = master
        self.partitions = partitions

    def pairs(
        self, data: Dataset, model: LinkageModel, *, between: bool = False, progress: Progress = silent
    ) -> PairPatterns:
        """Patterns and facts of all candidate pairs; with `between` only of pairs from two files.

        Raises `MissingExtra` without pyspark and `TemporaryFailure` where Spark does not start or a job fails.
        """
        work = data.folder / "spark"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        try:
            session = spark_session(master=self.master, partitions=self.partitions)
            return _Run(session, data, model, work, progress).pairs(between=between)
        finally:
            shutil.rmtree(work, ignore_errors=True)


class _Run:
    """One run: the tables it makes, each written once as Parquet and read by the next step."""

    def __init__(self, session: Any, data: Dataset, model: LinkageModel, work: Path, progress: Progress) -> None:
        self.session = session
        self.data = data
        self.model = model
        self.work = work
        self.progress = progress
        self.seconds: dict[str, float] = {}

    def pairs(self, *, between: bool) -> PairPatterns:
        """All steps in order."""
        records = self.records()
        keys = self.step("blocking", self.keys(records))
        skipped_keys, skipped_records = self.skipped(keys)
        wide = self.step("pairs", self.wide(records, self.candidates(keys, between=between)))
        masks = Masks()
        levels = [level_sql(c, masks) for c in self.model.comparisons]
        known = self.step("values", self.values(wide, masks)) if masks.conditions else None
        self.step("comparing", self.compared(wide, known, masks, levels))
        found = self.read()
        found.skipped_keys, found.skipped_records, found.seconds = skipped_keys, skipped_records, self.seconds
        return found

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

    def records(self) -> Any:
        """The prepared records: `rid`, `source`, each field, and the bits of values in a frequency table."""
        from pyspark.sql import functions as F  # noqa: N812 - what everybody calls it

        extras = sorted({f for f in fields_of(self.model) if f.startswith("extra.")})
        frame = self.session.read.parquet(str(self.data.prepared))
        known = set(frame.columns)
        frame = frame.select(
            F.col("_metadata.row_index").alias("rid"),
            F.col("source").cast("int").alias("source"),
            *(F.col(f"`{name}`") for name in (*TEXTS, *FLAGS)),
            # A field of the user's own that the model knows and the files do not have is missing everywhere.
            *((F.col(f"`{e}`") if e in known else F.lit(None).cast("string")).alias(column(e)) for e in extras),
            F.expr("CASE WHEN nhs_usable THEN nhs END").alias("nhs_counted"),
        )
        for table in self.tables():
            bits = self.terms(table)
            frame = frame.join(F.broadcast(bits), on=column(table), how="left")
        return frame

    def tables(self) -> list[str]:
        """The fields whose values' frequencies the model knows."""
        return sorted({c.table for c in self.model.comparisons if c.table})

    def terms(self, table: str) -> Any:
        """Value and bits of a frequency table, sent as one Arrow table."""
        import pyarrow as pa

        seen = self.model.frequencies[table]
        values = sorted(seen.values)
        bits = pa.table(
            {
                column(table): pa.array(values, pa.string()),
                f"term_{column(table)}": pa.array([seen.bits(value) for value in values], pa.float64()),
            }
        )
        return self.session.createDataFrame(bits)

    def keys(self, records: Any) -> Any:
        """A row for each blocking key of each record."""
        return records.select("rid", "source", *FIELDS).mapInArrow(key_work(), KEYS_SCHEMA)

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

    def wide(self, records: Any, candidates: Any) -> Any:
        """The pairs with both sides' values as columns `l_...` and `r_...`."""
        frame = candidates
        for side, number in (("l", "left_rid"), ("r", "right_rid")):
            named = records.drop("source").select(*(_alias(name, side) for name in records.columns if name != "source"))
            frame = frame.join(named, on=_expr(f"{number} = {side}_rid")).drop(f"{side}_rid")
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

    def compared(self, wide: Any, known: Any, masks: Masks, levels: Sequence[str]) -> Any:
        """Levels, terms and facts of each pair."""
        frame = wide
        for field in masks.conditions:
            name = column(field)
            own = known.where(f"field = '{name}'").selectExpr("x", "y", f"mask AS m_{name}")
            x, y = f"l_{name}", f"r_{name}"
            # Spark's least() and greatest() pass over nulls, so both sides are asked for.
            same = f"{x} IS NOT NULL AND {y} IS NOT NULL AND x = least({x}, {y}) AND y = greatest({x}, {y})"
            frame = frame.join(own, on=_expr(same), how="left")
            frame = frame.drop("x", "y")
        names = [f"level_{place}" for place in range(len(levels))]
        frame = frame.select("*", *(_expr(f"{sql} AS {name}") for sql, name in zip(levels, names, strict=True)))
        terms = []
        for c, name in zip(self.model.comparisons, names, strict=True):
            unseen = self.model.frequencies[c.table].bits("") if c.table else 0.0
            terms.append(term_sql(c, name, unseen))
        term_names = [f"term_{place}" for place in range(len(levels))]
        frame = frame.select("*", *(_expr(f"{sql} AS {name}") for sql, name in zip(terms, term_names, strict=True)))
        kept = ["left_rid", "right_rid", *names, *term_names]
        sides = [f"{side}_{name}" for side in ("l", "r") for name in FIELDS]
        asked = _expr(f"({asked_sql(self.model, names, term_names)}) AS asked")
        schema = ", ".join(
            ["left_rid bigint, right_rid bigint", *(f"{n} int" for n in names), *(f"{n} double" for n in term_names)]
        )
        return frame.select(*kept, asked, *sides).mapInArrow(facts_work(len(kept)), f"{schema}, facts bigint")

    def read(self) -> PairPatterns:
        """The pairs as columns, in order."""
        import pyarrow.parquet as pq

        table = pq.read_table(self.work / "comparing")
        left, right = (table.column(name).to_numpy() for name in ("left_rid", "right_rid"))
        order = np.lexsort((right, left))
        size = len(self.model.comparisons)
        taken = [
            table.column(f"term_{place}").to_numpy()[order] if c.table else None
            for place, c in enumerate(self.model.comparisons)
        ]
        return PairPatterns(
            left=left[order].astype(np.int32),
            right=right[order].astype(np.int32),
            levels=[table.column(f"level_{place}").to_numpy()[order].astype(np.uint8) for place in range(size)],
            terms=taken,
            facts=table.column("facts").to_numpy()[order],
        )


def _expr(sql: str) -> Any:
    from pyspark.sql import functions as F  # noqa: N812 - what everybody calls it

    return F.expr(sql)


def _alias(name: str, side: str) -> Any:
    from pyspark.sql import functions as F  # noqa: N812 - what everybody calls it

    return F.col(name).alias(f"{side}_{name}")
