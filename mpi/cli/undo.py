"""`mpi undo`."""

from dataclasses import asdict

import click

from mpi.cli.effects import DECIDER, print_change, print_effect
from mpi.cli.options import database_options, echo_json, json_option, ready_application


@click.command(epilog='Example: mpi undo --of RXX 123456; mpi undo 42 --dry-run; mpi undo 42 --reason "two people"')
@click.argument("change", type=int, required=False)
@click.option("--of", "number", nargs=2, metavar="AUTHORITY VALUE", help="List the changes of a number's person.")
@click.option("--reason", default="", help="Why the change is taken back; kept for good.")
@click.option("--dry-run", is_flag=True, help="Show what it would touch, and do nothing.")
@click.option(
    "--keep-apart/--exactly",
    default=None,
    help="Mark those it had put together as different people, or do not [the first, where no human had decided].",
)
@json_option
@database_options
def undo(
    change: int | None,
    number: tuple[str, str] | None,
    reason: str,
    dry_run: bool,
    keep_apart: bool | None,
    as_json: bool,
    database: str | None,
    config_file: str | None,
) -> None:
    """Take CHANGE back: a link, a merge, an answer of a reviewer, or an undo. What has come since stays."""
    if (change is None) == (number is None):
        raise click.UsageError("give the number of a change, or --of AUTHORITY VALUE to list them")
    with ready_application(database, config_file) as app:
        if number is not None:
            changes = app.undo.changes(DECIDER, *number)
            if as_json:
                echo_json([asdict(one) for one in changes])
            for one in () if as_json else changes:
                print_change(one)
            return
        wanted = change or 0
        if dry_run:
            effect, undo_id = app.undo.preview(DECIDER, wanted, keep_apart=keep_apart), None
        else:
            done = app.undo.do(DECIDER, wanted, reason, keep_apart=keep_apart)
            effect, undo_id = done.effect, done.change_id
    if as_json:
        echo_json({"change": undo_id, "effect": asdict(effect)})
        return
    click.echo(f"change {wanted} would be taken back" if undo_id is None else f"taken back by change {undo_id}")
    print_effect(effect)
