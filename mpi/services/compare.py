"""What stands beside a pair of records: what they said before, the whole persons, how each pair in them agrees."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import combinations, pairwise

from mpi.config import Config
from mpi.domain.person import Demographics
from mpi.matching.decide import decide_pair
from mpi.matching.model import LinkageModel
from mpi.services import identity, views
from mpi.services.views import RecordView
from mpi.store.unit_of_work import UnitOfWork

MOST_RECORDS = 12
"""So many records of a cluster are drawn; the two that are asked about are always among them."""
_MOST_VERSIONS = 10


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a record said until `until`, where it differs from what it said next: (field, value; None: nothing)."""

    until: str
    said: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True)
class Tie:
    """How well two records of a cluster agree, in bits; `together` now one person; `weakest` of what holds it."""

    one: str
    other: str
    weight: float
    together: bool
    weakest: bool


@dataclass(frozen=True, slots=True)
class Cluster:
    """All records of the persons that are asked about, named A, B, C, ...; `left_out` more are not drawn."""

    records: tuple[tuple[str, RecordView], ...]
    ties: tuple[Tie, ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Frequency:
    """How common a name is by the model's tables: one person in so many; `at_least` where it stands in no table."""

    field: str
    value: str
    one_in: int
    at_least: bool


def earlier(unit: UnitOfWork, record_id: int | None, restricted: bool) -> tuple[Earlier, ...]:
    """What a record said before, newest first; of restricted people without where they live."""
    found = unit.records.get([record_id]).get(record_id) if record_id is not None else None
    if found is None:
        return ()
    told = [(version.valid_to, version.recorded) for version in unit.records.versions(found)]
    changes = []
    for (until, before), (_, after) in pairwise(told):
        said = tuple(
            (one.name, getattr(before, one.name))
            for one in fields(Demographics)
            if getattr(before, one.name) != getattr(after, one.name) and not (restricted and one.name in views.HIDDEN)
        )
        if said and until is not None:
            changes.append(Earlier(until, said))
    return tuple(changes[::-1][:_MOST_VERSIONS])


def cluster(
    unit: UnitOfWork, config: Config, model: LinkageModel, sides: Sequence[int], restricted: bool
) -> Cluster | None:
    """The records of the persons of these two records, with how each pair agrees; None where there are only these."""
    persons = [p for side in sides if (p := identity.person_of(unit, side)) is not None]
    members = [link.record_id for link in unit.persons.members(set(persons))]
    whole = list(dict.fromkeys([*(side for side in sides if side in members), *sorted(members)]))
    shown = whole[:MOST_RECORDS]
    if len(shown) < 2:
        return None
    stored = unit.records.get(shown)
    prepared = {r: identity.prepared_of(stored[r]) for r in shown}
    if restricted:
        prepared = {r: views.without_home(one) for r, one in prepared.items()}
    names = {record_id: chr(ord("A") + at) for at, record_id in enumerate(shown)}
    owner = {record_id: identity.person_of(unit, record_id) for record_id in shown}
    weights = {pair: decide_pair(model, prepared[pair[0]], prepared[pair[1]]).weight for pair in combinations(shown, 2)}
    weakest = {pair for person in set(persons) if (pair := _weakest(weights, owner, person)) is not None}
    found = views.records_by_id(unit, config, shown)
    ties = tuple(
        Tie(names[a], names[b], weight, owner[a] == owner[b], (a, b) in weakest) for (a, b), weight in weights.items()
    )
    return Cluster(tuple((names[r], found[r]) for r in shown), ties, len(whole) - len(shown))


def _weakest(
    weights: Mapping[tuple[int, int], float], owner: Mapping[int, int | None], person: int
) -> tuple[int, int] | None:
    """The link that a person hangs on: the lightest in the heaviest tree over its records; None for one record."""
    group = {record_id: record_id for record_id, own in owner.items() if own == person}

    def root(record_id: int) -> int:
        while group[record_id] != record_id:
            record_id = group[record_id]
        return record_id

    last = None
    for pair in sorted(weights, key=lambda pair: -weights[pair]):
        if pair[0] in group and pair[1] in group and root(pair[0]) != root(pair[1]):
            group[root(pair[0])] = root(pair[1])
            last = pair
    return last


def frequencies(unit: UnitOfWork, model: LinkageModel, sides: Sequence[int]) -> tuple[Frequency, ...]:
    """How common the names of both sides are."""
    found: dict[tuple[str, str], Frequency] = {}
    for record in unit.records.get(sides).values():
        prepared = identity.prepared_of(record)
        for table, field in (("family", "family_name"), ("given", "given_name")):
            value = getattr(prepared, table, None)
            known = model.frequencies.get(table)
            if isinstance(value, str) and value and known is not None:
                share = max(known.values.get(value, known.floor), known.floor)
                recorded = getattr(record.recorded, field) or value
                found[field, value] = Frequency(field, recorded, round(1 / share), value not in known.values)
    return tuple(found.values())
