"""QPD-3 of a PDQ query: pairs of a field's place (`@PID.5.1.1`) and the value sought there (IHE ITI TF-2 3.21)."""

import re
from dataclasses import dataclass

from mpi.config import Config
from mpi.domain.messages import MessageError
from mpi.domain.person import Demographics, Identifier
from mpi.domain.queries import PersonKeys
from mpi.hl7.identifiers import MAX_LENGTH
from mpi.hl7.reader import Segment

_NAME = re.compile(r"@PID\.(\d{1,2})(?:\.(\d{1,2}))?(?:\.(\d))?", re.IGNORECASE)
_KEYS: dict[tuple[int, int, int], str] = {
    (3, 1, 1): "identifier",
    (3, 4, 1): "namespace",
    (3, 4, 2): "oid",
    (5, 1, 1): "family_name",
    (5, 2, 1): "given_name",
    (7, 1, 1): "birth_date",
    (8, 1, 1): "sex",
    (11, 1, 1): "address_line",
    (11, 3, 1): "town",
    (11, 5, 1): "postcode",
    (13, 1, 1): "phone",
    (13, 12, 1): "phone",
    (13, 4, 1): "email",
    (13, 6, 1): "area",
    (13, 7, 1): "local",
}
"""Place in PID (field, component, subcomponent; 1 where it is not written) -> what is sought there."""
_IGNORED = frozenset({(3, 4, 3), (3, 5, 1), (5, 7, 1), (11, 7, 1), (13, 2, 1), (13, 3, 1)})
"""Type codes: whoever sends them means the value beside them."""
_WILD = frozenset({"family_name", "given_name", "address_line", "town", "postcode"})
_DATE = re.compile(r"(\d{4})(\d{2})?(\d{2})?(?:\d{2,6}(?:\.\d{1,4})?)?(?:[+-]\d{4})?", re.ASCII)
MAX_KEYS = 50


class WrongKeys(Exception):
    """QPD-3 cannot be used; `errors` say where and why."""

    def __init__(self, errors: list[MessageError]) -> None:
        super().__init__("QPD-3 cannot be used")
        self.errors = errors


@dataclass(frozen=True, slots=True)
class FoundKeys:
    """What is sought, and for each field of it the repetition that says so; `authority` is the identifier's."""

    keys: PersonKeys
    places: dict[str, str]


def read_keys(qpd: Segment, config: Config) -> FoundKeys:
    """The keys of QPD-3. Raises `WrongKeys` naming every repetition that cannot be used."""
    said, places, errors = _pairs(qpd)
    _join_phone(said, places)
    identifier = _identifier(said, places, config, errors)
    if "birth_date" in said:
        said["birth_date"] = _iso(said["birth_date"]) or _wrong(errors, places["birth_date"], "no date can be read")
    for name in said.keys() - _WILD:
        if said[name].endswith("*"):
            _wrong(errors, places[name], "a beginning may be sought of names and addresses only")
    if errors:
        raise WrongKeys(sorted(errors, key=lambda error: error.location or ""))
    keys = PersonKeys(identifier, Demographics(**said))
    if keys.empty:
        raise WrongKeys([MessageError(101, "QPD-3 names nothing to look for", location="QPD^1^3")])
    return FoundKeys(keys, places)


def _pairs(qpd: Segment) -> tuple[dict[str, str], dict[str, str], list[MessageError]]:
    """What is said, where, and what is wrong with it. A key without a value says nothing."""
    said: dict[str, str] = {}
    places: dict[str, str] = {}
    errors: list[MessageError] = []
    for number, repeat in enumerate(qpd.repeats(3), 1):
        place = f"QPD^1^3^{number}"
        key, value = repeat.filled(1), repeat.filled(2)
        if key is None and value is None:
            continue
        if number > MAX_KEYS:
            errors.append(MessageError(102, f"more than {MAX_KEYS} keys", location=place))
            break
        match = _NAME.fullmatch(key or "")
        spot = (int(match[1]), int(match[2] or 1), int(match[3] or 1)) if match else (0, 0, 0)
        name = _KEYS.get(spot)
        if name is None:
            if spot not in _IGNORED:
                errors.append(MessageError(204, "this key is not known here", location=f"{place}^1"))
        elif value is None:
            continue
        elif len(value) > MAX_LENGTH:
            errors.append(MessageError(102, f"a value is longer than {MAX_LENGTH} characters", location=f"{place}^2"))
        elif said.setdefault(name, value) != value:
            errors.append(MessageError(102, "a key stands twice with different values", location=place))
        places.setdefault(name or "", place)
    return said, places, errors


def _wrong(errors: list[MessageError], place: str, text: str, code: int = 102) -> str:
    errors.append(MessageError(code, text, location=f"{place}^2"))
    return ""


def _join_phone(said: dict[str, str], places: dict[str, str]) -> None:
    """Area code and local number are one telephone number."""
    parts = [said.pop(name) for name in ("area", "local") if name in said]
    if parts and "phone" not in said:
        said["phone"] = "".join(parts)
        places["phone"] = places.get("local") or places["area"]


def _identifier(
    said: dict[str, str], places: dict[str, str], config: Config, errors: list[MessageError]
) -> Identifier | None:
    """PID-3: the number and its authority, both or neither."""
    value, namespace, oid = (said.pop(name, None) for name in ("identifier", "namespace", "oid"))
    place = places.get("namespace") or places.get("oid")
    if value is None and place is None:
        return None
    if place is None:
        text = "an identifier needs its assigning authority (@PID.3.4)"
        errors.append(MessageError(101, text, location=places["identifier"]))
        return None
    if value is None:
        errors.append(MessageError(101, "an assigning authority without an identifier (@PID.3.1)", location=place))
        return None
    places["authority"] = place
    authority = authority_of(namespace, oid, config)
    if authority is None:
        errors.append(MessageError(204, "the assigning authority is not known", location=place))
        return None
    return Identifier(authority, value)


def authority_of(namespace: str | None, oid: str | None, config: Config) -> str | None:
    """The code of the authority that namespace and OID name; None when neither is known, or they name two."""
    found = {known.code for spelling in (namespace, oid) if spelling and (known := config.authority(spelling))}
    return found.pop() if len(found) == 1 else None


def _iso(text: str) -> str | None:
    """A date as HL7 writes it, whole or partial, as ISO; None for anything else."""
    match = _DATE.fullmatch(text.strip())
    return "-".join(part for part in match.groups()[:3] if part) if match else None
