"""`mpi decide`."""

from dataclasses import asdict

import click

from mpi.cli.effects import DECIDER, print_effect
from mpi.cli.options import database_options, echo_json, json_option, ready_application
from mpi.domain.person import Identifier
from mpi.services.decisions import Decision, Operation

_ONE, _BOTH = 2, 4


@click.command(
    epilog='Example: mpi decide link RXX 123456 RYY 77 --dry-run; mpi decide unlink RXX 123456 --reason "..."'
)
@click.argument("operation", type=click.Choice([one.value for one in Operation]))
@click.argument("numbers", nargs=-1, required=True, metavar="AUTHORITY VALUE [AUTHORITY VALUE]")
@click.option("--reason", default="", help="Why; kept for good.")
@click.option("--dry-run", is_flag=True, help="Show what it would touch, and do nothing.")
@json_option
@database_options
def decide(
    operation: str,
    numbers: tuple[str, ...],
    reason: str,
    dry_run: bool,
    as_json: bool,
    database: str | None,
    config_file: str | None,
) -> None:
    """Decide who is one person: link two numbers, unlink one from its person, keep two apart, or merge the first.

    `merge` says that the first number is no longer used and is the second one now. Each can be taken back with
    `mpi undo`, and no update, run or model changes it.
    """
    decision = _decision(Operation(operation), numbers)
    with ready_application(database, config_file) as app:
        if dry_run:
            effect, change = app.decisions.preview(DECIDER, decision), None
        else:
            done = app.decisions.do(DECIDER, decision, reason)
            effect, change = done.effect, done.change_id
    if as_json:
        echo_json({"change": change, "effect": asdict(effect)})
        return
    click.echo(f"{operation}: nothing was done" if change is None else f"{operation}: change {change}")
    print_effect(effect)


def _decision(operation: Operation, numbers: tuple[str, ...]) -> Decision:
    if len(numbers) != (_ONE if operation is Operation.UNLINK else _BOTH):
        wanted = "one number" if operation is Operation.UNLINK else "two numbers"
        raise click.UsageError(f"{operation.value} takes {wanted}, each with its authority")
    one = Identifier(numbers[0], numbers[1])
    return Decision(operation, one, Identifier(numbers[2], numbers[3]) if len(numbers) == _BOTH else None)
