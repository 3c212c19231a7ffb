"""`mpi match`."""

import json
from pathlib import Path
from typing import Any

import click

from mpi.bootstrap import App
from mpi.cli.options import database_options, json_option, ready_application
from mpi.cli.person_files import ProblemList, read_map, say_notes
from mpi.domain.audit import Actor
from mpi.domain.file_row import FileRow
from mpi.domain.person import Demographics, SourceRecord
from mpi.domain.roles import Role
from mpi.files.person_file import Records, open_person_file
from mpi.services.match import MatchCandidate

_ASKER = Actor("command line", Role.SERVICE.value)


@click.command(epilog="Example: mpi match extract.csv --authority RXX")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--authority", metavar="CODE", help="Whose record ids these are; needed only to tell test data by.")
@click.option("--columns", metavar="MAP.toml", type=click.Path(path_type=Path), help="Which header holds what.")
@json_option
@database_options
def match(
    file: Path,
    authority: str | None,
    columns: Path | None,
    as_json: bool,
    database: str | None,
    config_file: str | None,
) -> None:
    """Show what the records of FILE (CSV or Parquet) would match in the index; nothing is stored.

    One line for each record: its id, what loading it would do (link, review, apart), and the best candidate with its
    weight in bits. With --json one object a line, with every candidate and its evidence.
    """
    opened = open_person_file(file, read_map(columns))
    problems = ProblemList()
    with ready_application(database, config_file) as app:
        say_notes(opened)
        for row in Records(opened, app.config, authority, any_authority=True):
            if row.record is None:
                _say_fault(row, as_json)
                continue
            found = _answer(app, row.line, row.record, problems)
            click.echo(json.dumps(found, ensure_ascii=False) if as_json else _line(found))
    for line in problems.as_text():
        click.echo(f"note: {line}", err=True)


def _say_fault(row: FileRow, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"line": row.line, "fault": row.fault}))
    else:
        click.echo(f"line {row.line}: not matched: {row.fault}")


def _answer(app: App, line: int, record: SourceRecord, problems: ProblemList) -> dict[str, Any]:
    """What the index says of one record, as it is printed with --json."""
    found = app.matcher.match(_ASKER, Demographics(**record.changes), authority=record.authority or None)
    problems.add((line, problem) for problem in found.problems)
    return {
        "line": line,
        "record_id": record.local_id,
        "outcome": found.outcome.value,
        "compared": found.compared,
        "model": found.model,
        "candidates": [_candidate(one, record) for one in found.candidates],
        "problems": [[p.field, p.problem] for p in found.problems],
    }


def _candidate(one: MatchCandidate, record: SourceRecord) -> dict[str, Any]:
    return {
        "enterprise_id": one.enterprise_id,
        "authority": one.authority,
        "record_id": one.local_id,
        "is_this_record": (one.authority, one.local_id) == (record.authority, record.local_id),
        "weight": round(one.weight, 3),
        "pattern": one.pattern,
        "outcome": one.outcome.value,
        "rule": one.rule.value if one.rule else None,
        "evidence": [{"comparison": e.comparison, "label": e.label, "bits": round(e.bits, 3)} for e in one.evidence],
    }


def _line(found: dict[str, Any]) -> str:
    beginning = f"{found['record_id']:<20} {found['outcome']:<7}"
    if not found["candidates"]:
        return beginning.rstrip()
    best = found["candidates"][0]
    rule = f"  {best['rule']}" if best["rule"] else ""
    more = f"  (+{len(found['candidates']) - 1})" if len(found["candidates"]) > 1 else ""
    same = "  (this record is in the index)" if best["is_this_record"] else ""
    who = f"{best['enterprise_id']}  {best['authority']} {best['record_id']}"
    return f"{beginning} {who}  {best['weight']:+.1f} bits{rule}{more}{same}"
