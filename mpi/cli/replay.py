"""`mpi replay`."""

import sys
from typing import Any

import click

from mpi.bootstrap import App
from mpi.cli.options import OPERATOR, database_options, echo_json, json_option, ready_application
from mpi.domain.errors import Conflict, MpiError
from mpi.domain.messages import AckCode
from mpi.hl7.adt import receive
from mpi.store.inbox import StoredMessage

NOT_ALL_EXIT_CODE = 10


@click.command(epilog="Example: mpi replay --list; mpi replay 1234; mpi replay --phase apply")
@click.argument("ids", type=int, nargs=-1, metavar="[ID]...")
@click.option("--list", "only_list", is_flag=True, help="Show the messages that wait, and do nothing.")
@click.option("--phase", help="Only messages that failed in this phase (received, apply, control-id).")
@click.option("--reason", help="Only messages that failed for this reason.")
@json_option
@database_options
def replay(
    ids: tuple[int, ...],
    only_list: bool,
    phase: str | None,
    reason: str | None,
    as_json: bool,
    database: str | None,
    config_file: str | None,
) -> None:
    """Carry out messages that the inbox has kept: those that failed for a while, and control ids that were used twice.

    Without an ID and without --phase or --reason the waiting messages are listed. A message that was refused (AE)
    can be replayed by its ID, once what was wrong in the configuration is mended. Exits 10 when one of them was
    not accepted now either.
    """
    with ready_application(database, config_file) as app:
        waiting = [m for m in app.inbox.unfinished() if phase in (None, m.phase) and reason in (None, m.reason)]
        if only_list or not (ids or phase or reason):
            _list(waiting, as_json)
            return
        chosen = [app.inbox.message(one) for one in ids] if ids else waiting
        results = [_replay(app, message) for message in chosen]
    if as_json:
        echo_json(results)
    else:
        for one in results:
            click.echo(f"message {one['id']}: {one['ack'] or 'not replayed'}{_because(one)}")
        click.echo(f"{sum(one['ack'] == AckCode.ACCEPTED for one in results)} of {len(results)} accepted")
    if any(one["ack"] != AckCode.ACCEPTED for one in results):
        sys.exit(NOT_ALL_EXIT_CODE)


def _because(result: dict[str, Any]) -> str:
    return f" - {'; '.join(result['errors'])}" if result["errors"] else ""


def _replay(app: App, message: StoredMessage) -> dict[str, Any]:
    """Read the raw message again, by the configuration of today, and carry it out."""
    try:
        received = receive(message.raw, message.peer, app.config)
        outcome = app.inbox.replay(OPERATOR, message.id, received.inbound)
    except Conflict as error:
        return {"id": message.id, "ack": None, "errors": [str(error)]}
    except MpiError as error:
        return {"id": message.id, "ack": AckCode.REJECTED.value, "errors": [str(error)]}
    return {"id": message.id, "ack": outcome.ack.value, "errors": [error.text for error in outcome.errors]}


def _list(waiting: list[StoredMessage], as_json: bool) -> None:
    """The waiting messages without their content."""
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
