"""Judging a study by a policy inside the caller's unit of work, and writing down what was found."""

import json
from dataclasses import asdict, dataclass, replace

from mpi.config import Config
from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.study import (
    NO_ARRIVAL,
    Arrival,
    GateAnswer,
    GateDecision,
    RuleOutcome,
    RuleResult,
    StudyHeader,
)
from mpi.matching.exact import INTERNAL_ERROR, decide, evaluate, internal_error, unmet
from mpi.matching.gate_evidence import Evidence
from mpi.matching.gate_policy import GatePolicy
from mpi.services.gate import tasks
from mpi.services.gate.evidence import gather, hinted
from mpi.store.studies import NewCheck
from mpi.store.unit_of_work import UnitOfWork

MOST_CANDIDATES = 20


@dataclass(frozen=True, slots=True)
class Judged:
    """The outcome of one evaluation, before it is written down."""

    decision: GateDecision
    rules: tuple[RuleOutcome, ...]
    person_id: int | None = None
    record_id: int | None = None
    candidates: tuple[str, ...] = ()
    verified: bool = True
    """False: it goes on by an override that nobody has confirmed yet."""
    readable: bool = False
    """True: it is held, and may be read at once under its own header, marked as not verified."""

    @property
    def failed(self) -> list[str]:
        """The rules that failed."""
        return [outcome.rule for outcome in self.rules if outcome.result is RuleResult.FAILED]

    @property
    def unmet(self) -> list[str]:
        """The rules in whose spite it would be attached: failed ones, and mandatory ones that did not pass."""
        return unmet(self.rules)

    @property
    def speaks_against(self) -> bool:
        """Whether an attached study must wait: judged, and not to be attached."""
        return self.decision is not GateDecision.ATTACH and all(o.rule != INTERNAL_ERROR for o in self.rules)

    @property
    def reasons(self) -> str:
        """What failed, in plain English."""
        return " ".join(o.reason for o in self.rules if o.result is RuleResult.FAILED) or "A rule could not be judged."


UNFINISHED = Judged(GateDecision.HOLD, (internal_error(),))
"""A check that could not be finished."""


def judge(
    unit: UnitOfWork,
    config: Config,
    policy: GatePolicy,
    header: StudyHeader,
    *,
    let_in: bool = False,
    chosen: int | None = None,
    arrival: Arrival = NO_ARRIVAL,
) -> Judged:
    """What `policy` says of a study with this header, and whose the numbers are.

    With `let_in` it does not count that a human has set the study aside: a human lets it in again now. `chosen` as in
    `gather`.
    """
    evidence = gather(unit, config, header, chosen, arrival)
    if let_in:
        evidence = replace(evidence, set_aside=False)
    rules = evaluate(policy, evidence)
    decision = decide(rules)
    person_id = evidence.person.person_id if evidence.person else None
    candidates = _candidates(unit, config, evidence)
    section = policy.section(arrival, header.modality)
    readable = section is not None and section.readable and decision is GateDecision.HOLD
    return Judged(decision, rules, person_id, _record(evidence), candidates, readable=readable)


def write_check(
    unit: UnitOfWork,
    policy: GatePolicy,
    actor: Actor,
    header: StudyHeader,
    judged: Judged,
    arrival: Arrival = NO_ARRIVAL,
) -> int:
    """Write a check down with its audit event; a study that is not attached follows it. The check's id."""
    study = unit.studies.get(header.study_uid)
    new = NewCheck(
        study_uid=header.study_uid,
        decision=judged.decision,
        person_id=judged.person_id,
        record_id=judged.record_id,
        header=json.dumps(asdict(header)),
        rules=json.dumps([[o.rule, o.result, o.on_failure, o.reason] for o in judged.rules]),
        policy_version=policy.version,
        policy_hash=policy.hash,
        arrival=arrival,
        readable=judged.readable,
    )
    detail = {
        "decision": judged.decision.value,
        "failed": judged.failed,
        "candidates": list(judged.candidates),
        "policy": [policy.version, policy.hash],
    }
    event = AuditEvent(actor, Action.STUDY_CHECKED, detail=detail)
    check_id = unit.studies.add_check(new, attached_to=study.person_id if study else None, event=event)
    if study is None or study.person_id is None:
        if judged.decision is GateDecision.HOLD:
            tasks.ask(unit, actor, header.study_uid, judged.reasons, failed=judged.failed, candidates=judged.candidates)
        else:
            tasks.settle(unit, actor, header.study_uid, f"the gate's answer is {judged.decision.value} now")
    return check_id


def answer(policy: GatePolicy, header: StudyHeader, judged: Judged) -> GateAnswer:
    """What is answered to who asked."""
    attach = judged.decision is GateDecision.ATTACH
    return GateAnswer(
        decision=judged.decision,
        study_uid=header.study_uid,
        person=judged.candidates[0] if attach else None,
        rules=judged.rules,
        policy_version=policy.version,
        policy_hash=policy.hash,
        candidates=judged.candidates,
        verified=judged.verified,
        readable=judged.readable,
    )


def _candidates(unit: UnitOfWork, config: Config, evidence: Evidence) -> tuple[str, ...]:
    """Enterprise ids: the person first, then others the numbers lead to, then those whom bare numbers could mean."""
    order: dict[int, None] = {}
    if evidence.person:
        order[evidence.person.person_id] = None
    for number in evidence.numbers:
        order.update(dict.fromkeys(sorted(number.persons)))
    order.update(dict.fromkeys(sorted(hinted(unit, config, evidence.header))))
    wanted = list(order)[:MOST_CANDIDATES]
    persons = unit.persons.get(wanted)
    return tuple(persons[person_id].enterprise_id for person_id in wanted)


def _record(evidence: Evidence) -> int | None:
    """The record whose number identified the person; a local number first, for it names the hospital."""
    identifying = sorted(evidence.identifying, key=lambda number: number.value is not None)
    return next((number.record_id for number in identifying if number.record_id is not None), None)
