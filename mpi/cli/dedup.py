"""`mpi dedup`: duplicates within and between files, or over the index."""

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
from click.core import ParameterSource
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from mpi.cli.options import OPERATOR, database_options, echo_json, json_option, ready_application
from mpi.cli.person_files import read_map, say_notes
from mpi.domain.columns import ColumnMap
from mpi.files.person_file import PersonFile, open_person_file
from mpi.files.set_aside import SideFile
from mpi.files.staging import set_aside_header, stage
from mpi.matching.block import BLOCK_LIMIT
from mpi.matching.model import LinkageModel, load, load_default
from mpi.matching.prepare import PROBLEMS
from mpi.matching.train import TARGET_FALSE_LINKS
from mpi.services.dedup import SET_ASIDE, Dedup, Job, Result
from mpi.services.dedup_index import IndexDedup
from mpi.services.dedup_tools import ENGINES, BatchTools, engine_named, problems_text
from mpi.services.dedup_work import on_disk

_PLAIN = {
    "reading": "reading",
    "preparing": "preparing values",
    "training": "estimating the model",
    "comparing": "comparing pairs",
    "deciding": "deciding and clustering",
    "writing": "writing results",
    "joining": "joining persons",
    "asking": "opening review tasks",
}


class FileSource:
    """Person files as a run reads them."""

    def __init__(self, files: Sequence[PersonFile], column_map: Path | None) -> None:
        self._files = files
        self.paths = [file.path for file in files]
        self.expected = sum(file.expected for file in files)
        self.extras: Mapping[str, str] = {k: v for file in files for k, v in file.columns.extra_kinds.items()}
        self.settings: dict[str, Any] = {
            "files": [{"name": file.path.name, "sha256": file.survey.digest} for file in files],
            "columns": column_map.read_text(encoding="utf-8") if column_map else None,
        }

    def stage(self, raw: Path, set_aside: Path, advance: Callable[[int], None]) -> dict[str, Any]:
        """As `mpi.services.dedup.Source.stage`."""
        with closing(SideFile(set_aside, set_aside_header(self._files))) as side:
            staged = stage(self._files, raw, side, advance)
        return {"rows": list(staged.rows), "set_aside": staged.set_aside}


