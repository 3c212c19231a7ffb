"""A message that came in, what it asks for, and what became of it: the words between the doors and the inbox.

A door turns bytes into an `Inbound`, the inbox answers with an `Outcome`, and the door turns that into an
acknowledgement. Nothing here knows how a message is written.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from mpi.domain.known_study import ReportStudies
from mpi.domain.person import Identifier, SourceRecord


class AckCode(StrEnum):
    """MSA-1 of an original-mode acknowledgement (HL7 table 0008)."""

    ACCEPTED = "AA"
    ERROR = "AE"
    """The content is at fault: the sender must mend it, a repeat does not help."""
    REJECTED = "AR"
    """Not taken for a reason outside the content (type, event, version, or a failure here): a repeat may help."""


class ErrorCode(IntEnum):
    """What is wrong with a message (HL7 table 0357)."""

    ACCEPTED = 0
    SEGMENT_SEQUENCE = 100
    REQUIRED_FIELD_MISSING = 101
    DATA_TYPE = 102
    TABLE_VALUE = 103
    UNSUPPORTED_TYPE = 200
    UNSUPPORTED_EVENT = 201
    UNSUPPORTED_PROCESSING_ID = 202
    UNSUPPORTED_VERSION = 203
    UNKNOWN_KEY = 204
    DUPLICATE_KEY = 205
    RECORD_LOCKED = 206
    INTERNAL = 207


class Severity(StrEnum):
    """How bad a `MessageError` is (HL7 table 0516)."""

    ERROR = "E"
    WARNING = "W"
    INFORMATION = "I"


@dataclass(frozen=True, slots=True)
class MessageError:
    """One thing wrong with a message. `text` is plain English and carries no patient value.

    `field` is our own name of a demographic field (`birth_date`), `location` the place in the message as the
    standard writes it (`PID^1^7`); a service knows only the first, the door fills in the second.
    """

    code: int
    text: str
    severity: str = Severity.ERROR
    field: str | None = None
    location: str | None = None


@dataclass(frozen=True, slots=True)
class Register:
    """Store this registration, or change it when it is known."""

    record: SourceRecord


@dataclass(frozen=True, slots=True)
class MergePair:
    """`subsumed` is no longer used; what it meant is now called `surviving` (MRG-1 and PID-3 of an A40)."""

    surviving: Identifier
    subsumed: Identifier


@dataclass(frozen=True, slots=True)
class Merge:
    """Merge these pairs in their order, all or none. `said_at` is when the source did so (`mpi.domain.moment`)."""

    pairs: tuple[MergePair, ...]
    said_at: str | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """The two numbers are one person, and both stay in use (A24). With `apart` that is taken back (A37)."""

    one: Identifier
    other: Identifier
    apart: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    """Each number that is subsumed belongs to the person of the surviving one, and both stay in use (A43).

    All or none, in their order.
    """

    pairs: tuple[MergePair, ...]


@dataclass(frozen=True, slots=True)
class Rename:
    """The number that is subsumed is written as the surviving one now, which must be nobody else's (A46, A47)."""

    pair: MergePair
    said_at: str | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """The source deletes the number (A29): it is marked and asked about, and nothing is erased."""

    identifier: Identifier
    said_at: str | None = None


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Nothing changes in the index; the message is kept and answered AA. `note` says why, in plain English."""

    note: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The door knows the answer already: the message is kept with it, and nothing else is done."""

    ack: AckCode
    errors: tuple[MessageError, ...]


Command = Register | Merge | Link | Move | Rename | Delete | ReportStudies | Acknowledge | Refused


@dataclass(frozen=True, slots=True)
class Inbound:
    """One message as it came, with what its header says and what it asks for.

    `raw` are the bytes between the frame's marks, untouched. `application`, `facility` and `control_id` are MSH-3,
    MSH-4 and MSH-10, and `event` is MSH-9.2; each is empty when the message could not be read that far.
    `peer` is the address it came from.
    """

    raw: bytes
    application: str
    facility: str
    control_id: str
    event: str
    peer: str
    command: Command


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one message. A repeat of a message whose outcome was final gets an equal one with `repeated`.

    `message_id` is None when the message could not be stored; then `ack` is AR and a repeat may help.
    """

    ack: AckCode
    errors: tuple[MessageError, ...] = ()
    message_id: int | None = None
    repeated: bool = False
    record_id: int | None = None
    person_id: int | None = None
