"""A dry run of matching: what would this person match? Nothing is stored but the audit of the question."""

from dataclasses import dataclass

from mpi.config import Config
from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.decision import FieldEvidence, HardRule, Outcome, PersonDecision
from mpi.domain.person import Demographics, ValueProblem
from mpi.domain.roles import Permission, check_actor
from mpi.matching.block import blocking_keys
from mpi.matching.model import LinkageModel
from mpi.matching.prepare import prepare
from mpi.services import identity, numbers, scope, views
from mpi.store.unit_of_work import Store, UnitOfWork


@dataclass(frozen=True, slots=True)
class MatchCandidate:
    """A person in the index that the asked one may be, through its best record. `weight` in bits, prior included.

    A restricted person is found, weighed and decided on without where it lives and is registered: that an address
    agrees would tell it to whoever asks with one address after another. Hospital and number are withheld.
    """

    enterprise_id: str
    authority: str
    local_id: str
    weight: float
    pattern: str
    outcome: Outcome
    rule: HardRule | None
    evidence: tuple[FieldEvidence, ...]


@dataclass(frozen=True, slots=True)
class MatchAnswer:
    """What registration would do (`outcome`), the candidates at or above review, best first, and unusable values.

    Restricted people are weighed without their home, by which registration might do more; nor are people compared whom
    the asker does not reach.
    """

    outcome: Outcome
    candidates: tuple[MatchCandidate, ...]
    problems: tuple[ValueProblem, ...]
    compared: int
    model: str


class Matcher:
    """Answers dry runs."""

    def __init__(self, store: Store, config: Config, model: LinkageModel) -> None:
        self._store = store
        self._config = config
        self._model = model

    def match(
        self, actor: Actor, demographics: Demographics, *, authority: str | None = None, limit: int = 20
    ) -> MatchAnswer:
        """What would this person match? `authority` says whose record it would be (it decides on test numbers)."""
        check_actor(actor, Permission.MATCH)
        admits = self._config.admits_test_numbers(authority) if authority else self._config.any_test_authority
        own, problems = prepare(demographics, allow_test_numbers=admits)
        with self._store.reading() as unit:
            prepared = numbers.current(unit, own)
            decision = identity.ask(
                unit,
                self._model,
                prepared,
                blocking_keys(prepared),
                count_skipped=False,
                guarded=True,
                within=lambda persons: scope.reached(unit, actor, persons),
            )
            found = ([decision.link_to] if decision.link_to else []) + list(decision.reviews)
            candidates = tuple(self._candidate(unit, one) for one in found[:limit])
            unit.audit(
                AuditEvent(
                    actor,
                    Action.MATCHED,
                    model_hash=self._model.hash,
                    detail={
                        "asked": sorted(demographics.as_dict()),
                        "found": [one.enterprise_id for one in candidates],
                    },
                )
            )
        outcome = Outcome.LINK if decision.link_to else Outcome.REVIEW if decision.reviews else Outcome.APART
        return MatchAnswer(outcome, candidates, problems, decision.compared, self._model.hash)

    def _candidate(self, unit: UnitOfWork, decision: PersonDecision) -> MatchCandidate:
        person = unit.persons.get([decision.person_id])[decision.person_id]
        record = unit.records.get([decision.record_id])[decision.record_id]
        pair = decision.pair
        restricted = views.is_restricted(unit, record)
        return MatchCandidate(
            person.enterprise_id,
            views.WITHHELD if restricted else record.authority,
            views.WITHHELD if restricted else record.local_id,
            pair.weight,
            pair.pattern,
            pair.outcome,
            pair.rule,
            pair.evidence,
        )
