"""Where queries are answered: look-ups of numbers and searches for people each on threads of their own.

Queries that wait at one moment are answered together, so that their audit shares one flush of the disk; a search
that takes long keeps no look-up waiting.
"""

import logging
import time
from collections.abc import Callable, Sequence

from mpi.config import Config
from mpi.domain.messages import AckCode
from mpi.domain.queries import IdentifierAnswer, IdentifierQuery, PersonAnswer, PersonQuery, PersonRefusal
from mpi.hl7 import query_answer
from mpi.hl7.committer import Committer
from mpi.hl7.query import Asked, Cancel, read_query

log = logging.getLogger(__name__)

Identifiers = Callable[[Sequence[IdentifierQuery]], Sequence[IdentifierAnswer | None]]
Persons = Callable[[Sequence[PersonQuery]], Sequence[PersonAnswer | PersonRefusal | None]]
Forget = Callable[[str, str], None]
"""Asker and query tag: no more pages of it will be asked for."""

LOOKUPS_AT_ONCE = 3
"""Threads: a query that comes while others wait for the disk is looked up meanwhile, and shares the next flush."""
SEARCHES_AT_ONCE = 8


class Desk:
    """Answers queries by the services it is given. Start and stop it in the loop that asks."""

    def __init__(self, config: Config, identifiers: Identifiers, persons: Persons, forget: Forget) -> None:
        self._config = config
        self._lookups = Committer(identifiers, None, name="lookups", threads=LOOKUPS_AT_ONCE)
        self._searches = Committer(persons, None, name="searches", max_batch=SEARCHES_AT_ONCE)
        self._forget = forget

    def start(self) -> None:
        """Start both threads."""
        self._lookups.start()
        self._searches.start()

    async def stop(self) -> None:
        """Finish what was asked, then end the threads."""
        await self._lookups.stop()
        await self._searches.stop()

    async def answer(self, raw: bytes, peer: str) -> list[bytes]:
        """The answers to a query, once its audit is durable: in enhanced mode the accept acknowledgement goes first.

        Nothing in the bytes makes it raise.
        """
        started = time.perf_counter()
        asked = Asked(None, "ascii")
        try:
            asked = read_query(raw, self._config)
            answer = await self._answer(asked)
        except Exception:
            log.exception("query failed", extra={"facts": {"peer": peer, "bytes": len(raw)}})
            answer = query_answer.failure(asked)
        _log(asked, peer, (time.perf_counter() - started) * 1000)
        return [*query_answer.accepted(asked), answer]

    async def _answer(self, asked: Asked) -> bytes:
        query = asked.query
        match query:
            case None:
                return query_answer.refusal(asked)
            case Cancel(asker, tag):
                self._forget(asker.name, tag)
                return query_answer.cancelled(asked)
            case IdentifierQuery():
                numbers = await self._lookups.submit(query)
                if numbers is not None:
                    return query_answer.identifiers(asked, numbers, self._config)
            case PersonQuery():
                people = await self._searches.submit(query)
                if people is not None:
                    return query_answer.persons(asked, people, self._config)
        return query_answer.failure(asked)


def _log(asked: Asked, peer: str, total_ms: float) -> None:
    """One line a query: who, which, how long; nothing about the patient."""
    header = asked.header
    facts = {
        "peer": peer,
        "application": header.filled(3) if header else "",
        "facility": header.filled(4) if header else "",
        "control_id": header.filled(10) if header else "",
        "trigger": asked.event,
        "codes": [int(error.code) for error in asked.errors],
        "total_ms": round(total_ms, 3),
    }
    refused = bool(asked.errors) and asked.ack != AckCode.ACCEPTED
    log.log(logging.WARNING if refused else logging.INFO, "query", extra={"facts": facts})
