"""The Spark session: the caller's own where there is one, else one on this machine."""

import os
import sys
from typing import Any

from mpi.domain.errors import MissingExtra, TemporaryFailure

_HOW = "Spark is not installed: pip install 'mpi[spark]' (and a Java runtime, 17 or newer)"


def spark_session(*, master: str | None = None, partitions: int | None = None) -> Any:
    """The running session, else a new one. Its scratch files lie where `SPARK_LOCAL_DIRS` says.

    `master` is a Spark master URL, by default what `spark-submit` or `SPARK_MASTER` says, else two threads or more of
    this machine. `partitions` is the number of shuffle partitions, by default four for each processor on this machine
    and Spark's own on a cluster. Raises `MissingExtra` where pyspark is not installed and `TemporaryFailure` where
    Spark does not start (no Java, no such master).
    """
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise MissingExtra(_HOW) from error
    running = SparkSession.getActiveSession()
    if running is not None:
        return running
    builder = SparkSession.builder.appName("mpi")
    master = master or os.environ.get("SPARK_MASTER") or (None if _submitted() else "local[*]")
    if master is not None:
        builder = builder.master(master)
        if master.startswith("local"):
            builder = _on_this_machine(builder)
            partitions = partitions or 4 * (os.cpu_count() or 1)
    if partitions is not None:
        builder = builder.config("spark.sql.shuffle.partitions", str(partitions))
    try:
        session = builder.getOrCreate()
    except Exception as error:
        # pyspark raises its own classes for a missing Java and Py4J's for an unreachable master.
        raise TemporaryFailure(f"Spark does not start: {_reason(error)}") from error
    session.sparkContext.setLogLevel("ERROR")
    return session


def _reason(error: Exception) -> str:
    """The one line that says why; Py4J puts a line of its own before it and Java's whole stack behind it."""
    lines = [line.strip(": \t") for line in str(error).splitlines()]
    return next(
        (line for line in lines if line and not line.startswith("An error occurred while calling")), "no reason given"
    )


def _submitted() -> bool:
    """Whether `spark-submit` started this process and so has chosen the master."""
    return "PYSPARK_GATEWAY_PORT" in os.environ


def _on_this_machine(builder: Any) -> Any:
    """Settings without which Spark on one machine cannot bind, or runs its workers with another Python."""
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    return (
        builder.config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.log.level", "ERROR")
    )
