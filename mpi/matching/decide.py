"""Link, review or apart: the one place where a weight and the hard rules become a decision."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mpi.domain.decision import HardRule, Outcome, PairDecision, PersonDecision, RecordDecision
from mpi.matching import rules
from mpi.matching.model import LinkageModel
from mpi.matching.prepared import Prepared
from mpi.matching.rules import Standing
from mpi.matching.shape import HOUSEHOLD_FIELDS
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


Verdict = tuple[Outcome, HardRule | None]
_LINK: Verdict = (Outcome.LINK, None)
_APART: Verdict = (Outcome.APART, None)

_POISON = frozenset(
    {HardRule.TWINS, HardRule.SAME_NHS_PERSON_DIFFERS, HardRule.VERIFIED_NHS_DIFFER, HardRule.VALID_NHS_DIFFER}
)
"""Rules that speak against the whole person, even when another of its records would link."""


def _by_weight(model: LinkageModel, weight: float) -> Outcome:
    if weight >= model.thresholds.link:
        return Outcome.LINK
    return Outcome.REVIEW if weight >= model.thresholds.review else Outcome.APART


def _review_from(reached: bool, rule: HardRule) -> Verdict:
    return (Outcome.REVIEW if reached else Outcome.APART), rule


def _verdict(model: LinkageModel, a: Prepared, b: Prepared, judged: Judged) -> Verdict:
    """The outcome of one pair and the hard rule that decided it, if one did."""
    if a.placeholder or b.placeholder:
        return Outcome.APART, HardRule.PLACEHOLDER
    usable = rules.usable_nhs(a, b)
    same_nhs = rules.same_nhs(a, b)
    if same_nhs and usable and rules.clearly_another(a, b):
        return Outcome.REVIEW, HardRule.SAME_NHS_PERSON_DIFFERS
    if judged.weight < model.thresholds.review - _LARGEST_NHS_PENALTY and not same_nhs:
        return _APART
    twins = _twins(model, a, b, judged)
    if twins is not None:
        return twins
    differ = _numbers_differ(model, a, b, judged)
    if differ is not None:
        return differ
    if same_nhs and not usable:
        return _unresolved(model, a, b, judged)
    outcome = _by_weight(model, judged.weight)
    if outcome is Outcome.APART:
        return _APART
    return _held(model, a, b, outcome, judged) or (outcome, None)


_LARGEST_NHS_PENALTY = 20.0
"""Bits: more than any model takes off for two different NHS numbers. Further below review, no rule can ask."""


def _numbers_differ(model: LinkageModel, a: Prepared, b: Prepared, judged: Judged) -> Verdict | None:
    """Two different NHS numbers: a human is asked if the rest is similar enough.

    That holds whatever the statuses: a number that never counts for a link may well count against it. Where name,
    birth date or sex clearly differs too, two numbers are what one expects: father and son.
    """
    if a.nhs is None or b.nhs is None or a.nhs == b.nhs:
        return None
    rest = without(model, judged, "nhs_number")
    rule = HardRule.VERIFIED_NHS_DIFFER if a.nhs_verified and b.nhs_verified else HardRule.VALID_NHS_DIFFER
    if rest < model.thresholds.review:
        return _APART
    return (Outcome.APART if rules.clearly_another(a, b) else Outcome.REVIEW), rule


def _twins(model: LinkageModel, a: Prepared, b: Prepared, judged: Judged) -> Verdict | None:
    """Same birth date, family and home, but two given names: two children of one birth, never an automatic link."""
    if a.birth is None or a.birth != b.birth or rules.family(a, b) in (Standing.DIFFERENT, Standing.UNKNOWN):
        return None
    if rules.birth_orders_differ(a, b):
        return _review_from(_shared_number(a, b), HardRule.TWINS)
    if not rules.share_home(a, b):
        return None
    forename = rules.given(a, b)
    if forename is Standing.DIFFERENT:
        numbers_differ = a.nhs is not None and b.nhs is not None and a.nhs != b.nhs
        if (numbers_differ or rules.sex(a, b) is Standing.DIFFERENT) and not _shared_number(a, b):
            return Outcome.APART, HardRule.TWINS
        reached = judged.weight >= model.thresholds.link or _shared_number(a, b)
        return _review_from(reached, HardRule.TWINS)
    if forename is not Standing.UNKNOWN and not _shared_number(a, b) and _could_be_two(a, b):
        return _review_from(judged.weight >= model.thresholds.review, HardRule.TWINS)
    return None


def _could_be_two(a: Prepared, b: Prepared) -> bool:
    """Given names that two children of one birth may bear: an initial, similar ones, a short form and another sex."""
    x, y = a.given, b.given
    if x is None or y is None or len(x) == 1 or len(y) == 1:
        return True
    if x == y or rules.names_exchanged(a, b):
        return False
    return rules.given(a, b) is not Standing.SAME or rules.sex(a, b) is Standing.DIFFERENT


def _shared_number(a: Prepared, b: Prepared) -> bool:
    """A number of the person's own on both sides: a usable NHS number or another identifier."""
    return (rules.same_nhs(a, b) and rules.usable_nhs(a, b)) or rules.same_other_id(a, b)


def _unresolved(model: LinkageModel, a: Prepared, b: Prepared, judged: Judged) -> Verdict:
    """The same number with status 04 or 05: left out of the weight; what the rest does not link, a human sees."""
    outcome = _by_weight(model, judged.weight)
    held = _held(model, a, b, outcome, judged)
    if outcome is Outcome.LINK and held is None:
        return _LINK
    return Outcome.REVIEW, HardRule.NHS_STATUS


