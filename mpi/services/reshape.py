"""Bringing the index from how it stands to how it should: links, numbers, do-not-links, persons, studies.

Only differences are written, each with its audit event; links get the grounds back that they had.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from mpi.domain.audit import Action, AuditEvent
from mpi.domain.person import NHS, Demographics, Identifier
from mpi.domain.replay import State
from mpi.matching.block import blocking_keys
from mpi.matching.prepare import prepare
from mpi.services import identity, numbers
from mpi.services.identity import Cause
from mpi.services.lives import Lives, unexplained
from mpi.store.persons import MANUAL, Grounds
from mpi.store.records import ACTIVE, DELETED, MERGED, StoredRecord, Values
from mpi.store.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Difference:
    """What is to be done to get from one state to another."""

    moves: tuple[int, ...]
    """Records that go to another person, or leave or enter the use of their number."""
    regrounded: tuple[int, ...]
    """Records that stay, by an older decision."""
    apart_made: tuple[tuple[int, int], ...]
    apart_ended: tuple[tuple[int, int], ...]

    def __bool__(self) -> bool:
        return bool(self.moves or self.regrounded or self.apart_made or self.apart_ended)


def difference(before: State, after: State, leave: Iterable[int] = ()) -> Difference:
    """What `after` changes; records to `leave` stay where they are."""
    left = set(leave)
    moves = unexplained(before, after) - left
    stays = (after.person_of.keys() & before.person_of.keys()) - moves - left
    return Difference(
        tuple(sorted(moves)),
        tuple(sorted(r for r in stays if before.origin.get(r) != after.origin.get(r))),
        tuple(sorted(p for p in after.apart.keys() - before.apart.keys() if not left & set(p))),
        tuple(sorted(p for p in before.apart.keys() - after.apart.keys() if not left & set(p))),
    )


@dataclass(slots=True)
class Reshaper:
    """Carries one difference out inside the caller's unit of work."""

    unit: UnitOfWork
    lives: Lives
    after: State
    cause: Cause
    reason: str
    created: dict[int, int] = field(default_factory=dict)

    def carry_out(self, todo: Difference) -> None:
        """Write every difference."""
        for one, other in todo.apart_ended:
            self.unit.persons.end_keep_apart(
                one, other, self.cause.actor.name, self.reason, event=self._event(Action.KEPT_APART_ENDED)
            )
        left = {p for r in (*todo.moves, *todo.regrounded) if (p := self._leave(r)) is not None}
        self._numbers(todo.moves)
        for record_id in (*todo.moves, *todo.regrounded):
            self._arrive(record_id)
        for one, other in todo.apart_made:
            self.unit.persons.keep_apart(
                one,
                other,
                self.cause.actor.name,
                self.reason,
                self.cause.task_id,
                event=self._event(Action.KEPT_APART),
            )
        self._retire(left)

    def _event(self, action: Action, **more: object) -> AuditEvent:
        return self.cause.event(action, reason=self.reason, **more)

    def _leave(self, record_id: int) -> int | None:
        current = self.unit.persons.current_link(record_id)
        if current is None:
            return None
        identity.unlink(self.unit, current, self.cause, self.reason)
        return current.person_id

    def _arrive(self, record_id: int) -> None:
        wanted = self.after.person_of.get(record_id)
        if wanted is not None:
            grounds = self._grounds(record_id, wanted)
            event = identity.link_event(self.cause, grounds, self.reason)
            self.unit.persons.link(record_id, self._person(wanted), grounds, event=event)
        through = self.after.person_of.get(self.after.survivor(record_id))
        if through is not None:
            self.unit.persons.take_studies(record_id, self._person(through))

    def _person(self, wanted: int) -> int:
        if wanted < 0:
            if wanted not in self.created:
                self.created[wanted] = self.unit.persons.create(event=self._event(Action.PERSON_CREATED))
            return self.created[wanted]
        if self.unit.persons.get([wanted])[wanted].merged_into is not None:
            self.unit.persons.revive(wanted, event=self._event(Action.PERSON_REVIVED))
        return wanted

    def _grounds(self, record_id: int, person: int) -> Grounds:
        """What the link stood on when it was made; a new one stands on this decision."""
        at = self.after.origin.get(record_id)
        rows = [link for link in self.lives.links.get(record_id, ()) if link.valid_from == at]
        for link in sorted(rows, key=lambda found: found.person_id != person):
            if person > 0:
                return link.grounds
        return Grounds(how=MANUAL, made_by=self.cause.actor.name, reason=self.reason, task_id=self.cause.task_id)

    def _numbers(self, record_ids: Iterable[int]) -> None:
        """Let numbers stand again, and then others lead to another one."""
        changed = [r for r in record_ids if self.lives.records[r].merged_into != self._into(r)]
        for record_id in changed:
            if self._into(record_id) is None:
                self._stand_again(self.lives.records[record_id])
                self._give_back(self.lives.records[record_id])
        for record_id in changed:
            into = self.after.merged.get(record_id)
            if into is not None:
                # As it is now: giving back may have changed it since it was gathered.
                record = self.unit.records.get([record_id])[record_id]
                event = self._event(Action.RECORD_MERGED, detail={"survivor": into[0]})
                keys = identity.keys_of(record)
                self.unit.records.set_status(record, MERGED, into[0], keys, event=event, renamed=into[1])
                self._speak_for(record, self.unit.records.get([into[0]])[into[0]])

    def _give_back(self, record: StoredRecord) -> None:
        """Let a number of which nothing was ever said say nothing again: the one merged into it had spoken for it."""
        other = self.unit.records.get([record.merged_into or 0]).get(record.merged_into or 0)
        if other is None or other.status != ACTIVE or other.recorded != record.recorded:
            return
        said = [version.recorded for version in self.unit.records.versions(other)]
        if said[0] == Demographics() and all(one in (said[0], record.recorded) for one in said):
            self._change(other, _nothing(other, self.cause))

    def _speak_for(self, record: StoredRecord, other: StoredRecord) -> None:
        """As in a merge: until something is known of the surviving number, the merged one speaks for the person."""
        if other.status == ACTIVE and other.recorded == Demographics() != record.recorded:
            self._change(other, values_of(record, self.cause))

    def _change(self, record: StoredRecord, values: Values) -> None:
        self.unit.records.change(record, values, identity.keys_of(record), event=self._event(Action.RECORD_UPDATED))

    def _into(self, record_id: int) -> int | None:
        into = self.after.merged.get(record_id)
        return into[0] if into else None

    def _stand_again(self, record: StoredRecord) -> None:
        """A number that was renamed takes over what was said under the other one; a merged one says what it said."""
        other = self.lives.records.get(record.merged_into or 0)
        if other is None or self.after.merged.get(other.id) != (record.id, True):
            earlier = (version.status for version in reversed(self.unit.records.versions(record)))
            if next((status for status in earlier if status != MERGED), ACTIVE) == DELETED:
                self.unit.records.set_status(record, DELETED, None, (), event=self._event(Action.RECORD_DELETED))
                return
            self.unit.records.revive(record, values_of(record, self.cause), event=self._event(Action.RECORD_REVIVED))
            return
        self.unit.records.revive(record, values_of(other, self.cause), event=self._event(Action.RECORD_REVIVED))
        carried = [
            Identifier(row.authority, row.value)
            for row in self.unit.records.identifiers_of([other.id])
            if row.authority != NHS
        ]
        self.unit.records.keep_identifiers(record.id, carried, event=self._event(Action.RECORD_UPDATED))

    def _retire(self, left: Iterable[int]) -> None:
        for person_id in sorted(left):
            if self.unit.persons.members([person_id]):
                continue
            to = self.after.retired.get(person_id)
            if to is None:
                owner = next((r for r, own in self.lives.own.items() if person_id in own), None)
                to = self.after.person_of.get(self.after.survivor(owner)) if owner is not None else None
            while to is not None and not self.unit.persons.members([self._person_id(to)]):
                to = self.after.retired.get(to)
            if to is not None:
                identity.retire(self.unit, person_id, self._person_id(to), self.cause, self.reason)

    def _person_id(self, wanted: int) -> int:
        return self.created.get(wanted, wanted)


def values_of(record: StoredRecord, cause: Cause) -> Values:
    """What a record says, as it is written."""
    prepared = identity.prepared_of(record)
    return Values(
        record.recorded,
        record.prepared,
        record.problems,
        identity.keys_of(record),
        prepared.nhs,
        prepared.nhs_verified,
        record.restricted,
        record.source,
        cause.message_id,
        numbers.status_of(record),
        record.traced,
        record.said_at,
    )


def _nothing(record: StoredRecord, cause: Cause) -> Values:
    """What a record says of which nothing is known."""
    prepared, problems = prepare(Demographics(), allow_test_numbers=False)
    return values_of(record, cause)._replace(
        recorded=Demographics(),
        prepared=prepared.to_json(),
        problems=problems,
        keys=blocking_keys(prepared),
        nhs_number=None,
        nhs_verified=False,
        nhs_status=None,
        traced=None,
    )
