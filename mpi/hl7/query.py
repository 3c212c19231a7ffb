"""What a query asks: PIX (QBP^Q23), PDQ (QBP^Q22) and its cancelling (QCN^J01), read and checked by rules of our own.

IHE ITI TF-2 3.9 (PIX) and 3.21 (PDQ). Who may ask for which domains is configuration (`may_query`). Errors are
found in the order in which an asker can mend them, and each names its place as the transactions fix it.
"""

import re
from dataclasses import dataclass, field

from mpi.config import Config, Source
from mpi.domain.messages import AckCode, MessageError
from mpi.domain.person import Identifier
from mpi.domain.queries import Asker, IdentifierQuery, PersonQuery
from mpi.hl7.adt import VERSIONS
from mpi.hl7.identifiers import MAX_LENGTH
from mpi.hl7.query_keys import WrongKeys, authority_of, read_keys
from mpi.hl7.reader import Message, Repeat, Segment, Unreadable, read, read_header

_EVENTS = {"QBP": ("Q23", "Q22"), "QCN": ("J01",)}
_NAMES = {
    "Q23": ("IHE PIX QUERY", "Q23", "QRY_1001", "GET CORRESPONDING IDS", "QUERY FOR CORRESPONDING IDENTIFIERS"),
    "Q22": ("IHE PDQ QUERY", "Q22", "QRY_PDQ_1001", "FIND CANDIDATES", "QUERY BY NAME"),
}
"""QPD-1: the transactions' own names and those that older systems send, by first or second component."""
MAX_PAGE = 1000
_GONE_ON = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Cancel:
    """Nobody will ask for more pages of the query with this tag."""

    asker: Asker
    tag: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A query read as far as it could be: its answer is written from this.

    `query` is None when `errors` say why there is none; `ack` is what MSA-1 and QAK-2 say then.
    """

    header: Segment | None
    codec: str
    event: str = ""
    qpd: Segment | None = None
    query: IdentifierQuery | PersonQuery | Cancel | None = None
    ack: AckCode = AckCode.ERROR
    errors: tuple[MessageError, ...] = ()
    places: dict[str, str] = field(default_factory=dict)
    """For each field of the person sought, the repetition of QPD-3 that says it (ERR-2)."""

    @property
    def tag(self) -> str:
        """QPD-2 as it was written."""
        return self.qpd.text(2) if self.qpd else ""


class _Refusal(Exception):
    def __init__(self, ack: AckCode, *errors: MessageError) -> None:
        super().__init__(errors[0].text)
        self.ack = ack
        self.errors = errors


def _refuse(code: int, text: str, location: str, ack: AckCode = AckCode.ERROR) -> _Refusal:
    return _Refusal(ack, MessageError(code, text, location=location))


def read_query(raw: bytes, config: Config) -> Asked:
    """What the bytes of a frame ask. Never raises for anything that stands in them."""
    header, codec, qpd, event = None, "latin-1", None, ""
    try:
        header = read_header(raw)
        source = config.source(header.filled(3), header.filled(4))
        message = read(raw, source.charset if source else None)
        header, codec = message.header, message.codec
        event, qpd = header.filled(9, 2), message.first("QPD")
        _check_header(message)
        asker = _asker(header, source, config)
        if event == "J01":
            return Asked(header, codec, event, query=_cancel(message, asker))
        asked = _checked_qpd(qpd, event)
        if event == "Q23":
            return Asked(header, codec, event, qpd, _identifier_query(asked, message, asker, config))
        query, places = _person_query(asked, message, asker, config)
        return Asked(header, codec, event, qpd, query, places=places)
    except Unreadable as error:
        wrong = MessageError(error.code, error.text, location=error.location)
        return Asked(header, codec, event, qpd, errors=(wrong,))
    except _Refusal as refusal:
        return Asked(header, codec, event, qpd, ack=refusal.ack, errors=refusal.errors)


def _check_header(message: Message) -> None:
    """Raise `_Refusal` unless this is a query that is supported."""
    header = message.header
    control_id = header.filled(10)
    if not control_id:
        raise _refuse(101, "MSH-10 (message control id) is missing", "MSH^1^10")
    if len(control_id) > MAX_LENGTH:
        raise _refuse(102, "MSH-10 (message control id) is too long", "MSH^1^10")
    if header.filled(12) not in VERSIONS:
        raise _refuse(203, f"supported versions are {', '.join(VERSIONS)}", "MSH^1^12", AckCode.REJECTED)
    if header.filled(9, 2) not in _EVENTS.get(header.filled(9), ()):
        raise _refuse(201, "this query is not supported", "MSH^1^9^1^2", AckCode.REJECTED)


def _asker(header: Segment, source: Source | None, config: Config) -> Asker:
    """Who asks, and for which domains it may. Raises `_Refusal`."""
    if source is None:
        raise _refuse(204, "this sending application and facility are not configured", "MSH^1^3")
    if header.filled(11).upper() not in ("P", "") and not source.test:
        text = "only production messages are taken from this source"
        raise _refuse(202, text, "MSH^1^11", AckCode.REJECTED)
    if not source.may_query:
        raise _refuse(204, "this source may not ask about anybody", "MSH^1^3")
    site = config.authority(source.facility)
    own = frozenset(code for code in (source.feeds, site.code if site else None) if code)
    return Asker(source.application, source.facility, frozenset(source.may_query), own)


def _checked_qpd(qpd: Segment | None, event: str) -> Segment:
    if qpd is None:
        raise _refuse(100, "the QPD segment is missing", "QPD^1")
    names = [qpd.filled(1, 1).upper(), qpd.filled(1, 2).upper()]
    if not any(names):
        raise _refuse(101, "QPD-1 (message query name) is missing", "QPD^1^1")
    if not set(names) & set(_NAMES[event]):
        raise _refuse(103, "the query name is not known", "QPD^1^1^1^1")
    if not qpd.filled(2):
        raise _refuse(101, "QPD-2 (query tag) is missing", "QPD^1^2")
    if len(qpd.text(2)) > MAX_LENGTH:
        raise _refuse(102, "QPD-2 (query tag) is too long", "QPD^1^2")
    if not qpd.text(3):
        raise _refuse(101, "QPD-3 is missing", "QPD^1^3")
    return qpd


def _identifier_query(qpd: Segment, message: Message, asker: Asker, config: Config) -> IdentifierQuery:
    """QPD of ITI-9: one identifier, then the wanted domains, of which only CX.4 counts."""
    _checked_rcp(message)
    repeats = qpd.repeats(3)
    if len(repeats) > 1:
        raise _refuse(102, "a query asks for one identifier", "QPD^1^3^2")
    asked, errors = _asked_identifier(repeats[0], asker, config)
    wanted, more = _wanted(qpd, 4, asker, config)
    if errors or more:
        raise _Refusal(AckCode.ERROR, *errors, *more)
    assert asked is not None  # noqa: S101 - without errors there is one
    return IdentifierQuery(asker, qpd.filled(2), asked, wanted)


def _asked_identifier(repeat: Repeat, asker: Asker, config: Config) -> tuple[Identifier | None, list[MessageError]]:
    value = repeat.filled(1)
    if repeat.filled(4, 1) is None and repeat.filled(4, 2) is None:
        text = "the assigning authority (QPD-3.4) is missing"
        return None, [MessageError(101, text, location="QPD^1^3^1^4")]
    code = authority_of(repeat.filled(4, 1), repeat.filled(4, 2), config)
    if code is None:
        return None, [MessageError(204, "the assigning authority is not known", location="QPD^1^3^1^4")]
    if code not in asker.domains | asker.own:
        text = "this source may not ask about numbers of this authority"
        return None, [MessageError(204, text, location="QPD^1^3^1^4")]
    if value is None:
        return None, [MessageError(101, "the identifier (QPD-3.1) is missing", location="QPD^1^3^1^1")]
    if len(value) > MAX_LENGTH:
        text = f"the identifier is longer than {MAX_LENGTH} characters"
        return None, [MessageError(102, text, location="QPD^1^3^1^1")]
    return Identifier(code, value), []


def _wanted(qpd: Segment, position: int, asker: Asker, config: Config) -> tuple[frozenset[str], list[MessageError]]:
    """The domains that numbers are wanted of: those that are named, else all the asker may be told."""
    wanted: set[str] = set()
    errors = []
    for number, repeat in enumerate(qpd.repeats(position), 1):
        if not repeat.text.strip():
            continue
        code = authority_of(repeat.filled(4, 1), repeat.filled(4, 2), config)
        if code is None:
            text = "a wanted assigning authority is not known"
            errors.append(MessageError(204, text, location=f"QPD^1^{position}^{number}"))
        elif code not in asker.domains:
            text = "this source may not ask for numbers of a wanted assigning authority"
            errors.append(MessageError(204, text, location=f"QPD^1^{position}^{number}"))
        else:
            wanted.add(code)
    return frozenset(wanted) or asker.domains, errors


def _checked_rcp(message: Message) -> int | None:
    """RCP-2, how many people a page may hold; None when that is left open. Raises `_Refusal`."""
    rcp = message.first("RCP")
    if rcp is None:
        return None
    if rcp.filled(1).upper() not in ("I", ""):
        raise _refuse(103, "only immediate answers are given", "RCP^1^1")
    quantity = rcp.filled(2)
    if not quantity:
        return None
    if not (quantity.isascii() and quantity.isdigit() and len(quantity) < 10 and int(quantity) > 0):
        raise _refuse(102, "the quantity is no number above 0", "RCP^1^2^1^1")
    if rcp.filled(2, 2).upper() not in ("RD", ""):
        raise _refuse(103, "the quantity is counted in records (RD)", "RCP^1^2^1^2")
    return min(int(quantity), MAX_PAGE)


def _person_query(qpd: Segment, message: Message, asker: Asker, config: Config) -> tuple[PersonQuery, dict[str, str]]:
    """QPD of ITI-21: keys in QPD-3, the least confidence in QPD-4, the wanted domains in QPD-8; RCP-2, DSC-1."""
    page = _checked_rcp(message)
    try:
        found = read_keys(qpd, config)
    except WrongKeys as wrong:
        raise _Refusal(AckCode.ERROR, *wrong.errors) from None
    identifier = found.keys.identifier
    if identifier and identifier.authority not in asker.domains | asker.own:
        text = "this source may not ask about numbers of this authority"
        raise _refuse(204, text, found.places["authority"])
    wanted, errors = _wanted(qpd, 8, asker, config)
    if errors:
        raise _Refusal(AckCode.ERROR, *errors)
    query = PersonQuery(
        asker,
        qpd.filled(2),
        found.keys,
        wanted,
        qpd.written,
        page,
        _least(qpd),
        _pointer(message),
    )
    return query, found.places


def _least(qpd: Segment) -> float:
    """QPD-4, the confidence in percent that candidates must have."""
    text = qpd.filled(4)
    if not text:
        return 0.0
    if not re.fullmatch(r"\d{1,3}(\.\d{1,6})?", text, re.ASCII) or float(text) > 100:
        raise _refuse(102, "the confidence threshold is a number from 0 to 100", "QPD^1^4")
    return float(text)


def _pointer(message: Message) -> str | None:
    """DSC-1, where to go on; None for a new query."""
    dsc = message.first("DSC")
    if dsc is None or not dsc.filled(1):
        return None
    pointer = dsc.filled(1)
    return pointer if _GONE_ON.fullmatch(pointer) else ""


def _cancel(message: Message, asker: Asker) -> Cancel:
    qid = message.first("QID")
    if qid is None:
        raise _refuse(100, "the QID segment is missing", "QID^1")
    if not qid.filled(1):
        raise _refuse(101, "QID-1 (query tag) is missing", "QID^1^1")
    return Cancel(asker, qid.filled(1))
