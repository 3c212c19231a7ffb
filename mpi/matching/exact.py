"""The gate's exact rules: a policy and evidence in, one outcome for each rule out, and the decision they make together.

Pure functions. Nothing here is weighed: a rule holds or fails. What is compared is compared with every active record
of the person, since attaching means showing the study under all of them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from mpi.domain.person import NHS
from mpi.domain.study import GateDecision, RuleOutcome, RuleResult
from mpi.matching.dates import read_date
from mpi.matching.gate_evidence import Evidence, KnownRecord, NumberState, OwnSign
from mpi.matching.gate_policy import CONFIGURED, KINDS, MANDATORY, GatePolicy
from mpi.matching.gate_values import (
    Comparison,
    compare_births,
    compare_families,
    compare_givens,
    compare_middles,
    compare_sexes,
)
from mpi.matching.same_name import Agreement

INTERNAL_ERROR = "internal-error"
"""The rule that a check fails when it could not be finished."""


class Finding(NamedTuple):
    """What one rule found. `reason` is plain English and carries no patient value."""

    result: RuleResult
    reason: str
    missing: bool = False
    """It failed because a value is not there, and not because it speaks against."""


Parameters = Mapping[str, Any]
_Test = Callable[[Evidence, Parameters], Finding]


def _passed(reason: str) -> Finding:
    return Finding(RuleResult.PASSED, reason)


def _failed(reason: str) -> Finding:
    return Finding(RuleResult.FAILED, reason)


def _nothing(reason: str) -> Finding:
    return Finding(RuleResult.NOT_APPLICABLE, reason)


_NOBODY = _nothing("The numbers lead to no one person to compare with.")


def _said(flag: str, passed: str, failed: str) -> _Test:
    def test(evidence: Evidence, _parameters: Parameters) -> Finding:
        return _failed(failed) if getattr(evidence.header, flag) else _passed(passed)

    return test


def _study_of_no_other_person(evidence: Evidence, _parameters: Parameters) -> Finding:
    holder = evidence.study_person
    if evidence.own_persons and evidence.person is not None and evidence.person.person_id not in evidence.own_persons:
        return _failed("The study was made here, of another person.")
    if holder is None:
        return _passed("The study is not attached to anybody.")
    if evidence.person is not None and evidence.person.person_id == holder:
        return _passed("The study is attached to this person already.")
    everyone = frozenset[int]().union(*evidence.leads)
    if evidence.chosen:
        return _failed("The study is attached to another person.")
    if everyone and holder not in everyone:
        return _failed("The study is attached to another person.")
    return _nothing("The study is attached to a person whom the numbers neither confirm nor exclude.")


def _earlier_checks_agree(evidence: Evidence, _parameters: Parameters) -> Finding:
    if evidence.person is None:
        return _NOBODY
    if evidence.study_person == evidence.person.person_id:
        return _passed("The study is attached to this person already.")
    if evidence.earlier_persons - {evidence.person.person_id}:
        return _failed("An earlier check of this study led to another person.")
    if evidence.says_otherwise:
        return _failed("An earlier object of this study names its patient otherwise.")
    return _passed("No earlier check of this study led to another person.")


def _not_set_aside(evidence: Evidence, _parameters: Parameters) -> Finding:
    if evidence.set_aside:
        return _failed("A person has refused or detached this study, or its objects speak of different patients.")
    return _passed("No person has refused or detached this study.")


_OWN_SIGNS = {
    OwnSign.HELD_HERE: "The study was made here: it comes back, and may be a changed or partial copy.",
    OwnSign.ORIGINAL_NUMBER: "The study carried a number of ours before another system changed it.",
    OwnSign.OUR_NUMBER: "The patient id is a number of ours.",
    OwnSign.OUR_ACCESSION: "The accession number is one of ours.",
}


def _not_our_own(evidence: Evidence, _parameters: Parameters) -> Finding:
    if evidence.own_sign in _OWN_SIGNS:
        return _failed(_OWN_SIGNS[evidence.own_sign])
    if evidence.own_sign is OwnSign.HINT:
        return _passed("Institution or study number look like ours, which alone says nothing.")
    return _passed("Nothing says that the study was made here.")


def _numbers_lead_to_one_person(evidence: Evidence, _parameters: Parameters) -> Finding:
    leads = evidence.leads
    if evidence.chosen and evidence.person is not None:
        if all(evidence.person.person_id in persons for persons in leads):
            return _passed("No number in the header leads to another person.")
        return _failed("A number in the header leads to another person.")
    if not leads:
        return _nothing("No number in the header is in the index.")
    if frozenset.intersection(*leads):
        return _passed("No number in the header leads to another person than the others.")
    return _failed("Numbers in the header lead to different people.")


def _number_on_one_person(evidence: Evidence, _parameters: Parameters) -> Finding:
    leads = evidence.leads
    if not leads:
        return (_passed if evidence.chosen else _nothing)("No number in the header is in the index.")
    if any(len(persons) > 1 for persons in leads):
        return _failed("A number in the header stands on more than one person in the index.")
    return _passed("Each number stands on one person in the index.")


def _numbers_known(evidence: Evidence, _parameters: Parameters) -> Finding:
    at_home = {record.authority for record in evidence.person.records} if evidence.person else set()
    for number in evidence.numbers:
        if number.state is NumberState.UNREADABLE:
            return _failed("A number in the header is not a valid number of its issuer.")
        if number.state is NumberState.UNCLEAR_ISSUER:
            return _failed("What the header says of a number's issuer does not lead to one authority.")
        if number.authority == NHS and number.value and evidence.person_nhs - {number.value}:
            return _failed("The NHS number in the header is not the person's present one.")
        if number.state is NumberState.NOT_IN_INDEX and number.authority in at_home:
            return _failed(
                "The person is known under another number at the issuer of a number that is not in the index."
            )
    return _passed("No number in the header contradicts what the index knows.")


def _bare_numbers_agree(evidence: Evidence, _parameters: Parameters) -> Finding:
    unissued = (NumberState.NO_ISSUER, NumberState.UNKNOWN_ISSUER)
    bare = [n.persons for n in evidence.numbers if n.state in unissued and n.persons]
    if not bare or evidence.person is None:
        return _nothing("No number without a known issuer is an NHS number in the index.")
    if all(evidence.person.person_id in persons for persons in bare):
        return _passed("A number without a known issuer is this person's NHS number.")
    return _failed("A number without a known issuer is the NHS number of another person.")


def _identified(evidence: Evidence, parameters: Parameters) -> Finding:
    trusted = parameters["trusted_issuers"]
    for number in evidence.identifying:
        if trusted == CONFIGURED or number.authority == NHS or number.authority in trusted:
            kind = "verified NHS number" if number.authority == NHS else "local number under a trusted issuer"
            return _passed(f"A {kind} leads to this person alone.")
    if any(number.state is NumberState.NO_ISSUER for number in evidence.numbers) and not evidence.leads:
        return _failed("A number without an issuer identifies nobody.")
    if not evidence.leads:
        return _failed("No number in the header is in the index.")
    return _failed("No verified NHS number and no local number under a trusted issuer leads to one person.")


def _number_belongs_to_patient(evidence: Evidence, _parameters: Parameters) -> Finding:
    if evidence.person is None:
        return _NOBODY
    compared = (
        compare_births(evidence),
        compare_families(evidence, "matching"),
        compare_givens(evidence, "matching", short_forms=True),
    )
    if all(one.agreement is Agreement.DIFFERENT and not one.any_same for one in compared):
        return _failed("The number belongs to a person with another name and another birth date.")
    return _passed("Name and birth date do not all speak against the number.")


def _compared(what: str, found: Comparison, *, missing_passes: bool = False) -> Finding:
    """The finding of an element that must be equal."""
    if found.agreement is Agreement.SAME:
        return _passed(f"The {what} in the header is the index's.")
    if found.agreement is Agreement.DIFFERENT:
        return _failed(f"The {what} in the header differs from the index's.")
    where = "header" if found.agreement is Agreement.NOT_IN_HEADER else "index"
    reason = f"The {where} has no usable {what}."
    return _nothing(reason) if missing_passes else Finding(RuleResult.FAILED, reason, missing=True)


def _birth_date(evidence: Evidence, _parameters: Parameters) -> Finding:
    return _compared("birth date", compare_births(evidence)) if evidence.person else _NOBODY


def _family_name(evidence: Evidence, parameters: Parameters) -> Finding:
    found = compare_families(evidence, parameters["folding"])
    return _compared("family name", found) if evidence.person else _NOBODY


def _given_name(evidence: Evidence, parameters: Parameters) -> Finding:
    found = compare_givens(evidence, parameters["folding"], short_forms=parameters["short_forms"])
    return _compared("first given name", found) if evidence.person else _NOBODY


def _middle_names(evidence: Evidence, _parameters: Parameters) -> Finding:
    if evidence.person is None:
        return _NOBODY
    return _compared("further given names", compare_middles(evidence), missing_passes=True)


def _sex(evidence: Evidence, parameters: Parameters) -> Finding:
    if evidence.person is None:
        return _NOBODY
    if any(problem.field == "sex" for problem in evidence.problems):
        return _failed("The sex in the header cannot be read.")
    return _compared("sex", compare_sexes(evidence), missing_passes=parameters["missing"] == "passes")


def _records_agree(evidence: Evidence, _parameters: Parameters) -> Finding:
    if evidence.person is None:
        return _NOBODY
    records = [record.prepared for record in evidence.person.records]
    if any(record.placeholder for record in records):
        return _failed("A record of the person stands for nobody in particular.")
    if evidence.person.used_again:
        return _failed("A record of the person described somebody else before.")
    for what, values in (
        ("NHS numbers", {r.nhs for r in records if r.nhs}),
        ("birth dates", {r.birth for r in records if r.birth}),
        ("sexes", {r.sex for r in records if r.sex}),
    ):
        if len(values) > 1:
            return _failed(f"The person's own records have different {what}.")
    return _passed("The person's own records agree with each other.")


def _not_restricted(evidence: Evidence, _parameters: Parameters) -> Finding:
    if evidence.person is None:
        return _NOBODY
    return _failed("The person is restricted.") if evidence.person.restricted else _passed("No record is restricted.")


def _no_open_review(evidence: Evidence, _parameters: Parameters) -> Finding:
    if evidence.person is None:
        return _NOBODY
    if evidence.person.open_tasks:
        return _failed("A review task about the person is not closed.")
    return _passed("No review task about the person is open.")


def _no_do_not_link(evidence: Evidence, _parameters: Parameters) -> Finding:
    if evidence.person is None:
        return _NOBODY
    if evidence.person.kept_apart:
        return _failed("The person is party to a do-not-link: somebody was mistaken for them before.")
    return _passed("The person is party to no do-not-link.")


def _study_date(evidence: Evidence, parameters: Parameters) -> Finding:
    if evidence.person is None:
        return _NOBODY
    text = evidence.header.study_date
    if text is None or not text.strip():
        reason = "The header has no study date."
        passes = parameters["missing"] == "passes"
        return _nothing(reason) if passes else Finding(RuleResult.FAILED, reason, missing=True)
    whole = read_date(text).whole
    if whole is None:
        return _failed("The study date is not a whole date.")
    studied = date.fromisoformat(whole)
    if studied > evidence.today + timedelta(days=parameters["days_ahead"]):
        return _failed("The study date lies in the future.")
    births = [record.prepared.birth for record in evidence.person.records]
    if any(studied < born - timedelta(days=parameters["days_before_birth"]) for born in _dates(births)):
        return _failed("The study date lies before the birth date.")
    if any(_death_unreadable(record) for record in evidence.person.records):
        return _failed("The person has died, on a day that the index cannot tell.")
    deaths = [record.prepared.death for record in evidence.person.records]
    if any(studied > died + timedelta(days=parameters["days_after_death"]) for died in _dates(deaths)):
        return _failed("The study date lies after the death date.")
    return _passed("The study date lies in the person's lifetime.")


def _dates(texts: Iterable[str | None]) -> list[date]:
    return [date.fromisoformat(text) for text in texts if text]


def _death_unreadable(record: KnownRecord) -> bool:
    """A death date was recorded that is neither a day nor one of the fillers that stand for "none"."""
    recorded = record.recorded.death_date
    if not recorded or not recorded.strip() or record.prepared.death:
        return False
    return not any(p.field == "death_date" and p.problem == "placeholder" for p in record.problems)


_TESTS: Mapping[str, _Test] = {
    "one-patient": _said("several_patients", "One patient in the study.", "More than one patient in the study."),
    "not-veterinary": _said("veterinary", "Not of an animal.", "The patient is an animal."),
    "not-quality-control": _said("quality_control", "Not a phantom.", "A phantom, for quality control."),
    "not-de-identified": _said("identity_removed", "The identity was not removed.", "The identity was removed."),
    "not-trial": _said("trial", "Not of a clinical trial.", "An object of a clinical trial."),
    "study-of-no-other-person": _study_of_no_other_person,
    "earlier-checks-agree": _earlier_checks_agree,
    "not-set-aside": _not_set_aside,
    "not-our-own": _not_our_own,
    "numbers-lead-to-one-person": _numbers_lead_to_one_person,
    "number-on-one-person": _number_on_one_person,
    "numbers-known": _numbers_known,
    "bare-numbers-agree": _bare_numbers_agree,
    "identified-by-trusted-number": _identified,
    "number-belongs-to-patient": _number_belongs_to_patient,
    "birth-date": _birth_date,
    "family-name": _family_name,
    "given-name": _given_name,
    "middle-names": _middle_names,
    "sex": _sex,
    "records-agree": _records_agree,
    "not-restricted": _not_restricted,
    "no-open-review": _no_open_review,
    "no-do-not-link": _no_do_not_link,
    "study-date": _study_date,
}
_MAY_NOT_APPLY = frozenset({"sex", "study-date"})
"""The mandatory rules that may find nothing to judge in a study that is attached."""


def evaluate(policy: GatePolicy, evidence: Evidence) -> tuple[RuleOutcome, ...]:
    """The outcome of each rule of `policy`, in the order of `KINDS`. All are judged, also after one has failed.

    Where a policy says that what is missing `asks`, that holds, also where the rule would refuse.
    """
    outcomes = []
    for rule in policy.rules_for(evidence.arrival, evidence.header.modality):
        found = _TESTS[rule.id](evidence, rule.parameters)
        asks = found.missing and rule.parameters.get("missing") == "asks"
        on_failure = GateDecision.HOLD if asks else rule.on_failure
        outcomes.append(RuleOutcome(rule.id, found.result, on_failure, found.reason))
    return tuple(outcomes)


def decide(outcomes: Sequence[RuleOutcome]) -> GateDecision:
    """Attach only where nothing failed and every mandatory rule was judged and passed; else refuse or hold.

    This does not rely on the policy having been validated: with a mandatory rule missing it holds.
    """
    failed = [outcome for outcome in outcomes if outcome.result is RuleResult.FAILED]
    if any(outcome.on_failure is GateDecision.REFUSE for outcome in failed):
        return GateDecision.REFUSE
    passed = {outcome.rule for outcome in outcomes if outcome.result is RuleResult.PASSED}
    return GateDecision.HOLD if unmet(outcomes) or not passed <= KINDS.keys() else GateDecision.ATTACH


def unmet(outcomes: Sequence[RuleOutcome]) -> list[str]:
    """The rules in whose spite a study would be attached: those that failed, and mandatory ones that did not pass."""
    failed = {outcome.rule for outcome in outcomes if outcome.result is RuleResult.FAILED}
    passed = {outcome.rule for outcome in outcomes if outcome.result is RuleResult.PASSED}
    judged = passed | {outcome.rule for outcome in outcomes if outcome.rule in _MAY_NOT_APPLY}
    return sorted(failed | (MANDATORY - judged))


def internal_error() -> RuleOutcome:
    """The outcome of a check that could not be finished."""
    reason = "The check could not be finished; a person must look."
    return RuleOutcome(INTERNAL_ERROR, RuleResult.FAILED, GateDecision.HOLD, reason)
