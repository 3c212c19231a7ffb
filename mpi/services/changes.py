"""The feed of changes for those who ask: whose identifiers have changed, and what they are now."""

from collections.abc import Sequence
from dataclasses import dataclass

from mpi.config import Config
from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.errors import BadInput, Conflict
from mpi.domain.roles import Permission, check_actor
from mpi.services.outbox import KnownAs, known_as, persons_of
from mpi.services.protected import is_hidden
from mpi.store.outbox import Change, Told
from mpi.store.persons import StoredPerson
from mpi.store.unit_of_work import Store, UnitOfWork

MOST = 1000
_NAMED = frozenset(
    {
        Action.LINKED,
        Action.UNLINKED,
        Action.RECORD_UPDATED,
        Action.RECORD_MERGED,
        Action.PERSON_MERGED,
        Action.RECORD_REVIVED,
    }
)
"""Events that are told by their name; what else makes a change is nobody's business."""


@dataclass(frozen=True, slots=True)
class ChangedIdentifier:
    """One identifier of a person; `status` is `active`, or `merged` for a number that leads to another of theirs."""

    authority: str
    value: str
    kind: str
    status: str


@dataclass(frozen=True, slots=True)
class ChangedPerson:
    """A person whose identifiers changed, and what they are now.

    `cursor` stands for the last change about the person that this answer counts; ask for what follows it.
    `replaced_by` is the person that stands for this one now, None while it stands itself. `identifiers` is None for a
    restricted person: which sites know them is told to nobody who did not ask about them.
    """

    cursor: int
    at: str
    event: str
    person: str
    replaced_by: str | None
    restricted: bool
    identifiers: tuple[ChangedIdentifier, ...] | None


class Changes:
    """Reads the feed."""

    def __init__(self, store: Store, config: Config) -> None:
        self._store = store
        self._config = config

    def read(self, actor: Actor, after: int, limit: int) -> list[ChangedPerson]:
        """The persons that the next `limit` changes after cursor `after` are about, each once, in order of cursor.

        Raises `NotAllowed` by role, `BadInput`, and `Conflict` for a cursor that this index never gave.
        """
        check_actor(actor, Permission.READ_CHANGES)
        if after < 0 or not 1 <= limit <= MOST:
            raise BadInput(f"after must not be below 0, limit must be 1 to {MOST}", field="limit")
        with self._store.reading() as unit:
            if after > unit.outbox.head():
                raise Conflict("this cursor lies ahead of the index, which was restored perhaps; begin again at 0")
            found: list[ChangedPerson] = []
            # Where all that a page is about is hidden, the next one is looked at: no line would read as nothing new.
            while not found and (changes := unit.outbox.changes(after, limit)):
                found = self._page(unit, changes)
                after = changes[-1].seq
            detail = {"to": after, "persons": [one.person for one in found]}
            unit.audit(AuditEvent(actor, Action.CHANGES_READ, detail=detail))
        return found

    def _page(self, unit: UnitOfWork, changes: Sequence[Change]) -> list[ChangedPerson]:
        touched = persons_of(unit, changes)
        known = known_as(unit, touched)
        rows = unit.persons.get(touched)
        hiding = persons_of(unit, [change for change in changes if change.action == Action.PROTECTED])
        goes = {p for p, change in hiding.items() if rows[p].created_at < change.at}
        lines = (self._line(unit, rows[p], change, known[p], goes=p in goes) for p, change in touched.items())
        return [line for line in lines if line is not None]

    def _line(
        self, unit: UnitOfWork, person: StoredPerson, change: Change, known: KnownAs, *, goes: bool
    ) -> ChangedPerson | None:
        """What is told of a person; None for an identity that was left behind, unless it `goes` from sight now."""
        survivor = unit.persons.survivor(person)
        gone = not known.told.identifiers and is_hidden(unit, survivor.id)
        if gone and not goes:
            return None
        return ChangedPerson(
            cursor=change.seq,
            at=change.at,
            event=change.action if change.action in _NAMED and not gone else "changed",
            person=person.enterprise_id,
            replaced_by=survivor.enterprise_id if survivor.id != person.id and not gone else None,
            restricted=known.restricted,
            identifiers=None if known.restricted else self._identifiers(known.told),
        )

    def _identifiers(self, told: Told) -> tuple[ChangedIdentifier, ...]:
        named = [(name, "active") for name in told.identifiers] + [(name, "merged") for name in told.merged]
        return tuple(ChangedIdentifier(*name, self._kind(name[0]), status) for name, status in sorted(named))

    def _kind(self, authority: str) -> str:
        known = self._config.authority(authority)
        return "national" if known is not None and known.kind == "national" else "local"
