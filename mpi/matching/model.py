"""The linkage model: a validated, versioned JSON document that says how much each agreement weighs.

Fellegi and Sunter (1969): a level's weight is log2(m/u), m being how often a record's own second copy reaches the
level and u how often somebody else's does. Weights are bits; the prior is added, so a weight of 0 means even odds.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from importlib import resources
from math import log2
from pathlib import Path
from typing import Any

from mpi.domain.errors import BadInput
from mpi.matching.compare import Comparer, compile_comparison
from mpi.matching.kinds import condition

FORMAT = 1
EXTRA = "extra."
"""What the names of comparisons of a user's own fields begin with."""
_MOST_LEVELS = 36
LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"
"""A level's letter in a pattern, by its place; `-` is missing."""


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a comparison: it holds when all conditions of `when` do; the last level of a comparison has none."""

    label: str
    when: tuple[Mapping[str, Any], ...]
    m: float
    u: float
    frequency: float = 0.0
    """Share (0-1) of the term-frequency adjustment that this level takes."""
    counted_elsewhere: bool = False
    """True when another comparison already counts what this level shows: it weighs 0 bits."""

    @property
    def bits(self) -> float:
        """log2(m/u), before any term-frequency adjustment."""
        return 0.0 if self.counted_elsewhere else log2(self.m / self.u)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison of two records. It is missing when no level holds and none of `needs` has a value on both sides."""

    name: str
    needs: tuple[str, ...]
    levels: tuple[Level, ...]
    table: str | None = None
    """The term-frequency table, and the field whose value is looked up in it."""


@dataclass(frozen=True, slots=True)
class Frequencies:
    """Relative frequencies of a field's values. `base` is the chance that two random values agree (sum of squares)."""

    base: float
    floor: float
    """What an unseen value counts as."""
    values: Mapping[str, float]

    def bits(self, value: str) -> float:
        """What agreeing on this value adds to agreeing on an average one; below 0 for a common value."""
        return log2(self.base) - log2(max(self.values.get(value, self.floor), self.floor))


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Weights in bits: `review` <= `keep` <= `link`."""

    link: float
    keep: float
    review: float


@dataclass(frozen=True, slots=True)
class Relatives:
    """A class of pairs of two people who agree on `agree_on` as one person's records do, and else as strangers."""

    name: str
    agree_on: tuple[str, ...]
    """Names of comparisons; those the model does not have count for nothing."""
    per_match: float
    """Pairs of such relatives for each pair of one person's records."""
    grow: bool = False
    """They are strangers, whose number for each match grows with the index; a family does not."""


