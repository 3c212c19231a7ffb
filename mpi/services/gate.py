"""The gate decides whether an imaging study that came from outside may be attached to a person of the index.

One check is one unit of work: what was read still holds when the decision, the check and its audit event are written.
Fails closed: whatever goes wrong on the way to an answer holds the study.
"""

import json
import logging
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from mpi.config import Config
from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.errors import BadInput, TemporaryFailure
from mpi.domain.roles import Permission, check_actor
from mpi.domain.study import GateAnswer, GateDecision, RuleOutcome, RuleResult, StudyHeader
from mpi.matching.exact import decide, evaluate, internal_error
from mpi.matching.gate_evidence import Evidence
from mpi.matching.gate_policy import CONFIGURED, GatePolicy, InvalidPolicy, load, load_default
from mpi.services.gate_evidence import gather, hinted
from mpi.store.database import retrying
from mpi.store.studies import NewCheck
from mpi.store.unit_of_work import Store, UnitOfWork

_log = logging.getLogger(__name__)
_UID = re.compile(r"(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*))+", re.ASCII)
LONGEST_UID = 64
MOST_CANDIDATES = 20


def load_policy(config: Config) -> GatePolicy:
    """The policy that `config` names: the shipped one, or a file (relative to mpi.toml). Raises `InvalidPolicy`."""
    if config.gate_policy == "default":
        return load_default()
    folder = config.path.parent if config.path else Path()
    return load(folder / config.gate_policy)


def is_uid(text: str) -> bool:
    """Whether `text` is a unique identifier of DICOM (PS3.5 section 9.1)."""
    return len(text) <= LONGEST_UID and _UID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class _Judged:
    """The outcome of one evaluation, before it is written down."""

    decision: GateDecision
    rules: tuple[RuleOutcome, ...]
    person_id: int | None = None
    record_id: int | None = None
    candidates: tuple[str, ...] = ()


class _NotJudged(TemporaryFailure):
    """The database was there, and failed while the evidence was read; when repeats do not help, the study is held."""


class Gate:
    """Checks outside studies against the index."""

    def __init__(self, store: Store, config: Config, policy: GatePolicy) -> None:
        """Raises `InvalidPolicy` when the policy trusts an authority that is not configured."""
        _check_issuers(policy, config)
        self._store = store
        self._config = config
        self._policy = policy

    def check(self, actor: Actor, header: StudyHeader) -> GateAnswer:
        """Attach, hold or refuse, with the outcome of each rule; the check is stored with it.

        Raises `NotAllowed`, `BadInput` for a Study Instance UID that is none, and `TemporaryFailure` when nothing
        could be stored: then there is no answer, and the study must wait.
        """
        check_actor(actor, Permission.CHECK_STUDY)
        if not is_uid(header.study_uid):
            raise BadInput("the Study Instance UID is not a valid UID", field="(0020,000D)")
        try:
            return retrying(lambda: self._check(actor, header))
        except _NotJudged:
            _log.exception("gate check could not read the index")
        except TemporaryFailure:
            raise
        except Exception:
            # The answer could not be written down as judged: nothing of it was committed.
            _log.exception("gate check failed")
        try:
            return retrying(lambda: self._hold(actor, header))
        except TemporaryFailure:
            raise
        except Exception as error:
            _log.exception("gate check could not be stored")
            raise TemporaryFailure("the check could not be stored") from error

    def _check(self, actor: Actor, header: StudyHeader) -> GateAnswer:
        with self._store.writing(identities=True) as unit:
            try:
                with unit.savepoint():
                    judged = self._judge(unit, header)
            except TemporaryFailure as error:
                raise _NotJudged(str(error)) from error
            except Exception:
                _log.exception("gate evaluation failed")
                judged = _UNFINISHED
            self._write(unit, actor, header, judged)
        return self._answer(header, judged)

    def _hold(self, actor: Actor, header: StudyHeader) -> GateAnswer:
        with self._store.writing(identities=True) as unit:
            self._write(unit, actor, header, _UNFINISHED)
        return self._answer(header, _UNFINISHED)

    def _judge(self, unit: UnitOfWork, header: StudyHeader) -> _Judged:
        evidence = gather(unit, self._config, header)
        rules = evaluate(self._policy, evidence)
        decision = decide(rules)
        person_id = evidence.person.person_id if evidence.person else None
        candidates = _candidates(unit, self._config, evidence)
        return _Judged(decision, rules, person_id, _record(evidence), candidates)

    def _write(self, unit: UnitOfWork, actor: Actor, header: StudyHeader, judged: _Judged) -> None:
        study = unit.studies.get(header.study_uid)
        new = NewCheck(
            study_uid=header.study_uid,
            decision=judged.decision,
            person_id=judged.person_id,
            record_id=judged.record_id,
            header=json.dumps(asdict(header)),
            rules=json.dumps([[o.rule, o.result, o.on_failure, o.reason] for o in judged.rules]),
            policy_version=self._policy.version,
            policy_hash=self._policy.hash,
        )
        failed = [outcome.rule for outcome in judged.rules if outcome.result is RuleResult.FAILED]
        detail = {
            "decision": judged.decision.value,
            "failed": failed,
            "candidates": list(judged.candidates),
            "policy": [self._policy.version, self._policy.hash],
        }
        event = AuditEvent(actor, Action.STUDY_CHECKED, detail=detail)
        unit.studies.add_check(new, attached_to=study.person_id if study else None, event=event)

    def _answer(self, header: StudyHeader, judged: _Judged) -> GateAnswer:
        attach = judged.decision is GateDecision.ATTACH
        return GateAnswer(
            decision=judged.decision,
            study_uid=header.study_uid,
            person=judged.candidates[0] if attach else None,
            rules=judged.rules,
            policy_version=self._policy.version,
            policy_hash=self._policy.hash,
            candidates=judged.candidates,
        )


_UNFINISHED = _Judged(GateDecision.HOLD, (internal_error(),))


def _check_issuers(policy: GatePolicy, config: Config) -> None:
    for rule in policy.rules:
        issuers = rule.parameters.get("trusted_issuers", CONFIGURED)
        for code in [] if issuers == CONFIGURED else issuers:
            found = config.authority(code)
            if found is None or found.code != code:
                raise InvalidPolicy(f"{policy.name}: rule {rule.id} trusts {code!r}, which is no configured authority")


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
