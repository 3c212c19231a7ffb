"""What a figure was measured on: machine, commit, versions, and how busy the machine was with other things."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("sqlalchemy", "psycopg", "jellyfish", "hl7", "hl7apy", "pyarrow")


def describe() -> dict[str, object]:
    """Facts for the result file; no names of machines or people."""
    import sqlite3

    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": _from_proc("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "versions": {name: version(name) for name in LIBRARIES},
        "commit": commit(),
        "load_average": load_average(),
    }


def commit() -> str:
    """The commit that is measured, with a `+` when the working tree differs from it."""
    head = _git("rev-parse", "--short=12", "HEAD")
    return head + ("+" if _git("status", "--porcelain", "--", "mpi") else "")


def index_key() -> str:
    """Stands for everything of the software that decides what an index of a given population looks like."""
    return _git("rev-parse", "--short=12", "HEAD:mpi") if not _git("status", "--porcelain", "--", "mpi") else "unsaved"


def load_average() -> float:
    """Processes that wanted to run over the last minute, ours included."""
    return round(os.getloadavg()[0], 2)


def peak_memory_mib(pid: int) -> float:
    """The most memory that the process ever held (VmHWM)."""
    text = _from_proc(f"/proc/{pid}/status", "VmHWM")
    return round(int(text.split()[0]) / 1024, 1) if text else 0.0


def cpu_seconds(pid: int) -> float:
    """Seconds of processor time that the process has used, in all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _from_proc(path: str, key: str) -> str:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(key)), "")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip()
