"""Live figures of the index, and whether it is well. No patient values."""

from dataclasses import dataclass
from datetime import UTC, datetime

from mpi.domain.errors import MpiError
from mpi.domain.review import TaskState
from mpi.store import schema
from mpi.store.unit_of_work import Store


@dataclass(frozen=True, slots=True)
class Counts:
    """How much there is of what. `messages` by outcome (AA, AE, AR, temporary, conflict); `problems` by source."""

    persons: int
    records: int
    links: dict[str, int]
    tasks_open: int
    tasks_waiting: int
    tasks_by_type: dict[str, int]
    messages: dict[str, int]
    problems: list[tuple[str, str, str, int]]
    latest_message: str | None


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the index can do its work, and each check by name with `ok` or what is wrong."""

    ok: bool
    checks: dict[str, str]


class Overview:
    """Counts and health."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def counts(self) -> Counts:
        """The figures now."""
        with self._store.reading() as unit:
            tasks = unit.tasks.counts()
            messages: dict[str, int] = {}
            for (state, ack), n in unit.inbox.counts().items():
                key = ack if state == "final" else state
                messages[key] = messages.get(key, 0) + n
            by_type: dict[str, int] = {}
            for (state_, type_), n in tasks.items():
                if state_ is not TaskState.CLOSED:
                    by_type[type_.value] = by_type.get(type_.value, 0) + n
            return Counts(
                persons=unit.persons.count(),
                records=unit.records.count(),
                links=unit.persons.count_links(),
                tasks_open=sum(n for (s, _), n in tasks.items() if s is TaskState.OPEN),
                tasks_waiting=sum(n for (s, _), n in tasks.items() if s is TaskState.WAITING),
                tasks_by_type=by_type,
                messages=messages,
                problems=unit.registry.problems(),
                latest_message=unit.inbox.latest(),
            )

    def health(self) -> Health:
        """Ready means: the database answers, its schema is ours, a writer gets through, the inbox is not stuck."""
        checks: dict[str, str] = {}
        try:
            checks["schema"] = "ok" if schema.is_current(self._store.database) else "run mpi migrate"
            with self._store.reading() as unit:
                stuck = [m for m in unit.inbox.unfinished(100) if m.state == "temporary" and _age(m.finished_at) > 300]
            checks["inbox"] = f"{len(stuck)} messages wait for a repeat or a replay" if len(stuck) >= 100 else "ok"
            with self._store.writing(identities=False):
                checks["database"] = "ok"
        except MpiError as error:
            checks["database"] = str(error)
        return Health(all(text == "ok" for text in checks.values()), checks)


def _age(stamp: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(stamp)).total_seconds()
