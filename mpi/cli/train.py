"""`mpi train`."""

import tempfile
from pathlib import Path

import click

from mpi.cli.dedup import Bars, FileSource, open_files
from mpi.cli.options import echo_json, json_option
from mpi.engines.base import Dataset
from mpi.matching.model import LinkageModel
from mpi.matching.train import TARGET_FALSE_LINKS
from mpi.services.dedup import SET_ASIDE
from mpi.services.dedup_tools import BatchTools, engine_named
from mpi.services.dedup_work import on_disk


def _prepared(source: FileSource, tools: BatchTools, folder: Path, bars: Bars) -> Dataset:
    """The files read and prepared into `folder`; a file's test-range numbers take part, since nothing is stored."""
    raw = folder / "raw.parquet"
    rows = 0

    def advance(count: int) -> None:
        nonlocal rows
        rows += count
        bars.progress(rows)

    bars.phase("reading", source.expected)
    staged = source.stage(raw, folder / SET_ASIDE, advance)
    if staged["set_aside"]:
        click.echo(f"note: {staged['set_aside']} rows could not be read and take no part", err=True)
    bars.phase("preparing", 1.0)
    return tools.prepare(raw, folder / "data", source.extras, lambda _, share: bars.progress(share))


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
@click.option("--engine", type=click.Choice(["local", "spark"]), default="local", show_default=True)
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
    engine: str,
    seed: int,
    name: str,
    population: int | None,
    target: float,
    as_json: bool,
) -> None:
    """Estimate a linkage model from person files, without truth."""
    source = FileSource(open_files(files, map_file), map_file)
    tools = BatchTools(engine_named(engine))
    bars = Bars()
    out.parent.mkdir(parents=True, exist_ok=True)
    # Beside the model and not in the system's folder: workers of a cluster must see it, and it may be large.
    with bars.bars, on_disk(out.parent), tempfile.TemporaryDirectory(prefix=".mpi-train-", dir=out.parent) as folder:
        data = _prepared(source, tools, Path(folder), bars)
        bars.phase("training", None)
        model = tools.train(
            data,
            seed=seed,
            progress=lambda _, share: bars.progress(share),
            name=name,
            population=population,
            target=target,
        )
        bars.end()
        out.write_text(model.to_json(), encoding="utf-8")
    if as_json:
        echo_json(_summary(model, out))
        return
    t = model.thresholds
    click.echo(f"{out}: model {model.hash[:12]} from {data.records} records")
    click.echo(f"link at {t.link} bits, keep at {t.keep}, review at {t.review}")
    if not model.families:
        click.echo("these records hold next to no relatives: the model is for them, not for a register of families")
