"""`mpi explain`: any pair of a finished batch run, comparison by comparison."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from mpi.cli.options import echo_json, json_option
from mpi.cli.person_files import reopened, staged
from mpi.domain.errors import BadInput
from mpi.reports.explained import page, said
from mpi.services.dedup_ids import output_ids
from mpi.services.evaluate import read_run
from mpi.services.explain import Explained
from mpi.services.explain import explain as explain_pair


@click.command(epilog="Example: mpi explain found RXX:1042 RYY:77 --out pair.html")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.argument("left", metavar="ID")
@click.argument("right", metavar="ID")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.html", help="A page with the chart."
)
@json_option
def explain(folder: Path, left: str, right: str, out: Path | None, as_json: bool) -> None:
    """Show how the run in DIR weighs the records with these two IDs (as clusters.csv has them), and what it decided.

    Any pair will do, one that was never compared too. The run's inputs must be where they were. Nothing that patients
    told is shown: that stands in the inputs.
    """
    run = read_run(folder)
    files = reopened(run)
    with TemporaryDirectory(prefix="mpi-explain-") as made:
        work = Path(made)
        raw = staged(files, work / "raw.parquet")
        found = explain_pair(folder, raw, output_ids(raw, [file.path for file in files]), (left, right), work)
    if out is not None:
        _write(out, found)
    if as_json:
        echo_json(found.as_dict())
    else:
        _say(found)
        if out is not None:
            click.echo(f"page: {out}")


def _write(out: Path, found: Explained) -> None:
    limits = {"link": found.model.thresholds.link, "review": found.model.thresholds.review}
    try:
        out.write_text(page(found.as_dict(), found.parts(), limits), encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{out} cannot be written", code="file") from error


def _say(found: Explained) -> None:
    document: dict[str, Any] = found.as_dict()
    click.echo(f"{found.left} and {found.right}: {found.weight:.2f} bits, probability {found.probability:.6f}")
    for name, label, bits in found.parts():
        click.echo(f"  {f'{name}: {label}':<60} {bits:+8.2f}")
    missing = [e["comparison"].replace("_", " ") for e in document["evidence"] if e["bits"] is None]
    if missing:
        click.echo(f"  missing on a side: {', '.join(missing)}")
    limits = found.model.thresholds
    click.echo(f"link from {limits.link} bits, review from {limits.review}; model {found.model.hash[:12]}")
    click.echo(f"the two alone: {said(document['alone'])}")
    click.echo(f"the run: {found.not_written or said(document['run'])}")
    click.echo(f"in one cluster: {'yes' if found.one_cluster else 'no'}")
