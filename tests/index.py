"""An index for tests: the real services on a real database, and short ways to send it messages."""

import itertools
from dataclasses import replace

from mpi.bootstrap import App, build
from mpi.config import NHS_AUTHORITY, Authority, Config, Source
from mpi.domain.audit import Actor
from mpi.domain.messages import Command, Inbound, Merge, MergePair, Outcome, Register
from mpi.domain.person import Identifier, SourceRecord
from mpi.domain.roles import Role
from tests.builders import a_record

_control_ids = itertools.count(1)

REVIEWER = Actor("rita", Role.REVIEWER.value)
SENIOR = Actor("sunil", Role.SENIOR_REVIEWER.value)
MACHINE = Actor("machine", Role.SERVICE.value)


def config_for(url: str) -> Config:
    """Three hospitals and an insurer, all marked as test, on the database at `url`."""
    return Config(
        database_url=url,
        authorities=(
            NHS_AUTHORITY,
            Authority("RXX", "Royal Example Hospital", test=True, oid="2.999.1", aliases=("REH",)),
            Authority("RYY", "Second Example Hospital", test=True),
            Authority("RZZ", "Third Example Hospital", test=True),
            Authority("INS", "Example Insurer", kind="other", test=True),
        ),
        sources=(Source("PAS", "RXX", "RXX", test=True), Source("PAS", "RYY", "RYY", test=True)),
        blind=False,
    )


def open_index(url: str, **policy: object) -> App:
    """The services on a database that has the schema; `policy` changes the configuration."""
    return build(replace(config_for(url), **policy))  # type: ignore[arg-type]


def message(command: Command, control_id: str | None = None, raw: bytes | None = None) -> Inbound:
    """One message with a control id of its own; its bytes stand for its content."""
    return Inbound(
        raw=raw if raw is not None else repr(command).encode(),
        application="PAS",
        facility="RXX",
        control_id=control_id or f"T{next(_control_ids)}",
        event="A40" if isinstance(command, Merge) else "A28",
        peer="test",
        command=command,
    )


def send(app: App, *records: SourceRecord) -> list[Outcome]:
    """Register records, each by a message of its own, in one batch."""
    return app.inbox.process([message(Register(record)) for record in records])


def register(app: App, authority: str, local_id: str, **said: str | None) -> Outcome:
    """Register the invented person of `tests.builders`, changed by what the test says."""
    return send(app, a_record(authority, local_id, **said))[0]


def merge(app: App, subsumed: str, surviving: str, *, authority: str = "RXX", other: str | None = None) -> Outcome:
    """Send an A40: `subsumed` is no longer used, it is `surviving` now."""
    pair = MergePair(Identifier(other or authority, surviving), Identifier(authority, subsumed))
    return app.inbox.process([message(Merge((pair,)))])[0]


def persons_of(app: App, *identifiers: tuple[str, str]) -> list[str]:
    """The enterprise ids behind (authority, local number) pairs, in order."""
    return [app.people.crosswalk(MACHINE, authority, value).enterprise_id for authority, value in identifiers]
