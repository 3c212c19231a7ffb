"""Batch linkage of person files: read, prepare, train, compare, decide, cluster, write. No database is needed."""

import platform
import resource
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mpi import __version__
from mpi.domain.errors import BadInput
from mpi.engines.base import Dataset, Engine, PairPatterns
from mpi.engines.weigh_columns import Decided, decide, probabilities
from mpi.matching.cluster import DecidedPairs, Standing, cluster
from mpi.matching.facts import SHIFT
from mpi.matching.model import LinkageModel
from mpi.matching.nhs_number import FIRST_OF_TEST_RANGE
from mpi.matching.train import TARGET_FALSE_LINKS, WORST_REVIEW
from mpi.services import dedup_output as output
from mpi.services.dedup_ids import output_ids
from mpi.services.dedup_patterns import load_patterns, save_patterns
from mpi.services.dedup_work import Work, key_of, opened

PHASES = ("reading", "preparing", "training", "comparing", "deciding", "writing")
RESULTS = ["pairs.parquet", "clusters.csv", "review.csv", "model.json"]
LAST = "run.json"
SET_ASIDE = "set_aside.csv"
REPORT = "report.html"
_LIBRARIES = ("duckdb", "jellyfish", "numpy", "pyarrow")


class Source(Protocol):
    """The files of a run, opened by who may read files."""

    paths: list[Path]
    settings: dict[str, Any]
    """What says how the files read: for each of `files` its name and digest, and the map of `columns`. JSON."""
    extras: Mapping[str, str]
    """The users' own fields and how each is compared."""
    expected: int
    """Rows, at most."""

    def stage(self, raw: Path, set_aside: Path, advance: Callable[[int], None]) -> dict[str, Any]:
        """Write all rows to `raw` and say how many each file gave (`rows`), and how many were `set_aside`."""
        ...


class Watcher(Protocol):
    """Who is told how a run goes."""

    def phase(self, name: str, total: float | None) -> None:
        """A phase begins; `total` is what `progress` counts up to, None where nobody knows."""

    def progress(self, done: float) -> None:
        """How far the phase has come."""


class Tools(Protocol):
    """What does the work of a run, chosen by who starts it."""

    engine: Engine

    def prepare(
        self, raw: Path, folder: Path, extras: Mapping[str, str], progress: Callable[[str, float], None]
    ) -> Dataset:
        """Prepare the staged rows into a data set in `folder`."""
        ...

    def train(self, data: Dataset, *, seed: int, progress: Callable[[str, float], None], target: float) -> LinkageModel:
        """A model estimated from the data set, without truth."""
        ...

    def report(self, out: Path, folder: Path, found: "Result") -> bool:
        """Write the report page of a finished run to `out`; False where none was written."""
        ...


@dataclass(frozen=True)
class Job:
    """What is to be done. `model` is None to train one on these very files."""

    out: Path
    model: LinkageModel | None
    between: bool = False
    seed: int = 1
    target: float = TARGET_FALSE_LINKS
    """Share of automatic links that may be false by the estimate of a model that is trained here."""


@dataclass
class Result:
    """What was found, and what `run.json` says of it."""

    found: output.Found
    model: LinkageModel
    data: Dataset
    resumed: bool
    """Whether a run that was broken off had done part of it."""
    run: dict[str, Any] = field(default_factory=dict)


