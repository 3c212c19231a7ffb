"""The people of a PDQ answer: PID and QRI of each, built with hl7apy (HL7 v2.5 sections 3.4.2 and 5.5.5)."""

import re
from collections.abc import Sequence
from typing import Any

from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.core import Message

from mpi.config import Authority, Config
from mpi.domain.person import NHS, Demographics, Identifier
from mpi.domain.queries import PersonFound
from mpi.hl7.ack import clean
from mpi.hl7.reader import Delimiters

_VERSION = "2.5"
_ISO_DATE = re.compile(r"(\d{4})-(\d{2})(?:-(\d{2}))?")
_SEXES = {"male": "M", "female": "F", "other": "O", "unknown": "U"}


def person_segments(persons: Sequence[PersonFound], config: Config, marks: Delimiters) -> list[str]:
    """PID and QRI of each person, in the delimiters of the query."""
    encoding = {
        "FIELD": marks.field,
        "COMPONENT": marks.component,
        "REPETITION": marks.repetition,
        "ESCAPE": marks.escape,
        "SUBCOMPONENT": marks.subcomponent,
        "SEGMENT": "\r",
        "GROUP": "\r",
    }
    segments: list[str] = []
    for number, person in enumerate(persons, 1):
        # Without validation: hl7apy's tables ask for more of a query's answer than IHE does.
        answer = Message(
            "RSP_K21", version=_VERSION, validation_level=VALIDATION_LEVEL.TOLERANT, encoding_chars=encoding
        )
        pid = answer.add_segment("PID")
        pid.pid_1 = str(number)
        for identifier in person.identifiers:
            _identifier(pid.add_field("pid_3"), identifier, config, marks)
        _demographics(pid, person.recorded, marks)
        qri = answer.add_segment("QRI")
        qri.qri_1 = f"{person.confidence:.2f}"
        segments += [pid.to_er7(), qri.to_er7()]
    return segments


def _identifier(cx: Any, identifier: Identifier, config: Config, marks: Delimiters) -> None:
    """CX.4 in all three parts where the authority has an OID (ITI TF-2 appendix N)."""
    authority = config.authority(identifier.authority)
    cx.cx_1 = clean(identifier.value, marks)
    cx.cx_4.hd_1 = clean(identifier.authority, marks)
    if authority is not None and authority.oid:
        cx.cx_4.hd_2 = authority.oid
        cx.cx_4.hd_3 = "ISO"
    if kind := kind_of(authority):
        cx.cx_5 = kind


def kind_of(authority: Authority | None) -> str:
    """CX.5: MR for a hospital's number, NH for an NHS number; empty for others."""
    if authority is None:
        return ""
    return "NH" if authority.code == NHS else "MR" if authority.kind == "hospital" else ""


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
