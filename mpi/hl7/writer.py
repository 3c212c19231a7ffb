"""Writes ADT messages out of source records: for notifications, demonstrations, benchmarks and tests.

The counterpart of `mpi.hl7.demographics`: what is written here is read there as the same changes.
"""

import re
from collections.abc import Mapping
from datetime import datetime

from mpi.domain.messages import MergePair
from mpi.domain.person import NHS, SourceRecord

_STRUCTURES = {"A40": "ADT_A39", "A05": "ADT_A05", "A14": "ADT_A05", "A28": "ADT_A05", "A31": "ADT_A05"}
_SEXES = {"male": "M", "female": "F", "other": "O", "unknown": "U"}
_CONTROLS = {code: f"\\X{code:02X}\\" for code in (*range(32), 127)}
"""Control characters end segments and frames."""
_ESCAPES = _CONTROLS | str.maketrans({"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"})
_ISO_DATE = re.compile(r"(\d{4})-(\d{2})(?:-(\d{2}))?")


def escaped(text: str) -> str:
    """`text` as a value, its delimiters and line ends escaped."""
    return text.translate(_ESCAPES)


def registration(
    record: SourceRecord,
    control_id: str,
    *,
    application: str,
    facility: str,
    event: str = "A28",
    at: datetime | None = None,
    processing: str = "P",
) -> bytes:
    """An ADT message (v2.5, UTF-8) that registers or updates `record`."""
    said = {name: '""' if value == "" else value.translate(_ESCAPES) for name, value in record.changes.items()}
    pid = [""] * 33
    pid[0], pid[1] = "PID", "1"
    pid[3] = _identifiers(record, said)
    pid[5] = _names(said)
    pid[7] = _date(said.get("birth_date", ""))
    pid[8] = _SEXES.get(said.get("sex", ""), said.get("sex", ""))
    pid[11] = _address(said)
    pid[13] = _phones(said)
    pid[19] = said.get("other_identifier", "")
    pid[25] = said.get("multiple_birth_order", "")
    pid[24] = "Y" if pid[25].strip('"') else ""
    pid[29] = _date(said.get("death_date", ""))
    pid[30] = "Y" if pid[29].strip('"') else ""
    if status := said.get("nhs_number_status", "").strip('"'):
        pid[32] = f"NSTS{status[-2:].zfill(2)}"
    segments = [_header(control_id, application, facility, event, at, processing), "|".join(pid).rstrip("|")]
    segments += _practice_and_protection(record, said)
    return _encoded(segments)


def merge(
    pair: MergePair,
    control_id: str,
    *,
    application: str,
    facility: str,
    at: datetime | None = None,
    processing: str = "P",
) -> bytes:
    """An ADT A40 (v2.5, UTF-8) by which `pair.subsumed` becomes `pair.surviving`."""
    surviving, subsumed = (
        f"{number.value.translate(_ESCAPES)}^^^{number.authority.translate(_ESCAPES)}^MR"
        for number in (pair.surviving, pair.subsumed)
    )
    header = _header(control_id, application, facility, "A40", at, processing)
    return _encoded([header, f"PID|1||{surviving}", f"MRG|{subsumed}"])


def _header(control_id: str, application: str, facility: str, event: str, at: datetime | None, processing: str) -> str:
    written = (at or datetime.now().astimezone()).strftime("%Y%m%d%H%M%S")
    sender = "|".join(text.translate(_ESCAPES) for text in (application, facility))
    kind = f"ADT^{event}^{_STRUCTURES.get(event, 'ADT_A01')}"
    head = f"MSH|^~\\&|{sender}|MPI|MPI|{written}||{kind}|{control_id.translate(_ESCAPES)}|{processing}|2.5"
    return f"{head}|||||GBR|UNICODE UTF-8\rEVN|{event}|{written}"


def _identifiers(record: SourceRecord, said: Mapping[str, str]) -> str:
    own = f"{record.local_id.translate(_ESCAPES)}^^^{record.authority.translate(_ESCAPES)}^MR"
    number = said.get("nhs_number")
    return own if number is None else f"{own}~{number}^^^{NHS}^NH"


def _names(said: Mapping[str, str]) -> str:
    """PID-5, the previous family name as a maiden name."""
    parts = [said.get(name, "") for name in ("family_name", "given_name", "middle_names")]
    names = [f"{'^'.join(parts)}^^^^L"] if any(parts) else []
    if previous := said.get("previous_family_name"):
        names.append(f"{previous}^^^^^^M")
    return "~".join(names)


def _address(said: Mapping[str, str]) -> str:
    line, town, postcode = (said.get(name, "") for name in ("address_line", "town", "postcode"))
    return f"{line}^^{town}^^{postcode}^^H" if line or town or postcode else ""


def _phones(said: Mapping[str, str]) -> str:
    phone, email = said.get("phone", ""), said.get("email", "")
    if (phone or email) and not (phone + email).strip('"'):
        return '""'
    phones = [f"{phone}^PRN^PH"] if phone.strip('"') else []
    if email.strip('"'):
        phones.append(f"^NET^Internet^{email}")
    return "~".join(phones)


def _practice_and_protection(record: SourceRecord, said: Mapping[str, str]) -> list[str]:
    practice = said.get("gp_practice", "")
    written = practice if practice == '""' else f"^^{practice}" if practice else ""
    protection = {True: "Y", False: "N", None: ""}[record.restricted]
    pd1 = f"PD1|||{written}{'|' * 9}{protection}".rstrip("|")
    return [pd1] if pd1 != "PD1" else []


def _date(text: str) -> str:
    """ISO dates as HL7 writes them; anything else as it is."""
    match = _ISO_DATE.fullmatch(text)
    return "".join(part or "" for part in match.groups()) if match else text


def _encoded(segments: list[str]) -> bytes:
    return "".join(f"{segment}\r" for segment in segments).encode()
