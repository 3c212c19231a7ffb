"""`mpi train`."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from mpi.cli.options import echo_json, json_option
from mpi.cli.person_files import read_map, say_notes
from mpi.domain.columns import ColumnMap
from mpi.domain.person import DEMOGRAPHIC_FIELDS, Demographics
from mpi.engines.estimate import estimate
from mpi.files.person_file import open_person_file
from mpi.matching.model import LinkageModel
from mpi.matching.prepare import prepare
from mpi.matching.prepared import Prepared
from mpi.matching.train import TARGET_FALSE_LINKS


def _prepared(paths: tuple[Path, ...], column_map: ColumnMap, progress: Progress) -> Iterator[Prepared]:
    for path in paths:
        file = open_person_file(path, column_map)
        say_notes(file)
        columns = file.columns
        task = progress.add_task(f"reading {path.name}", total=file.expected)
        for _, _, row, fault in file.rows():
            progress.advance(task)
            if fault:
                continue
            values = {name: text for name, text in columns.values(row).items() if name in DEMOGRAPHIC_FIELDS}
            extra = columns.extra_values(row) if columns.extras else None
            # A file's test-range numbers take part: nothing is stored, and test data are what most first runs use.
            demographics = Demographics(**values)
            yield prepare(demographics, allow_test_numbers=True, extra=extra, extra_kinds=columns.extra_kinds)[0]


def _summary(model: LinkageModel, out: Path) -> dict[str, object]:
    return {
        "file": str(out),
        "name": model.name,
        "hash": model.hash,
        "prior": model.prior,
        "thresholds": model.as_dict()["thresholds"],
        "trained": dict(model.trained),
    }


@click.command(epilog="Example: mpi train hospital_a.csv hospital_b.csv --out model.json")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The model, JSON.")
@click.option(
    "--columns", "map_file", type=click.Path(path_type=Path, exists=True), metavar="MAP.toml", help="Column map."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the samples drawn.")
@click.option("--name", default="trained", show_default=True, help="Name written into the model.")
@click.option(
    "--population",
    type=click.IntRange(min=2),
    help="Records in the index the model is meant for [as many as in the files].",
)
@click.option(
    "--target-false-links",
    "target",
    type=click.FloatRange(min=0.000001, max=0.1),
    default=TARGET_FALSE_LINKS,
    show_default=True,
    help="Share of automatic links that may be false, by the model's own estimate.",
)
@json_option
def train(
    files: tuple[Path, ...],
    out: Path,
    map_file: Path | None,
    seed: int,
    name: str,
    population: int | None,
    target: float,
    as_json: bool,
) -> None:
    """Estimate a linkage model from person files, without truth."""
    column_map = read_map(map_file)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        records = list(_prepared(files, column_map, progress))
        progress.add_task("comparing pairs and estimating", total=None)
        extras = {extra.name: extra.compare for extra in column_map.extras}
        model = estimate(records, seed=seed, name=name, extras=extras, population=population, target=target)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(model.to_json(), encoding="utf-8")
    if as_json:
        echo_json(_summary(model, out))
        return
    t = model.thresholds
    click.echo(f"{out}: model {model.hash[:12]} from {len(records)} records")
    click.echo(f"link at {t.link} bits, keep at {t.keep}, review at {t.review}")
    if not model.families:
        click.echo("these records hold next to no relatives: the model is for them, not for a register of families")
