"""Link, review or apart: the one place where a weight and the hard rules become a decision."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from mpi.domain.decision import HardRule, Outcome, PairDecision, PersonDecision, RecordDecision
from mpi.matching.facts import Facts, facts_of
from mpi.matching.model import LinkageModel, Thresholds
from mpi.matching.prepared import Prepared
from mpi.matching.rules import same_nhs
from mpi.matching.shape import SHARED_AT_HOME, SHARED_BY_TWINS
from mpi.matching.verdict import (
    ABOVE,
    APART,
    BELOW,
    BETWEEN,
    ENOUGH_BUT_BIRTH,
    ENOUGH_EXTRA,
    ENOUGH_OF_EXTRAS,
    ENOUGH_OF_ONES_OWN,
    ENOUGH_OWN,
    FAR,
    LARGEST_NHS_PENALTY,
    NO_FAMILIES,
    NOT_OWN_IDENTIFIER,
    OBJECTIONS,
    REST_REVIEWS,
    Verdict,
    verdict,
)
from mpi.matching.weigh import Judged, evidence, judge, without


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stored record that shares a blocking key with the incoming one."""

    record_id: int
    person_id: int
    prepared: Prepared


@dataclass(frozen=True, slots=True)
class PersonFacts:
    """What all records of a person say together, also those that share no key with the incoming one."""

    verified_nhs: frozenset[str] = frozenset()
    valid_nhs: frozenset[str] = frozenset()
    kept_apart: bool = False
    """A do-not-link stands between the incoming record and a record of this person."""


def zones_of(model: LinkageModel, judged: Judged) -> int:
    """Where the weights of a pair lie, as `mpi.matching.verdict` reads it."""
    t = model.thresholds
    return (
        _where(t, judged.weight)
        | (REST_REVIEWS if without(model, judged, "nhs_number") >= t.review else 0)
        | (ENOUGH_OWN if own_evidence(model, judged, SHARED_AT_HOME) >= ENOUGH_OF_ONES_OWN else 0)
        | (ENOUGH_BUT_BIRTH if own_evidence(model, judged, SHARED_BY_TWINS) >= ENOUGH_OF_ONES_OWN else 0)
        | (ENOUGH_EXTRA if model.own_extras and _of_extras(model, judged) >= ENOUGH_OF_EXTRAS else 0)
        | (0 if model.families else NO_FAMILIES)
        | (0 if model.own_identifier else NOT_OWN_IDENTIFIER)
    )


def _where(t: Thresholds, weight: float) -> int:
    if weight >= t.review:
        return ABOVE if weight >= t.link else BETWEEN
    return FAR if weight < t.review - LARGEST_NHS_PENALTY else BELOW


def own_evidence(model: LinkageModel, judged: Judged, shared: AbstractSet[str]) -> float:
    """What relatives do not share (`shared`: the comparisons they do) adds up to, in bits without the prior."""
    found = 0.0
    for comparison, bits in zip(model.comparisons, judged.bits, strict=True):
        if comparison.name not in shared and comparison.name not in model.shared_extras:
            found += bits
    return found


def _of_extras(model: LinkageModel, judged: Judged) -> float:
    """What the user's own fields that relatives do not share add up to, in bits."""
    found = 0.0
    for comparison, bits in zip(model.comparisons, judged.bits, strict=True):
        if comparison.name in model.own_extras:
            found += bits
    return found


def _verdict(model: LinkageModel, a: Prepared, b: Prepared, judged: Judged) -> tuple[Verdict, Facts]:
    """The outcome of one pair, the hard rule that decided it, if one did, and the facts (none where none mattered)."""
    named = not (a.placeholder or b.placeholder)
    if named and _where(model.thresholds, judged.weight) == FAR and not same_nhs(a, b):
        return APART, Facts(0)  # What `verdict` says of every such pair, without working its facts out.
    facts = facts_of(a, b)
    return verdict(facts, zones_of(model, judged)), Facts(facts)


def _decided(model: LinkageModel, judged: Judged, verdict: Verdict) -> PairDecision:
    outcome, rule = verdict
    return PairDecision(outcome, judged.weight, judged.pattern, rule, evidence(model, judged))


