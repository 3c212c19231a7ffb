"""`mpi model`: linkage models to and from other tools."""

import json
from pathlib import Path

import click

from mpi.cli.options import echo_json, json_option
from mpi.engines.splink_settings.export import to_splink, write_term_frequencies
from mpi.engines.splink_settings.read import read_splink
from mpi.engines.splink_settings.templates import DIALECTS
from mpi.matching.model import LinkageModel, load, load_default


@click.group(epilog="What cannot be carried over: docs/how-to/move-to-and-from-splink.md")
def model() -> None:
    """Take linkage models to other tools and back."""


def _named(name: str) -> LinkageModel:
    return load_default() if name == "default" else load(name)


@model.command("export", epilog="Example: mpi model export settings.json --to splink --model model.json")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--to", "form", type=click.Choice(["splink"]), required=True, help="Whose form.")
@click.option("--model", "source", default="default", show_default=True, metavar="default|FILE", help="The model.")
@click.option("--dialect", type=click.Choice(DIALECTS), default="duckdb", show_default=True, help="Splink's back end.")
@json_option
def export(file: Path, form: str, source: str, dialect: str, as_json: bool) -> None:
    """Write a model as Splink settings to FILE, and its term frequencies as CSV files beside it."""
    del form  # the only one there is
    chosen = _named(source)
    file.parent.mkdir(parents=True, exist_ok=True)
    settings = to_splink(chosen, dialect=dialect)
    file.write_text(json.dumps(settings, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    tables = write_term_frequencies(chosen, file)
    if as_json:
        echo_json({"file": str(file), "model": chosen.hash, "term_frequencies": [str(path) for path in tables]})
        return
    click.echo(f"{file}: model {chosen.hash[:12]} as Splink settings ({dialect})")
    for path in tables:
        click.echo(f"{path}: term frequencies")
    click.echo("thresholds, hard rules and blocking by sound have no place in Splink: they stay behind", err=True)


@model.command("import", epilog="Example: mpi model import settings.json --from splink --out model.json")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--from", "form", type=click.Choice(["splink"]), required=True, help="Whose form.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The model, JSON.")
@click.option("--name", default="from-splink", show_default=True, help="Name written into the model.")
@click.option(
    "--like", metavar="default|FILE", help="A model that lends thresholds, relatives and missing term frequencies."
)
@json_option
def import_(file: Path, form: str, out: Path, name: str, like: str | None, as_json: bool) -> None:
    """Read trained Splink settings from FILE as a linkage model.

    Term frequencies are read from FILE's neighbours NAME.tf_COLUMN.csv, as `mpi model export` writes them.
    """
    del form  # the only one there is
    found = read_splink(file, name=name, like=_named(like) if like else None)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(found.model.to_json(), encoding="utf-8")
    if as_json:
        echo_json({"file": str(out), "hash": found.model.hash, "notes": found.notes})
        return
    for note in found.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(f"{out}: model {found.model.hash[:12]} with {len(found.model.comparisons)} comparisons")
