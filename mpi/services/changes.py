"""The feed of changes for those who ask: whose identifiers have changed, and what they are now."""

from dataclasses import dataclass

from mpi.config import Config
from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.errors import BadInput, Conflict
from mpi.domain.roles import Permission, check, role_of
from mpi.services.outbox import known_as, persons_of
from mpi.store.outbox import Told
from mpi.store.unit_of_work import Store

MOST = 1000


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
        check(role_of(actor), Permission.READ_CHANGES)
        if after < 0 or not 1 <= limit <= MOST:
            raise BadInput(f"after must not be below 0, limit must be 1 to {MOST}", field="limit")
        with self._store.reading() as unit:
            if after > unit.outbox.head():
                raise Conflict("this cursor lies ahead of the index, which was restored perhaps; begin again at 0")
            touched = persons_of(unit, unit.outbox.changes(after, limit))
            known = known_as(unit, touched)
            rows = unit.persons.get(touched)
            found = []
            for person_id, change in touched.items():
                person = rows[person_id]
                survivor = unit.persons.survivor(person)
                found.append(
                    ChangedPerson(
                        cursor=change.seq,
                        at=change.at,
                        event=change.action,
                        person=person.enterprise_id,
                        replaced_by=survivor.enterprise_id if survivor.id != person.id else None,
                        restricted=known[person_id].restricted,
                        identifiers=None if known[person_id].restricted else self._identifiers(known[person_id].told),
                    )
                )
            persons = [one.person for one in found]
            unit.audit(AuditEvent(actor, Action.CHANGES_READ, detail={"after": after, "persons": persons}))
        return found

    def _identifiers(self, told: Told) -> tuple[ChangedIdentifier, ...]:
        named = [(name, "active") for name in told.identifiers] + [(name, "merged") for name in told.merged]
        return tuple(ChangedIdentifier(*name, self._kind(name[0]), status) for name, status in sorted(named))

    def _kind(self, authority: str) -> str:
        known = self._config.authority(authority)
        return "national" if known is not None and known.kind == "national" else "local"
