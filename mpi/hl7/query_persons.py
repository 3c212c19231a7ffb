"""The people of a PDQ answer: PID and QRI of each (HL7 v2.5 sections 3.4.2 and 5.5.5), and a number as CX.

Written as text, by our own hand: hl7apy takes 5 ms a person, and while it works every other thread waits for the
interpreter (docs/explanation/performance.md). The tests hold each segment equal to the one that hl7apy builds.
"""

import re
from collections.abc import Sequence

from mpi.config import Authority, Config
from mpi.domain.person import NHS, Demographics, Identifier
from mpi.domain.queries import PersonFound
from mpi.hl7.ack import clean
from mpi.hl7.reader import Delimiters

_ISO_DATE = re.compile(r"(\d{4})-(\d{2})(?:-(\d{2}))?")
_SEXES = {"male": "M", "female": "F", "other": "O", "unknown": "U"}


def person_segments(persons: Sequence[PersonFound], config: Config, marks: Delimiters) -> list[str]:
    """PID and QRI of each person, in the delimiters of the query."""
    segments = []
    for number, person in enumerate(persons, 1):
        pid = [""] * 31
        pid[0], pid[1] = "PID", str(number)
        pid[3] = marks.repetition.join(written(one, config, marks) for one in person.identifiers)
        _demographics(pid, person.recorded, marks)
        segments += [marks.field.join(pid).rstrip(marks.field), marks.field.join(["QRI", f"{person.confidence:.2f}"])]
    return segments


def written(identifier: Identifier, config: Config, marks: Delimiters) -> str:
    """A number as CX: CX.4 in all three parts where the authority has an OID (ITI TF-2 appendix N)."""
    authority = config.authority(identifier.authority)
    domain = clean(identifier.authority, marks)
    if authority is not None and authority.oid:
        domain = marks.subcomponent.join([domain, authority.oid, "ISO"])
    return _joined([clean(identifier.value, marks), "", "", domain, _kind(authority)], marks)


def _kind(authority: Authority | None) -> str:
    """CX.5: MR for a hospital's number, NH for an NHS number; empty for others."""
    if authority is None:
        return ""
    return "NH" if authority.code == NHS else "MR" if authority.kind == "hospital" else ""


def _demographics(pid: list[str], said: Demographics, marks: Delimiters) -> None:
    """What the record says, field by field; nothing where it says nothing."""

    def text(value: str | None) -> str:
        return clean(value, marks) if value else ""

    if said.family_name or said.given_name:
        names = [text(said.family_name), text(said.given_name), text(said.middle_names)]
        pid[5] = _joined([*names, "", "", "", "L"], marks)
    pid[7] = text(_date(said.birth_date))
    pid[8] = text(_SEXES.get(said.sex or "", said.sex))
    if said.address_line or said.town or said.postcode:
        pid[11] = _joined([text(said.address_line), "", text(said.town), "", text(said.postcode), "", "H"], marks)
    phones = [_joined([text(said.phone), "PRN", "PH"], marks)] if said.phone else []
    if said.email:
        phones.append(_joined(["", "NET", "Internet", text(said.email)], marks))
    pid[13] = marks.repetition.join(phones)
    pid[25] = text(said.multiple_birth_order)
    pid[29] = text(_date(said.death_date))
    pid[30] = "Y" if said.death_date else ""


def _joined(parts: Sequence[str], marks: Delimiters) -> str:
    return marks.component.join(parts).rstrip(marks.component)


def _date(text: str | None) -> str | None:
    """ISO dates as HL7 writes them; anything else as it was recorded."""
    match = _ISO_DATE.fullmatch(text or "")
    return "".join(part or "" for part in match.groups()) if match else text
