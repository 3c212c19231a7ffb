"""An index in memory that registers records one by one, as the service does, for measuring links against truth."""

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

from mpi.domain.decision import PersonDecision
from mpi.matching.block import BLOCK_LIMIT, blocking_keys
from mpi.matching.decide import Candidate, PersonFacts, decide_record
from mpi.matching.model import LinkageModel
from mpi.matching.prepared import Prepared


@dataclass
class MemoryIndex:
    """Records, the person each belongs to, and the pairs that await a human."""

    model: LinkageModel
    records: list[Prepared] = field(default_factory=list)
    person_of: list[int] = field(default_factory=list)
    members: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    keys: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    reviews: list[tuple[int, int, PersonDecision]] = field(default_factory=list)
    compared: int = 0

    def register(self, prepared: Prepared) -> int:
        """Store one record, joined to the person `decide_record` names; gives its number."""
        number = len(self.records)
        own_keys = blocking_keys(prepared)
        near = {other for key in own_keys if len(self.keys[key]) <= BLOCK_LIMIT for other in self.keys[key]}
        candidates = [Candidate(r, self.person_of[r], self.records[r]) for r in sorted(near)]
        facts = {person: self._facts(person) for person in {c.person_id for c in candidates}}
        decision = decide_record(self.model, prepared, candidates, facts)
        self.compared += decision.compared
        person = decision.link_to.person_id if decision.link_to else number
        self.records.append(prepared)
        self.person_of.append(person)
        self.members[person].append(number)
        self.reviews += [(number, r.record_id, r) for r in decision.reviews]
        for key in own_keys:
            self.keys[key].append(number)
        return number

    def _facts(self, person: int) -> PersonFacts:
        own = [self.records[r] for r in self.members[person]]
        numbers = [p for p in own if p.nhs and p.nhs_usable]
        return PersonFacts(
            verified_nhs=frozenset(p.nhs for p in numbers if p.nhs and p.nhs_verified),
            valid_nhs=frozenset(p.nhs for p in numbers if p.nhs),
        )


@dataclass(frozen=True)
class Measured:
    """Pairs found against pairs that are true."""

    linked: set[tuple[int, int]]
    reviewed: set[tuple[int, int]]
    true: set[tuple[int, int]]

    @property
    def precision(self) -> float:
        """Share of linked pairs that are true."""
        return len(self.linked & self.true) / len(self.linked) if self.linked else 1.0

    @property
    def recall(self) -> float:
        """Share of true pairs that are linked."""
        return len(self.linked & self.true) / len(self.true)

    @property
    def recall_with_review(self) -> float:
        """Share of true pairs that are linked or shown to a human."""
        return len((self.linked | self.reviewed) & self.true) / len(self.true)


def pairs_within(groups: Iterable[Iterable[int]]) -> set[tuple[int, int]]:
    """All pairs inside the groups, smaller number first."""
    found = set()
    for group in groups:
        ordered = sorted(group)
        found |= {(a, b) for place, a in enumerate(ordered) for b in ordered[place + 1 :]}
    return found


def measure(index: MemoryIndex, truth: list[Hashable]) -> Measured:
    """The index against the true person of each record. A reviewed pair counts as all pairs its answer would join."""
    true_groups: dict[Hashable, list[int]] = defaultdict(list)
    for number, person in enumerate(truth):
        true_groups[person].append(number)
    reviewed = set()
    for number, other, _ in index.reviews:
        for a in index.members[index.person_of[number]]:
            for b in index.members[index.person_of[other]]:
                if a != b:
                    reviewed.add((min(a, b), max(a, b)))
    linked = pairs_within(index.members.values())
    return Measured(linked, reviewed - linked, pairs_within(true_groups.values()))
