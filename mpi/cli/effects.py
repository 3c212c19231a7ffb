"""How commands print changes of identities and what they touch."""

import click

from mpi.domain.audit import Actor
from mpi.domain.roles import Role
from mpi.services.preview import ChangeView, Effect

DECIDER = Actor("command line", Role.SENIOR_REVIEWER.value)
"""Who decides in a command: whoever may run it on the server."""


def print_effect(effect: Effect) -> None:
    """An effect as a plain list."""
    for moved in effect.identifiers:
        where = f"{moved.from_person or 'no person'} -> {moved.to_person or 'no person'}"
        click.echo(f"  {moved.identifier}: {where}" + (f", {moved.note}" if moved.note else ""))
    for pair in effect.apart:
        words = "are marked as different people" if pair.made else "are no longer marked as different people"
        click.echo(f"  {pair.one} and {pair.other} {words}")
    lines = (
        ("persons for which another stands", effect.persons_gone),
        ("persons that stand again", effect.persons_back),
        ("sites", effect.sites),
        ("review tasks", [f"{task} ({what})" for task, what in effect.tasks]),
        ("attached studies", [f"{study} of {person}" for study, person in effect.studies]),
        ("told of it", effect.subscribers),
    )
    for label, values in lines:
        if values:
            click.echo(f"  {label}: {', '.join(values)}")
    for note in effect.notes:
        click.echo(f"  note: {note}")
    if effect.nothing:
        click.echo("  no identity changes")


def print_change(change: ChangeView) -> None:
    """One change in a line."""
    by = f"{change.made_by} ({change.role})"
    taken = f" [taken back by {change.undone_by}]" if change.undone_by else ""
    click.echo(f"{change.id}  {change.at}  {by}  {change.text}{taken}")
