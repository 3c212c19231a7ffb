"""Which system is told what: changes of identities turned into notifications, in the order of the audit trail.

The changes themselves are in the audit trail, written in the transaction that made them. Here they are read, and
where what a person is known by in a subscriber's domains is not what it was told last, a notification is stored.
That is done by whoever sends (`mpi.services.courier`), never by the feed: it costs a message nothing.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mpi.config import Config, Subscriber
from mpi.domain.audit import SYSTEM, Action, Actor, AuditEvent
from mpi.domain.errors import Conflict, NotFound
from mpi.services.identity import person_of
from mpi.services.protected import is_hidden
from mpi.store.clock import stamp
from mpi.store.crosswalk import CrosswalkRow
from mpi.store.outbox import (
    DEAD,
    SILENT,
    SUPERSEDED,
    WAITING,
    Change,
    Name,
    NewNotification,
    StoredNotification,
    StoredSubscriber,
    Told,
)
from mpi.store.records import ACTIVE
from mpi.store.unit_of_work import Store, UnitOfWork

AT_ONCE = 500
"""Changes that are looked at in one step."""
MOST_COUNTED = 10_000
MOST_LISTED = 1000
KEPT_DAYS = 30
"""So long a notification that was sent can be looked up; the audit trail keeps that it was sent."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """How it stands with one subscriber. `behind`: changes not looked at yet, counted up to 10,000."""

    name: str
    configured: bool
    waiting: int
    given_up: int
    behind: int
    oldest_seconds: float
    """Age of the oldest change that it should know of and does not; 0 when it knows all."""
    failures: int
    """Rounds in a row in which nothing was taken."""
    problem: str | None
    last_sent_at: str | None
    sent_by: str | None

    def in_words(self) -> str:
        """The same for people: `ok`, or what is the matter."""
        faults = [self.problem] if self.problem else []
        if self.waiting or self.behind:
            faults.append(f"{self.waiting} waiting, oldest {self.oldest_seconds:.0f} s")
        if self.given_up:
            faults.append(f"{self.given_up} given up")
        return "; ".join(faults) or "ok"


class Outbox:
    """The notifications: made, listed, tried again."""

    def __init__(self, store: Store, config: Config) -> None:
        self._store = store
        self._config = config

    def enrol(self) -> None:
        """Note every subscriber of the configuration, so that nothing from now on is missed."""
        with self._store.reading() as unit:
            known = {one.name for one in unit.outbox.subscribers()}
        new = [one for one in self._config.subscribers if one.name not in known]
        if not new:
            return
        with self._store.writing(identities=False) as unit:
            head = unit.outbox.head()
            for one in new:
                unit.outbox.enrol(one.name, 0 if one.start == "beginning" else head)

    def look(self, subscriber: Subscriber, holder: str) -> int:
        """Turn the next changes into notifications; how many changes there were.

        Raises `Conflict` when somebody else sends to the subscriber now. What is read is one consistent state, at least
        as new as the changes: a change that was taken back meanwhile is not told.
        """
        with self._store.reading() as unit:
            stored = _enrolled(unit, subscriber.name)
            changes = unit.outbox.changes(stored.position, AT_ONCE)
            new = self._new(unit, subscriber, changes)
        if changes:
            with self._store.writing(identities=False) as unit:
                if not unit.outbox.renew(subscriber.name, holder):
                    raise Conflict("somebody else sends to this subscriber")
                # Somebody may have asked meanwhile to begin anew.
                if unit.outbox.advance(subscriber.name, stored.position, changes[-1].seq):
                    unit.outbox.add(subscriber.name, new)
        return len(changes)

    def _new(self, unit: UnitOfWork, subscriber: Subscriber, changes: Sequence[Change]) -> list[NewNotification]:
        touched = persons_of(unit, changes)
        known = known_as(unit, touched)
        before = unit.outbox.latest(subscriber.name, touched)
        new = []
        for person_id, change in touched.items():
            if known[person_id].restricted and not subscriber.restricted:
                continue
            told = _within(known[person_id].told, subscriber.domains)
            if told == (before[person_id].told if person_id in before else Told()):
                continue
            state = WAITING if told.identifiers else SILENT
            new.append(NewNotification(person_id, change.seq, secrets.token_hex(10).upper(), told, state))
        return new

    def withhold(self, subscriber: Subscriber, holder: str, due: Sequence[StoredNotification]) -> set[int]:
        """Withdraw those of `due` of whose person the subscriber may not hear by now; their numbers.

        A person may have become restricted, or an identity left behind, while the subscriber was away. Raises
        `Conflict` when somebody else sends to the subscriber now.
        """
        with self._store.reading() as unit:
            stands = {one.id: unit.persons.survivor(one).id for one in unit.persons.get(_persons(due)).values()}
            known = known_as(unit, {*stands, *stands.values()})
            secret = {person for person, one in known.items() if one.restricted and not subscriber.restricted}
            gone = {person for person, one in known.items() if not one.told.identifiers}
            secret |= {person for person in gone if is_hidden(unit, person)}
        withheld = [one for one in due if {one.person_id, stands[one.person_id]} & secret]
        if withheld:
            with self._store.writing(identities=False) as unit:
                if not unit.outbox.renew(subscriber.name, holder):
                    raise Conflict("somebody else sends to this subscriber")
                for one in withheld:
                    event = _event(one, SYSTEM, Action.NOTIFICATION_GIVEN_UP, withheld=True)
                    unit.outbox.withdraw(one, event=event)
        return {one.id for one in withheld}

    def deliveries(self) -> list[Delivery]:
        """How it stands with every subscriber that is configured or was, by name."""
        configured = {one.name for one in self._config.subscribers}
        with self._store.reading() as unit:
            enrolled = {one.name: one for one in unit.outbox.subscribers()}
            for name in configured - enrolled.keys():
                enrolled[name] = StoredSubscriber(name, 0, None, 0, 0, None, None)
            return [self._delivery(unit, enrolled[name], name in configured) for name in sorted(enrolled)]

    def _delivery(self, unit: UnitOfWork, stored: StoredSubscriber, configured: bool) -> Delivery:
        counts = unit.outbox.counts(stored.name)
        waiting, since = counts.get(WAITING, (0, None))
        first = unit.outbox.changes(stored.position, 1)
        instants = [since] if since else []
        instants += [first[0].at] if first else []
        return Delivery(
            name=stored.name,
            configured=configured,
            waiting=waiting,
            given_up=counts.get(DEAD, (0, ""))[0],
            behind=unit.outbox.count_changes(stored.position, MOST_COUNTED),
            oldest_seconds=max((_age(instant) for instant in instants), default=0.0),
            failures=stored.failures,
            problem=stored.last_problem,
            last_sent_at=stored.last_sent_at,
            sent_by=stored.holder,
        )

    def given_up(self, name: str | None = None) -> list[StoredNotification]:
        """The notifications that were refused too often (at most 1000 of each subscriber), oldest first."""
        with self._store.reading() as unit:
            names = [one.name for one in unit.outbox.subscribers() if name in (None, one.name)]
            return [found for one in names for found in unit.outbox.dead(one, MOST_LISTED)]

    def retry(self, actor: Actor, notification_id: int) -> bool:
        """Let a notification that was given up be sent after all; False when a later one says what is so now.

        Raises `NotFound`, and `Conflict` for one that was not given up.
        """
        with self._store.writing(identities=False) as unit:
            one = _notification(unit, notification_id)
            if one.state != DEAD:
                raise Conflict(f"notification {notification_id} was not given up: it is {one.state}")
            event = _event(one, actor, Action.NOTIFICATION_RETRIED)
            if unit.outbox.has_later(one):
                unit.outbox.finish(one, SUPERSEDED, one.attempts, one.problem, event=event)
                return False
            unit.outbox.again(one, event=event)
            return True

    def give_up(self, actor: Actor, notification_id: int) -> None:
        """Send a waiting notification no more, so that it holds up no other. Raises `NotFound` and `Conflict`."""
        with self._store.writing(identities=False) as unit:
            one = _notification(unit, notification_id)
            if one.state != WAITING:
                raise Conflict(f"notification {notification_id} does not wait: it is {one.state}")
            event = _event(one, actor, Action.NOTIFICATION_GIVEN_UP)
            unit.outbox.finish(one, DEAD, one.attempts, one.problem or "given up by hand", event=event)

    def again(self, actor: Actor, name: str, *, anew: bool = False) -> None:
        """Look at everybody once more and tell a subscriber what differs from what it was told last.

        `anew` forgets what it was told: it hears of everybody. Raises `NotFound` when there is no such subscriber.
        """
        with self._store.writing(identities=False) as unit:
            unit.outbox.advance(name, _enrolled(unit, name).position, 0)
            if anew:
                unit.outbox.forget_all(name)
            detail = {"subscriber": name, "all": True, "anew": anew}
            unit.audit(AuditEvent(actor, Action.NOTIFICATION_RETRIED, detail=detail))

    def forget(self) -> int:
        """Delete what was sent long ago, but the last word about each person; how many went."""
        before = stamp(datetime.now(UTC) - timedelta(days=KEPT_DAYS))
        with self._store.writing(identities=False) as unit:
            return unit.outbox.forget(before)


@dataclass(frozen=True, slots=True)
class KnownAs:
    """The identifiers of a person now. `restricted`: one of the records is."""

    told: Told
    restricted: bool


def persons_of(unit: UnitOfWork, changes: Iterable[Change]) -> dict[int, Change]:
    """The persons that changes are about, each with the last change about it, in the order of these."""
    last: dict[int, Change] = {}
    for change in changes:
        people = {change.person_id}
        if change.person_id is None and change.record_id is not None:
            people = {person_of(unit, change.record_id)}
        if change.left is not None:
            people.add(person_of(unit, change.left))
        for person_id in sorted(one for one in people if one is not None):
            last.pop(person_id, None)
            last[person_id] = change
    return last


def known_as(unit: UnitOfWork, person_ids: Iterable[int]) -> dict[int, KnownAs]:
    """What persons are known by now: nothing where all their records went to somebody else."""
    wanted = list(person_ids)
    rows: dict[int, list[CrosswalkRow]] = {person_id: [] for person_id in wanted}
    for row in unit.crosswalks.of_persons(wanted):
        rows[row.person_id].append(row)
    return {person_id: _known(found) for person_id, found in rows.items()}


def _known(rows: Sequence[CrosswalkRow]) -> KnownAs:
    numbers = {(row.authority, row.local_id) for row in rows if row.status == ACTIVE}
    numbers |= {(row.number_authority, row.value) for row in rows if row.number_authority and row.value}
    merged = {(row.authority, row.local_id) for row in rows} - numbers
    return KnownAs(Told(tuple(sorted(numbers)), tuple(sorted(merged))), any(row.restricted for row in rows))


def _within(told: Told, domains: Iterable[str]) -> Told:
    """What of it lies in some domains."""
    wanted = set(domains)

    def chosen(names: Iterable[Name]) -> tuple[Name, ...]:
        return tuple(name for name in names if name[0] in wanted)

    return Told(chosen(told.identifiers), chosen(told.merged))


def _persons(notifications: Iterable[StoredNotification]) -> set[int]:
    return {one.person_id for one in notifications}


def _enrolled(unit: UnitOfWork, name: str) -> StoredSubscriber:
    stored = unit.outbox.subscriber(name)
    if stored is None:
        raise NotFound(f"there is no subscriber {name}")
    return stored


def _notification(unit: UnitOfWork, notification_id: int) -> StoredNotification:
    found = unit.outbox.get(notification_id)
    if found is None:
        raise NotFound(f"there is no notification {notification_id}")
    return found


def _event(one: StoredNotification, actor: Actor, action: Action, **more: object) -> AuditEvent:
    detail: Mapping[str, object] = {"subscriber": one.subscriber, "notification": one.id, **more}
    return AuditEvent(actor, action, person_id=one.person_id, detail=detail)


def _age(instant: str) -> float:
    return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(instant)).total_seconds())
