"""Which acknowledgements a message asks for: original mode, or enhanced mode by MSH-15 and MSH-16 (HL7 v2.5 2.9.3).

In enhanced mode the accept acknowledgement (CA, CE, CR) says that the message is safely kept, and the application
acknowledgement (AA, AE, AR) what came of it. Here both follow one commit. Where an error would reach nobody because no
application acknowledgement is asked for, the accept acknowledgement says it.
"""

from dataclasses import dataclass

from mpi.domain.messages import AckCode, Outcome
from mpi.hl7.ack import COMMIT_ACCEPTED, acknowledge
from mpi.hl7.adt import Received
from mpi.hl7.reader import Segment

COMMIT_ERROR, COMMIT_REJECTED = "CE", "CR"
_NOT_SUPPORTED = (200, 201, 202, 203)
"""Type, event, processing id and version: what CR is for; everything else that keeps a message out is CE."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The conditions of MSH-15 and MSH-16 (table 0155): AL, NE, ER, SU; empty for a field that says nothing."""

    accept: str
    application: str

    def accepts(self, *, success: bool) -> bool:
        """Whether an accept acknowledgement is wanted."""
        return _holds(self.accept, success=success)

    def applies(self, *, success: bool) -> bool:
        """Whether an application acknowledgement is wanted."""
        return _holds(self.application, success=success)


def wanted(header: Segment | None) -> Wanted | None:
    """What an enhanced-mode message asks for; None in original mode."""
    if header is None:
        return None
    accept, application = header.filled(15).upper(), header.filled(16).upper()
    return Wanted(accept, application) if accept or application else None


def _holds(condition: str, *, success: bool) -> bool:
    """A condition that is not in the table is read as always: an answer too many harms nobody."""
    if condition in ("", "NE"):
        return False
    return {"ER": not success, "SU": success}.get(condition, True)


def acknowledgements(received: Received, outcome: Outcome) -> list[bytes]:
    """The answers to a message with this outcome, in the order they are sent."""
    asked = wanted(received.header)
    if asked is None:
        return [acknowledge(received, outcome)]
    taken = outcome.ack == AckCode.ACCEPTED
    applies = asked.applies(success=taken)
    code = _accept_code(outcome, told=applies)
    answers = []
    if asked.accepts(success=code == COMMIT_ACCEPTED):
        answers.append(acknowledge(received, outcome, code=code))
    if applies and (code == COMMIT_ACCEPTED or not answers):
        answers.append(acknowledge(received, outcome, enhanced=True))
    return answers


def _accept_code(outcome: Outcome, *, told: bool) -> str:
    """CA, CE or CR; `told` says that an application acknowledgement follows that can name a fault of the content."""
    if outcome.ack == AckCode.REJECTED:
        unsupported = any(error.code in _NOT_SUPPORTED for error in outcome.errors)
        return COMMIT_REJECTED if unsupported else COMMIT_ERROR
    if outcome.ack == AckCode.ERROR and not told:
        return COMMIT_ERROR
    return COMMIT_ACCEPTED
