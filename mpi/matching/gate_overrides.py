"""Who may attach a study in spite of which failed rule: a table in the gate policy, over a floor."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mpi.domain.errors import NotAllowed
from mpi.domain.roles import Permission, Role, can

NEVER = frozenset(
    {
        "one-patient",
        "not-veterinary",
        "not-quality-control",
        "not-de-identified",
        "not-trial",
        "study-of-no-other-person",
        "numbers-lead-to-one-person",
        "number-belongs-to-patient",
    }
)
"""Rules that nobody may override, whatever a policy says."""

NEVER_TOGETHER = (
    frozenset({"identified-by-trusted-number", "birth-date"}),
    frozenset({"family-name", "given-name", "birth-date"}),
)
"""Rules that nobody may override together: what is left would be a name, or a number alone."""

ANY_SITE = "any"
MOST_HOURS = 24 * 31
_KEYS = frozenset({"rule", "roles", "sites", "reasons", "second_person", "hours"})


@dataclass(frozen=True, slots=True)
class OverrideRule:
    """One line of the table. `sites` are codes of authorities, whose number the study is attached by; None: any.

    `hours`: so long an override holds without being confirmed by a second person. With `second_person` nothing is
    attached before it is confirmed.
    """

    rule: str
    roles: frozenset[Role]
    sites: frozenset[str] | None
    reasons: tuple[str, ...]
    second_person: bool
    hours: int

    def content(self) -> list[object]:
        """What the hash of a policy covers."""
        sites = ANY_SITE if self.sites is None else sorted(self.sites)
        roles = sorted(role.value for role in self.roles)
        return [self.rule, roles, sites, sorted(self.reasons), self.second_person, self.hours]


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a role may do at a site about a set of failed rules, all of them together."""

    second_person: bool
    hours: int


def read(row: Mapping[str, Any], known: Iterable[str], fail: Callable[[str], Exception]) -> OverrideRule:
    """One `[[override]]` of a policy; raises what `fail` makes of a plain English text."""
    rule = row.get("rule")
    if rule not in set(known):
        raise fail(f"override: there is no rule {rule!r}")
    unknown = sorted(row.keys() - _KEYS)
    if unknown:
        raise fail(f"override of {rule}: unknown key {unknown[0]!r}")
    if rule in NEVER:
        raise fail(f"override of {rule}: nobody may override this rule")
    second, hours = row.get("second_person", True), row.get("hours", 24)
    if not isinstance(second, bool):
        raise fail(f"override of {rule}: second_person must be true or false")
    if not isinstance(hours, int) or isinstance(hours, bool) or not 1 <= hours <= MOST_HOURS:
        raise fail(f"override of {rule}: hours must be a whole number from 1 to {MOST_HOURS}")
    sites = row.get("sites", ANY_SITE)
    return OverrideRule(
        rule,
        _roles(rule, row.get("roles"), fail),
        None if sites == ANY_SITE else frozenset(_texts(rule, "sites", sites, fail)),
        tuple(_texts(rule, "reasons", row.get("reasons"), fail)),
        second,
        hours,
    )


def _roles(rule: str, said: object, fail: Callable[[str], Exception]) -> frozenset[Role]:
    able = {role.value: role for role in Role if can(role, Permission.DECIDE_STUDY)}
    texts = _texts(rule, "roles", said, fail)
    if not set(texts) <= able.keys():
        raise fail(f"override of {rule}: roles must be among {', '.join(able)}")
    return frozenset(able[text] for text in texts)


def _texts(rule: str, key: str, said: object, fail: Callable[[str], Exception]) -> list[str]:
    if not isinstance(said, list) or not said or not all(isinstance(one, str) and one.strip() for one in said):
        raise fail(f"override of {rule}: {key} must be a list of texts")
    return said


def check_floor(failed: Iterable[str]) -> None:
    """Raise `NotAllowed` where nobody may override these failed rules."""
    rules = set(failed)
    for rule in sorted(rules & NEVER):
        raise NotAllowed(f"nobody may override {rule}")
    for together in NEVER_TOGETHER:
        if together <= rules:
            raise NotAllowed(f"nobody may override {' and '.join(sorted(together))} together")


def allowance(
    table: Sequence[OverrideRule],
    known: Iterable[str],
    failed: Iterable[str],
    role: Role,
    site: str,
    reason: str | None,
) -> Allowance:
    """What `role` may do about these failed rules at `site`; raises `NotAllowed`, also for a reason that is not listed.

    `reason` None: whoever confirms an override gives none from the list. Floor first, whatever the table says.
    """
    rules = sorted(set(failed))
    check_floor(rules)
    unknown = set(rules) - set(known)
    if unknown:
        raise NotAllowed(f"nobody may override {sorted(unknown)[0]}")
    lines = [_line(table, rule, role, site, reason) for rule in rules]
    return Allowance(any(line.second_person for line in lines), min((line.hours for line in lines), default=1))


def _line(table: Sequence[OverrideRule], rule: str, role: Role, site: str, reason: str | None) -> OverrideRule:
    mine = [one for one in table if one.rule == rule and role in one.roles and (one.sites is None or site in one.sites)]
    if not mine:
        raise NotAllowed(f"the role {role.value} may not override {rule} for {site}")
    for line in mine:
        if reason is None or reason in line.reasons:
            return line
    raise NotAllowed(f"{rule} may be overridden for these reasons: {', '.join(mine[0].reasons)}")
