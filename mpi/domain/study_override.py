"""An override: a human attaches a study in spite of failed rules, in the open, for a while, for somebody to confirm."""

from dataclasses import dataclass
from enum import StrEnum

from mpi.domain.errors import Conflict


class OverrideState(StrEnum):
    """Where an override is. Stored: values never change."""

    OPEN = "open"
    CONFIRMED = "confirmed"
    EXPIRED = "expired"
    REVOKED = "revoked"


class OverrideStep(StrEnum):
    """What happens to an override."""

    CONFIRM = "confirm"
    EXPIRE = "expire"
    REVOKE = "revoke"


TRANSITIONS: dict[tuple[OverrideState, OverrideStep], OverrideState] = {
    (OverrideState.OPEN, OverrideStep.CONFIRM): OverrideState.CONFIRMED,
    (OverrideState.OPEN, OverrideStep.EXPIRE): OverrideState.EXPIRED,
    (OverrideState.OPEN, OverrideStep.REVOKE): OverrideState.REVOKED,
    (OverrideState.CONFIRMED, OverrideStep.REVOKE): OverrideState.REVOKED,
}


def next_state(state: OverrideState, step: OverrideStep) -> OverrideState:
    """The state after `step`; raises `Conflict` when an override in `state` does not take it."""
    try:
        return TRANSITIONS[state, step]
    except KeyError:
        raise Conflict(f"an override that is {state.value} cannot {step.value}") from None


@dataclass(frozen=True, slots=True)
class Override:
    """One override as people and machines see it. `person` is an enterprise id; `holds_until` an instant in UTC."""

    id: int
    study_uid: str
    state: OverrideState
    person: str
    authority: str
    value: str
    rules: tuple[str, ...]
    reason_code: str
    reason: str
    second_person: bool
    holds_until: str
    made_by: str
    role: str
    made_at: str
    closed_by: str | None
    closed_at: str | None
    closed_reason: str | None