class Dedup:
    """One run over files."""

    def __init__(self, source: Source, tools: Tools, watcher: Watcher) -> None:
        self._source = source
        self._tools = tools
        self._watcher = watcher
        self._seconds: dict[str, float] = {}
        # What this run has worked out itself; what a broken run had done is read from its folder.
        self._prepared: Dataset | None = None
        self._compared: PairPatterns | None = None

    def run(self, job: Job) -> Result:
        """Find what is one person in the files, and write it to `job.out`.

        Raises `BadInput` where there is nothing to compare or ids are not distinct, `Conflict` while another run works
        in the same folder, `TemporaryFailure` when the disk is full. What a run that was broken off had done is taken
        up; nothing is seen under `job.out` before all of it is there.
        """
        settings = {
            "software": __version__,
            "inputs": self._source.settings,
            "model": job.model.hash if job.model else "train",
            "engine": self._tools.engine.name,
            "between": job.between,
            "seed": job.seed,
            "target": job.target if job.model is None else None,
        }
        with opened(job.out, key_of(settings)) as work:
            result = self._through(job, work, settings)
            work.remove()
        return result

    def _through(self, job: Job, work: Work, settings: Mapping[str, Any]) -> Result:
        raw, folder = work.folder / "raw.parquet", work.folder / "data"
        with self._phase("reading", self._source.expected):
            staged = work.once("reading", lambda: self._read(raw, work.folder / SET_ASIDE))
            ids = output_ids(raw, self._source.paths)
        if len(ids) == 0:
            raise BadInput("there is no record in the input: nothing to compare", code="file")
        with self._phase("preparing", 1.0):
            work.once("preparing", lambda: self._prepare(raw, folder))
            data = self._prepared or Dataset(folder)
        with self._phase("training", 1.0):
            model = job.model or self._trained(job, work, data)
        with self._phase("comparing", 1.0):
            work.once("comparing", lambda: self._compare(job, data, model, work.folder))
            pairs = self._compared or load_patterns(work.folder)
        with self._phase("deciding", None):
            found = _decide(ids, data, model, pairs)
        with self._phase("writing", None):
            result = Result(found, model, data, work.resumed)
            names = self._write(work, raw, result, set_aside=staged["set_aside"])
            counts = {"records": len(ids), **staged, "test_range_numbers": _test_numbers(data)}
            counts |= {**output.counts(found), **_keys(pairs)}
            result.run = self._about(job, settings, counts, result)
            if self._tools.report(work.folder / REPORT, work.folder, result):
                names.append(REPORT)
        result.run["seconds"] = {**self._seconds, "total": round(sum(self._seconds.values()), 3)}
        result.run["peak_memory_mb"] = _peak()
        _write_json(work.folder / LAST, result.run)
        work.publish(names, LAST)
        return result

    @contextmanager
    def _phase(self, name: str, total: float | None) -> Iterator[None]:
        self._watcher.phase(name, total)
        start = time.perf_counter()
        yield
        self._seconds[name] = round(time.perf_counter() - start, 3)

    def _share(self, _step: str, share: float) -> None:
        self._watcher.progress(share)

    def _read(self, raw: Path, set_aside: Path) -> dict[str, Any]:
        done = 0

        def advance(rows: int) -> None:
            nonlocal done
            done += rows
            self._watcher.progress(done)

        return self._source.stage(raw, set_aside, advance)

    def _prepare(self, raw: Path, folder: Path) -> dict[str, Any]:
        self._prepared = self._tools.prepare(raw, folder, self._source.extras, self._share)
        return {}

    def _trained(self, job: Job, work: Work, data: Dataset) -> LinkageModel:
        def train() -> dict[str, Any]:
            model = self._tools.train(data, seed=job.seed, progress=self._share, target=job.target)
            return {"model": model.to_json()}

        return LinkageModel.from_json(work.once("training", train)["model"])

    def _compare(self, job: Job, data: Dataset, model: LinkageModel, folder: Path) -> dict[str, Any]:
        self._compared = self._tools.engine.pairs(data, model, between=job.between, progress=self._share)
        save_patterns(self._compared, folder)
        return {}

    def _write(self, work: Work, raw: Path, result: Result, *, set_aside: int) -> list[str]:
        output.write_pairs(result.found, work.folder / "pairs.parquet")
        output.write_clusters(result.found, work.folder / "clusters.csv")
        output.write_review(result.found, raw, work.folder / "review.csv")
        (work.folder / "model.json").write_text(result.model.to_json(), encoding="utf-8")
        if (work.folder / SET_ASIDE).exists():
            return [*RESULTS, SET_ASIDE]
        if not set_aside:  # else a run that was broken off while it moved its results has moved this one already
            (work.out / SET_ASIDE).unlink(missing_ok=True)
        return list(RESULTS)

    def _about(
        self, job: Job, settings: Mapping[str, Any], counts: Mapping[str, Any], result: Result
    ) -> dict[str, Any]:
        t = result.model.thresholds
        return {
            "inputs": [
                {"path": str(path.absolute()), **about}
                for path, about in zip(self._source.paths, self._source.settings["files"], strict=True)
            ],
            "columns": self._source.settings["columns"],
            "extras": dict(self._source.extras),
            "engine": settings["engine"],
            "between": job.between,
            "seed": job.seed,
            "model": {
                "name": result.model.name,
                "hash": result.model.hash,
                "trained_here": job.model is None,
                "link": t.link,
                "keep": t.keep,
                "review": t.review,
            },
            "counts": dict(counts),
            "reviews_by_rule": output.reasons_of_review(result.found),
            "problems": result.data.about.get("problems", []),
            "versions": _versions(),
        }


