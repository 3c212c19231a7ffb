"""The gate's rules as data: which rules a policy may have, with which parameters, and what it must not leave out."""

import hashlib
import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

from mpi.domain.errors import BadInput
from mpi.domain.study import Arrival, GateDecision, Origin, Urgency
from mpi.matching import gate_overrides
from mpi.matching.gate_overrides import OverrideRule

FORMAT = 1
CONFIGURED = "configured"
"""As `trusted_issuers`: every configured authority that is a hospital or national."""


class InvalidPolicy(BadInput):
    """A policy that cannot be used; the message starts with the file's name."""

    code = "gate-policy"


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """One rule of a policy; `parameters` holds every parameter the rule has, defaults filled in."""

    id: str
    on_failure: GateDecision
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Section:
    """Rules that are otherwise for studies that came in a certain way. An empty set means any.

    `rules` stand in the place of those of the policy with the same id; none can be left out by a section. `readable`:
    what is held may be read at once under its own header, marked as not verified.
    """

    name: str
    origins: frozenset[Origin]
    modalities: frozenset[str]
    urgency: Urgency | None
    readable: bool
    rules: tuple[PolicyRule, ...]

    def fits(self, arrival: Arrival, modality: str | None) -> bool:
        """Whether a study came in the way that the section is for."""
        return (
            (not self.origins or arrival.origin in self.origins)
            and (not self.modalities or (modality or "").strip().upper() in self.modalities)
            and self.urgency in (None, arrival.urgency)
        )

    def content(self) -> list[object]:
        """What the hash of a policy covers."""
        urgency = self.urgency.value if self.urgency else None
        rules = sorted([rule.id, rule.on_failure.value, dict(rule.parameters)] for rule in self.rules)
        return [self.name, sorted(self.origins), sorted(self.modalities), urgency, self.readable, rules]


@dataclass(frozen=True)
class GatePolicy:
    """A validated policy. Make one by `parse`, `load` or `load_default`."""

    version: str
    rules: tuple[PolicyRule, ...]
    overrides: tuple[OverrideRule, ...] = ()
    """Who may override which failed rule; whatever is not in it, nobody may."""
    sections: tuple[Section, ...] = ()
    """The first that fits a study counts."""
    name: str = "default"
    """The file it came from, for error texts only."""

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the content: comments, spacing, the order of rules and defaults left out do not change it."""
        rules = sorted([rule.id, rule.on_failure.value, dict(rule.parameters)] for rule in self.rules)
        content: dict[str, Any] = {"format": FORMAT, "version": self.version, "rules": rules}
        if self.overrides:
            content["overrides"] = [one.content() for one in self.overrides]
        if self.sections:
            content["sections"] = [one.content() for one in self.sections]
        return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def section(self, arrival: Arrival, modality: str | None) -> Section | None:
        """The section for a study that came so; None: the rules of the policy as they stand."""
        return next((one for one in self.sections if one.fits(arrival, modality)), None)

    def rules_for(self, arrival: Arrival, modality: str | None) -> tuple[PolicyRule, ...]:
        """The rules for a study that came so, in the order of `KINDS`."""
        found = self.section(arrival, modality)
        instead = {rule.id: rule for rule in found.rules} if found else {}
        every = {rule.id: rule for rule in self.rules} | instead
        return tuple(every[rule] for rule in KINDS if rule in every)


@dataclass(frozen=True, slots=True)
class _Parameter:
    default: Any
    accepts: Callable[[Any], bool]
    says: str


def _choice(*values: str) -> _Parameter:
    return _Parameter(values[0], lambda v: isinstance(v, str) and v in values, " or ".join(f'"{v}"' for v in values))


def _days(default: int, most: int) -> _Parameter:
    def accepts(value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most

    return _Parameter(default, accepts, f"a whole number from 0 to {most}")


def _issuers(value: Any) -> bool:
    return value == CONFIGURED or (
        isinstance(value, list) and bool(value) and all(isinstance(v, str) and v.strip() for v in value)
    )


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a policy may say of one rule. `refuse_only` rules cannot be softened to hold."""

    mandatory: bool = True
    refuse_only: bool = False
    parameters: Mapping[str, _Parameter] = field(default_factory=dict)


