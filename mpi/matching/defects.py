"""What is wrong with a source record, for its source to mend: by field and kind of fault, never with the value."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mpi.domain.person import Demographics, ValueProblem
from mpi.matching.prepared import Prepared


class Fault(StrEnum):
    """A kind of fault. Stored: values never change."""

    MISSING = "missing"
    DEFAULT = "default"
    """A value that stands for "unknown", or a test entry."""
    IMPOSSIBLE = "impossible"
    """A value that cannot be, or cannot be read."""
    UNVERIFIED = "unverified"
    """An NHS number that was not traced."""
    CONFLICTING = "conflicting"
    """Another record of the same person says otherwise."""
    DUPLICATE = "duplicate"
    """The same authority has another number for the same person."""


@dataclass(frozen=True, slots=True, order=True)
class Defect:
    """One fault of one field; a duplicate's field is the local number."""

    field: str
    fault: Fault


WANTED = ("family_name", "given_name", "birth_date", "sex", "postcode", "nhs_number")
"""Fields that every registration should have."""

_COMPARED = (("birth_date", "birth"), ("sex", "sex"), ("nhs_number", "nhs"))


def defects_of(
    recorded: Demographics,
    prepared: Prepared,
    problems: Iterable[ValueProblem],
    others: Sequence[Prepared] = (),
    *,
    registered_twice: bool = False,
) -> frozenset[Defect]:
    """The faults of a record; `others` are the other records of its person, of whatever site."""
    found = {
        Defect(p.field, Fault.DEFAULT if p.problem == "placeholder" else Fault.IMPOSSIBLE)
        for p in problems
        if p.field != "local_id"
    }
    found |= {Defect(name, Fault.MISSING) for name in WANTED if not getattr(recorded, name)}
    if prepared.nhs and not prepared.nhs_verified:
        found.add(Defect("nhs_number", Fault.UNVERIFIED))
    for name, own in _COMPARED:
        mine = getattr(prepared, own)
        if mine and any((theirs := getattr(other, own)) and theirs != mine for other in others):
            found.add(Defect(name, Fault.CONFLICTING))
    if registered_twice:
        found.add(Defect("local_id", Fault.DUPLICATE))
    return frozenset(found)
