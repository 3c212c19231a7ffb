"""`mpi gate`."""

from dataclasses import asdict
from pathlib import Path

import click

from mpi.cli.options import application, database_options, echo_json, json_option
from mpi.dicom.header import header_from_path
from mpi.domain.audit import Actor
from mpi.domain.roles import Role
from mpi.domain.study import GateAnswer, GateDecision, RuleResult

_ASKER = Actor("command line", Role.GATE_OPERATOR.value)
EXIT_CODES = {GateDecision.ATTACH: 0, GateDecision.HOLD: 10, GateDecision.REFUSE: 11}
"""The exit code of a decision; of several studies the highest counts."""
_MARKS = {RuleResult.PASSED: "yes", RuleResult.FAILED: "NO", RuleResult.NOT_APPLICABLE: "-"}


def _say(answer: GateAnswer) -> None:
    click.echo(f"study {answer.study_uid}: {answer.decision.value}")
    if answer.person:
        click.echo(f"  person {answer.person}")
    elif answer.candidates:
        click.echo(f"  it could be {', '.join(answer.candidates)}")
    for rule in answer.rules:
        consequence = f"  [{rule.on_failure.value}]" if rule.result is RuleResult.FAILED else ""
        click.echo(f"  {_MARKS[rule.result]:>3}  {rule.rule}: {rule.reason}{consequence}")
    click.echo(f"  policy {answer.policy_version} ({answer.policy_hash[:12]})")


@click.command(epilog="Example: mpi gate /media/cdrom/DICOMDIR")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@json_option
@database_options
@click.pass_context
def gate(ctx: click.Context, path: Path, as_json: bool, database: str | None, config_file: str | None) -> None:
    """Check the outside studies in PATH (DICOM file, folder or DICOMDIR) against the gate.

    Exits 0 when all may be attached, 10 when one is held, 11 when one is refused. Each check is stored.
    """
    headers = header_from_path(path)
    with application(database, config_file) as app:
        answers = [app.gate.check(_ASKER, header) for header in headers]
    if as_json:
        echo_json([asdict(answer) for answer in answers])
    else:
        for answer in answers:
            _say(answer)
    ctx.exit(max(EXIT_CODES[answer.decision] for answer in answers))
