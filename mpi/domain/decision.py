"""What matching answers: link, review or apart, and why, field by field in bits."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What is done with a pair of records, or with a record and a person."""

    LINK = "link"
    REVIEW = "review"
    APART = "apart"


class HardRule(StrEnum):
    """Named rules that decide whatever the weight says. Stored with links and tasks: values never change."""

    VERIFIED_NHS_DIFFER = "verified-nhs-numbers-differ"
    VALID_NHS_DIFFER = "valid-nhs-numbers-differ"
    SAME_NHS_PERSON_DIFFERS = "same-nhs-number-person-differs"
    TWO_PERSONS = "reaches-link-with-two-persons"
    NHS_STATUS = "nhs-number-status-unresolved"
    TWINS = "twins"
    HOUSEHOLD = "same-household-only"
    PERSON_IN_DOUBT = "person-in-doubt"
    NEWBORN = "newborn-without-given-name"
    DO_NOT_LINK = "do-not-link"
    PLACEHOLDER = "placeholder-person"
    WEAK_BRIDGE = "weak-bridge"
    OTHER_RECORD_DIFFERS = "other-record-differs"


@dataclass(frozen=True, slots=True)
class FieldEvidence:
    """One comparison of one pair: the level reached and what it adds, in bits (log2 of m over u)."""

    comparison: str
    level: str
    bits: float
    label: str
    """The level in plain English for people: "same", "one letter different", "missing"."""


@dataclass(frozen=True, slots=True)
class PairDecision:
    """One pair of records judged: weight in bits (prior included), pattern, outcome, and the rule if one decided."""

    outcome: Outcome
    weight: float
    pattern: str
    """Agreement pattern: one letter or digit per comparison in the model's order; `-` where a side is missing."""
    rule: HardRule | None
    evidence: tuple[FieldEvidence, ...]


@dataclass(frozen=True, slots=True)
class PersonDecision:
    """A record against one person: the best pair with any record of that person, and the outcome for the person."""

    person_id: int
    record_id: int
    """The record of that person that gave the best pair."""
    pair: PairDecision


@dataclass(frozen=True, slots=True)
class RecordDecision:
    """A record against the index. `link_to` is the one person it joins, or None for nobody.

    `reviews` are the persons a human must look at, best first; `compared` counts candidate records.
    """

    link_to: PersonDecision | None
    reviews: tuple[PersonDecision, ...]
    compared: int
