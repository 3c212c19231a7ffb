"""Sends the notifications of one subscriber: in order, until each is answered, by one process at a time.

Who sends holds the subscriber's row and shows again and again that it lives, by raising the row's `beat`. Another
takes over only when it has seen no beat for a while by its own clock, so that the clocks of machines need not agree.
What is sent is marked afterwards: a courier that dies between sends again, under the same control id.
"""

import contextlib
import logging
import os
import random
import secrets
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Protocol

from mpi.config import Subscriber
from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.errors import Conflict, TemporaryFailure
from mpi.services.outbox import Outbox
from mpi.store.clock import stamp
from mpi.store.outbox import DEAD, SENT, Name, StoredNotification, StoredSubscriber
from mpi.store.unit_of_work import Store, UnitOfWork

_log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
BREATH_SECONDS = 0.01
"""Pause between rounds that had work: whoever takes messages in, in the same process or database, goes first."""
BATCH = 50
"""Notifications taken at once."""
MARK_SECONDS = 0.5
"""What was sent is marked at least so often: after a crash no more than that is sent twice."""
LONGEST_PAUSE = 300.0
REFUSALS_IN_A_ROW = 3
"""A receiver that refuses one after the other is ill itself: it gets a pause, and the rest is not tried out on it."""
_ACTOR = Actor("outbox", "system")


class Reply(StrEnum):
    """How a subscriber answered."""

    TAKEN = "taken"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Answer:
    """A subscriber's answer; `problem` names code and reason of a refusal (`AE 204`), never a value."""

    reply: Reply
    problem: str | None = None


class Line(Protocol):
    """A connection to a subscriber."""

    def send(self, notification: StoredNotification) -> Answer:
        """The answer to one notification. Raises `TemporaryFailure` when none comes."""

    def close(self) -> None:
        """End it."""


Connect = Callable[[Subscriber], Line]
"""Connects to a subscriber; raises `TemporaryFailure` when nobody is there."""


def patience(subscriber: Subscriber) -> float:
    """Seconds without a sign of life after which another courier takes over: longer than one message can take."""
    return max(5.0, 4 * subscriber.timeout)


