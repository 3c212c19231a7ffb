"""PIX queries: from one number of a person to the others (IHE ITI-9). Each answer is in the audit before it leaves."""

from collections.abc import Iterable, Sequence

from mpi.config import Config
from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.person import NHS, Identifier
from mpi.domain.queries import Asker, Found, IdentifierAnswer, IdentifierQuery
from mpi.domain.text import storable
from mpi.matching.nhs_number import normalise
from mpi.store.crosswalk import CrosswalkRow
from mpi.store.database import retrying
from mpi.store.records import ACTIVE, DELETED
from mpi.store.unit_of_work import Store, UnitOfWork


class IdentifierQueries:
    """Answers PIX queries, those that wait at one moment together: one reading, one commit of their audit."""

    def __init__(self, store: Store, config: Config) -> None:
        self._store = store
        self._config = config

    def answer(self, batch: Sequence[IdentifierQuery]) -> list[IdentifierAnswer]:
        """The answers in order, their audit committed. Raises `TemporaryFailure`; then nobody is told anything."""
        return retrying(lambda: self._read(batch))

    def _read(self, batch: Sequence[IdentifierQuery]) -> list[IdentifierAnswer]:
        with self._store.reading() as unit:
            return [self._one(unit, query) for query in batch]

    def _one(self, unit: UnitOfWork, query: IdentifierQuery) -> IdentifierAnswer:
        rows = rows_of(unit, self._config, query.identifier)
        persons = {row.person_id for row in rows}
        answer = IdentifierAnswer(Found.NOBODY)
        if len(persons) > 1:
            answer = IdentifierAnswer(Found.SEVERAL)
        elif persons:
            asked = query.identifier
            others = identifiers(self._config, rows, query.asker, query.wanted, asked.authority)
            answer = IdentifierAnswer(Found.ONE, tuple(one for one in others if not _same(one, asked)))
        unit.audit(_event(query, answer, persons))
        return answer


def rows_of(unit: UnitOfWork, config: Config, asked: Identifier) -> list[CrosswalkRow]:
    """All that is known of the person (or persons) behind an identifier; nothing when it is unknown."""
    value = storable(asked.value)
    if asked.authority == NHS:
        number = normalise(value)
        return _by_nhs_number(unit, number) if number else []
    authority = config.authority(asked.authority)
    rows = unit.crosswalks.by_local(asked.authority, value)
    if not rows and authority is not None and authority.kind == "national":
        rows = unit.crosswalks.by_national(asked.authority, value)
    return rows


def _by_nhs_number(unit: UnitOfWork, number: str) -> list[CrosswalkRow]:
    """By the number that stands for it now, as `mpi.services.numbers.carriers` has it."""
    return unit.crosswalks.by_national(NHS, unit.numbers.survivor(number))


def _same(one: Identifier, asked: Identifier) -> bool:
    if one.authority != asked.authority:
        return False
    return one.value == (normalise(asked.value) if asked.authority == NHS else asked.value)


def identifiers(
    config: Config, rows: Iterable[CrosswalkRow], asker: Asker, wanted: frozenset[str], known: str | None = None
) -> list[Identifier]:
    """The numbers in use of one person in the `wanted` domains, grouped by domain in the order of the configuration.

    Of a restricted person only national numbers, and those of the asker's own site and of the authority asked about
    (`known`): which other sites know the person is withheld.
    """
    rows = list(rows)
    numbers = {Identifier(row.authority, row.local_id) for row in rows if row.status == ACTIVE}
    numbers |= {
        Identifier(row.number_authority, row.value)
        for row in rows
        if row.status != DELETED and row.number_authority and row.value
    }
    restricted = any(row.restricted for row in rows)
    found = []
    for authority in config.authorities:
        hidden = restricted and authority.kind != "national" and authority.code not in asker.own | {known}
        if authority.code in wanted and not hidden:
            found += sorted((one for one in numbers if one.authority == authority.code), key=lambda one: one.value)
    return found


def _event(query: IdentifierQuery, answer: IdentifierAnswer, persons: set[int]) -> AuditEvent:
    detail: dict[str, object] = {
        "query": "PIX",
        "tag": query.tag,
        "authority": query.identifier.authority,
        "target": sorted(query.wanted),
        "found": answer.found.value,
        "answered": sorted({one.authority for one in answer.identifiers}),
    }
    person = next(iter(persons)) if answer.found is Found.ONE else None
    if answer.found is Found.SEVERAL:
        detail["persons"] = sorted(persons)
    return AuditEvent(Actor(query.asker.name, "feed"), Action.CROSSWALK_READ, person_id=person, detail=detail)
