"""Another model or other thresholds tried on what is stored, before anybody uses them. Nothing is changed.

Records are drawn at random, as for samples; each pair with an earlier candidate is judged by the model in use and by
the other one. What humans have decided is left out: no model moves it.
"""

import secrets
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random

from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.decision import Outcome
from mpi.domain.errors import BadInput
from mpi.domain.review import Verdict
from mpi.domain.roles import Permission, check_actor
from mpi.matching.block import BLOCK_LIMIT, blocking_keys
from mpi.matching.decide import decide_pair
from mpi.matching.model import LinkageModel, check, for_population, load
from mpi.matching.prepared import Prepared
from mpi.matching.probability import probability
from mpi.matching.sampling import places
from mpi.matching.weigh import judge
from mpi.services.quality.workload import Workloads
from mpi.store.persons import MANUAL
from mpi.store.quality import DrawnRecord
from mpi.store.unit_of_work import Store, UnitOfWork

RECORDS = 1000
"""So many records are drawn, unless the index has fewer."""
EXAMPLES = 10
"""At most so many pairs of each kind of change are named."""


@dataclass(frozen=True, slots=True)
class Example:
    """A pair that the two models judge differently: the two persons by enterprise id (one and the same if linked)."""

    persons: tuple[str, str]
    before: Outcome
    after: Outcome
    weight_before: float
    weight_after: float


@dataclass(frozen=True, slots=True)
class Trial:
    """What the other model would do. Figures of pairs are estimates for the whole index: what was seen times `times`.

    `false_links` are those that the other model itself expects among the links it would make. `hours`: reviewers' time
    for the questions it would ask; None: how long one takes is not known. `right_before`, `right_after`: of `verdicts`
    questions that reviewers answered, how many each model would have decided as they did, and `wrong_*` against them.
    """

    model: str
    hash: str
    records: int
    times: float
    pairs: int
    changes: Mapping[str, float]
    links_gained: float
    links_lost: float
    questions_before: float
    questions_after: float
    false_links: float
    hours: float | None
    examples: tuple[Example, ...]
    verdicts: int
    right_before: int
    right_after: int
    wrong_before: int
    wrong_after: int
    seed: int


@dataclass(frozen=True, slots=True)
class LabelledPair:
    """One answered question: pattern and weight in bits by the model in use; `inclusion`: its chance to be drawn."""

    pattern: str
    verdict: str
    weight: float
    sample: str
    inclusion: float | None


@dataclass(frozen=True, slots=True)
class _Pair:
    before: Outcome
    after: Outcome
    weight_before: float
    weight_after: float
    expected_false: float
    persons: tuple[int, int]