class Courier:
    """One process's sender to one subscriber. Not for several threads; `run` is a thread's work."""

    def __init__(self, store: Store, outbox: Outbox, subscriber: Subscriber, connect: Connect) -> None:
        self._store = store
        self._outbox = outbox
        self.subscriber = subscriber
        self._connect = connect
        self._me = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._patience = patience(subscriber)
        self._beaten: float | None = None
        self._seen: tuple[str | None, int, float] | None = None
        self._failures = 0
        self._not_before = 0.0
        self._line: Line | None = None

    def run(self, stop: threading.Event) -> None:
        """Send until told to stop; what is being sent is finished and marked first."""
        while not stop.is_set():
            busy = False
            try:
                busy = self.step(stop)
            except TemporaryFailure as error:
                _log.warning("outbox waits for the database", extra={"facts": self._facts(str(error))})
            except Exception:
                _log.exception("outbox failed", extra={"facts": self._facts(None)})
                self._pause("a fault of this software")
            stop.wait(BREATH_SECONDS if busy else POLL_SECONDS)
        self.release()

    def step(self, stop: threading.Event | None = None) -> bool:
        """Look at new changes and send what waits; whether there may be more to do at once."""
        if not self._hold():
            return False
        try:
            looked = self._outbox.look(self.subscriber, self._me)
            return self._send(stop or threading.Event()) or looked > 0
        except Conflict:
            self._beaten = None
            return False
        finally:
            self._hang_up()

    @property
    def holds(self) -> bool:
        """Whether it is this courier that sends to the subscriber."""
        return self._beaten is not None

    def release(self) -> None:
        """Let others send."""
        if self._beaten is None:
            return
        self._beaten = None
        try:
            with self._store.writing(identities=False) as unit:
                unit.outbox.release(self.subscriber.name, self._me)
        except TemporaryFailure:
            _log.warning("outbox could not be released", extra={"facts": self._facts(None)})

    def _hold(self) -> bool:
        """Be the one who sends, and show it in good time; False when somebody else is."""
        now = time.monotonic()
        if self._beaten is not None and now - self._beaten < self._patience / 3:
            return True
        if self._beaten is None and not self._is_free():
            return False
        with self._store.writing(identities=False) as unit:
            if self._beaten is not None:
                held = unit.outbox.renew(self.subscriber.name, self._me)
            else:
                stored = unit.outbox.subscriber(self.subscriber.name)
                held = stored is not None and self._has_died(stored) and unit.outbox.take(stored, self._me)
        self._beaten = now if held else None
        return held

    def _is_free(self) -> bool:
        with self._store.reading() as unit:
            stored = unit.outbox.subscriber(self.subscriber.name)
        if stored is None:
            self._outbox.enrol()
            return True
        return self._has_died(stored)

    def _has_died(self, stored: StoredSubscriber) -> bool:
        """Whether nobody sends to the subscriber, or whoever did gave no sign of life for long enough."""
        if stored.holder in (None, self._me):
            return True
        if self._seen is None or self._seen[:2] != (stored.holder, stored.beat):
            self._seen = (stored.holder, stored.beat, time.monotonic())
            return False
        return time.monotonic() - self._seen[2] > self._patience

    def _send(self, stop: threading.Event) -> bool:
        """One round over what is due; whether anything was sent or refused."""
        if time.monotonic() < self._not_before:
            return False
        blocked, due = self._due()
        if not due:
            return False
        answered: list[tuple[StoredNotification, Answer]] = []
        marked, refusals, moved = time.monotonic(), 0, False
        try:
            for one in due:
                if stop.is_set() or refusals == REFUSALS_IN_A_ROW or not self._hold():
                    break
                if blocked.stop(one):
                    continue
                answer = self._deliver(one)
                answered.append((one, answer))
                refusals = refusals + 1 if answer.reply is Reply.REFUSED else 0
                if answer.reply is Reply.REFUSED:
                    blocked.add(one)
                if time.monotonic() - marked > MARK_SECONDS:
                    moved = self._mark(answered) or moved
                    marked = time.monotonic()
        except TemporaryFailure as error:
            if self._mark(answered, str(error)) or moved:
                self._failures = 0
            self._pause(str(error))
            return False
        moved = self._mark(answered) or moved
        if refusals == REFUSALS_IN_A_ROW:
            self._pause("refuses one after the other")
        else:
            self._failures = 0
        return moved

    def _due(self) -> tuple["_Blocked", list[StoredNotification]]:
        """What can be sent now, and what holds back others."""
        name, after, found = self.subscriber.name, 0, list[StoredNotification]()
        with self._store.reading() as unit:
            blocked = _Blocked(unit.outbox.put_off(name))
            while len(found) < BATCH and (page := unit.outbox.due(name, after, BATCH)):
                found += [one for one in page if not blocked.stop(one)]
                after = page[-1].id
        withheld = self._outbox.withhold(self.subscriber, self._me, found) if found else set()
        return blocked, [one for one in found if one.id not in withheld]

    def _deliver(self, one: StoredNotification) -> Answer:
        """The answer to one notification; many receivers close after each answer, and are called again at once."""
        if self._line is not None:
            try:
                return self._line.send(one)
            except TemporaryFailure:
                self._hang_up()
        self._line = self._connect(self.subscriber)
        return self._line.send(one)

    def _hang_up(self) -> None:
        # A connection kept open between rounds dies unseen behind firewalls; the next message would wait for nothing.
        line, self._line = self._line, None
        if line is not None:
            with contextlib.suppress(OSError):
                line.close()

    def _pause(self, problem: str) -> None:
        """Leave the subscriber alone for a while, longer each time."""
        pause = _growing(self._failures) * random.uniform(0.8, 1.2)  # noqa: S311 - spreads tries, no secret
        self._failures += 1
        self._not_before = time.monotonic() + pause
        level = logging.WARNING if self._failures in (1, 5) else logging.INFO
        _log.log(
            level, "subscriber cannot be told", extra={"facts": {**self._facts(problem), "pause": round(pause, 1)}}
        )

    def _mark(self, answered: list[tuple[StoredNotification, Answer]], missed: str | None = None) -> bool:
        """Write down what was answered, and empty the list; whether there was any.

        Nothing is written when somebody else has taken over: they send the same again and write it down themselves.
        """
        if not answered and missed is None:
            return False
        with self._store.writing(identities=False) as unit:
            if not unit.outbox.renew(self.subscriber.name, self._me):
                raise Conflict("somebody else sends to this subscriber")
            for one, answer in answered:
                self._note(unit, one, answer)
            if any(answer.reply is Reply.TAKEN for _, answer in answered):
                unit.outbox.reached(self.subscriber.name)
            elif answered:
                missed = missed or answered[-1][1].problem
            if missed is not None:
                unit.outbox.missed(self.subscriber.name, missed)
        self._beaten = time.monotonic()
        done = bool(answered)
        answered.clear()
        return done

    def _note(self, unit: UnitOfWork, one: StoredNotification, answer: Answer) -> None:
        attempts = one.attempts + 1
        detail = {
            "subscriber": one.subscriber,
            "notification": one.id,
            "control_id": one.control_id,
            "identifiers": [list(name) for name in one.told.identifiers],
        }
        if answer.reply is Reply.TAKEN:
            event = AuditEvent(_ACTOR, Action.NOTIFIED, person_id=one.person_id, detail=detail)
            unit.outbox.finish(one, SENT, attempts, None, event=event)
        elif attempts >= self.subscriber.refusals:
            detail["problem"] = answer.problem or ""
            event = AuditEvent(_ACTOR, Action.NOTIFICATION_GIVEN_UP, person_id=one.person_id, detail=detail)
            unit.outbox.finish(one, DEAD, attempts, answer.problem, event=event)
            _log.error(
                "notification given up", extra={"facts": {**self._facts(answer.problem), "notification": one.id}}
            )
        else:
            again = datetime.now(UTC) + timedelta(seconds=_growing(attempts))
            unit.outbox.refuse(one, attempts, stamp(again), answer.problem or "refused")

    def _facts(self, problem: str | None) -> dict[str, object]:
        return {"subscriber": self.subscriber.name, "problem": problem}


def _growing(times: int) -> float:
    """Seconds to wait after so many failures: 1, 2, 4 ... up to the longest pause, however many there were."""
    return min(LONGEST_PAUSE, 2.0 ** min(times, 30))


class _Blocked:
    """What may not be told now, because something about the same person or identifier must be told before it."""

    def __init__(self, waiting: Sequence[StoredNotification]) -> None:
        self._persons: dict[int, int] = {}
        self._names: dict[Name, int] = {}
        for one in waiting:
            self.add(one)

    def add(self, one: StoredNotification) -> None:
        """Hold back what comes after `one` and has to do with it."""
        self._persons.setdefault(one.person_id, one.id)
        for name in one.told.identifiers:
            self._names.setdefault(name, one.id)

    def stop(self, one: StoredNotification) -> bool:
        """Whether `one` must wait; then what has to do with it waits too."""
        first = [self._persons.get(one.person_id), *(self._names.get(name) for name in one.told.identifiers)]
        if any(found is not None and found < one.id for found in first):
            self.add(one)
            return True
        return False
