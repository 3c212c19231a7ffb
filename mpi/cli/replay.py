"""`mpi replay`."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import click

from mpi.bootstrap import App
from mpi.cli.options import OPERATOR, database_options, echo_json, json_option, ready_application
from mpi.domain.errors import Conflict, MpiError
from mpi.domain.messages import AckCode
from mpi.hl7.adt import receive
from mpi.store.inbox import Choice, StoredMessage

NOT_ALL_EXIT_CODE = 10
_DAYS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]


@click.command(epilog="Example: mpi replay --list; mpi replay 1234; mpi replay --phase apply --dry-run")
@click.argument("ids", type=int, nargs=-1, metavar="[ID]...")
@click.option("--list", "only_list", is_flag=True, help="Show the messages that are chosen, and do nothing.")
@click.option("--phase", help="Only messages that failed in this phase (received, read, register, apply, control-id).")
@click.option("--reason", help="Only messages that failed for this reason, as --list shows it.")
@click.option("--source", metavar="APP|FACILITY", help="Only messages of this sender (MSH-3 and MSH-4).")
@click.option("--since", type=click.DateTime(_DAYS), help="Only messages received since this moment (UTC).")
@click.option("--until", type=click.DateTime(_DAYS), help="Only messages received before this moment (UTC).")
@click.option("--dry-run", is_flag=True, help="Say what would come of each, and change nothing.")
@json_option
@database_options
def replay(
    ids: tuple[int, ...],
    only_list: bool,
    phase: str | None,
    reason: str | None,
    source: str | None,
    since: datetime | None,
    until: datetime | None,
    dry_run: bool,
    as_json: bool,
    database: str | None,
    config_file: str | None,
) -> None:
    """Carry out messages that the inbox has kept, in the order in which they came.

    Without an ID and without a choice the waiting messages are listed: those that failed for a while, and control ids
    that were used twice. A choice by phase, reason, sender or time reaches the messages that were refused (AE) too, for
    when what was wrong in the configuration is mended. Exits 10 when one of them was not accepted now either.
    """
    choosing = any((phase, reason, source, since, until))
    choice = _choice(choosing, phase, reason, source, since, until)
    with ready_application(database, config_file) as app:
        if only_list or not (ids or choosing):
            _list(list(app.inbox.chosen(choice)), as_json)
            return
        chosen = [app.inbox.message(one) for one in ids] if ids else list(app.inbox.chosen(choice))
        results = list(_replayed(app, chosen, dry_run))
    if as_json:
        echo_json(results)
    else:
        for one in results:
            click.echo(f"message {one['id']}: {one['ack'] or 'not replayed'}{_because(one)}")
        note = " (dry run, nothing was changed)" if dry_run else ""
        click.echo(f"{sum(one['ack'] == AckCode.ACCEPTED for one in results)} of {len(results)} accepted{note}")
    if any(one["ack"] != AckCode.ACCEPTED for one in results):
        sys.exit(NOT_ALL_EXIT_CODE)


def _choice(
    refused: bool,
    phase: str | None,
    reason: str | None,
    source: str | None,
    since: datetime | None,
    until: datetime | None,
) -> Choice:
    application = facility = None
    if source is not None:
        application, mark, facility = source.partition("|")
        if not mark:
            raise click.BadParameter(
                "write the sending application and facility as APP|FACILITY", param_hint="--source"
            )
    start, end = (one.replace(tzinfo=UTC).isoformat() if one else None for one in (since, until))
    return Choice(refused, phase, reason, application, facility, start, end)


def _replayed(app: App, chosen: list[StoredMessage], dry_run: bool) -> Iterator[dict[str, Any]]:
    shown = sys.stderr.isatty() and len(chosen) > 1
    for done, message in enumerate(chosen, 1):
        yield _replay(app, message, dry_run)
        if shown:
            click.echo(f"\r{done} of {len(chosen)} messages", err=True, nl=done == len(chosen))


def _because(result: dict[str, Any]) -> str:
    return f" - {'; '.join(result['errors'])}" if result["errors"] else ""


def _replay(app: App, message: StoredMessage, dry_run: bool) -> dict[str, Any]:
    """Read the raw message again, by the configuration of today, and carry it out."""
    try:
        received = receive(message.raw, message.peer, app.config)
        outcome = app.inbox.replay(OPERATOR, message.id, received.inbound, dry_run=dry_run)
    except Conflict as error:
        return {"id": message.id, "ack": None, "errors": [str(error)]}
    except MpiError as error:
        return {"id": message.id, "ack": AckCode.REJECTED.value, "errors": [str(error)]}
    return {"id": message.id, "ack": outcome.ack.value, "errors": [error.text for error in outcome.errors]}


def _list(waiting: list[StoredMessage], as_json: bool) -> None:
    """The chosen messages without their content."""
    shown = [_facts(message) for message in waiting]
    if as_json:
        echo_json(shown)
        return
    if not shown:
        click.echo("no message waits")
        return
    for m in shown:
        sender = f"{m['application']}|{m['facility']}"
        click.echo(
            f"{m['id']:>8}  {m['received_at'][:19]}  {sender:<20} {m['event']:<4} {m['control_id']:<20} "
            f"{m['ack']}  {m['phase'] or ''}: {m['reason'] or ''} (attempts: {m['attempts']})"
        )
    click.echo(f"{len(shown)} wait; replay one by its number: mpi replay {shown[0]['id']}")


def _facts(message: StoredMessage) -> dict[str, Any]:
    hidden = ("raw", "digest", "errors", "record_id", "person_id")
    return {name: value for name, value in message._asdict().items() if name not in hidden}
