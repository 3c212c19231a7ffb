"""`mpi load`."""

import hashlib
import sys
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mpi.cli.load_messages import is_message_file, load_messages
from mpi.cli.options import OPERATOR, database_options, echo_json, json_option, ready_application
from mpi.cli.person_files import ProblemList, read_map, say_notes
from mpi.files.person_file import PersonFile, Records, open_person_file
from mpi.files.set_aside import SideFile
from mpi.services.load import Chunk, Loaded, LoadJob


class _Report:
    """Follows a load: the progress bar, the rows set aside, the problems."""

    def __init__(self, file: PersonFile, rejected: Path, listed: Path | None, *, show: bool) -> None:
        self.rejected_path = rejected
        self._listed_path = listed
        self._rejected: SideFile | None = None
        self._listed: SideFile | None = None
        self.problems = ProblemList()
        columns = (TextColumn("loading"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]} rows/s"))
        self.bar = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), disable=not show)
        self._task = self.bar.add_task("loading", total=file.expected, rate="")

    def started(self, skipped: int, last_line: int) -> None:
        """Begin, or go on: what an earlier run set aside is kept."""
        self._rejected = SideFile(self.rejected_path, ("line", "reason", "row"), keep_upto=last_line)
        if self._listed_path:
            self._listed = SideFile(self._listed_path, ("line", "field", "problem"), keep_upto=last_line)
        if skipped:
            click.echo(f"note: an earlier run was broken off after line {last_line}; going on from there", err=True)
            self.bar.update(self._task, completed=skipped)

    def done(self, chunk: Chunk) -> None:
        """A chunk is stored."""
        if self._rejected:
            self._rejected.add([(row.line, reason, row.raw) for row, reason in chunk.set_aside])
        if self._listed:
            self._listed.add([(line, problem.field, problem.problem) for line, problem in chunk.problems])
        self.problems.add(chunk.problems)
        speed = self.bar.tasks[self._task].speed
        self.bar.update(self._task, advance=chunk.rows, rate=f"{speed:.0f}" if speed else "")

    def close(self) -> None:
        """Close the files beside the input."""
        for side in (self._rejected, self._listed):
            if side:
                side.close()

    @property
    def set_aside(self) -> Path | None:
        """The file with the rows that could not be stored; None when there are none."""
        return self.rejected_path if self._rejected and self._rejected.written else None


def _say(done: Loaded, report: _Report) -> None:
    click.echo(
        f"{done.rows} rows: {done.created} created, {done.updated} updated, {done.unchanged} unchanged; "
        f"{done.linked} joined a known person; {done.tasks} review tasks; {done.set_aside} set aside"
    )
    if done.held:
        click.echo(f"  {done.held} describe another person than their number did: held for a reviewer, nothing changed")
    for line in report.problems.as_text():
        click.echo(f"  {line}")
    if report.problems.counts:
        click.echo("  These values are kept as recorded and take no part in matching.")
    if report.set_aside:
        click.echo(f"rows set aside, with line and reason: {report.set_aside}")


def _digest(file: PersonFile, column_map: Path | None) -> str:
    """Stands for the bytes of the file and for how they are read: another map makes another run."""
    if column_map is None:
        return file.survey.digest
    return hashlib.sha256(file.survey.digest.encode() + column_map.read_bytes()).hexdigest()


def _refuse_overwriting(file: Path, columns: Path | None, *written: Path | None) -> None:
    """Files that are read must not be named as files to write."""
    sources = {one.resolve() for one in (file, columns) if one}
    targets = [one.resolve() for one in written if one]
    if sources & set(targets) or len(set(targets)) < len(targets):
        raise click.UsageError("--rejected and --problems must name files of their own")


@click.command(epilog="Example: mpi load extract.csv --authority RXX")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--authority", metavar="CODE", help="Who issued the record ids, where the file has no such column.")
@click.option("--columns", metavar="MAP.toml", type=click.Path(path_type=Path), help="Which header holds what.")
@click.option(
    "--rejected", metavar="FILE", type=click.Path(path_type=Path), help="Where rows go that cannot be stored."
)
@click.option(
    "--problems", metavar="FILE", type=click.Path(path_type=Path), help="Also list each unreadable value's line here."
)
@json_option
@database_options
def load(
    file: Path,
    authority: str | None,
    columns: Path | None,
    rejected: Path | None,
    problems: Path | None,
    as_json: bool,
    database: str | None,
    config_file: str | None,
) -> None:
    """Load the person records of FILE (CSV, Parquet, or HL7 v2 messages) into the index.

    A record known by the same authority and record_id is updated. Rows that cannot be stored are set aside in
    FILE.rejected.csv with line and reason, and the run goes on. A run that was broken off goes on where it stood
    when the same command is given again; a file loaded twice changes nothing.

    HL7 v2 messages, in a batch (FHS, BHS) or one after the other, are taken as the listener takes them: from the
    sources that are configured, each kept in the inbox. Those that are not accepted are set aside.
    """
    _refuse_overwriting(file, columns, rejected, problems)
    beside = rejected or file.with_name(file.name + ".rejected.csv")
    if is_message_file(file):
        if authority or columns or problems:
            raise click.UsageError("--authority, --columns and --problems are for files of records, not of messages")
        with ready_application(database, config_file) as app:
            load_messages(app, file, beside, as_json=as_json, show=sys.stderr.isatty())
        return
    opened = open_person_file(file, read_map(columns))
    with ready_application(database, config_file) as app:
        records = Records(opened, app.config, authority)
        say_notes(opened)
        report = _Report(opened, beside, problems, show=sys.stderr.isatty())
        job = LoadJob(file.name, _digest(opened, columns), records.authority or "", OPERATOR)
        with closing(report), report.bar:
            done = app.loader.load(job, records, report)
    if as_json:
        echo_json(
            asdict(done)
            | {
                "problems_by_field": report.problems.as_list(),
                "rejected_file": str(report.set_aside) if report.set_aside else None,
                "notes": opened.notes(),
            }
        )
        return
    _say(done, report)
