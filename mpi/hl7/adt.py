"""What a message of the feed asks for: events, header checks and the way to a command for the inbox.

Events and their meaning: HL7 v2.5 chapter 3, IHE ITI TF-2 3.8 and 3.30. The order of the checks is the order in
which a sender can mend things: readable, a known sender, a supported message, then its content.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from mpi.config import Config, Source
from mpi.domain.messages import (
    AckCode,
    Acknowledge,
    Command,
    Delete,
    Inbound,
    Link,
    Merge,
    MergePair,
    MessageError,
    Move,
    Refused,
    Register,
    Rename,
)
from mpi.domain.moment import moment
from mpi.domain.person import NHS, Identifier, SourceRecord
from mpi.hl7 import studies
from mpi.hl7.demographics import read_demographics
from mpi.hl7.identifiers import MAX_LENGTH, IdentifierList, Listed, notes, own_or_refusal, read_list
from mpi.hl7.reader import Message, Segment, Unreadable, read, read_header

VERSIONS = ("2.3", "2.3.1", "2.4", "2.5", "2.5.1")
REGISTER = ("A01", "A02", "A03", "A04", "A05", "A08", "A11", "A13", "A14", "A28", "A31")
"""Whatever happened, the message says who the patient is: registered or updated. A11 takes back a visit, no person."""
MERGE = ("A34", "A36", "A40")
LINK = ("A24", "A37")
MOVE = ("A43",)
RENAME = ("A46", "A47")
DELETE = ("A29",)
MAX_PAIRS = 100
"""All or none of a message's merges are applied, in one transaction; nobody sends so many."""
WITHOUT_IDENTITY = ("A35", "A44", "A45", "A49", "A50", "A51")
"""Events about visits and accounts: kept and acknowledged, nothing changes in the index."""
EVENTS = (*REGISTER, *MERGE, *LINK, *MOVE, *RENAME, *DELETE, *WITHOUT_IDENTITY)


@dataclass(frozen=True, slots=True)
class Received:
    """A message read as far as it could be: what it asks, and what its acknowledgement needs beside the outcome."""

    inbound: Inbound
    header: Segment | None
    codec: str
    places: Mapping[str, str] = field(default_factory=dict)
    """For each demographic field of the message, where it stood (ERR-2)."""
    notes: tuple[MessageError, ...] = ()
    """What the door has to remark on a message that is taken."""


class _Refusal(Exception):
    def __init__(self, ack: AckCode, code: int, text: str, location: str | None) -> None:
        super().__init__(text)
        self.refused = Refused(ack, (MessageError(code, text, location=location),))


@dataclass(slots=True)
class _Asked:
    command: Command
    places: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[MessageError, ...] = ()


def receive(raw: bytes, peer: str, config: Config) -> Received:
    """What the bytes of one frame ask for. Never raises for anything that stands in them."""
    try:
        header = read_header(raw)
    except Unreadable as error:
        refused = Refused(AckCode.ERROR, (MessageError(error.code, error.text, location=error.location),))
        return Received(_inbound(raw, peer, None, refused), None, "ascii")
    codec = "latin-1"
    try:
        source = config.source(header.filled(3), header.filled(4))
        message = read(raw, source.charset if source else None)
        header, codec = message.header, message.codec
        asked = _ask(message, source, config)
    except Unreadable as error:
        asked = _Asked(Refused(AckCode.ERROR, (MessageError(error.code, error.text, location=error.location),)))
    except _Refusal as refusal:
        asked = _Asked(refusal.refused)
    return Received(_inbound(raw, peer, header, asked.command), header, codec, asked.places, asked.notes)


def refused(raw: bytes, peer: str, ack: AckCode, error: MessageError, *, counts: bool = True) -> Received:
    """A frame that is refused unread (too large, torn, an error of ours), with what its beginning says of the sender.

    With `counts` False the control id is left out of what is stored, so that the whole message may come again under it.
    """
    try:
        header = read_header(raw)
    except Unreadable:
        header = None
    inbound = _inbound(raw, peer, header, Refused(ack, (error,)))
    return Received(inbound if counts else replace(inbound, control_id=""), header, "latin-1")


def _inbound(raw: bytes, peer: str, header: Segment | None, command: Command) -> Inbound:
    if header is None:
        return Inbound(raw, "", "", "", "", peer, command)
    application, facility, control_id = (header.filled(field)[:MAX_LENGTH] for field in (3, 4, 10))
    return Inbound(raw, application, facility, control_id, header.filled(9, 2)[:MAX_LENGTH], peer, command)


