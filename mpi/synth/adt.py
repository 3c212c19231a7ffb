"""Rows of a person file as a hospital's system would send them: HL7 v2.5 ADT messages (chapter 3), UTF-8."""

from collections.abc import Mapping

APPLICATION = "PAS"
"""MSH-3 of every message here; MSH-4 is the authority that the row is of."""

_ESCAPES = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "~": "\\R\\", "&": "\\T\\"}
_SEX = {"male": "M", "female": "F", "other": "O", "unknown": "U"}
_STRUCTURES = {"A28": "ADT_A05", "A31": "ADT_A05", "A04": "ADT_A01", "A08": "ADT_A01", "A40": "ADT_A39"}
_PID_FIELDS = 32

Row = Mapping[str, str]


def registration(row: Row, event: str, control_id: str, at: str) -> bytes:
    """The message that registers or updates the person of `row` (columns of a person file). `at` is YYYYMMDDHHMMSS.

    A value that is empty is left out: in an update it leaves what is stored.
    """
    pid = _pid(row)
    segments = [_header(row["authority"], event, control_id, at), f"EVN|{event}|{at}", pid]
    if row.get("gp_practice"):
        segments.append(f"PD1|||^^{_text(row['gp_practice'])}")
    segments.append("PV1|1|N")
    return _whole(segments)


def merge(authority: str, subsumed: str, surviving: str, control_id: str, at: str) -> bytes:
    """The A40 by which `authority` says that the number `subsumed` is `surviving` from now on."""
    own = f"^^^{_text(authority)}^MR"
    segments = [
        _header(authority, "A40", control_id, at),
        f"EVN|A40|{at}",
        f"PID|1||{_text(surviving)}{own}",
        f"MRG|{_text(subsumed)}{own}",
    ]
    return _whole(segments)


def _whole(segments: list[str]) -> bytes:
    return ("\r".join(segments) + "\r").encode()


def _header(facility: str, event: str, control_id: str, at: str) -> str:
    structure = _STRUCTURES.get(event, "ADT_A01")
    kind = f"ADT^{event}^{structure}"
    return f"MSH|^~\\&|{APPLICATION}|{_text(facility)}|MPI|MPI|{at}||{kind}|{control_id}|P|2.5||||||UNICODE UTF-8"


def _pid(row: Row) -> str:
    get = {name: _text(value) for name, value in row.items() if value}.get
    fields = [""] * (_PID_FIELDS + 1)
    fields[0] = "PID"
    fields[1] = "1"
    fields[3] = f"{get('record_id', '')}^^^{get('authority', '')}^MR"
    if number := get("nhs_number"):
        fields[3] += f"~{number}^^^NHS^NH"
    fields[5] = f"{get('family_name', '')}^{get('given_name', '')}^{get('middle_names', '')}^^^^L"
    if previous := get("previous_family_name"):
        fields[5] += f"~{previous}^^^^^^M"
    fields[7] = get("birth_date", "").replace("-", "")
    fields[8] = _SEX.get(row.get("sex", ""), get("sex", ""))
    home = [get(name, "") for name in ("address_line", "town", "postcode")]
    if any(home):
        fields[11] = f"{home[0]}^^{home[1]}^^{home[2]}^GBR^H"
    reached = [f"{phone}^PRN^PH"] if (phone := get("phone")) else []
    reached += [f"^NET^Internet^{mail}"] if (mail := get("email")) else []
    fields[13] = "~".join(reached)
    fields[19] = get("other_identifier", "")
    if order := get("multiple_birth_order"):
        fields[24], fields[25] = "Y", order
    if died := get("death_date"):
        fields[29], fields[30] = died.replace("-", ""), "Y"
    if status := get("nhs_number_status"):
        fields[32] = f"NSTS{status}"
    return "|".join(fields).rstrip("|")


def _text(value: str) -> str:
    """A value with the delimiters escaped (HL7 v2.5 section 2.7)."""
    return "".join(_ESCAPES.get(letter, letter) for letter in value)