class Bars:
    """A progress bar for each phase; nothing in a pipe."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description:<24}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        self.bars = Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty())
        self._task: TaskID | None = None

    def phase(self, name: str, total: float | None) -> None:
        """Finish the bar of the phase before and begin another."""
        self.end()
        self._task = self.bars.add_task(_PLAIN.get(name, name), total=total)

    def progress(self, done: float) -> None:
        """Move the present bar."""
        if self._task is not None:
            self.bars.update(self._task, completed=done)

    def end(self) -> None:
        """Fill the present bar."""
        if self._task is not None:
            self.bars.update(self._task, total=1.0, completed=1.0)
            self.bars.stop_task(self._task)


def read_model(spec: str) -> LinkageModel | None:
    """The model that `--model` names; None for one to be trained on the files themselves."""
    if spec == "train":
        return None
    return load_default() if spec == "default" else load(spec)


def open_files(paths: Sequence[Path], map_file: Path | None) -> list[PersonFile]:
    """The files opened, with what is noted about how each is read."""
    column_map: ColumnMap = read_map(map_file)
    files = [open_person_file(path, column_map) for path in paths]
    for file in files:
        say_notes(file)
    return files


def say(result: Result, out: Path, sources: Sequence[Path]) -> None:
    """Tell in a few lines what was found."""
    counts = result.run["counts"]
    click.echo(
        f"{counts['records']} records, {counts['candidate_pairs']} pairs compared: {counts['links']} linked, "
        f"{counts['reviews']} to review; {counts['clusters']} clusters, {counts['clusters_of_several']} of several "
        f"records, the largest of {counts['largest_cluster']}"
    )
    for line in problems_text(result.run["problems"], list(sources), PROBLEMS):
        click.echo(f"  {line}")
    if result.run["problems"]:
        click.echo("  These values took no part in matching.")
    if counts["test_range_numbers"]:
        click.echo(f"  {counts['test_range_numbers']} records carry NHS numbers of the test range.")
    if counts["blocking_keys_skipped"]:
        click.echo(
            f"  {counts['blocking_keys_skipped']} blocking keys were left out, each shared by more than {BLOCK_LIMIT} "
            "records: pairs that share nothing else were not compared."
        )
    if counts["set_aside"]:
        click.echo(f"  {counts['set_aside']} rows could not be read: {out / SET_ASIDE}")
    click.echo(f"results: {out} ({result.run['seconds']['total']:.1f} s)")


@click.command(
    epilog="Example: mpi dedup hospital_a.csv hospital_b.csv --out found --model train. "
    "Over the index: mpi dedup --database sqlite:///var/mpi.db --apply"
)
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Where results go.")
@click.option("--columns", "map_file", type=click.Path(path_type=Path), metavar="MAP.toml", help="Column map.")
@click.option("--model", default="default", show_default=True, metavar="default|train|FILE", help="The linkage model.")
@click.option("--engine", type=click.Choice(list(ENGINES)), default="local", show_default=True)
@click.option("--between", is_flag=True, help="Only pairs between two files.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the samples that training draws.")
@click.option(
    "--target-false-links",
    "target",
    type=click.FloatRange(min=0.000001, max=0.1),
    default=TARGET_FALSE_LINKS,
    show_default=True,
    help="With --model train: share of automatic links that may be false, by the model's own estimate.",
)
@click.option("--apply", "apply_", is_flag=True, help="Over the index: link what is certain, queue what is not.")
@json_option
@database_options
@click.pass_context
def dedup(
    ctx: click.Context,
    files: tuple[Path, ...],
    out: Path | None,
    map_file: Path | None,
    model: str,
    engine: str,
    between: bool,
    seed: int,
    target: float,
    apply_: bool,
    as_json: bool,
    database: str | None,
    config_file: str | None,
) -> None:
    """Find duplicates within and between person FILES (CSV or Parquet); no database is needed.

    Writes pairs.parquet, clusters.csv, review.csv, model.json, run.json and report.html to DIR. A run that was broken
    off goes on where it stood when the same command is given again. With --apply and without files it does the same
    over the index.
    """
    if not files:
        _refuse_with_index(ctx)
        over_index(database, config_file, engine, apply_=apply_, as_json=as_json)
        return
    if apply_ or ctx.get_parameter_source("database") is ParameterSource.COMMANDLINE:
        raise click.UsageError("name FILES, or go over the index with --database and --apply: not both")
    if out is None:
        raise click.UsageError("--out DIR is needed")
    if between and len(files) < 2:
        raise click.UsageError("--between needs two or more files")
    opened = open_files(files, map_file)
    chosen = read_model(model)
    bars = Bars()
    source = FileSource(opened, map_file)
    with bars.bars:
        run = Dedup(source, BatchTools(engine_named(engine)), bars)
        result = run.run(Job(out, chosen, between=between, seed=seed, target=target))
        bars.end()
    if result.resumed:
        click.echo("note: an earlier run was broken off; it was taken up where it stood", err=True)
    if as_json:
        echo_json({"out": str(out), **result.run})
    else:
        say(result, out, files)


def _refuse_with_index(ctx: click.Context) -> None:
    """Options that say nothing over the index."""
    given = ParameterSource.COMMANDLINE
    for name in ("out", "map_file", "model", "between", "seed", "target"):
        if ctx.get_parameter_source(name) is given:
            raise click.UsageError(
                "name one or more FILES; over the index only --apply, --engine and --json say something"
            )
    if not ctx.params["apply_"] and ctx.get_parameter_source("database") is not given:
        raise click.UsageError("name FILES and --out DIR, or go over the index with --database URL --apply")


def over_index(database: str | None, config_file: str | None, engine: str, *, apply_: bool, as_json: bool) -> None:
    """Find duplicates in the index: do what follows with `apply_`, else only say it."""
    bars = Bars()
    with ready_application(database, config_file) as app, TemporaryDirectory(prefix="mpi-dedup-") as made:
        run = IndexDedup(app.store, app.model, engine_named(engine))
        with bars.bars, on_disk(Path(made)):
            folder = Path(made) / "data"
            found = run.apply(OPERATOR, folder, bars) if apply_ else run.dry_run(folder, bars)
            bars.end()
    if as_json:
        echo_json({"applied": apply_, **asdict(found)})
        return
    said = "" if apply_ else "would be "
    click.echo(
        f"{found.records} records, {found.candidate_pairs} pairs compared: {found.persons_joined} persons {said}joined "
        f"to others ({found.records_moved} records moved), {found.questions} review tasks {said}opened"
    )
    if found.asked_already:
        click.echo(f"  {found.asked_already} questions stood open already.")
    if found.not_asked:
        click.echo(f"  {found.not_asked} more wait until reviewers have answered what is open about the same persons.")
    if found.changed_meanwhile:
        click.echo(
            f"  {found.changed_meanwhile} were given up, for something changed meanwhile: run the command again."
        )
    if not apply_:
        click.echo("Nothing was changed: add --apply.")
