"""Draws pairs at random among what was decided without a human, and puts them into the queue like any other question.

Links are drawn from all that stand. Of the pairs that were kept apart there is no list: records are drawn, each is
compared with its candidates as at registration, and of the pairs found some of each band are taken. A pair counts for
its later record only, so that it can be found in one way and its chance is known.
"""

import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from mpi.config import Config
from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.decision import Outcome
from mpi.domain.review import Sample, TaskType
from mpi.domain.roles import Permission, check_actor
from mpi.matching.block import BLOCK_LIMIT, blocking_keys
from mpi.matching.decide import decide_pair
from mpi.matching.model import LinkageModel
from mpi.matching.prepared import Prepared
from mpi.matching.probability import probability
from mpi.matching.sampling import allocate, band_of, places
from mpi.matching.weigh import judge
from mpi.services import identity
from mpi.services.identity import Cause
from mpi.store import clock
from mpi.store.quality import Draw, DrawnRecord, NewPair
from mpi.store.tasks import NewTask
from mpi.store.unit_of_work import Store, UnitOfWork

RECORDS_LOOKED_AT = 200
"""So many records are compared with their candidates to find pairs that were kept apart."""

WEEK = timedelta(days=7)

SAMPLER = Actor("system", "system")
"""In whose name questions are put into the queue."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a draw did: pairs put into the queue, of which kind, by which seed; `sizes`: how many there are by band."""

    kind: Sample
    drawn: int
    seed: int
    sizes: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Pair:
    one: int
    other: int
    band: str
    site: str
    weight: float
    pattern: str | None
    inclusion: float
    message_id: int | None


