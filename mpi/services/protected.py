"""Identities that were left behind: after a new NHS number for a change of gender marker, an adoption, for protection.

The old identity is stored and goes on taking its feed; nothing that users see leads to it, or shows that it has to do
with the new one: no search, page, candidate, task, query, notification or batch. Whoever may look, is in the audit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mpi.config import Config
from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.errors import BadInput, Conflict, NotFound
from mpi.domain.roles import Permission, check_actor
from mpi.domain.text import storable
from mpi.services import identity, numbers
from mpi.services.identity import Cause
from mpi.services.numbers import Known
from mpi.store.audit import AuditLine
from mpi.store.persons import MANUAL, PROTECTED, StoredPerson
from mpi.store.records import ACTIVE, StoredRecord, Values, Version
from mpi.store.unit_of_work import Store, UnitOfWork


@dataclass(frozen=True, slots=True)
class Protection:
    """An identity that is hidden, and those it is kept apart from; `since` and `by` say when and by whom."""

    old: str
    new: tuple[str, ...]
    since: str
    by: str


def is_hidden(unit: UnitOfWork, person_id: int) -> bool:
    """Whether a person is an identity that was left behind."""
    members = [link.record_id for link in unit.persons.members([person_id])]
    return any(record.protected for record in unit.records.get(members).values())


def check_shown(unit: UnitOfWork, person_id: int) -> None:
    """Raise `NotFound`, as for a person that never was, where the identity was left behind."""
    if is_hidden(unit, person_id):
        raise NotFound("no person has this enterprise id")


def shown_lines(unit: UnitOfWork, person_id: int, lines: Sequence[AuditLine]) -> list[AuditLine]:
    """The lines of a person's history without those that tell of an identity that was left behind.

    Those are about a task that is hidden, about the hidden person, or about keeping somebody apart from it. What was
    done with them in one go stays without its reason, which was written with both in mind.
    """
    if is_hidden(unit, person_id):
        return list(lines)
    tasks = {task for line in lines if (task := line.body.get("task_id")) is not None}
    others = {other for line in lines if (other := _other_record(line)) is not None}
    persons = {person for line in lines if (person := line.body.get("person_id")) not in (None, person_id)}
    tasks = {id_ for id_ in tasks if (task := unit.tasks.get(id_)) is not None and not unit.tasks.is_shown(task)}
    others = {record.id for record in unit.records.get(others).values() if record.protected}
    persons = {one for one in persons if is_hidden(unit, one)}
    hidden = [
        line
        for line in lines
        if line.body.get("task_id") in tasks or line.body.get("person_id") in persons or _other_record(line) in others
    ]
    places, moments = {line.seq for line in hidden}, {(line.at, line.actor) for line in hidden}
    return [
        line._replace(body=line.body | {"reason": None}) if (line.at, line.actor) in moments else line
        for line in lines
        if line.seq not in places
    ]


def _other_record(line: AuditLine) -> int | None:
    detail = line.body.get("detail", {})
    found: int | None = detail.get("other_record", detail.get("other_record_id"))
    return found


def _first_of_now(said: Sequence[Known]) -> int:
    """Where the versions begin that carry the NHS number of today."""
    now = said[-1].prepared.nhs
    place = len(said) - 1
    while place > 0 and said[place - 1].prepared.nhs == now:
        place -= 1
    return place


class Protected:
    """Hides identities and shows them again, and answers whoever may ask about them."""

    def __init__(self, store: Store, config: Config) -> None:
        self._store = store
        self._config = config

    def hide(self, actor: Actor, old: str, new: str, reason: str) -> None:
        """Hide the person `old`, whose new identity is `new` (enterprise ids), and keep the two apart for good.

        Raises `NotAllowed`, `NotFound`, `BadInput` without a reason or for one person twice, and `Conflict` where it
        is hidden already.
        """
        check_actor(actor, Permission.PROTECT)
        reason = storable(reason.strip())
        if not reason:
            raise BadInput("a reason is needed", field="reason")
        with self._store.writing() as unit:
            hidden, shown = self._person(unit, old), self._person(unit, new)
            if hidden.id == shown.id:
                raise BadInput("the two are one person; separate them first", field="new")
            if is_hidden(unit, hidden.id) or is_hidden(unit, shown.id):
                raise Conflict("one of the two is hidden already")
            cause = Cause(actor)
            # Every event is told of the old identity only: nothing in the history of the new one leads back.
            members = [link.record_id for link in unit.persons.members([hidden.id])]
            kept = [link.record_id for link in unit.persons.members([shown.id])]
            standing = list(unit.records.get(members).values())
            for record in [*standing, *unit.records.absorbed(members)]:
                event = cause.event(Action.PROTECTED, person_id=hidden.id, reason=reason)
                unit.records.protect(record, True, identity.keys_of(record), event=event)
            for one in members:
                for other in kept:
                    event = cause.event(Action.PROTECTED, person_id=hidden.id, reason=reason)
                    unit.persons.keep_apart(one, other, actor.name, reason, None, kind=PROTECTED, event=event)

    def hide_past(self, actor: Actor, authority: str, value: str, reason: str) -> None:
        """Hide what a local number said under another NHS number: its hospital wrote a new identity over the old one.

        What was said then becomes a hidden record of its own, with its history. Raises `NotAllowed`, `NotFound`, and
        `BadInput` without a reason or where the number never said anything under another NHS number.
        """
        check_actor(actor, Permission.PROTECT)
        reason = storable(reason.strip())
        if not reason:
            raise BadInput("a reason is needed", field="reason")
        known = self._config.authority(authority)
        with self._store.writing() as unit:
            record = unit.records.find(known.code, storable(value)) if known else None
            if record is None or record.status != ACTIVE or record.protected:
                raise NotFound("the number is not in use here")
            versions = unit.records.versions(record)
            said = [numbers.known(unit, self._config, record.authority, one.recorded) for one in versions]
            first = _first_of_now(said)
            if first == 0:
                raise BadInput("this number never said anything under another NHS number", field="value")
            self._leave(unit, record, versions[first - 1 : first + 1], said[first - 1], Cause(actor), reason)

    def _leave(
        self,
        unit: UnitOfWork,
        record: StoredRecord,
        around: Sequence[Version],
        known: Known,
        cause: Cause,
        reason: str,
    ) -> None:
        """Make a hidden record of what was said up to the first version of `around`; the second is the new identity."""
        last, first = around
        values = Values(
            last.recorded,
            known.prepared.to_json(),
            known.problems,
            (),
            known.prepared.nhs,
            known.prepared.nhs_verified,
            record.restricted,
            last.source,
            last.message_id,
            known.status,
        )
        event = cause.event(Action.PROTECTED, reason=reason)
        name = f"{record.local_id} (left behind {record.version})"
        past = unit.records.create(record.authority, name, values, event=event)
        unit.records.leave_past(record, past, first, event=event)
        unit.tasks.leave_past(record.id, past, first.valid_from, but=record.held_task, event=event)
        identity.new_person(unit, past, cause, MANUAL, reason)
        unit.records.protect(unit.records.get([past])[past], True, (), event=event)
        unit.persons.keep_apart(past, record.id, cause.actor.name, reason, None, kind=PROTECTED, event=event)

    def show_again(self, actor: Actor, old: str, reason: str) -> None:
        """Take the hiding of a person back: it can be found again, and stays apart from what it was kept apart from."""
        check_actor(actor, Permission.PROTECT)
        reason = storable(reason.strip())
        if not reason:
            raise BadInput("a reason is needed", field="reason")
        with self._store.writing() as unit:
            person = self._person(unit, old)
            if not is_hidden(unit, person.id):
                raise Conflict("the person is not hidden")
            cause = Cause(actor)
            members = [link.record_id for link in unit.persons.members([person.id])]
            standing = list(unit.records.get(members).values())
            for record in [*standing, *unit.records.absorbed(members)]:
                event = cause.event(Action.PROTECTION_ENDED, person_id=person.id, reason=reason)
                unit.records.protect(record, False, identity.keys_of(record), event=event)

    def look(self, actor: Actor, enterprise_id: str) -> list[Protection]:
        """The hidden identities that a person left behind, or the one that it is. Each look is in the audit."""
        check_actor(actor, Permission.SEE_PROTECTED)
        with self._store.reading() as unit:
            person = self._person(unit, enterprise_id)
            own = [link.record_id for link in unit.persons.members([person.id])]
            pairs = unit.persons.protections(own)
            both = unit.records.get({record for pair in pairs for record in pair[:2]})
            person_of = {record_id: identity.person_of(unit, record_id) for record_id in both}
            groups: dict[int, list[tuple[int, str, str]]] = {}
            for low, high, since, by in pairs:
                old, new = (low, high) if both[low].protected else (high, low)
                left, kept = person_of[old], person_of[new]
                if left is not None and kept is not None and both[old].protected:
                    groups.setdefault(left, []).append((kept, since, by))
            seen = {person.id, *groups, *(kept for group in groups.values() for kept, _, _ in group)}
            names = {one.id: one.enterprise_id for one in unit.persons.get(seen).values()}
            for one in sorted(seen):
                unit.audit(AuditEvent(actor, Action.PROTECTED_READ, person_id=one if one in groups else None))
        return [
            Protection(names[left], tuple(sorted({names[kept] for kept, _, _ in group})), group[0][1], group[0][2])
            for left, group in groups.items()
        ]

    def _person(self, unit: UnitOfWork, enterprise_id: str) -> StoredPerson:
        found = unit.persons.by_enterprise_id(storable(enterprise_id.strip()))
        if found is None:
            raise NotFound("no person has this enterprise id")
        return unit.persons.survivor(found)
