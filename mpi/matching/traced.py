"""What a traced number changes in the prepared values of a record, and when it no longer holds."""

from dataclasses import replace

from mpi.domain.trace import Traced, TraceOutcome
from mpi.matching.prepared import Prepared
from mpi.matching.rules import clearly_another

_FOUND = (TraceOutcome.VERIFIED, TraceOutcome.SUPERSEDED)
_OF_THE_DETAILS = (TraceOutcome.NO_MATCH, TraceOutcome.SEVERAL, TraceOutcome.CONFLICT)
"""What was not found with these details may be found with others: any change of them ends such an answer."""


def holds(traced: Traced, p: Prepared) -> bool:
    """Whether an answer still speaks of what the record says by itself (`p`, without the answer).

    Not when the source has sent another number since, has verified the number itself, or now describes somebody else.
    """
    if p.nhs is not None and p.nhs not in (traced.asked, traced.number):
        return False
    if traced.outcome not in _FOUND and p.nhs_verified and not traced.asked_verified:
        return False
    if traced.outcome in _OF_THE_DETAILS and (p.family, p.given, p.birth, p.sex) != (
        traced.family,
        traced.given,
        traced.birth,
        traced.sex,
    ):
        return False
    about = Prepared(family=traced.family, given=traced.given, birth=traced.birth, sex=traced.sex)
    return not clearly_another(about, p)


def with_trace(p: Prepared, traced: Traced | None) -> Prepared:
    """The prepared values with what tracing answered; `p` itself where there is no answer or it no longer holds."""
    if traced is None or not holds(traced, p):
        return p
    if traced.outcome in _FOUND:
        return replace(p, nhs=traced.number, nhs_verified=True, nhs_usable=True)
    if p.nhs is None:
        return p
    if traced.outcome is TraceOutcome.INVALIDATED:
        return replace(p, nhs=None, nhs_verified=False, nhs_usable=False)
    return replace(p, nhs_verified=False, nhs_usable=False)


STATUS: dict[TraceOutcome, str | None] = {
    TraceOutcome.VERIFIED: "01",
    TraceOutcome.SUPERSEDED: "01",
    TraceOutcome.NO_MATCH: "04",
    TraceOutcome.SEVERAL: "04",
    TraceOutcome.CONFLICT: "05",
    TraceOutcome.INVALIDATED: None,
}
"""The NHS number status that an answer amounts to; None: the number is gone, and its status with it."""
