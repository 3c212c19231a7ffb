"""Segments of answers as hl7apy builds them: the reference that our own are held equal to."""

import re
from collections.abc import Sequence
from typing import Any

from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.core import Message

from mpi.config import Config
from mpi.domain.person import NHS, Demographics, Identifier
from mpi.domain.queries import PersonFound
from mpi.hl7.ack import clean
from mpi.hl7.reader import Delimiters

_ISO_DATE = re.compile(r"(\d{4})-(\d{2})(?:-(\d{2}))?")
_SEXES = {"male": "M", "female": "F", "other": "O", "unknown": "U"}


def message(name: str, marks: Delimiters) -> Message:
    """An empty message that is written with these delimiters."""
    encoding = {
        "FIELD": marks.field,
        "COMPONENT": marks.component,
        "REPETITION": marks.repetition,
        "ESCAPE": marks.escape,
        "SUBCOMPONENT": marks.subcomponent,
        "SEGMENT": "\r",
        "GROUP": "\r",
    }
    # Without validation: hl7apy's tables ask for more of a query's answer than IHE does.
    return Message(name, version="2.5", validation_level=VALIDATION_LEVEL.TOLERANT, encoding_chars=encoding)


def person(number: int, found: PersonFound, config: Config, marks: Delimiters) -> list[str]:
    """PID and QRI of a person of a PDQ answer."""
    answer = message("RSP_K21", marks)
    pid = answer.add_segment("PID")
    pid.pid_1 = str(number)
    for identifier in found.identifiers:
        _identifier(pid.add_field("pid_3"), identifier, config, marks)
    _demographics(pid, found.recorded, marks)
    qri = answer.add_segment("QRI")
    qri.qri_1 = f"{found.confidence:.2f}"
    return [pid.to_er7(), qri.to_er7()]


def pix_person(identifiers: Sequence[Identifier], config: Config, marks: Delimiters) -> str:
    """PID of a PIX answer: numbers, and no name."""
    pid = message("RSP_K23", marks).add_segment("PID")
    for one in identifiers:
        _identifier(pid.add_field("pid_3"), one, config, marks)
    pid.add_field("pid_5")
    pid.add_field("pid_5").xpn_7 = "S"
    return str(pid.to_er7())


def _identifier(cx: Any, identifier: Identifier, config: Config, marks: Delimiters) -> None:
    """CX.4 in all three parts where the authority has an OID (ITI TF-2 appendix N)."""
    authority = config.authority(identifier.authority)
    cx.cx_1 = clean(identifier.value, marks)
    cx.cx_4.hd_1 = clean(identifier.authority, marks)
    if authority is not None and authority.oid:
        cx.cx_4.hd_2 = authority.oid
        cx.cx_4.hd_3 = "ISO"
    if authority is not None and authority.code == NHS:
        cx.cx_5 = "NH"
    elif authority is not None and authority.kind == "hospital":
        cx.cx_5 = "MR"


def _demographics(pid: Any, said: Demographics, marks: Delimiters) -> None:
    """What the record says, field by field; nothing where it says nothing."""

    def put(element: Any, name: str, value: str | None) -> None:
        if value:
            setattr(element, name, clean(value, marks))

    if said.family_name or said.given_name:
        name = pid.add_field("pid_5")
        put(name.xpn_1, "fn_1", said.family_name)
        put(name, "xpn_2", said.given_name)
        put(name, "xpn_3", said.middle_names)
        name.xpn_7 = "L"
    put(pid, "pid_7", _date(said.birth_date))
    put(pid, "pid_8", _SEXES.get(said.sex or "", said.sex))
    if said.address_line or said.town or said.postcode:
        home = pid.add_field("pid_11")
        put(home.xad_1, "sad_1", said.address_line)
        put(home, "xad_3", said.town)
        put(home, "xad_5", said.postcode)
        home.xad_7 = "H"
    if said.phone:
        phone = pid.add_field("pid_13")
        put(phone, "xtn_1", said.phone)
        phone.xtn_2, phone.xtn_3 = "PRN", "PH"
    if said.email:
        mail = pid.add_field("pid_13")
        mail.xtn_2, mail.xtn_3 = "NET", "Internet"
        put(mail, "xtn_4", said.email)
    put(pid, "pid_25", said.multiple_birth_order)
    put(pid, "pid_29", _date(said.death_date))
    if said.death_date:
        pid.pid_30 = "Y"


def _date(text: str | None) -> str | None:
    """ISO dates as HL7 writes them; anything else as it was recorded."""
    match = _ISO_DATE.fullmatch(text or "")
    return "".join(part or "" for part in match.groups()) if match else text
