"""`mpi trace export` and `mpi trace import`."""

import csv
import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from mpi.bootstrap import App
from mpi.cli.options import OPERATOR, database_options, echo_json, json_option, ready_application
from mpi.domain.errors import BadInput, Conflict
from mpi.domain.trace import FATES, Fate
from mpi.files.csv_lines import CsvLines
from mpi.files.encoding import survey
from mpi.matching.nhs_number import normalise
from mpi.services.trace_export import COLUMNS, Counts, Restricted
from mpi.services.trace_import import Taken, TraceRow

NEEDED = ("reference", "outcome")
ROWS_AT_ONCE = 25
"""Rows that share one transaction: the feed waits for no more of them."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def plain_cell(text: str) -> str:
    """`text` with a quotation mark in front where a spreadsheet would take it for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


@click.group()
def trace() -> None:
    """Exchange files with an NHS number tracing service."""


@trace.command("export", epilog="Example: mpi trace export to-trace.csv")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--restricted",
    type=click.Choice([one.value for one in Restricted]),
    default=Restricted.LEAVE_OUT.value,
    show_default=True,
    help="Restricted people: not at all, or without home, practice and hospital.",
)
@click.option("--again", is_flag=True, help="Also those that were answered and have not changed since.")
@click.option("--force", is_flag=True, help="Write over FILE where it is there.")
@json_option
@database_options
def export(
    file: Path, restricted: str, again: bool, force: bool, as_json: bool, database: str | None, config_file: str | None
) -> None:
    """Write the records whose NHS number is missing, unverified or unresolved to FILE (CSV).

    FILE holds patients' data: only its owner may read it. A value that a spreadsheet would take for a formula gets a '
    in front. Each look at a restricted record is in the audit trail.
    """
    if file.exists() and not force:
        raise Conflict("the file is there already; --force writes over it")
    counts = Counts()
    with ready_application(database, config_file) as app:
        rows = app.trace_export.rows(OPERATOR, counts, restricted=Restricted(restricted), again=again)
        _write(file, COLUMNS, ([plain_cell(row[column]) for column in COLUMNS] for row in rows))
    if as_json:
        echo_json({"file": str(file), "exported": counts.exported, "left_out": counts.left_out})
        return
    click.echo(f"{counts.exported.total()} records to trace in {file}{_listed(counts.exported)}")
    if counts.left_out:
        click.echo(f"{counts.left_out.total()} left out{_listed(counts.left_out)}")


def _listed(counts: Counter[str]) -> str:
    return "".join(f"\n  {n:>8}  {what}" for what, n in counts.most_common())


def _write(file: Path, header: tuple[str, ...], rows: Iterator[list[str]]) -> None:
    """Write beside the name and rename: FILE is there only when it is whole."""
    partial = file.with_name(file.name + ".partial")
    try:
        with os.fdopen(
            os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8", newline=""
        ) as out:
            writer = csv.writer(out, lineterminator="\r\n")
            writer.writerow(header)
            writer.writerows(rows)
        partial.replace(file)
    except OSError as error:
        raise BadInput(f"{file.name} cannot be written: {error.strerror}", code="file") from error
    finally:
        partial.unlink(missing_ok=True)


@trace.command("import", epilog="Example: mpi trace import traced.csv --dry-run")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Say what would become of each row, and change nothing.")
@click.option(
    "--fates", metavar="FILE", type=click.Path(path_type=Path), help="Where each row's fate goes [FILE.fates.csv]."
)
@json_option
@database_options
def import_(
    file: Path, dry_run: bool, fates: Path | None, as_json: bool, database: str | None, config_file: str | None
) -> None:
    """Take the answers of a tracing service in: the columns reference, outcome and nhs_number of FILE (CSV).

    Verified numbers are confirmed on their records, superseded ones replaced, and conflicts become review tasks. A row
    whose record has changed since the export does nothing. A run that was broken off goes on when the same command is
    given again; a file taken twice changes nothing. Exits 10 where rows were refused.
    """
    rows = list(_read(file))
    beside = fates or file.with_name(file.name + ".fates.csv")
    if beside.resolve() == file.resolve():
        raise click.UsageError("--fates must name a file of its own")
    with ready_application(database, config_file) as app:
        taken = list(_taken(app, rows, file.name, dry_run))
    shown = ([str(t.line), t.reference, t.outcome, t.fate, t.reason, " ".join(map(str, t.tasks))] for t in taken)
    _write(
        beside,
        ("line", "reference", "outcome", "fate", "reason", "tasks"),
        ([plain_cell(c) for c in row] for row in shown),
    )
    counts = Counter(one.fate for one in taken)
    if as_json:
        echo_json(
            {"dry_run": dry_run, "fates": counts, "fates_file": str(beside), "rows": [asdict(one) for one in taken]}
        )
    else:
        click.echo(f"{len(taken)} rows{' (dry run, nothing was changed)' if dry_run else ''}")
        for fate, n in counts.most_common():
            click.echo(f"  {n:>8}  {fate}: {FATES[fate]}")
        click.echo(f"each row's fate: {beside}")
    if counts[Fate.REFUSED]:
        sys.exit(10)


def _taken(app: App, rows: list[TraceRow], source: str, dry_run: bool) -> Iterator[Taken]:
    shown = sys.stderr.isatty()
    for done, chunk in enumerate(_chunks(rows), 1):
        yield from app.trace_import.take(OPERATOR, chunk, source, dry_run=dry_run)
        if shown:
            click.echo(f"\r{min(done * ROWS_AT_ONCE, len(rows))} of {len(rows)} rows", err=True, nl=False)
    if shown:
        click.echo("", err=True)


def _chunks(rows: list[TraceRow]) -> Iterator[list[TraceRow]]:
    for start in range(0, len(rows), ROWS_AT_ONCE):
        yield rows[start : start + ROWS_AT_ONCE]


def _read(file: Path) -> Iterator[TraceRow]:
    """The rows of an answer; a torn line is a row whose reference is empty, so that its fate is reported too."""
    encoding = survey(file).encoding
    with file.open(encoding=encoding, errors="replace", newline=None) as stream:
        lines = CsvLines(stream)
        header = [name.strip().lower().lstrip("\ufeff") for name in lines.header]
        missing = [name for name in NEEDED if name not in header]
        if missing:
            raise BadInput(f"{file.name} has no column {' and no column '.join(missing)}", code="columns")
        for split in lines.records():
            cells: dict[str, Any] = {} if split.fault else dict(zip(header, split.fields, strict=True))
            value = {name: cells.get(name, "").strip().lstrip("'") for name in (*NEEDED, "nhs_number")}
            yield TraceRow(split.line, value["reference"], value["outcome"], value["nhs_number"])


@trace.command(epilog="Example: mpi trace forget 9990000018 --reason 'the service took it back'")
@click.argument("number")
@click.option("--reason", required=True, help="Why, for the audit trail.")
@database_options
def forget(number: str, reason: str, database: str | None, config_file: str | None) -> None:
    """Let a superseded NUMBER stand for itself again: take back what tracing said of it."""
    with ready_application(database, config_file) as app:
        touched = app.trace_import.restore(OPERATOR, normalise(number), reason)
    click.echo(f"the number stands for itself again; {touched} records were looked at anew")
