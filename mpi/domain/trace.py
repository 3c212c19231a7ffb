"""What tracing a record with the national service answers, and what becomes of each answer."""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum


class TraceOutcome(StrEnum):
    """What the tracing service says of one record. Stored: values never change."""

    VERIFIED = "verified"
    """The number returned belongs to these demographics."""
    SUPERSEDED = "superseded"
    """The number asked about was replaced by the one returned."""
    NO_MATCH = "no-match"
    SEVERAL = "several"
    CONFLICT = "conflict"
    """The number exists, but its demographics are not these."""
    INVALIDATED = "invalidated"
    """The number was withdrawn and nothing replaces it."""


class Fate(StrEnum):
    """What became of one row of a trace result. Stored: values never change."""

    CONFIRMED = "confirmed"
    TASK = "task"
    NOTED = "noted"
    SET_ASIDE = "set-aside"
    STALE = "stale"
    REPEATED = "repeated"
    REFUSED = "refused"


FATES: dict[Fate, str] = {
    Fate.CONFIRMED: "the number stands on the record as verified now",
    Fate.TASK: "as confirmed, or as noted, and a human is asked",
    Fate.NOTED: "no number was found; the record is not asked about again until it changes",
    Fate.SET_ASIDE: "the number takes no part in matching any more",
    Fate.STALE: "name, birth date, sex or number changed since the export: nothing was done, trace it again",
    Fate.REPEATED: "this answer was taken before: nothing was done",
    Fate.REFUSED: "the row cannot be used: nothing was done",
}


@dataclass(frozen=True, slots=True)
class Traced:
    """The latest answer about one record, and whom it was given about (prepared values): it holds for nobody else.

    `number` is the one returned (None: none), `asked` the one that the record carried by itself when it was asked.
    """

    outcome: TraceOutcome
    number: str | None
    asked: str | None
    asked_verified: bool
    at: str
    source: str
    family: str | None
    given: str | None
    birth: str | None
    sex: str | None

    def to_json(self) -> str:
        """As it is stored with a record."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> "Traced":
        """What `to_json` wrote."""
        values = json.loads(text)
        return Traced(**{**values, "outcome": TraceOutcome(values["outcome"])})
