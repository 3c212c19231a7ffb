"""What is left of an answer that goes out in pages: kept for a while, for the one who asked, and for that question.

In memory and bounded: after a restart, or after `seconds`, the pointer leads nowhere and the asker asks afresh.
"""

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

MOST_OPEN = 200
SECONDS = 900.0


class Hit(NamedTuple):
    """A candidate of a search: the person, its best matching record, the confidence in percent."""

    person_id: int
    record_id: int
    confidence: float


@dataclass(slots=True)
class _Open:
    asker: str
    tag: str
    question: str
    hits: tuple[Hit, ...]
    until: float
    given: set[int] = field(default_factory=set)


class Continuations:
    """Answers that have more pages. Thread-safe."""

    def __init__(
        self, *, most: int = MOST_OPEN, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._open: OrderedDict[str, _Open] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many answers are kept."""
        return len(self._open)

    def begin(self, asker: str, tag: str, question: str, hits: tuple[Hit, ...], offset: int) -> str:
        """Keep an answer; the pointer to what begins at `offset`. The oldest make room for it."""
        token = secrets.token_hex(12)
        with self._lock:
            self._drop_old()
            while len(self._open) >= self._most:
                self._open.popitem(last=False)
            self._open[token] = _Open(asker, tag, question, hits, self._clock() + self._seconds, {offset})
        return f"{token}-{offset}"

    def at(self, asker: str, question: str, pointer: str) -> tuple[tuple[Hit, ...], int] | None:
        """The whole answer and where the pointer stands in it; None when it was never given so, or is too old.

        The same pointer may be used again: an answer can be lost on its way.
        """
        token, _, number = pointer.partition("-")
        with self._lock:
            self._drop_old()
            found = self._open.get(token)
            if found is None or (found.asker, found.question) != (asker, question):
                return None
            if not (number.isascii() and number.isdigit()) or int(number) not in found.given:
                return None
            return found.hits, int(number)

    def further(self, pointer: str, offset: int) -> str:
        """The pointer to a later page of the answer that `pointer` leads to."""
        token = pointer.partition("-")[0]
        with self._lock:
            if found := self._open.get(token):
                found.given.add(offset)
        return f"{token}-{offset}"

    def forget(self, asker: str, tag: str) -> None:
        """Drop the asker's answers to queries with this tag."""
        with self._lock:
            for token in [t for t, one in self._open.items() if (one.asker, one.tag) == (asker, tag)]:
                del self._open[token]

    def _drop_old(self) -> None:
        now = self._clock()
        for token in [t for t, one in self._open.items() if one.until <= now]:
            del self._open[token]