@dataclass(frozen=True)
class LinkageModel:
    """A model ready to weigh pairs. Make one by `from_json`, `load` or `load_default`: they validate."""

    name: str
    prior: float
    """Probability that two random records are of one person."""
    comparisons: tuple[Comparison, ...]
    frequencies: Mapping[str, Frequencies]
    thresholds: Thresholds
    families: bool = True
    """False where the records it was estimated on hold so few pairs of relatives that linking them all would not break
    the target rate of false links: the rules against relatives then have nothing to guard (`mpi.matching.train`)."""
    relatives: tuple[Relatives, ...] = ()
    """What `mpi.matching.probability` reckons with beside strangers. None known: strangers alone."""
    own_identifier: bool = True
    """False where the data do not show that the other identifier is each person's own: then it is weighed, but in the
    hard rules it stands for no number of the person's own, since a family may share it."""
    trained: Mapping[str, Any] = field(default_factory=dict)
    """What the model was estimated from: counts, seed, settings. No patient values."""

    @cached_property
    def prior_bits(self) -> float:
        """log2 of the prior odds."""
        return log2(self.prior / (1.0 - self.prior))

    @cached_property
    def own_extras(self) -> frozenset[str]:
        """The comparisons of a user's own fields that families, as far as training saw any, do not share."""
        shared = {name for r in self.relatives if not r.grow for name in r.agree_on}
        return frozenset(c.name for c in self.comparisons if c.name.startswith(EXTRA)) - shared

    @cached_property
    def shared_extras(self) -> frozenset[str]:
        """The comparisons of a user's own fields on which relatives agree as one person's records do."""
        return frozenset(c.name for c in self.comparisons if c.name.startswith(EXTRA)) - self.own_extras

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the canonical JSON: two models with one hash weigh alike."""
        return hashlib.sha256(self._canonical().encode()).hexdigest()

    @cached_property
    def comparers(self) -> tuple[Comparer, ...]:
        """The comparisons compiled to functions, in model order."""
        return tuple(compile_comparison(c.needs, [level.when for level in c.levels]) for c in self.comparisons)

    def as_dict(self) -> dict[str, Any]:
        """The model as the JSON document's object."""
        return {
            "format": FORMAT,
            "name": self.name,
            "prior": self.prior,
            "thresholds": {name: getattr(self.thresholds, name) for name in Thresholds.__slots__},
            "families": self.families,
            "own_identifier": self.own_identifier,
            "relatives": [
                {"name": r.name, "agree_on": list(r.agree_on), "per_match": r.per_match}
                | ({"grow": True} if r.grow else {})
                for r in self.relatives
            ],
            "comparisons": [_comparison_dict(c) for c in self.comparisons],
            "frequencies": {
                name: {"base": t.base, "floor": t.floor, "values": dict(t.values)}
                for name, t in self.frequencies.items()
            },
            "trained": dict(self.trained),
        }

    def _canonical(self) -> str:
        return json.dumps(self.as_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)

    def to_json(self) -> str:
        """The document, readable: one level a line."""
        document = self.as_dict()
        tables = document.pop("frequencies")
        text = json.dumps(document, indent=1, ensure_ascii=True, allow_nan=False)
        packed = ",\n  ".join(f"{json.dumps(name)}: {json.dumps(table)}" for name, table in tables.items())
        return text[:-2] + ',\n "frequencies": {\n  ' + packed + "\n }\n}\n"

    @staticmethod
    def from_json(text: str) -> "LinkageModel":
        """The model of a document; raises `BadInput` naming what is wrong in it."""
        try:
            document = json.loads(text)
        except ValueError as error:
            raise BadInput(f"the linkage model is no JSON: {error}", code="model") from error
        try:
            model = _read(document)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadInput(f"the linkage model is not valid: {error!r}", code="model") from error
        check(model)
        return model


def _comparison_dict(c: Comparison) -> dict[str, Any]:
    levels = []
    for level in c.levels:
        entry: dict[str, Any] = {
            "label": level.label,
            "when": [dict(w) for w in level.when],
            "m": level.m,
            "u": level.u,
        }
        if level.frequency:
            entry["frequency"] = level.frequency
        if level.counted_elsewhere:
            entry["counted_elsewhere"] = True
        levels.append(entry)
    found: dict[str, Any] = {"name": c.name, "needs": list(c.needs), "levels": levels}
    if c.table:
        found["table"] = c.table
    return found


def _read(document: Mapping[str, Any]) -> LinkageModel:
    if document["format"] != FORMAT:
        raise ValueError(f"format {document['format']}, this software reads {FORMAT}")
    comparisons = tuple(
        Comparison(
            c["name"],
            tuple(c["needs"]),
            tuple(
                Level(
                    level["label"],
                    tuple(level["when"]),
                    float(level["m"]),
                    float(level["u"]),
                    float(level.get("frequency", 0.0)),
                    bool(level.get("counted_elsewhere", False)),
                )
                for level in c["levels"]
            ),
            c.get("table"),
        )
        for c in document["comparisons"]
    )
    tables = {
        name: Frequencies(float(t["base"]), float(t["floor"]), {k: float(v) for k, v in t["values"].items()})
        for name, t in document.get("frequencies", {}).items()
    }
    t = document["thresholds"]
    thresholds = Thresholds(float(t["link"]), float(t["keep"]), float(t["review"]))
    families, own = document.get("families", True), document.get("own_identifier", True)
    if not isinstance(families, bool) or not isinstance(own, bool):
        raise ValueError("families and own_identifier must be true or false")
    return LinkageModel(
        name=str(document["name"]),
        prior=float(document["prior"]),
        comparisons=comparisons,
        frequencies=tables,
        thresholds=thresholds,
        families=families,
        own_identifier=own,
        relatives=tuple(
            Relatives(str(r["name"]), tuple(r["agree_on"]), float(r["per_match"]), bool(r.get("grow", False)))
            for r in document.get("relatives", [])
        ),
        trained=document.get("trained", {}),
    )


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise BadInput(f"the linkage model is not valid: {what}", code="model")


