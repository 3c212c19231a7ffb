"""PDQ queries: who may this be, by what the asker knows of the person (IHE ITI-21).

Found are all whose record has everything that was asked for, and those whom matching thinks may be meant; each with
its confidence. A record counts when the asker may be told its number, or the NHS number that stands on it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from mpi.config import Config
from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.decision import Outcome
from mpi.domain.person import NHS
from mpi.domain.queries import Asker, PersonAnswer, PersonFound, PersonQuery, PersonRefusal, QueryFault
from mpi.matching.block import BLOCK_LIMIT, blocking_keys
from mpi.matching.decide import decide_pair
from mpi.matching.model import LinkageModel
from mpi.matching.prepared import Prepared
from mpi.matching.probability import probability
from mpi.matching.weigh import judge
from mpi.services import views
from mpi.services.continuation import Continuations, Hit
from mpi.services.query import identifiers, rows_of
from mpi.services.query_criteria import Criteria, Refused, criteria_of
from mpi.store.crosswalk import CrosswalkRow
from mpi.store.database import retrying
from mpi.store.records import ACTIVE
from mpi.store.unit_of_work import Store, UnitOfWork

MOST_PERSONS = 500
"""People that one question may find; more means that it says too little."""

_Rows = Mapping[int, Sequence[CrosswalkRow]]


class PersonQueries:
    """Answers PDQ queries."""

    def __init__(
        self, store: Store, config: Config, model: LinkageModel, continuations: Continuations | None = None
    ) -> None:
        self._store = store
        self._config = config
        self._model = model
        self._open = continuations or Continuations()

    def answer(self, batch: Sequence[PersonQuery]) -> list[PersonAnswer | PersonRefusal]:
        """The answers in order, their audit committed. Raises `TemporaryFailure`; then nobody is told anything."""
        return retrying(lambda: self._read(batch))

    def forget(self, asker: str, tag: str) -> None:
        """The asker wants no more pages of its query with this tag."""
        self._open.forget(asker, tag)

    def _read(self, batch: Sequence[PersonQuery]) -> list[PersonAnswer | PersonRefusal]:
        with self._store.reading() as unit:
            return [self._one(unit, query) for query in batch]

    def _one(self, unit: UnitOfWork, query: PersonQuery) -> PersonAnswer | PersonRefusal:
        try:
            hits, offset = self._hits(unit, query)
        except Refused as refused:
            return refused.refusal
        end = len(hits) if query.page is None else offset + query.page
        shown = self._shown(unit, query, hits[offset:end])
        pointer = self._pointer(query, hits, end) if end < len(hits) else None
        for event in _events(query, [hit for hit, _ in shown], len(hits)):
            unit.audit(event)
        return PersonAnswer(tuple(found for _, found in shown), len(hits), max(len(hits) - end, 0), pointer)

    def _hits(self, unit: UnitOfWork, query: PersonQuery) -> tuple[tuple[Hit, ...], int]:
        """The whole answer, best first, and where this page of it begins. Raises `Refused`."""
        if query.pointer is None:
            return self._search(unit, query), 0
        found = self._open.at(query.asker.name, query.question, query.pointer)
        if found is None:
            raise Refused(PersonRefusal(QueryFault.POINTER))
        return found

    def _pointer(self, query: PersonQuery, hits: tuple[Hit, ...], end: int) -> str:
        if query.pointer is not None:
            return self._open.further(query.pointer, end)
        return self._open.begin(query.asker.name, query.tag, query.question, hits, end)

    def _search(self, unit: UnitOfWork, query: PersonQuery) -> tuple[Hit, ...]:
        criteria = criteria_of(query.keys)
        if query.keys.identifier is not None:
            hits = self._by_identifier(unit, query, criteria)
        else:
            hits = self._by_values(unit, query, criteria)
        best: dict[int, Hit] = {}
        for hit in hits:
            known = best.get(hit.person_id)
            if known is None or hit.confidence > known.confidence:
                best[hit.person_id] = hit
        if len(best) > MOST_PERSONS:
            raise Refused(PersonRefusal(QueryFault.TOO_MANY))
        found = [hit for hit in best.values() if hit.confidence >= query.least]
        return tuple(sorted(found, key=lambda hit: (-hit.confidence, hit.person_id)))

    def _by_identifier(self, unit: UnitOfWork, query: PersonQuery, criteria: Criteria) -> list[Hit]:
        """Whom a number names, if every other value that was asked for stands on one record.

        A number that stands on several people names each of them with a share of the confidence.
        """
        assert query.keys.identifier is not None  # noqa: S101 - the caller looked
        rows = rows_of(unit, self._config, query.keys.identifier)
        persons = _by_person(rows)
        hits = []
        for own in persons.values():
            asked = criteria.bare if any(row.restricted for row in own) else criteria
            found = unit.records.candidates(sorted(self._visible(own, query)))
            hits += [
                Hit(row.person_id, row.record_id, 100.0 / len(persons))
                for row in found
                if asked.matches(Prepared.from_json(row.prepared))
            ]
        return hits

    def _by_values(self, unit: UnitOfWork, query: PersonQuery, criteria: Criteria) -> list[Hit]:
        """Records that have all values, and those that matching does not hold apart from what is known.

        Where a restricted person lives decides nothing: neither whether it is found nor with which confidence.
        """
        bare = criteria.bare if criteria.asks_home else criteria
        whole = self._places(unit, criteria)
        without = whole if bare is criteria else self._places_of_bare(unit, bare)
        candidates = {}
        for row in unit.records.candidates(sorted(whole | without)):
            prepared = Prepared.from_json(row.prepared)
            in_whole = row.record_id in whole and self._may_be(criteria, prepared)
            in_bare = row.record_id in without and self._may_be(bare, views.without_home(prepared))
            if in_whole or in_bare:
                candidates[row.record_id] = (row.person_id, prepared, in_whole, in_bare)
        persons = sorted({one[0] for one in candidates.values()})
        if len(persons) > MOST_PERSONS:
            raise Refused(PersonRefusal(QueryFault.TOO_MANY))
        rows = _by_person(unit.crosswalks.of_persons(persons))
        hits = []
        for record_id, (person_id, prepared, in_whole, in_bare) in candidates.items():
            own = rows.get(person_id, ())
            restricted = any(row.restricted for row in own)
            if not (in_bare if restricted else in_whole) or record_id not in self._visible(own, query):
                continue
            asked = bare.exact if restricted else criteria.exact
            other = views.without_home(prepared) if restricted else prepared
            confidence = 100 * probability(self._model, judge(self._model, asked, other))
            hits.append(Hit(person_id, record_id, confidence))
        return hits

    def _places(self, unit: UnitOfWork, criteria: Criteria) -> set[int]:
        """Records to look at: all that match, and those that matching would look at. Raises `Refused`."""
        alike, _ = unit.records.block(blocking_keys(criteria.exact), BLOCK_LIMIT)
        return criteria.where(unit) | set(alike)

    def _places_of_bare(self, unit: UnitOfWork, bare: Criteria) -> set[int]:
        """Records found without where they live; none when that says too little: restricted people stay unfound."""
        try:
            return set() if bare.empty else self._places(unit, bare)
        except Refused:
            return set()

    def _may_be(self, criteria: Criteria, prepared: Prepared) -> bool:
        if criteria.matches(prepared):
            return True
        return (
            criteria.begins(prepared)
            and decide_pair(self._model, criteria.exact, prepared).outcome is not Outcome.APART
        )

    def _visible(self, rows: Iterable[CrosswalkRow], query: PersonQuery) -> set[int]:
        """The person's records whose values the asker may see; none of a person without a number to tell."""
        rows = list(rows)
        if not identifiers(self._config, rows, query.asker, query.wanted):
            return set()
        return {row.record_id for row in rows if row.status == ACTIVE and _may_see(query.asker, row)}

    def _shown(self, unit: UnitOfWork, query: PersonQuery, hits: Sequence[Hit]) -> list[tuple[Hit, PersonFound]]:
        """The page as the index has it now: on a later page, who is no longer there is left out."""
        rows = _by_person(unit.crosswalks.of_persons([hit.person_id for hit in hits]))
        records = unit.records.get([hit.record_id for hit in hits])
        shown = []
        for hit in hits:
            own = rows.get(hit.person_id, ())
            if hit.record_id not in self._visible(own, query):
                continue
            recorded = records[hit.record_id].recorded
            if any(row.restricted for row in own):
                recorded = views.withheld(recorded)
            told = tuple(identifiers(self._config, own, query.asker, query.wanted))
            shown.append((hit, PersonFound(told, recorded, hit.confidence)))
        return shown


def _may_see(asker: Asker, row: CrosswalkRow) -> bool:
    return row.authority in asker.domains | asker.own or (NHS in asker.domains and row.number_authority == NHS)


def _by_person(rows: Iterable[CrosswalkRow]) -> _Rows:
    found: dict[int, list[CrosswalkRow]] = defaultdict(list)
    for row in rows:
        found[row.person_id].append(row)
    return found


def _events(query: PersonQuery, hits: Sequence[Hit], total: int) -> list[AuditEvent]:
    """The question, and that each person of the page was looked at."""
    actor = Actor(query.asker.name, "feed")
    asked = sorted(query.keys.said.as_dict()) + (["identifier"] if query.keys.identifier else [])
    detail = {
        "query": "PDQ",
        "tag": query.tag,
        "asked": asked,
        "target": sorted(query.wanted),
        "total": total,
        "persons": [hit.person_id for hit in hits],
    }
    searched = AuditEvent(actor, Action.SEARCHED, detail=detail)
    looks = (
        AuditEvent(actor, Action.PERSON_READ, person_id=hit.person_id, detail={"query": "PDQ", "tag": query.tag})
        for hit in hits
    )
    return [searched, *looks]