_FOLDING = _choice("matching", "case")
KINDS: Mapping[str, _Kind] = {
    "one-patient": _Kind(refuse_only=True),
    "not-veterinary": _Kind(),
    "not-quality-control": _Kind(),
    "not-de-identified": _Kind(),
    "not-trial": _Kind(),
    "study-of-no-other-person": _Kind(refuse_only=True),
    "earlier-checks-agree": _Kind(),
    "not-set-aside": _Kind(),
    "not-our-own": _Kind(),
    "numbers-lead-to-one-person": _Kind(refuse_only=True),
    "number-on-one-person": _Kind(),
    "numbers-known": _Kind(),
    "bare-numbers-agree": _Kind(mandatory=False),
    "identified-by-trusted-number": _Kind(
        parameters={
            "trusted_issuers": _Parameter(CONFIGURED, _issuers, f'"{CONFIGURED}" or a list of authority codes'),
        }
    ),
    "number-belongs-to-patient": _Kind(mandatory=False),
    "birth-date": _Kind(parameters={"missing": _choice("fails", "asks")}),
    "family-name": _Kind(parameters={"folding": _FOLDING, "missing": _choice("fails", "asks")}),
    "given-name": _Kind(
        parameters={
            "folding": _FOLDING,
            "missing": _choice("fails", "asks"),
            "short_forms": _Parameter(True, lambda v: isinstance(v, bool), "true or false"),
        }
    ),
    "middle-names": _Kind(mandatory=False),
    "sex": _Kind(parameters={"missing": _choice("passes", "fails", "asks")}),
    "records-agree": _Kind(),
    "not-restricted": _Kind(),
    "no-open-review": _Kind(),
    "no-do-not-link": _Kind(),
    "study-date": _Kind(
        parameters={
            "missing": _choice("fails", "passes", "asks"),
            "days_before_birth": _days(1, 31),
            "days_after_death": _days(7, 366),
            "days_ahead": _days(1, 31),
        }
    ),
}
"""Every rule there is, in the order in which outcomes are shown."""

CAME_LATER = frozenset({"earlier-checks-agree", "not-set-aside", "not-our-own"})
"""Mandatory rules that earlier policy files need not have: where one is left out, it holds."""

MANDATORY = frozenset(rule for rule, kind in KINDS.items() if kind.mandatory)
_MORE_THAN_A_NAME = ("identified-by-trusted-number", "birth-date")


