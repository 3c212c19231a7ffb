"""The golden record: of each field the one value that is shown first, chosen by rule, with the reason.

Pure and without choice of its own: which criterion counts first for a field is a rule, and what the sources say is
never hidden by it. Fields that only mean something together (an address) are taken from one record together.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mpi.domain.person import Demographics


class Criterion(StrEnum):
    """What speaks for one source's value against another's. Names are those of the configuration."""

    VERIFIED = "verified"
    """The record carries a verified NHS number: the hospital has proved who this is."""
    SOURCE = "source"
    """The source stands earlier in the configured list; those that are not in it come after, all alike."""
    AGREEMENT = "agreement"
    """More records say the same."""
    RECENCY = "recency"
    """The record began to say so later."""


C = Criterion
GROUPS: dict[str, tuple[str, ...]] = {
    "nhs_number": ("nhs_number", "nhs_number_status"),
    "family_name": ("family_name", "previous_family_name"),
    "address_line": ("address_line", "town", "postcode"),
}
"""Fields that are taken from one record together, by the field that leads them."""
_FOLLOWERS = {field for lead, fields in GROUPS.items() for field in fields if field != lead}
_LASTING = (C.VERIFIED, C.SOURCE, C.AGREEMENT, C.RECENCY)
_PASSING = (C.RECENCY, C.SOURCE, C.VERIFIED)
DEFAULT_RULES: dict[str, tuple[Criterion, ...]] = {
    "nhs_number": (C.VERIFIED, C.SOURCE, C.AGREEMENT, C.RECENCY),
    "family_name": (C.VERIFIED, C.SOURCE, C.RECENCY),
    "given_name": _LASTING,
    "middle_names": _LASTING,
    "birth_date": _LASTING,
    "sex": _LASTING,
    "multiple_birth_order": _LASTING,
    "death_date": (C.VERIFIED, C.SOURCE, C.RECENCY),
    "address_line": _PASSING,
    "phone": _PASSING,
    "email": _PASSING,
    "gp_practice": _PASSING,
    "other_identifier": (C.SOURCE, C.AGREEMENT, C.RECENCY),
}
"""What counts first for each leading field; an installation may say otherwise (`[golden.rules]`)."""
_WHY = {
    C.VERIFIED: "this record's NHS number is verified",
    C.SOURCE: "this source is trusted before the others",
    C.AGREEMENT: "most records say so",
    C.RECENCY: "this is what was said last",
}
BY_SOURCE = _WHY[Criterion.SOURCE]
ONLY = "no other record says anything"
ALL_AGREE = "all records that say anything agree"
FIRST_KNOWN = "nothing else decides: the record that was known first"
READABLE = "the other values cannot be read"


@dataclass(frozen=True, slots=True)
class Said:
    """What one record says. `since` (ISO instants) is when it began to say so, by field."""

    record_id: int
    authority: str
    recorded: Demographics
    verified: bool
    since: Mapping[str, str]
    unreadable: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Chosen:
    """One field of the golden record: its value, from which record, and why; `others` is who says something else."""

    field: str
    value: str
    record_id: int
    because: str
    others: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Rules:
    """How values are chosen: authorities that are trusted first to last, and criteria by leading field."""

    sources: tuple[str, ...] = ()
    criteria: Mapping[str, tuple[Criterion, ...]] | None = None

    def of(self, field: str) -> tuple[Criterion, ...]:
        """The criteria of a leading field, first to last."""
        return (self.criteria or {}).get(field) or DEFAULT_RULES[field]


def golden(records: Sequence[Said], rules: Rules) -> list[Chosen]:
    """The golden record's fields, in the order of the person file's columns, without those of which nobody speaks.

    A record speaks of a group when it says its leading field, or another of the group where no record says that.
    """
    found: dict[str, Chosen] = {}
    for lead in DEFAULT_RULES:
        fields = GROUPS.get(lead, (lead,))
        speakers, shown = _speakers(records, fields)
        if not speakers:
            continue
        chosen, why = _choose(speakers, shown, rules)
        for field in fields:
            value = getattr(chosen.recorded, field)
            if value is not None:
                found[field] = Chosen(field, value, chosen.record_id, why, _others(records, chosen, field, value))
    return [found[name] for name in Demographics.__slots__ if name in found]


def _speakers(records: Sequence[Said], fields: Sequence[str]) -> tuple[list[Said], str]:
    for field in fields:
        speakers = [record for record in records if getattr(record.recorded, field) is not None]
        if speakers:
            return speakers, field
    return [], fields[0]


def _choose(speakers: Sequence[Said], field: str, rules: Rules) -> tuple[Said, str]:
    """The record whose value is taken, and the first criterion that told it from the others."""
    lead = next((lead for lead, fields in GROUPS.items() if field in fields), field)
    readable = [record for record in speakers if field not in record.unreadable] or list(speakers)
    if len(speakers) == 1:
        return speakers[0], ONLY
    same = len({_plain(getattr(record.recorded, field)) for record in speakers}) == 1
    counts = Counter(_plain(getattr(record.recorded, field)) for record in readable)
    left = sorted(readable, key=lambda record: record.record_id)
    why = READABLE if len(readable) < len(speakers) and len(readable) == 1 else ""
    for criterion in rules.of(lead):
        marks = [_mark(criterion, record, field, counts, rules) for record in left]
        best = max(marks)
        kept = [record for record, mark in zip(left, marks, strict=True) if mark == best]
        if len(kept) < len(left) and not why and _differ(left, kept, field):
            why = _WHY[criterion]
        left = kept
    return left[0], ALL_AGREE if same else why or FIRST_KNOWN


def _differ(left: Sequence[Said], kept: Sequence[Said], field: str) -> bool:
    """Whether a criterion has put a value aside, and not only one of several that say the same."""
    values = {_plain(getattr(record.recorded, field)) for record in kept}
    return any(_plain(getattr(record.recorded, field)) not in values for record in left)


def _mark(criterion: Criterion, record: Said, field: str, counts: Mapping[str, int], rules: Rules) -> tuple[int, str]:
    """How much speaks for a record by one criterion; more is better."""
    if criterion is C.VERIFIED:
        return int(record.verified), ""
    if criterion is C.SOURCE:
        known = record.authority in rules.sources
        return (-rules.sources.index(record.authority) if known else -len(rules.sources)), ""
    if criterion is C.AGREEMENT:
        return counts[_plain(getattr(record.recorded, field))], ""
    return 0, record.since.get(field, "")


def _others(records: Sequence[Said], chosen: Said, field: str, value: str) -> tuple[tuple[int, str], ...]:
    return tuple(
        (record.record_id, said)
        for record in records
        if record is not chosen
        and (said := getattr(record.recorded, field)) is not None
        and _plain(said) != _plain(value)
    )


def _plain(value: str) -> str:
    """A value without what does not make it another one: case, blanks and marks."""
    return "".join(character for character in value.casefold() if character.isalnum())
