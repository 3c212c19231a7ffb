"""One group of linked records in which something contradicts: which of its links a human must look at instead."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mpi.domain.decision import HardRule

Tie = tuple[int, int, float]
"""Two records and the weight of their pair in bits."""


@dataclass(frozen=True, slots=True)
class Knot:
    """A connected group. `ties` are its link pairs, best first.

    `numbers` gives a record's NHS number (any code) and whether it is verified; `enemies` are pairs of records that
    must not be in one cluster; `together` are pairs that stand as one person already.
    """

    ties: Sequence[Tie]
    numbers: Mapping[int, tuple[int, bool]]
    enemies: Sequence[tuple[int, int]]
    together: Sequence[tuple[int, int]]


def untie(knot: Knot, link: float) -> dict[int, HardRule]:
    """Place of each tie that must not link, and why. `link` is the model's threshold in bits."""
    bridges: dict[int, HardRule] = {}
    while True:
        groups = _Groups(knot)
        refused = dict(bridges)
        kept = []
        for place, (one, other, _) in enumerate(knot.ties):
            if place in bridges:
                continue
            why = groups.join(one, other)
            if why is None:
                kept.append(place)
            else:
                refused[place] = why
        weak = _weak_bridges(knot, kept, link)
        if not weak:
            return refused
        # Without the bridge, what was refused for its sake may be right: begin again.
        bridges.update(dict.fromkeys(weak, HardRule.WEAK_BRIDGE))


class _Groups:
    """Disjoint groups of records that know their NHS numbers and their enemies."""

    def __init__(self, knot: Knot) -> None:
        self._parent: dict[int, int] = {}
        self._valid: dict[int, set[int]] = {}
        self._verified: dict[int, set[int]] = {}
        self._enemies: dict[int, set[int]] = {}
        for one, other, _ in knot.ties:
            self._add(one, knot)
            self._add(other, knot)
        for one, other in knot.together:
            self._add(one, knot)
            self._add(other, knot)
            x, y = self.find(one), self.find(other)
            if x != y:
                self._unite(x, y)
        for one, other in knot.enemies:
            x, y = self.find(one), self.find(other)
            if x != y:  # what stands together stays together
                self._enemies[x].add(y)
                self._enemies[y].add(x)

    def _add(self, record: int, knot: Knot) -> None:
        if record in self._parent:
            return
        self._parent[record] = record
        number, verified = knot.numbers.get(record, (None, False))
        self._valid[record] = set() if number is None else {number}
        self._verified[record] = {number} if number is not None and verified else set()
        self._enemies[record] = set()

    def find(self, record: int) -> int:
        parent = self._parent
        while parent[record] != record:
            parent[record] = parent[parent[record]]
            record = parent[record]
        return record

    def join(self, one: int, other: int) -> HardRule | None:
        """Make two records' groups one, or say why not."""
        x, y = self.find(one), self.find(other)
        if x == y:
            return None
        if y in self._enemies[x]:
            return HardRule.TWO_PERSONS
        if self._verified[x] and self._verified[y] and len(self._verified[x] | self._verified[y]) > 1:
            return HardRule.VERIFIED_NHS_DIFFER
        if self._valid[x] and self._valid[y] and not self._valid[x] & self._valid[y]:
            return HardRule.VALID_NHS_DIFFER
        self._unite(x, y)
        return None

    def _unite(self, x: int, y: int) -> None:
        if len(self._enemies[x]) + len(self._valid[x]) < len(self._enemies[y]) + len(self._valid[y]):
            x, y = y, x
        self._parent[y] = x
        self._valid[x] |= self._valid.pop(y)
        self._verified[x] |= self._verified.pop(y)
        for enemy in self._enemies.pop(y):
            self._enemies[enemy].discard(y)
            if enemy != x:
                self._enemies[enemy].add(x)
                self._enemies[x].add(enemy)
        self._enemies[x].discard(y)


def _weak_bridges(knot: Knot, kept: Sequence[int], link: float) -> list[int]:
    """Places of the kept ties that alone hold two groups of several records together, on little more than `link`."""
    records = len(kept) + len(knot.together) + 1
    most = math.log2(max(1, records // 2 * (records - records // 2)))
    if records < 4 or all(knot.ties[place][2] >= link + most for place in kept):
        return []
    neighbours: dict[int, list[tuple[int, int]]] = {}
    edges = [(place, knot.ties[place][0], knot.ties[place][1]) for place in kept]
    edges += [(-1 - i, one, other) for i, (one, other) in enumerate(knot.together)]
    for name, one, other in edges:
        neighbours.setdefault(one, []).append((other, name))
        neighbours.setdefault(other, []).append((one, name))
    found = []
    for place, inner, whole in _bridges(neighbours):
        outer = whole - inner
        if place >= 0 and min(inner, outer) >= 2 and knot.ties[place][2] < link + math.log2(inner * outer):
            found.append(place)
    return found


def _bridges(neighbours: Mapping[int, Sequence[tuple[int, int]]]) -> list[tuple[int, int, int]]:
    """(edge, records on its far side, records of the whole component) of each edge whose loss would split a group.

    Tarjan's bridge finding, without recursion: a group may be long.
    """
    order: dict[int, int] = {}
    low: dict[int, int] = {}
    size: dict[int, int] = {}
    found = []
    for root in neighbours:
        if root in order:
            continue
        order[root] = low[root] = len(order)
        size[root] = 1
        here: list[tuple[int, int]] = []
        stack: list[tuple[int, int | None, Iterator[tuple[int, int]]]] = [(root, None, iter(neighbours[root]))]
        while stack:
            record, came_by, rest = stack[-1]
            for other, edge in rest:
                if edge == came_by:
                    continue
                if other in order:
                    low[record] = min(low[record], order[other])
                    continue
                order[other] = low[other] = len(order)
                size[other] = 1
                stack.append((other, edge, iter(neighbours[other])))
                break
            else:
                stack.pop()
                if stack and came_by is not None:
                    above = stack[-1][0]
                    low[above] = min(low[above], low[record])
                    size[above] += size[record]
                    if low[record] > order[above]:
                        here.append((came_by, size[record]))
        found += [(edge, inner, size[root]) for edge, inner in here]
    return found
