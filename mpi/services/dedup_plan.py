"""What batch linkage over the index would do: which persons become one, and which pairs a human is asked about."""

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mpi.domain.decision import HardRule
from mpi.engines.base import MISSING, Engine, PairPatterns, Progress, silent
from mpi.engines.weigh_columns import decide
from mpi.matching.cluster import LINK, NO_RULE, REVIEW, RULE_CODE, RULES, Clustered, DecidedPairs, cluster
from mpi.matching.model import LETTERS, LinkageModel
from mpi.services.dedup import as_pairs
from mpi.services.dedup_snapshot import Snapshot
from mpi.services.identity import MOST_TASKS

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Tie:
    """A pair of records as it was weighed. Record ids; weight in bits."""

    left: int
    right: int
    weight: float
    pattern: str
    rule: HardRule | None


@dataclass(frozen=True, slots=True)
class Join:
    """Persons that are one, the first of whom stays; for each other one the heaviest pair that ties it to them."""

    persons: tuple[int, ...]
    ties: dict[int, Tie]
    members: dict[int, dict[int, int]]
    """Of each person the records and their versions, as they were when this was found."""


@dataclass(frozen=True, slots=True)
class Question:
    """A pair a human must see, and the versions of its records when this was found."""

    tie: Tie
    versions: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything to be done, in the order it is done in."""

    records: int
    candidate_pairs: int
    joins: tuple[Join, ...]
    questions: tuple[Question, ...]
    not_asked: int
    """Pairs of persons not asked about: one of the two takes part in as many questions as are bearable."""


def plan(snapshot: Snapshot, model: LinkageModel, engine: Engine, progress: Progress = silent) -> Plan:
    """What is to be done with the index as it stands; nothing where it has been done already."""
    patterns = engine.pairs(snapshot.data, model, progress=progress)
    decided = decide(model, patterns)
    found = as_pairs(model, patterns, decided)
    left, right = found.left, found.right
    across = np.flatnonzero(snapshot.persons[left] != snapshot.persons[right])
    outcome, rule = decided.outcome[across].copy(), decided.rule[across].copy()
    doubted = np.isin(snapshot.persons, sorted(snapshot.doubtful))
    held = (outcome == LINK) & (doubted[left[across]] | doubted[right[across]])
    outcome[held], rule[held] = REVIEW, RULE_CODE[HardRule.PERSON_IN_DOUBT]
    against = None if found.against is None else found.against[across]
    pairs = DecidedPairs(left[across], right[across], decided.weight[across], outcome, rule, against)
    return _Planner(snapshot, pairs, patterns, across).plan(model)


class _Planner:
    def __init__(self, snapshot: Snapshot, pairs: DecidedPairs, patterns: PairPatterns, places: Ints) -> None:
        self._snapshot = snapshot
        self._pairs = pairs
        self._patterns = patterns
        self._places = places
        """Where each of `pairs` stands in `patterns`."""

    def plan(self, model: LinkageModel) -> Plan:
        found = self._settled(model.thresholds.link)
        questions, left_out = self._questions(found)
        return Plan(self._snapshot.count, len(self._patterns), tuple(self._joins(found)), tuple(questions), left_out)

    def _settled(self, link: float) -> Clustered:
        """Clusters that another run, on what this one leaves, would not change."""
        snapshot = self._snapshot
        standing = snapshot.standing
        n = len(snapshot.ids)
        before = -1
        while True:
            found = cluster(n, self._pairs, standing, link=link)
            count = len(np.unique(found.cluster))
            if count == before:
                return found
            before = count
            joined = np.column_stack((found.cluster, np.arange(n)))
            standing = replace(standing, together=joined[joined[:, 0] != joined[:, 1]])

    def _tie(self, place: int, rule: int) -> Tie:
        pairs, ids = self._pairs, self._snapshot.ids
        levels = [int(level[self._places[place]]) for level in self._patterns.levels]
        return Tie(
            int(ids[pairs.left[place]]),
            int(ids[pairs.right[place]]),
            float(pairs.weight[place]),
            "".join("-" if level == MISSING else LETTERS[level] for level in levels),
            None if rule == NO_RULE else RULES[rule],
        )

    def _best_first(self, places: Ints) -> list[int]:
        pairs = self._pairs
        order = np.lexsort((pairs.right[places], pairs.left[places], -pairs.weight[places]))
        best: list[int] = places[order].tolist()
        return best

    def _joins(self, found: Clustered) -> list[Join]:
        pairs, snapshot = self._pairs, self._snapshot
        cluster_of = found.cluster[: snapshot.count]
        couples = np.unique(np.column_stack((cluster_of, snapshot.persons)), axis=0)
        labels, sizes = np.unique(couples[:, 0], return_counts=True)
        several = set(labels[sizes > 1].tolist())
        together: dict[int, list[int]] = {}
        for label, person in couples.tolist():
            if label in several:
                together.setdefault(label, []).append(person)
        ties: dict[int, Tie] = {}
        for place in self._best_first(np.flatnonzero(found.outcome == LINK)):
            for rid in (int(pairs.left[place]), int(pairs.right[place])):
                ties.setdefault(int(snapshot.persons[rid]), self._tie(place, NO_RULE))
        members = self._members({p for own in together.values() for p in own})
        joins = [
            Join(tuple(sorted(own)), {p: ties[p] for p in own}, {p: members[p] for p in own})
            for own in together.values()
        ]
        return sorted(joins, key=lambda join: join.persons)

    def _members(self, persons: set[int]) -> dict[int, dict[int, int]]:
        snapshot = self._snapshot
        found: dict[int, dict[int, int]] = {person: {} for person in persons}
        for rid in np.flatnonzero(np.isin(snapshot.persons, sorted(persons))).tolist():
            found[int(snapshot.persons[rid])][int(snapshot.ids[rid])] = int(snapshot.versions[rid])
        return found

    def _questions(self, found: Clustered) -> tuple[list[Question], int]:
        pairs, snapshot = self._pairs, self._snapshot
        apart = found.cluster[snapshot.standing.apart]
        answered = {(min(a, b), max(a, b)) for a, b in apart.tolist()}
        asked: Counter[int] = Counter()
        questions: list[Question] = []
        left_out = 0
        for place in self._best_first(np.flatnonzero(found.outcome == REVIEW)):
            left, right = int(pairs.left[place]), int(pairs.right[place])
            one, other = sorted((int(found.cluster[left]), int(found.cluster[right])))
            if one == other or (one, other) in answered:
                continue
            answered.add((one, other))
            if max(asked[one], asked[other]) >= MOST_TASKS:
                left_out += 1
                continue
            asked.update((one, other))
            tie = self._tie(place, int(found.rule[place]))
            questions.append(Question(tie, (int(snapshot.versions[left]), int(snapshot.versions[right]))))
        return questions, left_out
