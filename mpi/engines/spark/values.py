"""What Spark SQL has no word for, worked out in Python workers on Arrow batches by the one Python function.

A worker gets columns and gives columns; nothing of it runs on the driver. Both functions are made from plain data, so
that Spark can send them to workers that have this package installed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mpi.engines.base import FLAGS, TEXTS
from mpi.engines.spark.levels import Masks, column
from mpi.matching.block import blocking_keys
from mpi.matching.facts import facts_of
from mpi.matching.kinds import ValueTest, value_test
from mpi.matching.prepared import Prepared

if TYPE_CHECKING:
    import pyarrow as pa

Work = Callable[[Iterator["pa.RecordBatch"]], Iterator["pa.RecordBatch"]]

KEYS_SCHEMA = "rid bigint, source int, key string"
MASKS_SCHEMA = "field string, x string, y string, mask bigint"

FIELDS: tuple[str, ...] = (*TEXTS, *FLAGS)
"""The prepared fields that blocking and the hard rules may look at."""


def key_work(extras: Sequence[str]) -> Work:
    """A function for `mapInArrow`: `rid`, `source`, `FIELDS`, then `extras` in; a row for each blocking key out.

    `extras` are the sorted names of the user's own fields.
    """

    def work(batches: Iterator["pa.RecordBatch"]) -> Iterator["pa.RecordBatch"]:
        import pyarrow as pa

        for batch in batches:
            rids, sources = (batch.column(place).to_pylist() for place in range(2))
            people = _with_extras(_people(batch, 2), batch, 2 + len(FIELDS), extras)
            rows = [(r, s, key) for r, s, p in zip(rids, sources, people, strict=True) for key in blocking_keys(p)]
            columns = zip(*rows, strict=True) if rows else ((), (), ())
            types = (pa.int64(), pa.int32(), pa.string())
            arrays = [pa.array(values, kind) for values, kind in zip(columns, types, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, names=_names(KEYS_SCHEMA))

    return work


def mask_work(masks: Masks) -> Work:
    """A function for `mapInArrow`: rows (field, x, y) in, the same rows with the mask of the field's conditions out."""
    conditions = {column(field): [dict(spec) for spec in own] for field, own in masks.conditions.items()}

    def work(batches: Iterator["pa.RecordBatch"]) -> Iterator["pa.RecordBatch"]:
        import pyarrow as pa

        tests = {field: _tests(own) for field, own in conditions.items()}
        for batch in batches:
            fields, xs, ys = (batch.column(place).to_pylist() for place in range(3))
            found = [_mask(tests[field], x, y) for field, x, y in zip(fields, xs, ys, strict=True)]
            yield pa.RecordBatch.from_arrays([*batch.columns, pa.array(found, pa.int64())], names=_names(MASKS_SCHEMA))

    return work


def _tests(specs: Sequence[Mapping[str, Any]]) -> list[ValueTest]:
    return [test for spec in specs if (test := value_test(spec)) is not None]


def _mask(tests: Sequence[ValueTest], x: str, y: str) -> int:
    mask = 0
    for bit, test in enumerate(tests):
        if test(x, y):
            mask |= 1 << bit
    return mask


def _names(schema: str) -> list[str]:
    return [part.split()[0] for part in schema.split(",")]


def facts_work(kept: int) -> Work:
    """A function for `mapInArrow`: `kept` columns, `asked`, then `FIELDS` of both sides in; the kept and `facts` out.

    Facts are 0 where `asked` is false: no rule can ask there.
    """

    def work(batches: Iterator["pa.RecordBatch"]) -> Iterator["pa.RecordBatch"]:
        import pyarrow as pa

        for batch in batches:
            asked = batch.column(kept)
            near = batch.filter(asked)
            pairs = zip(_people(near, kept + 1), _people(near, kept + 1 + len(FIELDS)), strict=True)
            found = iter([facts_of(a, b) for a, b in pairs])
            facts = pa.array([next(found) if yes else 0 for yes in asked.to_pylist()], pa.int64())
            names = [*batch.schema.names[:kept], "facts"]
            yield pa.RecordBatch.from_arrays([*batch.columns[:kept], facts], names=names)

    return work


def _with_extras(
    people: Iterator[Prepared], batch: "pa.RecordBatch", first: int, extras: Sequence[str]
) -> Iterator[Prepared]:
    if not extras:
        yield from people
        return
    columns = [batch.column(first + place).to_pylist() for place in range(len(extras))]
    for one, values in zip(people, zip(*columns, strict=True), strict=True):
        own = tuple((name, value) for name, value in zip(extras, values, strict=True) if value is not None)
        yield replace(one, extra=own)


def _people(batch: "pa.RecordBatch", first: int) -> Iterator[Prepared]:
    """The records whose `FIELDS` stand in the columns from `first` on."""
    columns = [batch.column(place).to_pylist() for place in range(first, first + len(FIELDS))]
    for values in zip(*columns, strict=True):
        yield Prepared(**dict(zip(FIELDS, values, strict=True)))
