"""Agreement patterns kept in the working folder, so that a run that was broken off need not compare again."""

from pathlib import Path
from typing import Any

import numpy as np

from mpi.engines.base import PairPatterns

_FILE = "patterns.parquet"


def save_patterns(pairs: PairPatterns, folder: Path) -> None:
    """Write the patterns to `folder`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {"left": pairs.left, "right": pairs.right, "facts": pairs.facts}
    columns |= {f"level{place}": level for place, level in enumerate(pairs.levels)}
    columns |= {f"term{place}": term for place, term in enumerate(pairs.terms) if term is not None}
    about = {"keys": str(pairs.skipped_keys), "records": str(pairs.skipped_records)}
    table = pa.table(columns).replace_schema_metadata(about)
    pq.write_table(table, folder / _FILE, compression="lz4", use_dictionary=False, write_statistics=False)


def load_patterns(folder: Path) -> PairPatterns:
    """The patterns that `save_patterns` wrote to `folder`."""
    import pyarrow.parquet as pq

    table = pq.read_table(folder / _FILE)
    about = {name.decode(): int(text) for name, text in table.schema.metadata.items() if name in (b"keys", b"records")}

    def column(name: str) -> Any:
        return table[name].to_numpy() if name in table.column_names else None

    count = sum(name.startswith("level") for name in table.column_names)
    return PairPatterns(
        column("left"),
        column("right"),
        [column(f"level{place}").astype(np.uint8, copy=False) for place in range(count)],
        [column(f"term{place}") for place in range(count)],
        column("facts"),
        skipped_keys=about["keys"],
        skipped_records=about["records"],
    )