def parse(text: str, name: str) -> GatePolicy:
    """The policy written in `text`; raises `InvalidPolicy`, whose message starts with `name`."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidPolicy(f"{name}: {error}") from error
    unknown = sorted(data.keys() - {"format", "version", "rule", "override", "section"})
    if unknown:
        raise InvalidPolicy(f"{name}: unknown key {unknown[0]!r}")
    if data.get("format") != FORMAT:
        raise InvalidPolicy(f"{name}: format must be {FORMAT}")
    version = data.get("version")
    if not isinstance(version, str) or not version.strip():
        raise InvalidPolicy(f"{name}: version must be a text that names this policy")
    rows = data.get("rule", [])
    if not isinstance(rows, list):
        raise InvalidPolicy(f"{name}: write [[rule]], one for each")
    rules = [_rule(row, name) for row in rows]
    named = {rule.id for rule in rules}
    rules += [_rule({"id": rule, "on_failure": "hold"}, name) for rule in sorted(CAME_LATER - named)]
    _check_minimum([rule.id for rule in rules], name)
    order = list(KINDS)
    return GatePolicy(
        version.strip(),
        tuple(sorted(rules, key=lambda rule: order.index(rule.id))),
        _overrides(data.get("override", []), name),
        _sections(data.get("section", []), name),
        name,
    )


def _overrides(rows: object, name: str) -> tuple[OverrideRule, ...]:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InvalidPolicy(f"{name}: write [[override]], one for each")
    return tuple(gate_overrides.read(row, KINDS, lambda text: InvalidPolicy(f"{name}: {text}")) for row in rows)


_SECTION_KEYS = frozenset({"name", "origins", "modalities", "urgency", "readable", "rule"})


def _sections(rows: object, name: str) -> tuple[Section, ...]:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InvalidPolicy(f"{name}: write [[section]], one for each")
    return tuple(_section(row, name) for row in rows)


def _section(row: Mapping[str, Any], name: str) -> Section:
    title = row.get("name")
    if not isinstance(title, str) or not title.strip():
        raise InvalidPolicy(f"{name}: a section needs a name")
    at = f"{name}: section {title}"
    unknown = sorted(row.keys() - _SECTION_KEYS)
    if unknown:
        raise InvalidPolicy(f"{at}: unknown key {unknown[0]!r}")
    readable, urgency = row.get("readable", False), row.get("urgency")
    if urgency not in (None, *Urgency):
        raise InvalidPolicy(f"{at}: urgency must be {' or '.join(Urgency)}")
    if not isinstance(readable, bool) or (readable and urgency != Urgency.EMERGENCY):
        raise InvalidPolicy(f"{at}: only what is an emergency can be readable")
    origins = _listed(row, "origins", at)
    if not origins <= set(Origin):
        raise InvalidPolicy(f"{at}: origins must be among {', '.join(Origin)}")
    rules = [_rule(one, at) for one in row.get("rule", [])]
    if len({rule.id for rule in rules}) < len(rules):
        raise InvalidPolicy(f"{at}: a rule stands twice")
    return Section(
        title.strip(),
        frozenset(Origin(one) for one in origins),
        frozenset(one.upper() for one in _listed(row, "modalities", at)),
        Urgency(urgency) if urgency else None,
        readable,
        tuple(rules),
    )


def _listed(row: Mapping[str, Any], key: str, at: str) -> set[str]:
    said = row.get(key, [])
    if not isinstance(said, list) or not all(isinstance(one, str) and one.strip() for one in said):
        raise InvalidPolicy(f"{at}: {key} must be a list of texts")
    return set(said)


def _rule(row: Mapping[str, Any], name: str) -> PolicyRule:
    identity = row.get("id")
    kind = KINDS.get(identity) if isinstance(identity, str) else None
    if kind is None or not isinstance(identity, str):
        raise InvalidPolicy(f"{name}: there is no rule {identity!r}; known are {', '.join(KINDS)}")
    allowed = ("refuse",) if kind.refuse_only else ("hold", "refuse")
    on_failure = row.get("on_failure")
    if on_failure not in allowed:
        raise InvalidPolicy(f"{name}: rule {identity}: on_failure must be {' or '.join(allowed)}")
    parameters = {key: value for key, value in row.items() if key not in ("id", "on_failure")}
    for key, value in parameters.items():
        known = kind.parameters.get(key)
        if known is None:
            raise InvalidPolicy(f"{name}: rule {identity} has no parameter {key!r}")
        if not known.accepts(value):
            raise InvalidPolicy(f"{name}: rule {identity}: {key} must be {known.says}")
    defaults = {key: parameter.default for key, parameter in kind.parameters.items()}
    return PolicyRule(identity, GateDecision(str(on_failure)), defaults | parameters)


def _check_minimum(rules: list[str], name: str) -> None:
    """The hard minimum: no policy attaches with less than this."""
    twice = sorted({rule for rule in rules if rules.count(rule) > 1})
    if twice:
        raise InvalidPolicy(f"{name}: rule {twice[0]} stands twice")
    for rule in _MORE_THAN_A_NAME:
        if rule not in rules:
            raise InvalidPolicy(f"{name}: without rule {rule} a study could be attached on a name alone")
    missing = [rule for rule in KINDS if rule in MANDATORY and rule not in rules]
    if missing:
        raise InvalidPolicy(f"{name}: these rules cannot be left out: {', '.join(missing)}")


def load(path: Path) -> GatePolicy:
    """The policy in the file `path`; raises `InvalidPolicy`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidPolicy(f"{path}: cannot be read ({type(error).__name__})") from error
    return parse(text, str(path))


def load_default() -> GatePolicy:
    """The policy that ships with the package."""
    text = resources.files("mpi.matching").joinpath("policies/default.toml").read_text(encoding="utf-8")
    return parse(text, "default gate policy")