def _held(model: LinkageModel, a: Prepared, b: Prepared, outcome: Outcome, judged: Judged) -> Verdict | None:
    """What stands against a link even though the weight is high enough: only a household, or a baby without a name."""
    household = _household(model, a, b, outcome, judged)
    if household is not None and household[0] is Outcome.APART:
        return household
    return _newborn(a, b) or household


def _newborn(a: Prepared, b: Prepared) -> Verdict | None:
    """A baby without a given name joins only by a verified NHS number, or another identifier with all else agreeing."""
    if not (a.newborn or b.newborn):
        return None
    if rules.same_nhs(a, b) and rules.usable_nhs(a, b) and a.nhs_verified and b.nhs_verified:
        return None
    if rules.same_other_id(a, b) and _all_else_agrees(a, b):
        return None
    return Outcome.REVIEW, HardRule.NEWBORN


def _all_else_agrees(a: Prepared, b: Prepared) -> bool:
    return (
        rules.family(a, b) is Standing.SAME
        and rules.birth(a, b) is Standing.SAME
        and rules.sex(a, b) is not Standing.DIFFERENT
        and (rules.share_home(a, b) or a.postcode is None or b.postcode is None)
        and (a.birth_order is None or b.birth_order is None or a.birth_order == b.birth_order)
    )


def _household(model: LinkageModel, a: Prepared, b: Prepared, outcome: Outcome, judged: Judged) -> Verdict | None:
    """What agrees is what a household shares: father and son, sisters, two records without a birth date.

    An automatic link needs a given name and a birth date that speak for one person, or one of the two with a number
    or other evidence of the person's own. Where both speak against it and no number is shared, nobody is asked.
    """
    forename, day = rules.given(a, b), rules.birth(a, b)
    shared = _shared_number(a, b)
    if forename is Standing.DIFFERENT and day is Standing.DIFFERENT:
        return _review_from(shared, HardRule.HOUSEHOLD)
    contradicted = Standing.DIFFERENT in (forename, day)
    if outcome is not Outcome.LINK:
        # What one home gives both sides is in the weight: without it such a pair would not have come this far.
        return (Outcome.APART, HardRule.HOUSEHOLD) if contradicted and not shared and rules.share_home(a, b) else None
    fits = (forename in (Standing.SAME, Standing.CLOSE)) + (day in (Standing.SAME, Standing.CLOSE))
    if fits == 2 or (shared and fits == 1):
        return None
    if fits == 1 and not contradicted and _own_evidence(model, judged) >= _ENOUGH_OF_ONES_OWN:
        return None
    return Outcome.REVIEW, HardRule.HOUSEHOLD


_ENOUGH_OF_ONES_OWN = 18.0
"""Bits that make up for an unknown birth date or given name: more than the names and sex a father passes on."""


def _own_evidence(model: LinkageModel, judged: Judged) -> float:
    """What a household does not share adds up to, in bits without the prior."""
    pairs = zip(model.comparisons, judged.bits, strict=True)
    return sum(bits for c, bits in pairs if c.name not in HOUSEHOLD_FIELDS)


def _decided(model: LinkageModel, judged: Judged, verdict: Verdict) -> PairDecision:
    outcome, rule = verdict
    return PairDecision(outcome, judged.weight, judged.pattern, rule, evidence(model, judged))


def decide_pair(model: LinkageModel, a: Prepared, b: Prepared) -> PairDecision:
    """Two records judged on their own, with evidence."""
    judged = judge(model, a, b)
    return _decided(model, judged, _verdict(model, a, b, judged))


@dataclass(slots=True)
class _Person:
    """The best pair with a person so far, and whether one of its records speaks against the whole."""

    candidate: Candidate
    judged: Judged
    verdict: Verdict
    against: HardRule | None = None


_RANK = {Outcome.APART: 0, Outcome.REVIEW: 1, Outcome.LINK: 2}


def decide_record(
    model: LinkageModel, incoming: Prepared, candidates: Sequence[Candidate], facts: Mapping[int, PersonFacts]
) -> RecordDecision:
    """A record against the index: the one person it joins, or nobody, and the persons a human must look at.

    `facts` are looked up by person id; a person that is not in it has none. A person whose other records contradict
    (`PersonFacts`, twins, another NHS number) is reviewed and not joined.
    """
    persons: dict[int, _Person] = {}
    for candidate in candidates:
        fact = facts.get(candidate.person_id)
        if fact is not None and fact.kept_apart:
            continue
        judged = judge(model, incoming, candidate.prepared)
        verdict = _verdict(model, incoming, candidate.prepared, judged)
        _add(persons, candidate, judged, verdict)
    for person_id, person in persons.items():
        _check_whole(model, incoming, person, facts.get(person_id))
    return _choose(model, persons, len(candidates))


def _add(persons: dict[int, _Person], candidate: Candidate, judged: Judged, verdict: Verdict) -> None:
    person = persons.get(candidate.person_id)
    against = verdict[1] if verdict[1] in _POISON else None
    if person is None:
        persons[candidate.person_id] = _Person(candidate, judged, verdict, against)
        return
    person.against = person.against or against
    mine = (_RANK[verdict[0]], judged.weight, -candidate.record_id)
    best = (_RANK[person.verdict[0]], person.judged.weight, -person.candidate.record_id)
    if mine > best:
        person.candidate, person.judged, person.verdict = candidate, judged, verdict


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
