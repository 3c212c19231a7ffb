"""What an ORU^R01, ORM^O01 or OMI^O23 says of imaging studies: their UIDs, whose they are, how far they have come.

Where a Study Instance UID stands: IHE RAD TF-2 4.4 (procedure scheduled: ZDS-1), 4.28 and 4.128 (results: an OBX whose
OBX-3 is the study's concept, value in OBX-5), HL7 v2.5 chapter 4 (imaging order: IPC-3). Nobody is registered by
these messages.
"""

from collections.abc import Iterator
from dataclasses import replace

from mpi.config import Config, Source
from mpi.domain.known_study import ReportStudies, StudyNews, StudyState
from mpi.domain.messages import Acknowledge, MessageError
from mpi.domain.moment import moment
from mpi.domain.uid import is_uid
from mpi.hl7.demographics import read_demographics
from mpi.hl7.identifiers import own_or_refusal, read_list
from mpi.hl7.reader import Message, Repeat, Segment

EVENTS = {"ORU": ("R01",), "ORM": ("O01",), "OMI": ("O23",)}
"""The message types with their trigger events."""
MAX_STUDIES = 100
"""Studies of one message: nobody sends so many, and each costs a row."""
_CONCEPTS = ("113014", "110180")
"""DICOM Study and Study Instance UID in the DICOM terminology (PS3.16 annex D)."""
_CANCELLING = ("CA", "OC", "DC", "CR")
_CANCELLED = ("CA", "DC")
_WRONG = ("W", "D", "X")
"""OBX-11 (HL7 table 0085): sent of the wrong patient, deleted, not to be had."""
_REPORTED = ("F", "C", "P")
_PATIENT = ("family_name", "given_name", "birth_date", "sex", "multiple_birth_order")


def ask(message: Message, source: Source, config: Config) -> ReportStudies | Acknowledge | MessageError:
    """What the message asks for; an error where its content is at fault (AE)."""
    kind = message.header.filled(9)
    if source.tells_of is None:
        return MessageError(204, "this source may not tell of studies", location="MSH^1^3")
    pids = list(message.all("PID"))
    if len(pids) != 1:
        text = "the PID segment is missing" if not pids else "studies of more than one patient in a message"
        return MessageError(100, text, location=f"PID^{min(len(pids), 1) + 1}")
    found = list(_results(message)) if kind == "ORU" else list(_orders(message))
    faults = [one for one in found if isinstance(one, MessageError)]
    if faults:
        return faults[0]
    studies = list({one.study_uid: one for one in found if isinstance(one, StudyNews)}.values())
    if not studies:
        return Acknowledge("no Study Instance UID stands in it; nothing was changed")
    if len(studies) > MAX_STUDIES:
        return MessageError(102, f"more than {MAX_STUDIES} studies in one message")
    return _of_patient(message, pids[0], tuple(studies), source, config)


def _of_patient(
    message: Message, pid: Segment, studies: tuple[StudyNews, ...], source: Source, config: Config
) -> ReportStudies | MessageError:
    telling = replace(source, feeds=source.tells_of)
    listed = read_list(pid, (3, 2, 4), telling, config)
    own = own_or_refusal(listed, telling, pid, 3, config)
    if isinstance(own, MessageError):
        return own
    said = read_demographics(message, pid, listed, config).changes
    patient = tuple((name, said[name]) for name in _PATIENT if said.get(name))
    said_at = moment(message.header.filled(7)) if source.times else None
    return ReportStudies(own.identifier, studies, patient, said_at)


def _results(message: Message) -> Iterator[StudyNews | MessageError]:
    """The studies of an ORU: of each OBX that names one, with the OBR before it."""
    order: Segment | None = None
    for segment in message.all("OBR", "OBX"):
        if segment.name == "OBR":
            order = segment
        elif _names_study(segment):
            uid = _uid_of(segment)
            wrong = segment.filled(11).upper() in _WRONG
            reported = order is not None and order.filled(25).upper() in _REPORTED
            state = StudyState.REPORTED if reported else StudyState.AVAILABLE
            yield uid if isinstance(uid, MessageError) else _news(uid, StudyState.WITHDRAWN if wrong else state, order)


