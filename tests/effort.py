"""How hard a long proof tries: `make soak` runs it in full, `make test` a tenth of it."""

import os

SOAK = os.environ.get("MPI_SOAK") == "1"


def repeats(full: int) -> int:
    """`full` under `make soak`, else a tenth of it, at least one."""
    return full if SOAK else max(1, full // 10)
