"""`mpi`: the program. It starts the doors; each command's options are read in its own module."""

import importlib
import sys
from collections.abc import Mapping

import click

from mpi import __version__
from mpi.config import InvalidConfiguration
from mpi.domain.errors import MpiError

COMMANDS: Mapping[str, tuple[str, str]] = {
    "migrate": ("mpi.cli.migrate", "Create the database or bring it up to date."),
    "listen": ("mpi.cli.listen", "Take HL7 v2 messages in over MLLP."),
    "work": ("mpi.cli.work", "Tell other systems of changes."),
    "serve": ("mpi.cli.serve", "Serve the web pages and the HTTP interface."),
    "load": ("mpi.cli.load", "Load person records from a file into the index."),
    "match": ("mpi.cli.match", "Show what the records of a file would match; nothing is stored."),
    "crosswalk": ("mpi.cli.crosswalk", "Show the identifiers of the same person."),
    "decide": ("mpi.cli.decide", "Link, unlink, keep apart or merge numbers, or show what that would touch."),
    "undo": ("mpi.cli.undo", "Take a link, a merge or an answer back."),
    "gate": ("mpi.cli.gate", "Check an outside imaging study against the gate."),
    "policy": ("mpi.cli.policy", "Check, compare and try out a gate policy."),
    "dicom": ("mpi.cli.dicom", "Take outside studies over the network and send on what may go on."),
    "dedup": ("mpi.cli.dedup", "Find duplicates within and between files, or over the index."),
    "evaluate": ("mpi.cli.evaluate", "Hold the results of dedup against known truth."),
    "quality": ("mpi.cli.quality", "See how good the index is, from reviewers' verdicts."),
    "explain": ("mpi.cli.explain", "Show how a run of dedup weighs any two of its records."),
    "synth": ("mpi.cli.synth", "Make a synthetic population with known truth."),
    "train": ("mpi.cli.train", "Estimate a linkage model from records, without truth."),
    "model": ("mpi.cli.model", "Take linkage models to other tools and back."),
    "users": ("mpi.cli.users", "Add accounts, set roles, lock accounts, issue tokens."),
    "replay": ("mpi.cli.replay", "Carry out kept messages that failed."),
    "trace": ("mpi.cli.trace", "Exchange files with an NHS number tracing service."),
    "protect": ("mpi.cli.protect", "Hide an identity that its person left behind."),
    "backup": ("mpi.cli.backup", "Save the whole index to a file while it runs."),
    "restore": ("mpi.cli.restore", "Put a saved index into a database."),
    "audit": ("mpi.cli.audit", "Verify the audit trail."),
}
"""Command -> module and one line of help. Modules are imported only when their command runs: `mpi --help` is quick."""


class _Commands(click.Group):
    """A group that imports a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name][0])
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: mpi migrate, then mpi serve and mpi listen. Exit codes: docs/reference/exit-codes.md.",
)
@click.version_option(__version__, prog_name="mpi")
def cli() -> None:
    """Which hospital numbers are one person, and which study may join them."""


def main() -> None:
    """Run the program; errors that a user can mend end in one line and the exit code of their kind."""
    try:
        cli(standalone_mode=False)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.Abort:
        click.echo("stopped", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(2 if isinstance(error, click.UsageError) else error.exit_code)
    except InvalidConfiguration as error:
        click.echo(f"mpi: {error}", err=True)
        sys.exit(3)
    except MpiError as error:
        click.echo(f"mpi: {error}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
