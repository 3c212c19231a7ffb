"""What does the work of a batch run on this machine or on Spark, by name."""

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mpi.domain.errors import BadInput
from mpi.engines.base import Dataset, Engine
from mpi.engines.estimate import estimate
from mpi.engines.local.train import Comparing
from mpi.engines.local.train import estimate as estimate_columns
from mpi.engines.preparing import prepare_dataset
from mpi.matching.model import LinkageModel
from mpi.matching.train import TARGET_FALSE_LINKS
from mpi.reports.dedup import write
from mpi.services.dedup import Result
from mpi.services.dedup_report import figures

ENGINES: Mapping[str, tuple[str, str]] = {
    "local": ("mpi.engines.local.engine", "LocalEngine"),
    "reference": ("mpi.engines.reference", "ReferenceEngine"),
    "recordlinkage": ("mpi.engines.recordlinkage_engine", "RecordLinkageEngine"),
    "spark": ("mpi.engines.spark.engine", "SparkEngine"),
}
"""Name -> module and class; imported only when asked for, for some need libraries of their own."""


def engine_named(name: str) -> Engine:
    """The engine of this name. Raises `BadInput` for an unknown one, `MissingExtra` where its library is not there."""
    if name not in ENGINES:
        raise BadInput(f"there is no engine {name}; choose one of {', '.join(ENGINES)}", field="engine")
    module, class_name = ENGINES[name]
    found: Engine = getattr(importlib.import_module(module), class_name)()
    return found


class BatchTools:
    """Preparation and training as they are, with the engine chosen."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def prepare(
        self, raw: Path, folder: Path, extras: Mapping[str, str], progress: Callable[[str, float], None]
    ) -> Dataset:
        """As `Tools.prepare`."""
        return prepare_dataset(raw, folder, extras=extras, progress=progress)

    def train(
        self,
        data: Dataset,
        *,
        seed: int,
        progress: Callable[[str, float], None],
        name: str = "trained",
        population: int | None = None,
        target: float = TARGET_FALSE_LINKS,
    ) -> LinkageModel:
        """As `Tools.train`: over columns, unless the engine is the one that others are held against.

        The rest is as `mpi.engines.estimate.estimate` has it.
        """
        if self.engine.name == "reference":
            people = list(data.people())
            return estimate(people, seed=seed, name=name, extras=data.extras, population=population, target=target)
        own = self.engine if isinstance(self.engine, Comparing) else None
        return estimate_columns(
            data, own, seed=seed, name=name, population=population, target=target, progress=progress
        )

    def report(self, out: Path, folder: Path, found: Result) -> bool:
        """As `Tools.report`."""
        write(out, figures(found, [Path(one["path"]).name for one in found.run["inputs"]]))
        return True


def problems_text(problems: list[dict[str, Any]], paths: list[Path], plain: Mapping[str, str]) -> list[str]:
    """One line for each kind of value that could not be read, with the first lines it stands on."""
    found = []
    for one in sorted(problems, key=lambda p: -p["count"]):
        where = ", ".join(map(str, one["first_lines"])) + (", ..." if one["count"] > len(one["first_lines"]) else "")
        name = f"{paths[one['source']].name} " if len(paths) > 1 else ""
        found.append(f"{one['field']}: {one['count']} x {plain[one['problem']]} ({name}line {where})")
    return found
