"""Trying a policy on the past: what it would decide of the studies that were checked, beside the active one."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mpi.config import Config
from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.errors import NotAllowed
from mpi.domain.roles import Permission, check_actor
from mpi.domain.study import GateDecision, RuleResult, header_of
from mpi.matching.exact import decide, evaluate
from mpi.matching.gate_policy import GatePolicy, PolicyRule
from mpi.services.gate.evidence import gather
from mpi.services.gate.issuers import check_issuers
from mpi.store.unit_of_work import Store

MOST_EXAMPLES = 10
PAGE = 200


@dataclass(frozen=True, slots=True)
class Changed:
    """Studies of which two policies decide differently: from what to what, how many, and some by their UID."""

    before: GateDecision
    after: GateDecision
    count: int
    examples: tuple[str, ...]
    rules: tuple[tuple[str, int], ...]
    """The rules whose outcome differs, with how many of these studies, the most frequent first."""


@dataclass(slots=True)
class Trial:
    """What a policy would change. `attached` counts the studies that it would attach and the active one would not."""

    studies: int = 0
    same: int = 0
    changed: list[Changed] = field(default_factory=list)

    @property
    def attached(self) -> int:
        """How many more would be attached."""
        return sum(one.count for one in self.changed if one.after is GateDecision.ATTACH)


class PolicyTrials:
    """Compares policies with the active one; nothing is stored but the audit of having looked."""

    def __init__(self, store: Store, config: Config, active: GatePolicy) -> None:
        self._store = store
        self._config = config
        self.active = active

    def check(self, policy: GatePolicy) -> None:
        """Raise `InvalidPolicy` where a policy trusts or names an authority that is not configured."""
        check_issuers(policy, self._config)

    def try_on_past(self, actor: Actor, policy: GatePolicy, most: int | None = None) -> Trial:
        """Both policies on the last header of every study that was checked, by the index as it is now.

        Raises `NotAllowed` by role and for an account that is bound to sites, and `InvalidPolicy`.
        """
        check_actor(actor, Permission.DECIDE_STUDY)
        if actor.sites is not None:
            raise NotAllowed("a trial looks at the studies of every site, and this account is bound to some")
        self.check(policy)
        trial, counts = Trial(), Counter[tuple[GateDecision, GateDecision]]()
        examples: dict[tuple[GateDecision, GateDecision], list[str]] = {}
        rules: dict[tuple[GateDecision, GateDecision], Counter[str]] = {}
        for study_uid, before, after, differ in self._decisions(policy, most):
            trial.studies += 1
            if before is after:
                trial.same += 1
                continue
            counts[before, after] += 1
            rules.setdefault((before, after), Counter()).update(differ)
            found = examples.setdefault((before, after), [])
            if len(found) < MOST_EXAMPLES:
                found.append(study_uid)
        trial.changed = [
            Changed(*pair, n, tuple(examples[pair]), tuple(rules[pair].most_common()))
            for pair, n in counts.most_common()
        ]
        with self._store.reading() as unit:
            detail = {"policy": [policy.version, policy.hash], "studies": trial.studies}
            unit.audit(AuditEvent(actor, Action.POLICY_TRIED, detail=detail))
        return trial

    def _decisions(
        self, policy: GatePolicy, most: int | None
    ) -> Iterator[tuple[str, GateDecision, GateDecision, list[str]]]:
        """Each study with the decision of the active policy, that of `policy`, and the rules that differ."""
        after, seen = "", 0
        while True:
            with self._store.reading() as unit:
                page = unit.studies.uids(after, PAGE)
                for study_uid in page:
                    check = unit.studies.latest_check(study_uid)
                    if check is None:
                        continue
                    evidence = gather(unit, self._config, header_of(check.header), None, check.arrival)
                    old, new = evaluate(self.active, evidence), evaluate(policy, evidence)
                    failed = [{o.rule for o in outcomes if o.result is RuleResult.FAILED} for outcomes in (old, new)]
                    refusing = [
                        {o.rule for o in outcomes if o.on_failure is GateDecision.REFUSE and o.rule in wrong}
                        for outcomes, wrong in zip((old, new), failed, strict=True)
                    ]
                    differ = (failed[0] ^ failed[1]) | (refusing[0] ^ refusing[1])
                    yield study_uid, decide(old), decide(new), sorted(differ)
                    seen += 1
                    if most is not None and seen >= most:
                        return
            if len(page) < PAGE:
                return
            after = page[-1]


def differences(active: GatePolicy, policy: GatePolicy) -> list[str]:
    """What a policy says otherwise than the active one, in plain English, one line each; empty: nothing."""
    found = _rules({r.id: r for r in active.rules}, {r.id: r for r in policy.rules})
    found += _named("override of ", _overrides(active), _overrides(policy))
    sections = [{one.name: one.content() for one in p.sections} for p in (active, policy)]
    found += _named("section ", *sections)
    if not found and active.hash != policy.hash and active.version == policy.version:
        found.append("the order of sections or overrides differs")
    return found


def _overrides(policy: GatePolicy) -> dict[str, list[object]]:
    lines: dict[str, list[object]] = {}
    for one in policy.overrides:
        lines.setdefault(one.rule, []).append(one.content())
    return lines


def _named(what: str, old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    return [
        f"{what}{name}: {'is new' if name not in old else 'is gone' if name not in new else 'is otherwise'}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


def _rules(old: Mapping[str, PolicyRule], new: Mapping[str, PolicyRule]) -> list[str]:
    found = []
    for rule in sorted(old.keys() | new.keys()):
        if rule not in new or rule not in old:
            found.append(f"rule {rule}: {'is new' if rule in new else 'is left out'}")
            continue
        if old[rule].on_failure is not new[rule].on_failure:
            found.append(f"rule {rule}: on_failure {old[rule].on_failure.value} -> {new[rule].on_failure.value}")
        for key in sorted(new[rule].parameters):
            one, other = old[rule].parameters.get(key), new[rule].parameters[key]
            if one != other:
                found.append(f"rule {rule}: {key} {one!r} -> {other!r}")
    return found
