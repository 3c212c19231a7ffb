"""Two records side by side as a page draws them: which characters differ, bits as a waterfall, the cluster."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from math import cos, pi, sin

from mpi.services.compare import Cluster, Tie
from mpi.services.review import ComparisonView, FieldValues, TaskView

_COMPARED_BY: dict[str, str] = {
    "nhs_number": "nhs_number",
    "family_name": "family_name",
    "given_name": "given_name",
    "middle_names": "middle_names",
    "birth_date": "birth_date",
    "sex": "sex",
    "address_line": "residence",
    "town": "residence",
    "postcode": "residence",
    "phone": "residence",
    "email": "email",
    "other_identifier": "other_identifier",
}
"""Which comparison of the model weighs a recorded field."""

_NAMED_BY = (("address", "address_line"), ("telephone", "phone"), ("postcode", "postcode"), ("town", "town"))
"""A word in the finding of the comparison of homes, and the field it speaks of; the first word counts."""

_LONGEST_MARKED = 200
_WIDTH = 240.0
"""Of a waterfall, in pixels."""

Piece = tuple[str, bool]
"""Some characters of a value, and whether they differ from the other side's."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the compare table. `comparison` None: not weighed here; `shared`: the label of the line it is in."""

    values: FieldValues
    comparison: ComparisonView | None
    shared: str | None
    left: tuple[Piece, ...] | None
    right: tuple[Piece, ...] | None


@dataclass(frozen=True, slots=True)
class Bar:
    """One step of a waterfall: where it stands and how wide it is, in pixels; `total` is the last one."""

    label: str
    agreement: str
    bits: float
    x: float
    width: float
    total: bool = False


@dataclass(frozen=True, slots=True)
class Node:
    """One record in the picture of a cluster."""

    name: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Edge:
    """How two records of a cluster agree, as a line with its figure."""

    tie: Tie
    x1: float
    y1: float
    x2: float
    y2: float


def pieces(left: str | None, right: str | None) -> tuple[tuple[Piece, ...] | None, tuple[Piece, ...] | None]:
    """Both values in pieces, the characters that the other side does not have marked; None where a side has nothing."""
    if left is None or right is None:
        return _plain(left), _plain(right)
    if max(len(left), len(right)) > _LONGEST_MARKED:
        return ((left, left != right),), ((right, left != right),)
    one: list[Piece] = []
    other: list[Piece] = []
    for kind, a, b, c, d in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        differs = kind != "equal"
        one += [(left[a:b], differs)] if b > a else []
        other += [(right[c:d], differs)] if d > c else []
    return tuple(one), tuple(other)


def _plain(value: str | None) -> tuple[Piece, ...] | None:
    return None if value is None else ((value, False),)


def rows_of(view: TaskView) -> list[Row]:
    """The lines of the compare table."""
    comparisons = {c.comparison: c for c in view.comparisons}
    weighed: dict[str, list[FieldValues]] = {}
    for values in view.fields:
        weighed.setdefault(_COMPARED_BY.get(values.field, ""), []).append(values)
    places = {name: _place(found, weighed[name]) for name, found in comparisons.items() if name in weighed}
    rows = []
    for values in view.fields:
        name = _COMPARED_BY.get(values.field, "")
        place = places.get(name)
        here = place is None or place.field == values.field
        shared = None if here or not place else place.label
        rows.append(Row(values, comparisons.get(name) if here else None, shared, *pieces(values.left, values.right)))
    return rows


def _place(found: ComparisonView, fields: Sequence[FieldValues]) -> FieldValues:
    """Where a comparison of several fields stands: in the line of the one that its finding names, else in the first."""
    named = (field for word, field in _NAMED_BY if word in found.agreement)
    wanted = next(named, None)
    return next((values for values in fields if values.field == wanted), fields[0])


def start_of(view: TaskView) -> float | None:
    """Bits before anything is compared: how seldom two records taken at random are one person."""
    if view.weight is None or not view.comparisons:
        return None
    return view.weight - sum(c.bits or 0.0 for c in view.comparisons)


def waterfall(view: TaskView, label: dict[str, str]) -> tuple[Bar, ...]:
    """The way from the start to the total, one step for each field that counts; empty where nothing was weighed."""
    start = start_of(view)
    if start is None or view.weight is None:
        return ()
    steps = [("Start", "two records taken at random", start)]
    steps += [(label.get(c.comparison, c.comparison), c.agreement, c.bits) for c in view.comparisons if c.bits]
    ends, at = [0.0], 0.0
    for _, _, bits in steps:
        at += bits
        ends.append(at)
    low, high = min(ends), max(ends)
    scale = _WIDTH / max(high - low, 1e-9)

    def bar(name: str, agreement: str, bits: float, begin: float, end: float, *, total: bool = False) -> Bar:
        left = (min(begin, end) - low) * scale
        return Bar(name, agreement, bits, round(left, 1), round(max(abs(end - begin) * scale, 1.0), 1), total)

    bars = [bar(*step, begin, end) for step, begin, end in zip(steps, ends, ends[1:], strict=False)]
    return (*bars, bar("Total", "", view.weight, 0.0, view.weight, total=True))


def drawn(cluster: Cluster | None) -> tuple[tuple[Node, ...], tuple[Edge, ...]]:
    """The records of a cluster in a circle, and a line for each pair that is one person now."""
    if cluster is None:
        return (), ()
    n = len(cluster.records)
    nodes = {
        name: Node(name, round(210 + 150 * sin(2 * pi * at / n), 1), round(180 - 140 * cos(2 * pi * at / n), 1))
        for at, (name, _) in enumerate(cluster.records)
    }
    edges = tuple(
        Edge(tie, nodes[tie.one].x, nodes[tie.one].y, nodes[tie.other].x, nodes[tie.other].y)
        for tie in cluster.ties
        if tie.together or {tie.one, tie.other} == {"A", "B"}
    )
    return tuple(nodes.values()), edges