def _orders(message: Message) -> Iterator[StudyNews | MessageError]:
    """The studies of an order: ZDS-1 and IPC-3, else an OBX; each with the ORC and OBR before it."""
    control: Segment | None = None
    order: Segment | None = None
    for segment in message.all("ORC", "OBR", "ZDS", "IPC", "OBX"):
        if segment.name == "ORC":
            control, order = segment, None
        elif segment.name == "OBR":
            order = segment
        elif segment.name != "OBX" or _names_study(segment):
            uid = _uid_of(segment)
            if isinstance(uid, MessageError):
                yield uid
            elif uid:
                news = _news(uid, _ordered(control), order)
                yield _with_procedure(news, segment) if segment.name == "IPC" else news


def _ordered(control: Segment | None) -> StudyState:
    if control is None:
        return StudyState.SCHEDULED
    if control.filled(1).upper() in _CANCELLING or control.filled(5).upper() in _CANCELLED:
        return StudyState.WITHDRAWN
    return StudyState.AVAILABLE if control.filled(5).upper() == "CM" else StudyState.SCHEDULED


def _names_study(obx: Segment) -> bool:
    """Whether OBX-3 says that OBX-5 is the study's UID: by its code, or by its name as IHE RAD-28 writes it."""
    code, name, system = (obx.filled(3, part) for part in (1, 2, 3))
    if code in _CONCEPTS:
        return system.upper() in ("", "DCM")
    return "study instance uid" in (code.lower(), name.lower())


_PLACES = {"OBX": 5, "ZDS": 1, "IPC": 3}


def _uid_of(segment: Segment) -> str | MessageError:
    """The UID in its field: of an RP, ST, EI or HD the first component, of an HD also the second; empty: none there."""
    field = _PLACES[segment.name]
    values = [value for repeat in segment.repeats(field) for value in _parts(repeat)]
    if not values and segment.name != "OBX":
        return ""
    uids = [value for value in values if is_uid(value)]
    if len(set(uids)) == 1:
        return uids[0]
    text = "no valid Study Instance UID" if not uids else "more than one Study Instance UID in one field"
    return MessageError(102, text, location=f"{segment.name}^{segment.sequence}^{field}")


def _parts(repeat: Repeat) -> list[str]:
    return [value for part in (1, 2) if (value := repeat.filled(part))]


def _news(uid: str, state: StudyState, order: Segment | None) -> StudyNews:
    """The study with what its OBR says: OBR-18 accession number and OBR-24 modality (IHE RAD TF-2 table 4.4-6)."""
    if order is None:
        return StudyNews(uid, state)
    dates = (order.filled(7), order.filled(36), order.filled(27, 4))
    return StudyNews(
        uid,
        state,
        accession_number=_cut(order.filled(18), 64),
        accession_issuer=_cut(order.filled(18, 2), 64),
        modality=_cut(order.filled(24), 16),
        study_date=next((day for date in dates if (day := _day(date))), None),
        description=_cut(order.filled(44, 2) or order.filled(4, 2), 250),
    )


def _with_procedure(news: StudyNews, ipc: Segment) -> StudyNews:
    """The study with what its IPC says besides: accession number (IPC-1) and modality (IPC-5)."""
    return replace(
        news,
        accession_number=_cut(ipc.filled(1), 64) or news.accession_number,
        accession_issuer=_cut(ipc.filled(1, 2), 64) or news.accession_issuer,
        modality=_cut(ipc.filled(5), 16) or news.modality,
    )


def _day(written: str) -> str | None:
    """The day of an HL7 time as it was written; None where it names none."""
    return written[:8] if len(written) >= 8 and moment(written[:8]) else None


def _cut(text: str, longest: int) -> str | None:
    """`text`, None for nothing; longer than it may be it is left out: a part of a number is another number."""
    return text if text and len(text) <= longest else None
