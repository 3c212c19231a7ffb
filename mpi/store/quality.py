"""What is drawn at random to measure the index, and what reviewers said of it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, func, insert, literal, or_, select

from mpi.domain.audit import AuditEvent
from mpi.domain.review import Sample, TaskState, TaskType, Verdict
from mpi.matching.model import Thresholds
from mpi.matching.sampling import edges
from mpi.store.persons import AUTOMATIC
from mpi.store.quality_tables import quality_draw, quality_pair
from mpi.store.records import ACTIVE, TrailLike
from mpi.store.statements import Statements
from mpi.store.tables import link, review_task, source_record, task_verdict

_PAIR_TYPES = [
    TaskType.POSSIBLE_DUPLICATE.value,
    TaskType.NHS_NUMBER_TWO_PERSONS.value,
    TaskType.TWO_NHS_NUMBERS.value,
    TaskType.BROKEN_CLUSTER.value,
]
"""Questions that ask whether two records as they stand are one person; those about held messages ask something else."""


class DrawnLink(NamedTuple):
    """A standing link made without a human, and the pair it rests on. `place` counts within its band, from 1."""

    band: str
    place: int
    record_id: int
    other_record_id: int
    site: str
    weight: float
    pattern: str | None
    message_id: int | None


class DrawnRecord(NamedTuple):
    """A record whose candidates are looked at."""

    record_id: int
    site: str
    prepared: str
    message_id: int | None


class NewPair(NamedTuple):
    """A drawn pair as it is written down; the chance `inclusion` and the probability `said` lie from 0 to 1."""

    task_id: int
    one: int
    other: int
    band: str
    site: str
    weight: float
    said: float
    inclusion: float


class Draw(NamedTuple):
    """A draw: how many pairs were wanted and drawn, and how many there were in each band (`sizes`)."""

    id: int
    kind: Sample
    drawn_at: str
    seed: int
    wanted: int
    drawn: int
    sizes: dict[str, float]


class Label(NamedTuple):
    """A question about two records that a reviewer answered. `inclusion` is None where the pair was not drawn."""

    left_record: int
    right_record: int
    verdict: Verdict
    sample: Sample | None
    inclusion: float | None


class AnsweredPair(NamedTuple):
    """A drawn pair with the verdict that decided its task; None: none yet, or nobody could be sure."""

    kind: Sample
    band: str
    site: str
    weight: float
    said: float
    verdict: Verdict | None


_other = source_record.alias("other_side")
_joined = link.alias("other_link")
_known = (
    select(literal(1))
    .where(
        quality_pair.c.record_low == case((link.c.record_id < link.c.other_record_id, link.c.record_id),
                                          else_=link.c.other_record_id),
        quality_pair.c.record_high == case((link.c.record_id < link.c.other_record_id, link.c.other_record_id),
                                           else_=link.c.record_id),
    )
    .exists()
)  # fmt: skip
_insert_draw = insert(quality_draw)
_insert_pairs = insert(quality_pair)
_latest = (
    select(quality_draw)
    .where(quality_draw.c.kind == bindparam("kind"))
    .order_by(quality_draw.c.drawn_at.desc(), quality_draw.c.id.desc())
    .limit(1)
)
_drawn_by_band = (
    select(quality_pair.c.band, func.count())
    .join(quality_draw, quality_draw.c.id == quality_pair.c.draw_id)
    .where(quality_draw.c.kind == bindparam("kind"))
    .group_by(quality_pair.c.band)
)
_known_of = select(quality_pair.c.record_low, quality_pair.c.record_high).where(
    quality_pair.c.record_high.in_(bindparam("ids", expanding=True))
)
_active = and_(source_record.c.status == ACTIVE, source_record.c.protected.is_(False))
_count_active = select(func.count()).select_from(source_record).where(_active)
_last_verdict = (
    select(task_verdict.c.verdict)
    .where(
        task_verdict.c.task_id == review_task.c.id,
        task_verdict.c.counts,
        task_verdict.c.verdict.in_([Verdict.SAME.value, Verdict.DIFFERENT.value]),
    )
    .order_by(task_verdict.c.id.desc())
    .limit(1)
    .scalar_subquery()
)
_answered = (
    select(
        review_task.c.sample,
        quality_pair.c.band,
        quality_pair.c.site,
        quality_pair.c.weight,
        quality_pair.c.said,
        case((review_task.c.state == TaskState.CLOSED.value, _last_verdict)).label("verdict"),
    )
    .join(review_task, review_task.c.id == quality_pair.c.task_id)
    .order_by(quality_pair.c.id)
)
_worked = (
    select(review_task.c.state, _last_verdict.label("verdict"), func.count())
    .where(review_task.c.sample.is_(None), review_task.c.type.in_(_PAIR_TYPES))
    .group_by(review_task.c.state, _last_verdict)
)
_labels = (
    select(
        review_task.c.left_record,
        review_task.c.right_record,
        _last_verdict.label("verdict"),
        review_task.c.sample,
        quality_pair.c.inclusion,
    )
    .outerjoin(quality_pair, quality_pair.c.task_id == review_task.c.id)
    .where(
        review_task.c.state == TaskState.CLOSED.value,
        review_task.c.type.in_(_PAIR_TYPES),
        review_task.c.left_record.is_not(None),
        review_task.c.right_record.is_not(None),
        _last_verdict.is_not(None),
    )
    .order_by(review_task.c.id)
)
_votes = (
    select(task_verdict.c.task_id, task_verdict.c.vote, task_verdict.c.by, task_verdict.c.verdict)
    .join(review_task, review_task.c.id == task_verdict.c.task_id)
    .where(review_task.c.type.in_(_PAIR_TYPES))
    .order_by(task_verdict.c.task_id, task_verdict.c.id)
)


def _within(low: float | None, high: float | None) -> ColumnElement[bool]:
    bounds = [link.c.weight >= low] if low is not None else []
    return and_(*bounds, *([link.c.weight < high] if high is not None else []))


def _frame(thresholds: Thresholds) -> Any:
    """Links that no human made or confirmed, between two standing records of one person, each pair not drawn before."""
    band = case(*((_within(low, high), one.name) for one, low, high in edges(Sample.LINK, thresholds)))
    place = func.row_number().over(partition_by=band, order_by=(source_record.c.authority, link.c.id))
    return (
        select(
            band.label("band"),
            place.label("place"),
            link.c.record_id,
            link.c.other_record_id,
            source_record.c.authority,
            link.c.weight,
            link.c.pattern,
            source_record.c.message_id,
        )
        .join(source_record, source_record.c.id == link.c.record_id)
        .join(_other, _other.c.id == link.c.other_record_id)
        .join(_joined, and_(_joined.c.record_id == link.c.other_record_id, _joined.c.valid_to.is_(None)))
        .where(
            link.c.how == AUTOMATIC,
            link.c.valid_to.is_(None),
            link.c.weight.is_not(None),
            _joined.c.person_id == link.c.person_id,
            _active,
            _other.c.status == ACTIVE,
            _other.c.protected.is_(False),
            ~_known,
        )
        .subquery()
    )


class QualityTable:
    """Draws and drawn pairs inside one transaction."""

    def __init__(self, connection: Statements, trail: TrailLike) -> None:
        self._connection = connection
        self._trail = trail

    def link_sizes(self, thresholds: Thresholds) -> dict[str, int]:
        """How many links could be drawn in each band. Reads all links."""
        frame = _frame(thresholds)
        rows = self._connection.execute(select(frame.c.band, func.count()).group_by(frame.c.band))
        return {str(row[0]): int(row[1]) for row in rows}

    def links_at(self, thresholds: Thresholds, places: Mapping[str, Sequence[int]]) -> list[DrawnLink]:
        """The links at these places of each band, in the order by site and number. Reads all links."""
        frame = _frame(thresholds)
        chosen = [and_(frame.c.band == band, frame.c.place.in_(at)) for band, at in places.items() if at]
        if not chosen:
            return []
        statement: Select[Any] = select(frame).where(or_(*chosen)).order_by(frame.c.band, frame.c.place)
        return [DrawnLink(*row) for row in self._connection.execute(statement)]

    def count_records(self) -> int:
        """How many records stand."""
        return int(self._connection.execute(_count_active).scalar_one())

    def records_at(self, places: Sequence[int]) -> list[DrawnRecord]:
        """The standing records at these places in the order by site and number. Reads all records' numbers."""
        frame = (
            select(
                source_record.c.id,
                func.row_number().over(order_by=(source_record.c.authority, source_record.c.id)).label("place"),
            )
            .where(_active)
            .subquery()
        )
        t = source_record.c
        statement = (
            select(t.id, t.authority, t.prepared, t.message_id)
            .join(frame, frame.c.id == t.id)
            .where(frame.c.place.in_(places))
            .order_by(frame.c.place)
        )
        return [DrawnRecord(*row) for row in self._connection.execute(statement)]

    def drawn_before(self, record_ids: Iterable[int]) -> set[tuple[int, int]]:
        """The pairs drawn before whose higher record is one of these."""
        wanted = list(record_ids)
        rows = self._connection.execute(_known_of, {"ids": wanted}) if wanted else ()
        return {(row[0], row[1]) for row in rows}

    def drawn_of(self, kind: Sample) -> dict[str, int]:
        """How many pairs of a kind have been drawn so far, by band."""
        return {str(row[0]): int(row[1]) for row in self._connection.execute(_drawn_by_band, {"kind": kind.value})}

    def add(self, draw: Draw, pairs: Sequence[NewPair], model_hash: str, *, event: AuditEvent) -> int:
        """Write a draw with its pairs down; its id. The id and instant that `draw` carries are not read."""
        draw_id = self._connection.insert(
            _insert_draw,
            quality_draw,
            {
                "kind": draw.kind.value,
                "drawn_at": self._trail.now,
                "made_by": event.actor.name,
                "seed": draw.seed,
                "wanted": draw.wanted,
                "drawn": len(pairs),
                "sizes": json.dumps(draw.sizes, sort_keys=True),
                "model_hash": model_hash,
            },
        )
        rows = [
            {
                "draw_id": draw_id,
                "task_id": p.task_id,
                "record_low": min(p.one, p.other),
                "record_high": max(p.one, p.other),
                "band": p.band,
                "site": p.site,
                "weight": p.weight,
                "said": p.said,
                "inclusion": p.inclusion,
            }
            for p in pairs
        ]
        if rows:
            self._connection.execute(_insert_pairs, rows)
        self._trail.add(replace(event, detail={**event.detail, "draw": draw_id, "drawn": len(pairs)}))
        return draw_id

    def latest(self, kind: Sample) -> Draw | None:
        """The latest draw of a kind; None: there was none."""
        row = self._connection.execute(_latest, {"kind": kind.value}).first()
        if row is None:
            return None
        return Draw(row.id, Sample(row.kind), row.drawn_at, row.seed, row.wanted, row.drawn, json.loads(row.sizes))

    def answered(self) -> list[AnsweredPair]:
        """All drawn pairs with their verdicts, in the order they were drawn."""
        return [
            AnsweredPair(
                Sample(row.sample), row.band, row.site, row.weight, row.said,
                Verdict(row.verdict) if row.verdict else None,
            )
            for row in self._connection.execute(_answered)
        ]  # fmt: skip

    def worked(self) -> dict[tuple[bool, Verdict | None], int]:
        """How many questions about pairs that were not drawn there are: (closed, what decided them) -> how many."""
        found: dict[tuple[bool, Verdict | None], int] = {}
        for state, verdict, n in self._connection.execute(_worked):
            key = (state == TaskState.CLOSED.value, Verdict(verdict) if verdict else None)
            found[key] = found.get(key, 0) + int(n)
        return found

    def labels(self) -> list[Label]:
        """The questions about pairs that reviewers have answered, oldest first."""
        return [
            Label(row[0], row[1], Verdict(row[2]), Sample(row[3]) if row[3] else None, row[4])
            for row in self._connection.execute(_labels)
        ]

    def votes(self) -> list[list[Verdict]]:
        """For each question with more than one reader what they answered at first, first reader first."""
        tasks: dict[int, dict[int, Verdict]] = {}
        for task_id, vote, _by, verdict in self._connection.execute(_votes):
            tasks.setdefault(task_id, {}).setdefault(vote, Verdict(verdict))
        return [[votes[n] for n in sorted(votes)] for votes in tasks.values() if len(votes) > 1]