def check(model: LinkageModel) -> None:
    """Raise `BadInput` naming the first thing that makes the model unusable."""
    _require(0.0 < model.prior < 1.0, "the prior is not a probability between 0 and 1")
    t = model.thresholds
    _require(t.review <= t.keep <= t.link, "thresholds must be review <= keep <= link")
    _require(len(model.comparisons) > 0, "no comparisons")
    _require(all(0.0 <= r.per_match < float("inf") for r in model.relatives), "relatives per match are negative")
    names = [c.name for c in model.comparisons]
    _require(len(set(names)) == len(names), "two comparisons of one name")
    for c in model.comparisons:
        _check_comparison(model, c)
    for name, table in model.frequencies.items():
        fine = 0 < table.floor <= 1 and 0 < table.base <= 1 and all(0 < f <= 1 for f in table.values.values())
        _require(fine, f"frequencies of {name} are not all between 0 and 1")


def _check_comparison(model: LinkageModel, c: Comparison) -> None:
    _require(2 <= len(c.levels) <= _MOST_LEVELS, f"{c.name}: needs 2 to {_MOST_LEVELS} levels")
    _require(len(c.needs) > 0, f"{c.name}: needs no field")
    _require(c.table is None or c.table in model.frequencies, f"{c.name}: no frequency table {c.table}")
    for place, level in enumerate(c.levels):
        last = place == len(c.levels) - 1
        _require(bool(level.when) != last, f"{c.name}: the last level, and only it, has no conditions")
        fine = 0.0 < level.m <= 1.0 and 0.0 < level.u <= 1.0 and 0.0 <= level.frequency <= 1.0
        _require(fine, f"{c.name}, {level.label}: m and u must lie above 0 and up to 1")
        for spec in level.when:
            try:
                condition(spec)
            except (KeyError, TypeError, ValueError) as error:
                _require(False, f"{c.name}, {level.label}: unknown condition ({error!r})")


def load(path: str | Path) -> LinkageModel:
    """The model in a file; raises `BadInput` when it cannot be read or is not valid."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"the linkage model {path} cannot be read: {error}", code="model") from error
    return LinkageModel.from_json(text)


@lru_cache(maxsize=1)
def load_default() -> LinkageModel:
    """The model that ships with the package, estimated on the project's synthetic population."""
    text = resources.files("mpi.matching").joinpath("models/default.json").read_text(encoding="utf-8")
    return LinkageModel.from_json(text)


def for_population(model: LinkageModel, population: int) -> LinkageModel:
    """The model for an index of `population` records, whatever size it was estimated for.

    A larger index holds more namesakes, so the same agreement proves less: the prior falls, the thresholds stay.
    Raises `BadInput` for a model that does not say which size it was estimated for.
    """
    assumed = model.trained.get("population")
    if not isinstance(assumed, int):
        raise BadInput("the linkage model does not say for how many records it is; train it again", code="model")
    return scaled(model, population / assumed)


def scaled(model: LinkageModel, times: float) -> LinkageModel:
    """The model for an index so many times as large: matches per record stay, so a random match is rarer."""
    relatives = tuple(replace(r, per_match=r.per_match * times) if r.grow else r for r in model.relatives)
    return replace(model, prior=model.prior / times, relatives=relatives)