class Trials:
    """Tries models on what is stored."""

    def __init__(self, store: Store, model: LinkageModel, workloads: Workloads, population: int | None = None) -> None:
        self._store = store
        self._model = model
        self._workloads = workloads
        self._population = population

    def from_file(self, file: str) -> LinkageModel:
        """The model in a file, its prior put right for the size of this index as that of the model in use is."""
        found = load(file)
        return for_population(found, self._population) if self._population else found

    def variant(self, link: float | None, keep: float | None, review: float | None) -> LinkageModel:
        """The model in use with other thresholds, in bits; None leaves one. Raises `BadInput`."""
        t = self._model.thresholds
        asked = {"link": link, "keep": keep, "review": review}
        said = {name: value for name, value in asked.items() if value is not None}
        if not said:
            raise BadInput("say which model or which threshold to try")
        found = replace(self._model, thresholds=replace(t, **said))
        check(found)
        return found

    def labels(self, actor: Actor) -> list[LabelledPair]:
        """What reviewers answered, as agreement patterns of the model in use: no values, no numbers. Audited."""
        check_actor(actor, Permission.TRY_MODEL)
        found = []
        with self._store.reading() as unit:
            labels = unit.quality.labels()
            records = unit.records.get({i for label in labels for i in (label.left_record, label.right_record)})
            for label in labels:
                one, other = (Prepared.from_json(records[i].prepared) for i in (label.left_record, label.right_record))
                judged = judge(self._model, one, other)
                sample = label.sample.value if label.sample else ""
                found.append(
                    LabelledPair(judged.pattern, label.verdict.value, round(judged.weight, 4), sample, label.inclusion)
                )
            unit.audit(AuditEvent(actor, Action.LABELS_EXPORTED, detail={"lines": len(found)}))
        return found

    def run(self, actor: Actor, other: LinkageModel, *, records: int = RECORDS, seed: int | None = None) -> Trial:
        """Try `other` beside the model in use. Raises `NotAllowed`."""
        check_actor(actor, Permission.TRY_MODEL)
        seed = secrets.randbits(53) if seed is None else seed
        random = Random(seed)  # noqa: S311 - a sample, no secret
        minutes = self._workloads.now(actor).minutes
        with self._store.reading() as unit:
            there = unit.quality.count_records()
            drawn = unit.quality.records_at(places(there, min(there, records), random)) if there else []
            pairs = [pair for record in drawn for pair in self._pairs(unit, record, other)]
            examples = _examples(unit, pairs)
            scores = self._against_verdicts(unit, other)
            detail = {"model": other.hash, "records": len(drawn), "seed": seed}
            unit.audit(AuditEvent(actor, Action.MODEL_TRIED, model_hash=other.hash, detail=detail))
        times = there / len(drawn) if drawn else 1.0
        return _trial(other, pairs, examples, scores, times, len(drawn), minutes, seed)

    def _pairs(self, unit: UnitOfWork, record: DrawnRecord, other: LinkageModel) -> Iterator[_Pair]:
        """Every pair of a record with an earlier candidate on which no human has decided."""
        mine = Prepared.from_json(record.prepared)
        current = unit.persons.current_link(record.record_id)
        ids, _ = unit.records.block(blocking_keys(mine), BLOCK_LIMIT)
        earlier = [i for i in ids if i < record.record_id]
        if current is None or not earlier or current.grounds.how == MANUAL:
            return
        apart = unit.persons.kept_apart_from(record.record_id)
        manual = {one.record_id for one in unit.persons.current_links(earlier) if one.grounds.how == MANUAL}
        for row in unit.records.candidates([i for i in earlier if i not in apart and i not in manual]):
            theirs = Prepared.from_json(row.prepared)
            before, after = decide_pair(self._model, mine, theirs), decide_pair(other, mine, theirs)
            false = 0.0
            if after.outcome is Outcome.LINK:
                false = 1.0 - probability(other, judge(other, mine, theirs))
            persons = (current.person_id, row.person_id)
            yield _Pair(before.outcome, after.outcome, before.weight, after.weight, false, persons)

    def _against_verdicts(self, unit: UnitOfWork, other: LinkageModel) -> Counter[str]:
        """How each model would have decided the questions about pairs that reviewers have answered."""
        labels = unit.quality.labels()
        records = unit.records.get({i for label in labels for i in (label.left_record, label.right_record)})
        found: Counter[str] = Counter(verdicts=0)
        for label in labels:
            sides = [records.get(i) for i in (label.left_record, label.right_record)]
            if sides[0] is None or sides[1] is None:
                continue
            found["verdicts"] += 1
            one, two = (Prepared.from_json(side.prepared) for side in (sides[0], sides[1]))
            for name, model in (("before", self._model), ("after", other)):
                outcome = decide_pair(model, one, two).outcome
                if outcome is not Outcome.REVIEW:
                    agrees = (outcome is Outcome.LINK) == (label.verdict is Verdict.SAME)
                    found[f"{'right' if agrees else 'wrong'}_{name}"] += 1
        return found


def _examples(unit: UnitOfWork, pairs: list[_Pair]) -> tuple[Example, ...]:
    """Of each kind of change the pairs whose weights are moved most."""
    chosen: list[_Pair] = []
    for kind in sorted({(p.before.value, p.after.value) for p in pairs if p.before is not p.after}):
        own = [p for p in pairs if (p.before.value, p.after.value) == kind]
        chosen += sorted(own, key=lambda p: -abs(p.weight_after - p.weight_before))[:EXAMPLES]
    persons = unit.persons.get({i for p in chosen for i in p.persons})
    restricted = unit.records.restricted_persons(set(persons))
    return tuple(
        Example(
            (persons[p.persons[0]].enterprise_id, persons[p.persons[1]].enterprise_id),
            p.before,
            p.after,
            p.weight_before,
            p.weight_after,
        )
        for p in chosen
        if not restricted & set(p.persons)
    )


def _trial(
    other: LinkageModel,
    pairs: list[_Pair],
    examples: tuple[Example, ...],
    scores: Counter[str],
    times: float,
    records: int,
    minutes: float | None,
    seed: int,
) -> Trial:
    moves = Counter((p.before, p.after) for p in pairs if p.before is not p.after)
    questions = times * sum(p.after is Outcome.REVIEW for p in pairs)
    return Trial(
        model=other.name,
        hash=other.hash,
        records=records,
        times=times,
        pairs=len(pairs),
        changes={f"{before.value} to {after.value}": n * times for (before, after), n in sorted(moves.items())},
        links_gained=times * sum(n for (_, after), n in moves.items() if after is Outcome.LINK),
        links_lost=times * sum(n for (before, _), n in moves.items() if before is Outcome.LINK),
        questions_before=times * sum(p.before is Outcome.REVIEW for p in pairs),
        questions_after=questions,
        false_links=times * sum(p.expected_false for p in pairs),
        hours=questions * minutes / 60 if minutes is not None else None,
        examples=examples,
        verdicts=scores["verdicts"],
        right_before=scores["right_before"],
        right_after=scores["right_after"],
        wrong_before=scores["wrong_before"],
        wrong_after=scores["wrong_after"],
        seed=seed,
    )
