"""Writes the parts of the documentation that the code knows best; `make docs`. A test fails when they are stale.

Commands come from the command line itself, permissions from the role table, the states of a review task from its
transition table.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from mpi.domain.review import KINDS, TRANSITIONS, TaskState, TaskType
from mpi.domain.roles import PERMISSIONS, REACH, Permission, Role
from mpi.web.words import TASK_QUESTIONS, TASK_TYPES

try:
    from tools import safety_page
except ModuleNotFoundError:  # run as a script: its folder is on the path, the project's is not
    import safety_page

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"
NOTE = "<!-- Written by `make docs` out of the code: change it there. -->\n"


def command_line() -> str:
    """Every command with its help, in the order of `mpi --help`."""
    lines = ["# Command line", "", NOTE]
    lines += ["`mpi` is the program; what its exit codes mean: [exit codes](exit-codes.md).", ""]
    for context in commands():
        help_text = context.command.get_help(context).rstrip()
        lines += [f"## `{context.command_path}`", "", "```text", help_text, "```", ""]
    return "\n".join(lines)


def commands(parent: click.Context | None = None) -> Iterator[click.Context]:
    """The program and everything below it, each as the context that its help is written in."""
    if parent is None:
        from mpi.cli.main import cli

        parent = click.Context(cli, info_name="mpi", terminal_width=100, max_content_width=100, **cli.context_settings)
    yield parent
    if isinstance(parent.command, click.Group):
        for name in parent.command.list_commands(parent):
            command = parent.command.get_command(parent, name)
            if command is not None and not command.hidden:
                # One that was run by itself in this process, as tests do, has kept the help option of that run.
                command._help_option = None
                yield from commands(click.Context(command, info_name=name, parent=parent, **command.context_settings))


def roles() -> str:
    """The table of role x permission."""
    lines = ["# Roles and permissions", "", NOTE]
    lines += [
        "The last column says how far a permission goes for an account or token that is bound to sites: to people with",
        "a record at one of its sites and all that is linked to them, or not at all.",
        "",
    ]
    lines += ["| permission | " + " | ".join(role.value for role in Role) + " | bound to sites |"]
    lines += ["| --- |" + " --- |" * (len(Role) + 1)]
    for permission in Permission:
        row = ("yes" if permission in PERMISSIONS[role] else "" for role in Role)
        lines.append(f"| {permission.value} | " + " | ".join(row) + f" | {REACH[permission].value} |")
    return "\n".join(lines) + "\n"


def review_states() -> str:
    """The states of a review task as a diagram, and the kinds of tasks with what they ask."""
    lines = ["# States of a review task", "", NOTE, "```mermaid", "stateDiagram-v2"]
    lines += [f"    [*] --> {TaskState.OPEN.value}"]
    lines += [f"    {_node(now)} --> {_node(then)}: {step.value}" for (now, step), then in TRANSITIONS.items()]
    lines += [f"    {TaskState.CLOSED.value} --> [*]", "```", ""]
    lines += [
        "`number-reused` answers only a task in which an update waits (`possible-overlay`, `reused-number`). The",
        "answer to these and to `deleted-number` is taken back on the task's page, which opens it again; other",
        "answers change identities, and are [taken back](../how-to/take-a-change-back.md) as such.",
        "",
        "The queue is ordered by risk (9 is the highest), then by whether the question came with a message of the",
        "feed, then by whether a side is restricted, then by when the answer is due.",
        "",
        "| kind | question | risk | due after |",
        "| --- | --- | --- | --- |",
    ]
    lines += [
        f"| `{kind.value}` | {TASK_TYPES[kind]}: {TASK_QUESTIONS[kind]} | {KINDS[kind].risk} | {_days(kind)} |"
        for kind in TaskType
    ] + [""]
    return "\n".join(lines)


def _days(kind: TaskType) -> str:
    days = KINDS[kind].days
    return f"{days} day" if days == 1 else f"{days} days"


def _node(state: TaskState) -> str:
    """A state's name where Mermaid takes no dash."""
    return state.value.replace("-", "_")


PAGES: dict[str, Callable[[], str]] = {
    "command-line.md": command_line,
    "roles.md": roles,
    "review-states.md": review_states,
    "../safety/hazards.md": safety_page.page,
}


def main() -> int:
    """Write the pages that have changed, and say which."""
    for name, page in PAGES.items():
        file = REFERENCE / name
        text = page()
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
            print(f"wrote {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