def _ask(message: Message, source: Source | None, config: Config) -> _Asked:
    event = _checked_event(message, source)
    assert source is not None  # noqa: S101 - _checked_event refuses an unknown source
    if message.header.filled(9) in studies.EVENTS:
        return _studies_asked(message, source, config)
    if event in WITHOUT_IDENTITY:
        return _Asked(Acknowledge(f"{event} changes no identity"))
    if source.feeds is None:
        raise _Refusal(AckCode.ERROR, 204, "this source may not register anybody", "MSH^1^3")
    if event in (*MERGE, *MOVE, *RENAME):
        return _pairs_asked(event, message, source, config)
    if event in LINK:
        return _link(event, message, source, config)
    if event in DELETE:
        own = _own(_first_pid(message), source, config)
        return _Asked(Delete(own.identifier, _said_at(message, source)), {"local_id": own.place})
    return _register(message, source, config)


def _checked_event(message: Message, source: Source | None) -> str:
    """The event of a message that is supported, from a sender that is known. Raises `_Refusal`."""
    header = message.header
    control_id = header.filled(10)
    if not control_id:
        raise _Refusal(AckCode.ERROR, 101, "MSH-10 (message control id) is missing", "MSH^1^10")
    if len(control_id) > MAX_LENGTH:
        raise _Refusal(AckCode.ERROR, 102, "MSH-10 (message control id) is too long", "MSH^1^10")
    if header.filled(12) not in VERSIONS:
        raise _Refusal(AckCode.REJECTED, 203, f"supported versions are {', '.join(VERSIONS)}", "MSH^1^12")
    kind = header.filled(9)
    if kind != "ADT" and kind not in studies.EVENTS:
        types = ", ".join(("ADT", *studies.EVENTS))
        raise _Refusal(AckCode.REJECTED, 200, f"supported message types are {types}", "MSH^1^9^1^1")
    event = _event(message)
    if event not in (EVENTS if kind == "ADT" else studies.EVENTS[kind]):
        raise _Refusal(AckCode.REJECTED, 201, "this trigger event is not supported", "MSH^1^9^1^2")
    if source is None:
        text = "this sending application and facility are not configured"
        raise _Refusal(AckCode.ERROR, 204, text, "MSH^1^3")
    if header.filled(11).upper() not in ("P", "") and not source.test:
        raise _Refusal(AckCode.REJECTED, 202, "only production messages are taken from this source", "MSH^1^11")
    return event


def _studies_asked(message: Message, source: Source, config: Config) -> _Asked:
    """What a message about studies asks; what it says of the patient registers nobody."""
    command = studies.ask(message, source, config)
    if isinstance(command, MessageError):
        raise _Refusal(AckCode.ERROR, command.code, command.text, command.location)
    return _Asked(command, {"local_id": "PID^1^3"})


def _event(message: Message) -> str:
    """MSH-9.2, else EVN-1, where senders of 2.3 put it."""
    evn = message.first("EVN")
    return message.header.filled(9, 2) or (evn.filled(1) if evn else "")


def _register(message: Message, source: Source, config: Config) -> _Asked:
    pid = _first_pid(message)
    found = read_list(pid, (3, 2, 4), source, config)
    own = own_or_refusal(found, source, pid, 3, config)
    if isinstance(own, MessageError):
        raise _Refusal(AckCode.ERROR, own.code, own.text, own.location)
    said = read_demographics(message, pid, found, config)
    record = SourceRecord(
        own.authority,
        own.value,
        said.changes,
        restricted=said.restricted,
        national=_national(found, config) if said.changes else (),
        said_at=_said_at(message, source),
    )
    places = {**said.places, "local_id": own.place}
    return _Asked(Register(record), places, notes(found, source) + said.notes)


def _national(found: IdentifierList, config: Config) -> tuple[Identifier, ...]:
    """The numbers of national authorities but the NHS: a CHI, an H&SC number."""
    return tuple(
        one.identifier
        for one in found.listed
        if one.authority != NHS and (known := config.authority(one.authority)) and known.kind == "national"
    )


def _first_pid(message: Message) -> Segment:
    pid = message.first("PID")
    if pid is None:
        raise _Refusal(AckCode.ERROR, 100, "the PID segment is missing", "PID^1")
    return pid