def decide_pair(model: LinkageModel, a: Prepared, b: Prepared) -> PairDecision:
    """Two records judged on their own, with evidence."""
    judged = judge(model, a, b)
    return _decided(model, judged, _verdict(model, a, b, judged)[0])


@dataclass(slots=True)
class _Person:
    """The best pair with a person so far, and whether one of its records speaks against the whole."""

    candidate: Candidate
    judged: Judged
    verdict: Verdict
    own_number: bool
    """The best pair shares an NHS number, so that its likeness to others matters less."""
    against: HardRule | None = None
    another: bool = False
    """A record of this person, itself no link, clearly differs in name, birth date or sex."""


_RANK = {Outcome.APART: 0, Outcome.REVIEW: 1, Outcome.LINK: 2}


def decide_record(
    model: LinkageModel, incoming: Prepared, candidates: Sequence[Candidate], facts: Mapping[int, PersonFacts]
) -> RecordDecision:
    """A record against the index: the one person it joins, or nobody, and the persons a human must look at.

    `facts` are looked up by person id; a person that is not in it has none. A person whose other records contradict
    (`PersonFacts`, twins, another NHS number, without one a clearly different person) is reviewed and not joined.
    """
    persons: dict[int, _Person] = {}
    for candidate in candidates:
        fact = facts.get(candidate.person_id)
        if fact is not None and fact.kept_apart:
            continue
        judged = judge(model, incoming, candidate.prepared)
        verdict, facts_of_pair = _verdict(model, incoming, candidate.prepared, judged)
        _add(persons, candidate, judged, verdict, facts_of_pair)
    for person_id, person in persons.items():
        _check_whole(model, incoming, person, facts.get(person_id))
    return _choose(model, persons, len(candidates))


def _add(persons: dict[int, _Person], candidate: Candidate, judged: Judged, verdict: Verdict, facts: Facts) -> None:
    person = persons.get(candidate.person_id)
    against = verdict[1] if verdict[1] in OBJECTIONS else None
    another = facts.has("clearly_another") and verdict[0] is not Outcome.LINK
    own_number = facts.has("same_nhs")
    if person is None:
        persons[candidate.person_id] = _Person(candidate, judged, verdict, own_number, against, another)
        return
    person.against = person.against or against
    person.another = person.another or another
    mine = (_RANK[verdict[0]], judged.weight, -candidate.record_id)
    best = (_RANK[person.verdict[0]], person.judged.weight, -person.candidate.record_id)
    if mine > best:
        person.candidate, person.judged, person.verdict, person.own_number = candidate, judged, verdict, own_number


def _check_whole(model: LinkageModel, incoming: Prepared, person: _Person, facts: PersonFacts | None) -> None:
    """Turn a link into a review where the person's other records contradict it."""
    if person.verdict[0] is not Outcome.LINK:
        return
    rule = person.against
    number = incoming.nhs
    if rule is None and facts is not None and number is not None:
        if incoming.nhs_verified and facts.verified_nhs and facts.verified_nhs != {number}:
            rule = HardRule.VERIFIED_NHS_DIFFER
        elif facts.valid_nhs and number not in facts.valid_nhs:
            rule = HardRule.VALID_NHS_DIFFER
    if rule is None and person.another and model.families and not person.own_number:
        rule = HardRule.OTHER_RECORD_DIFFERS
    if rule is not None:
        person.verdict = (Outcome.REVIEW, rule)


def _choose(model: LinkageModel, persons: Mapping[int, _Person], compared: int) -> RecordDecision:
    found = []
    for person_id, person in persons.items():
        if person.verdict[0] is not Outcome.APART:
            pair = _decided(model, person.judged, person.verdict)
            found.append(PersonDecision(person_id, person.candidate.record_id, pair))
    found.sort(key=lambda d: (-d.pair.weight, d.person_id))
    linked = [d for d in found if d.pair.outcome is Outcome.LINK]
    if len(linked) == 1:
        return RecordDecision(linked[0], tuple(d for d in found if d is not linked[0]), compared)
    held = {d.person_id for d in linked}
    reviews = tuple(_to_review(d) if d.person_id in held else d for d in found)
    return RecordDecision(None, reviews, compared)


def _to_review(decision: PersonDecision) -> PersonDecision:
    return replace(decision, pair=replace(decision.pair, outcome=Outcome.REVIEW, rule=HardRule.TWO_PERSONS))
