"""The ids that a batch run's records have in its results: the input's own, made distinct where files share some."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mpi.domain.errors import BadInput

_SHOWN = 3


def labels(paths: Sequence[Path]) -> list[str]:
    """A name for each file: its own without the ending, or its place where two files bear one name."""
    stems = [path.stem for path in paths]
    return [stem if stems.count(stem) == 1 else f"file{place}" for place, stem in enumerate(stems, 1)]


def output_ids(raw: Path, paths: Sequence[Path]) -> Any:
    """The id of each record of the staged file `raw`, in its order, as an Arrow array of text.

    An id that stands on several records is written `authority:id`, or `file:id` where that tells them not apart
    either. Raises `BadInput` naming the lines where one file says one id of one authority twice: nobody could tell
    what a result is about.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(raw, columns=["file", "line", "record_id", "authority"])
    ids = table["record_id"].combine_chunks()
    shared = _shared(ids)
    if not len(shared):
        return ids
    places = pc.indices_nonzero(pc.is_in(ids, shared)).to_pylist()
    some = table.take(places).to_pylist()
    _refuse_twice(some, paths)
    names = labels(paths)
    full = [f"{row['authority']}:{row['record_id']}" if row["authority"] else None for row in some]
    unsure = _repeated(full)
    chosen = [
        one if one not in unsure else f"{names[row['file']]}:{row['record_id']}"
        for one, row in zip(full, some, strict=True)
    ]
    found = ids.to_pylist()
    for place, own in zip(places, chosen, strict=True):
        found[place] = own
    if len(set(found)) < len(found):
        raise BadInput("two records would bear one id in the results; give the files an authority column", code="file")
    return pa.array(found, pa.string())


def _repeated(names: Sequence[str | None]) -> set[str | None]:
    """The names that are no name, or another's too."""
    seen: set[str | None] = set()
    again: set[str | None] = {None}
    for name in names:
        (again if name in seen else seen).add(name)
    return again


def _shared(ids: Any) -> Any:
    """The ids that more than one record bears."""
    import pyarrow.compute as pc

    counted = pc.value_counts(ids)
    return counted.field("values").filter(pc.greater(counted.field("counts"), 1))


def _refuse_twice(rows: Sequence[dict[str, Any]], paths: Sequence[Path]) -> None:
    """Rows that bear an id with others: refuse them where file and authority are one too."""
    first: dict[tuple[int, str | None, str], int] = {}
    twice = []
    for row in rows:
        key = (row["file"], row["authority"], row["record_id"])
        if key in first:
            twice.append((paths[row["file"]].name, first[key], row["line"]))
        else:
            first[key] = row["line"]
    if twice:
        shown = "; ".join(f"{name} lines {one} and {other}" for name, one, other in twice[:_SHOWN])
        more = f", and {len(twice) - _SHOWN} more" if len(twice) > _SHOWN else ""
        raise BadInput(
            f"the same record_id stands twice: {shown}{more}. Remove repeated rows, or name another column by a map",
            code="file",
            field="record_id",
        )
