"""`mpi evaluate`."""

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np

from mpi.cli.options import echo_json, json_option
from mpi.cli.person_files import reopened, staged
from mpi.domain.columns import ExtraField
from mpi.domain.errors import BadInput
from mpi.engines.preparing import prepare_dataset
from mpi.files.person_file import PersonFile, open_person_file
from mpi.files.staging import EXTRA
from mpi.reports import evaluation
from mpi.services.dedup_ids import output_ids
from mpi.services.evaluate import UNKNOWN, Truth, measure, read_run

RESULT = "evaluation.json"
PAGE = "evaluation.html"
_TRUTH, _FAULTS, _BIRTH = "evaluate truth", "evaluate faults", "evaluate birth"
"""Names of extra fields that no map is likely to use."""


@click.command(epilog="Example: mpi evaluate found --truth true_person")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--truth", required=True, metavar="COLUMN", help="The column that says whose a record is.")
@click.option(
    "--truth-file", type=click.Path(path_type=Path), metavar="FILE", help="Where it stands [the run's inputs]."
)
@json_option
def evaluate(folder: Path, truth: str, truth_file: Path | None, as_json: bool) -> None:
    """Hold the results in DIR against the truth: precision, recall, review load, what blocking lost.

    Where the inputs have the columns `faults` and `true_birth` (as `mpi synth` writes them), recall is told per fault,
    and what became of twins. The result is also written to DIR/evaluation.json, and with charts to DIR/evaluation.html.
    """
    run = read_run(folder)
    with TemporaryDirectory(prefix="mpi-evaluate-") as made:
        work = Path(made)
        files = [_with_truth(file, truth if truth_file is None else None) for file in reopened(run)]
        raw = staged(files, work / "raw.parquet")
        ids = output_ids(raw, [file.path for file in files])
        known = _truth(raw, ids, _from_file(truth_file, truth, work) if truth_file else None)
        data = prepare_dataset(raw, work / "data", extras=run["extras"])
        result = measure(folder, ids, known, data)
    (folder / RESULT).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    evaluation.write(folder / PAGE, result)
    if as_json:
        echo_json(result)
    else:
        _say(result)


def _with_truth(plain: PersonFile, truth: str | None) -> PersonFile:
    """An input of the run with the columns that only the truth is read from."""
    extras = [ExtraField(_FAULTS, ("faults",), "exact"), ExtraField(_BIRTH, ("true_birth",), "exact")]
    if truth is not None:
        extras.append(ExtraField(_TRUTH, (truth,), "exact"))
    if truth is not None and truth not in plain.headers:
        raise BadInput(f"{plain.path.name} has no column {truth}", field="truth")
    there = tuple(one for one in extras if one.headers[0] in plain.headers)
    # The run's own columns stay as they were: a map with the truth in it would take that header from the guesses.
    return replace(plain, columns=replace(plain.columns, extras=(*plain.columns.extras, *there)))


def _from_file(path: Path, column: str, work: Path) -> dict[str, str | None]:
    """Record id -> truth, of a file of its own; ids also as `authority:id` where the file has authorities."""
    import pyarrow.parquet as pq

    file = open_person_file(path)
    if column not in file.headers:
        raise BadInput(f"{path.name} has no column {column}", field="truth")
    columns = replace(file.columns, extras=(ExtraField(_TRUTH, (column,), "exact"),))
    raw = staged([replace(file, columns=columns)], work / "truth.parquet")
    found: dict[str, str | None] = {}
    for row in pq.read_table(raw, columns=["record_id", "authority", EXTRA + _TRUTH]).to_pylist():
        found[row["record_id"]] = row[EXTRA + _TRUTH]
        if row["authority"]:
            found[f"{row['authority']}:{row['record_id']}"] = row[EXTRA + _TRUTH]
    return found


def _truth(raw: Path, ids: Any, by_id: dict[str, str | None] | None) -> Truth:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(raw)

    def codes(column: Any) -> Any:
        coded = pa.array(column, pa.string()) if isinstance(column, list) else column.combine_chunks()
        return coded.dictionary_encode().indices.fill_null(UNKNOWN).to_numpy(zero_copy_only=False).astype(np.int64)

    def extra(name: str) -> Any:
        return table[EXTRA + name] if EXTRA + name in table.column_names else None

    if by_id is None:
        person = extra(_TRUTH)
    else:
        bare = table["record_id"].to_pylist()
        person = [by_id.get(own, by_id.get(plain)) for own, plain in zip(ids.to_pylist(), bare, strict=True)]
        if not any(one is not None for one in person):
            raise BadInput("no record_id of the truth file is one of the run's", field="truth-file")
    faults, birth = extra(_FAULTS), extra(_BIRTH)
    return Truth(
        codes(person),
        table["file"].to_numpy().astype(np.int64),
        faults.to_pylist() if faults is not None else None,
        codes(birth) if birth is not None else None,
    )


def _percent(value: float | None) -> str:
    return "    -" if value is None else f"{value:.4f}"


def _say(result: dict[str, Any]) -> None:
    click.echo("             precision  recall  F1")
    for name in ("links", "clusters"):
        found = result[name]
        click.echo(
            f"{name:<12} {_percent(found['precision'])}     {_percent(found['recall'])}  {_percent(found['f1'])}"
        )
    if best := result["best_threshold"]:
        click.echo(
            f"best by weight alone: F1 {best['f1']:.4f} at {best['bits']:.2f} bits "
            f"(precision {best['precision']:.4f}, recall {best['recall']:.4f})"
        )
    review = result["review"]
    click.echo(
        f"review: {review['pairs']} pairs, {review['per_1000_records']} per 1000 records, {review['of_one_person']} of "
        f"them one person; recall of links and review {_percent(review['recall_of_links_and_review'])}"
    )
    if "blocking" in result:
        blocking = result["blocking"]
        click.echo(f"never compared: {blocking['true_pairs_lost']} true pairs ({_percent(blocking['recall_lost'])})")
    click.echo(f"clusters with two verified NHS numbers: {result['clusters_with_two_verified_numbers']}")
    if twins := result.get("twins"):
        click.echo(
            f"twins: {twins['pairs']} pairs, {twins['linked']} linked, {twins['in_one_cluster']} in one cluster, "
            f"{_percent(twins['sent_to_review'])} sent to review"
        )
    for name, one in result.get("faults", {}).items():
        click.echo(
            f"  {name:<28} {one['true_pairs']:>7} pairs: linked {_percent(one['recall_links'])}, in one cluster "
            f"{_percent(one['recall_clusters'])}, review {_percent(one['sent_to_review'])}"
        )