def _said_at(message: Message, source: Source) -> str | None:
    """When what the message says was so: PID-33 (last update), else EVN-2 (when the event was recorded)."""
    if not source.times:
        return None
    pid, evn = message.first("PID"), message.first("EVN")
    return moment(pid.filled(33) if pid else None) or moment(evn.filled(2) if evn else None)


def _own(pid: Segment, source: Source, config: Config) -> Listed:
    """The feed's own number in PID-3. Raises `_Refusal`."""
    own = own_or_refusal(read_list(pid, (3,), source, config), source, pid, 3, config)
    if isinstance(own, MessageError):
        raise _Refusal(AckCode.ERROR, own.code, own.text, own.location)
    return own


def _link(event: str, message: Message, source: Source, config: Config) -> _Asked:
    """The two PIDs of a link; of either only PID-3 is read (IHE ITI TF-2 3.30). The first must be the feed's own."""
    pids = list(message.all("PID"))
    if len(pids) != 2:
        raise _Refusal(AckCode.ERROR, 100, "a link needs two PID segments", f"PID^{min(len(pids) + 1, 3)}")
    one = _own(pids[0], source, config)
    found = read_list(pids[1], (3,), source, config)
    other = own_or_refusal(found, source, pids[1], 3, config)
    if isinstance(other, MessageError):
        if not _only_elsewhere(found):
            raise _Refusal(AckCode.ERROR, other.code, other.text, other.location)
        other = found.listed[0]
    places = {"local_id": one.place, "other_local_id": other.place}
    return _Asked(Link(one.identifier, other.identifier, apart=event == "A37"), places)


def _pairs_asked(event: str, message: Message, source: Source, config: Config) -> _Asked:
    """A merge, a move or a change of number: pairs of PID and MRG, of which a change of number has one."""
    pairs = _pairs(message, source, config)
    pid = _first_pid(message)
    places = {"local_id": f"PID^{pid.sequence}^3"}
    if event in MOVE:
        return _Asked(Move(pairs), places)
    if event in MERGE:
        return _Asked(Merge(pairs, _said_at(message, source)), places)
    if len(pairs) > 1:
        raise _Refusal(AckCode.ERROR, 100, "a change of number has one PID and one MRG segment", "MRG^2")
    if pairs[0].subsumed.authority != pairs[0].surviving.authority:
        raise _Refusal(AckCode.ERROR, 204, "this source does not feed the authority of the identifier", "MRG^1^1^1^4")
    return _Asked(Rename(pairs[0], _said_at(message, source)), places)


def _pairs(message: Message, source: Source, config: Config) -> tuple[MergePair, ...]:
    """The pairs of PID and MRG in their order. What the PID says besides is not read (IHE ITI TF-2 3.8.4.2)."""
    pairs: list[MergePair] = []
    pid: Segment | None = None
    for segment in message.all("PID", "MRG"):
        if segment.name == "PID" and pid is None:
            pid = segment
        elif segment.name == "MRG" and pid is not None:
            if len(pairs) == MAX_PAIRS:
                text = f"more than {MAX_PAIRS} merges in one message"
                raise _Refusal(AckCode.ERROR, 102, text, f"MRG^{segment.sequence}")
            pairs.append(_pair(pid, segment, source, config))
            pid = None
        else:
            wrong = f"{segment.name}^{segment.sequence}"
            raise _Refusal(AckCode.ERROR, 100, "each PID of a merge needs one MRG after it", wrong)
    if pid is not None or not pairs:
        wrong = "MRG^1" if pid is not None else "PID^1"
        raise _Refusal(AckCode.ERROR, 100, "a merge needs a PID and an MRG segment", wrong)
    return tuple(pairs)


def _pair(pid: Segment, mrg: Segment, source: Source, config: Config) -> MergePair:
    surviving = _own(pid, source, config)
    prior = read_list(mrg, (1,), source, config)
    if not prior.listed and not prior.problems:
        prior = read_list(mrg, (4,), source, config)  # where senders of 2.3 put it
    subsumed = own_or_refusal(prior, source, mrg, 1, config)
    if not isinstance(subsumed, MessageError):
        return MergePair(surviving.identifier, subsumed.identifier)
    if _only_elsewhere(prior):
        # Of another authority: the index holds a merge across authorities for a person to look at.
        return MergePair(surviving.identifier, prior.listed[0].identifier)
    raise _Refusal(AckCode.ERROR, subsumed.code, subsumed.text, subsumed.location)


def _only_elsewhere(prior: IdentifierList) -> bool:
    return bool(prior.listed) and not prior.problems