class Sampler:
    """Random samples for the queue."""

    def __init__(self, store: Store, config: Config, model: LinkageModel) -> None:
        self._store = store
        self._config = config
        self._model = model

    def draw_due(self, actor: Actor) -> list[Drawn]:
        """Draw what the configuration asks for each week, where the last draw is a week old; what was drawn."""
        wanted = {Sample.LINK: self._config.sample_links, Sample.NON_LINK: self._config.sample_non_links}
        with self._store.reading() as unit:
            due = [kind for kind, n in wanted.items() if n and _is_due(unit, kind)]
        drawn = [self._draw(actor, kind, wanted[kind], None, only_due=True) for kind in due]
        return [one for one in drawn if one is not None]

    def draw(self, actor: Actor, kind: Sample, wanted: int, seed: int | None = None) -> Drawn:
        """Draw up to `wanted` pairs and put them into the queue; without `seed` one is made up. Raises `NotAllowed`."""
        drawn = self._draw(actor, kind, wanted, seed, only_due=False)
        if drawn is None:
            raise AssertionError("what is asked for by hand is always drawn")
        return drawn

    def _draw(self, actor: Actor, kind: Sample, wanted: int, seed: int | None, *, only_due: bool) -> Drawn | None:
        """The same; with `only_due` None where another process has drawn meanwhile."""
        check_actor(actor, Permission.DRAW_SAMPLE)
        seed = secrets.randbits(53) if seed is None else seed
        random = Random(seed)  # noqa: S311 - a sample, no secret
        with self._store.reading() as unit:
            find = self._links if kind is Sample.LINK else self._non_links
            free, pairs = find(unit, wanted, random)
            before = unit.quality.drawn_of(kind)
        # What was drawn before is not drawn again, and is still part of what the estimates speak of.
        sizes = {band: free.get(band, 0.0) + before.get(band, 0) for band in free.keys() | before.keys()}
        event = AuditEvent(actor, Action.SAMPLE_DRAWN, detail={"kind": kind.value, "wanted": wanted, "seed": seed})
        with self._store.writing() as unit:
            if only_due and not _is_due(unit, kind):
                return None
            unit.registry.keep_model(self._model.hash, self._model.name, self._model.to_json())
            asked = [new for pair in pairs if (new := self._ask(unit, kind, pair)) is not None]
            draw = Draw(0, kind, "", seed, wanted, len(asked), sizes)
            unit.quality.add(draw, asked, self._model.hash, event=event)
        return Drawn(kind, len(asked), seed, sizes)

    def _links(self, unit: UnitOfWork, wanted: int, random: Random) -> tuple[Mapping[str, float], list[_Pair]]:
        t = self._model.thresholds
        sizes = unit.quality.link_sizes(t)
        taken = allocate(wanted, Sample.LINK, sizes)
        rows = unit.quality.links_at(t, {band: places(sizes[band], n, random) for band, n in taken.items()})
        return {band: float(n) for band, n in sizes.items()}, [
            _Pair(
                row.record_id,
                row.other_record_id,
                row.band,
                row.site,
                row.weight,
                row.pattern,
                taken[row.band] / sizes[row.band],
                row.message_id,
            )
            for row in rows
        ]

    def _non_links(self, unit: UnitOfWork, wanted: int, random: Random) -> tuple[Mapping[str, float], list[_Pair]]:
        records = unit.quality.count_records()
        looked_at = unit.quality.records_at(places(records, min(records, RECORDS_LOOKED_AT), random)) if records else []
        if not looked_at:
            return {}, []
        times = records / len(looked_at)
        found = [pair for record in looked_at for pair in self._apart(unit, record)]
        there = Counter(pair.band for pair in found)
        taken = allocate(wanted, Sample.NON_LINK, there)
        chosen = []
        for band, n in taken.items():
            own = [pair for pair in found if pair.band == band]
            inclusion = n / len(own) / times
            chosen += [_with_inclusion(own[place - 1], inclusion) for place in places(len(own), n, random)]
        return {band: n * times for band, n in there.items()}, chosen

    def _apart(self, unit: UnitOfWork, record: DrawnRecord) -> list[_Pair]:
        """The pairs of a record with earlier records of other persons that matching keeps apart, and no human yet."""
        mine = Prepared.from_json(record.prepared)
        current = unit.persons.current_link(record.record_id)
        ids, _ = unit.records.block(blocking_keys(mine), BLOCK_LIMIT)
        earlier = [i for i in ids if i < record.record_id]
        if current is None or not earlier:
            return []
        known = {low for low, _ in unit.quality.drawn_before([record.record_id])}
        known |= unit.persons.kept_apart_from(record.record_id)
        pairs = []
        for row in unit.records.candidates(earlier):
            if row.person_id == current.person_id or row.record_id in known:
                continue
            pair = decide_pair(self._model, mine, Prepared.from_json(row.prepared))
            if pair.outcome is Outcome.APART:
                band = band_of(Sample.NON_LINK, self._model.thresholds, pair.weight)
                ends = (record.record_id, row.record_id)
                pairs.append(_Pair(*ends, band, record.site, pair.weight, pair.pattern, 0.0, record.message_id))
        return pairs

    def _ask(self, unit: UnitOfWork, kind: Sample, pair: _Pair) -> NewPair | None:
        """Put a pair into the queue; None where it is asked already, or a side is not there any more."""
        both = unit.records.get((pair.one, pair.other))
        if len(both) < 2 or any(record.protected or record.merged_into for record in both.values()):
            return None
        judged = judge(self._model, *(Prepared.from_json(both[i].prepared) for i in (pair.one, pair.other)))
        task = NewTask(
            TaskType.POSSIBLE_DUPLICATE,
            pair.one,
            pair.other,
            identity.reason_for(None),
            weight=pair.weight,
            pattern=pair.pattern,
            model_hash=self._model.hash,
            message_id=pair.message_id,
            sample=kind,
        )
        task_id = identity.open_task(unit, task, Cause(SAMPLER, pair.message_id))
        if task_id is None:
            return None
        said = probability(self._model, judged)
        return NewPair(task_id, pair.one, pair.other, pair.band, pair.site, pair.weight, said, pair.inclusion)


def _is_due(unit: UnitOfWork, kind: Sample) -> bool:
    last = unit.quality.latest(kind)
    return last is None or clock.read(unit.now) - clock.read(last.drawn_at) >= WEEK


def _with_inclusion(pair: _Pair, inclusion: float) -> _Pair:
    return _Pair(pair.one, pair.other, pair.band, pair.site, pair.weight, pair.pattern, inclusion, pair.message_id)