def _decide(ids: Any, data: Dataset, model: LinkageModel, pairs: PairPatterns) -> output.Found:
    decided = decide(model, pairs)
    clustered = cluster(len(ids), as_pairs(model, pairs, decided), standing_of(data), link=model.thresholds.link)
    review, weight = model.thresholds.review, decided.weight
    # Where few fields say much, the thresholds are high; who wants others sees what lies below them.
    shown_from = min(review, WORST_REVIEW)
    places = output.shown(weight, clustered, shown_from)
    probability = np.full(len(weight), np.nan)
    probability[places] = probabilities(model, pairs.levels, pairs.terms, weight, places)
    return output.Found(ids, pairs.left, pairs.right, weight, pairs.levels, clustered, review, shown_from, probability)


def as_pairs(model: LinkageModel, pairs: PairPatterns, decided: Decided) -> DecidedPairs:
    """Pairs as an engine and the decision rule give them, ready to be clustered.

    Where the data hold families, two records whose name, birth date or sex clearly differs are kept apart by that
    alone: a third one between them, that says little, makes no one person of two children of one birth.
    """
    left, right = pairs.left.astype(np.int64), pairs.right.astype(np.int64)
    another = (pairs.facts >> SHIFT["clearly_another"] & 1).astype(np.bool_)
    return DecidedPairs(left, right, decided.weight, decided.outcome, decided.rule, another if model.families else None)


def standing_of(data: Dataset) -> Standing:
    """The NHS numbers of a data set's records, as clustering wants them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if data.kept is not None:
        return Standing(data.kept.texts["nhs"][0].astype(np.int64), data.kept.flags["nhs_verified"])
    table = pq.read_table(data.prepared, columns=["nhs", "nhs_verified"])
    coded = table["nhs"].cast(pa.string()).combine_chunks().dictionary_encode()
    number = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return Standing(number, table["nhs_verified"].to_numpy().astype(np.bool_))


def _test_numbers(data: Dataset) -> int:
    """How many records carry an NHS number of the test range."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    numbers = pq.read_table(data.prepared, columns=["nhs"])["nhs"].cast(pa.string())
    return int(pc.sum(pc.starts_with(numbers, FIRST_OF_TEST_RANGE)).as_py() or 0)


def _keys(pairs: PairPatterns) -> dict[str, int]:
    return {"blocking_keys_skipped": pairs.skipped_keys, "records_under_skipped_keys": pairs.skipped_records}


def _peak() -> float:
    """The most memory this process or one it started has held, in MB."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return round(max(resource.getrusage(kind).ru_maxrss for kind in kinds) / 1024, 1)


def _versions() -> dict[str, str]:
    found = {"mpi": __version__, "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    import json

    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
