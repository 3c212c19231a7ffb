"""How pages write what concerns outside studies."""

from mpi.domain.study import GateDecision, Origin, RuleResult
from mpi.domain.study_life import StudyStep
from mpi.domain.study_lists import StudyPlace
from mpi.domain.study_override import OverrideState
from mpi.domain.study_view import StudyAct

PLACES: dict[str, str] = {
    StudyPlace.HELD: "Held",
    StudyPlace.IN_DOUBT: "Attached, in doubt",
    StudyPlace.UNVERIFIED: "Attached, identity not verified",
    StudyPlace.ATTACHED: "Attached",
    StudyPlace.REFUSED: "Refused",
}

ORIGINS: dict[str, str] = {
    Origin.LOCAL: "made here",
    Origin.TRUSTED_ISSUER: "from a trusted issuer",
    Origin.PARTNER: "from an exchange partner",
    Origin.DISC: "on a disc",
    Origin.UNKNOWN: "not known",
}

STEPS: dict[str, str] = {
    StudyStep.ATTACHED: "Attached by the gate",
    StudyStep.HELD: "Held",
    StudyStep.REFUSED: "Refused",
    StudyStep.RELEASED: "Attached by a person",
    StudyStep.MOVED: "Went along with its number",
    StudyStep.DOUBTED: "In doubt",
    StudyStep.CLEARED: "No longer in doubt",
    StudyStep.DETACHED: "Detached",
}

RESULTS: dict[str, str] = {
    RuleResult.PASSED: "Holds",
    RuleResult.FAILED: "Does not hold",
    RuleResult.NOT_APPLICABLE: "Nothing to judge",
}

RULES: dict[str, str] = {
    "one-patient": "All objects name one patient",
    "not-veterinary": "It is of a human being",
    "not-quality-control": "It is no phantom",
    "not-de-identified": "Its identity was not removed",
    "not-trial": "It belongs to no trial",
    "study-of-no-other-person": "It is attached to nobody else",
    "earlier-checks-agree": "Earlier checks led to the same person",
    "numbers-lead-to-one-person": "All numbers lead to one person",
    "number-on-one-person": "No number stands on two people",
    "numbers-known": "The numbers contradict nothing",
    "bare-numbers-agree": "Numbers without an issuer are nobody else's",
    "identified-by-trusted-number": "A trusted number says whose it is",
    "number-belongs-to-patient": "The number's bearer is not clearly another person",
    "birth-date": "The date of birth is the same",
    "family-name": "The family name is the same",
    "given-name": "The given name is the same",
    "middle-names": "Further given names do not contradict",
    "sex": "The sex does not contradict",
    "records-agree": "The person's own records agree",
    "not-restricted": "The person is not restricted",
    "no-open-review": "No review of the person is open",
    "no-do-not-link": "Nobody is kept apart from the person",
    "not-set-aside": "No person has set it aside",
    "study-date": "It was made in the person's life",
    "internal-error": "The check could be finished",
}
"""Each gate rule as what holds when it passes."""

ACTS: dict[str, tuple[str, str]] = {
    StudyAct.RELEASE: ("Attach it", "Every rule holds now."),
    StudyAct.OVERRIDE: (
        "Attach it in spite of the rules that do not hold",
        "For a while, and open to everybody who looks. Another person confirms it.",
    ),
    StudyAct.CONFIRM: ("Confirm the override", "You have looked for yourself: the study is this person's."),
    StudyAct.REVOKE: ("Take the override back", "The study is held again."),
    StudyAct.REFUSE: ("Turn it away", "It comes in again only by a person's decision."),
    StudyAct.KEEP: ("Leave it where it is", "The header it was attached by still holds."),
    StudyAct.DETACH: ("Take it away from this person", "It is held, and goes to nobody by itself."),
}

OVERRIDE_STATES: dict[str, str] = {
    OverrideState.OPEN: "Open",
    OverrideState.CONFIRMED: "Confirmed",
    OverrideState.EXPIRED: "Expired",
    OverrideState.REVOKED: "Taken back",
}

DECISIONS: dict[str, str] = {
    GateDecision.ATTACH: "may be attached",
    GateDecision.HOLD: "needs a person's decision",
    GateDecision.REFUSE: "must not come in",
}

WORDS = {
    "study_places": PLACES,
    "study_origins": ORIGINS,
    "study_steps": STEPS,
    "rule_results": RESULTS,
    "gate_rules": RULES,
    "study_acts": ACTS,
    "override_states": OVERRIDE_STATES,
    "gate_decisions": DECISIONS,
}
