"""`mpi policy`."""

from dataclasses import asdict
from pathlib import Path

import click

from mpi.cli.options import application, database_options, echo_json, json_option, ready_application
from mpi.domain.audit import Actor
from mpi.domain.roles import Role
from mpi.matching.gate_policy import load
from mpi.services.gate import differences

_ASKER = Actor("command line", Role.GATE_OPERATOR.value)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
DIFFERENT, MORE_ATTACHED = 10, 11
"""Exit codes: something is decided otherwise; studies would be attached that the active policy does not attach."""


@click.group(epilog="Example: mpi policy try gate.toml")
def policy() -> None:
    """Look at a gate policy before it is made the active one."""


@policy.command(epilog="Example: mpi policy check gate.toml")
@click.argument("file", type=_FILE)
@json_option
@database_options
def check(file: Path, as_json: bool, database: str | None, config_file: str | None) -> None:
    """Say whether FILE can be used as a gate policy, by its own rules and by the configuration."""
    found = load(file)
    with application(database, config_file) as app:
        app.policy_trials.check(found)
    if as_json:
        echo_json({"version": found.version, "hash": found.hash, "rules": len(found.rules)})
    else:
        click.echo(f"{file}: version {found.version}, {len(found.rules)} rules, hash {found.hash[:12]}: can be used")


@policy.command(epilog="Example: mpi policy diff gate.toml")
@click.argument("file", type=_FILE)
@json_option
@database_options
@click.pass_context
def diff(ctx: click.Context, file: Path, as_json: bool, database: str | None, config_file: str | None) -> None:
    """Show what FILE says otherwise than the active policy. Exits 10 when there is something."""
    found = load(file)
    with application(database, config_file) as app:
        app.policy_trials.check(found)
        active = app.policy_trials.active
    lines = differences(active, found)
    if as_json:
        echo_json({"active": active.version, "policy": found.version, "differences": lines})
    else:
        click.echo(f"active: {active.version} ({active.hash[:12]}); {file}: {found.version} ({found.hash[:12]})")
        for line in lines or ["no difference"]:
            click.echo(f"  {line}")
    ctx.exit(DIFFERENT if lines else 0)


@policy.command(name="try", epilog="Example: mpi policy try gate.toml --most 1000")
@click.argument("file", type=_FILE)
@click.option("--most", type=click.IntRange(1), help="Look at so many studies only.")
@json_option
@database_options
@click.pass_context
def try_(
    ctx: click.Context, file: Path, most: int | None, as_json: bool, database: str | None, config_file: str | None
) -> None:
    """Decide the studies of the past by FILE and by the active policy, on the index as it is now. Nothing is changed.

    Exits 10 when something is decided otherwise, 11 when studies would be attached that are not now.
    """
    found = load(file)
    with ready_application(database, config_file) as app:
        trial = app.policy_trials.try_on_past(_ASKER, found, most)
    if as_json:
        echo_json({"studies": trial.studies, "same": trial.same, "changed": [asdict(one) for one in trial.changed]})
    else:
        click.echo(f"{trial.studies} studies: {trial.same} decided alike")
        for one in trial.changed:
            click.echo(f"  {one.before.value} -> {one.after.value}: {one.count}")
            click.echo(f"    because of {', '.join(f'{rule} ({n})' for rule, n in one.rules)}")
            click.echo(f"    such as {', '.join(one.examples)}")
    ctx.exit(MORE_ATTACHED if trial.attached else DIFFERENT if trial.changed else 0)
