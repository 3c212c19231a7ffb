"""What a message says about a person: PID, PD1 and PV1 as changes to a source record.

The field is the unit of an update (HL7 v2.5 section 2.5.3.3): absent leaves what is stored, `""` erases it, and a
field that is sent replaces all of it, so that a new street never keeps the old postcode. Values go on as they were
written: reading them is the business of matching, which also says what it cannot read.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mpi.config import Config
from mpi.domain.messages import MessageError, Severity
from mpi.domain.person import NHS
from mpi.hl7.identifiers import IdentifierList
from mpi.hl7.reader import ERASED, Message, Repeat, Segment

_PREFERRED_NAMES = ("L", "", "U", "D", "C", "I", "T", "K", "A", "N")
_PREVIOUS_NAMES = ("M", "B", "A")
_OWN_ADDRESSES = ("H", "P", "", "L", "C", "M")
_WRONG_PHONES = frozenset({"FX", "BP", "INTERNET", "X.400", "MD", "TDD", "TTY"})
_MAIL = frozenset({"INTERNET", "X.400"})
_STATUS = re.compile(r"NSTS(0[1-8])")
_PRACTICE = re.compile(r"[A-Z][A-Z0-9]{2,9}")
_DATE_TIME = re.compile(r"(\d{8})\d{2,}.*|(\d{4}|\d{6}|\d{8})(?:\.\d*)?[+-]\d{4}")
_NOT_RESTRICTED = frozenset({"N", "NO", "0", "NONE", "U"})

Changes = dict[str, str]


@dataclass(frozen=True, slots=True)
class Said:
    """What was said: `changes` for the record, and for each field of it the place (ERR-2) it came from."""

    changes: Mapping[str, str]
    places: Mapping[str, str]
    restricted: bool | None
    notes: tuple[MessageError, ...]


def read_demographics(message: Message, pid: Segment, found: IdentifierList, config: Config) -> Said:
    """What `message` says of the person of `pid`, whose identifiers were `found`."""
    changes: Changes = {}
    places: dict[str, str] = {}
    reliability = {(repeat.filled(1) or "").upper() for repeat in pid.repeats(32)}
    _numbers(pid, found, config, changes, places)
    for field, read in _PID_FIELDS.items():
        if repeats := pid.repeats(field):
            _take(changes, places, read(repeats), f"PID^{pid.sequence}^{field}")
    _previous_name(pid, changes, places)
    _multiple_birth_and_death(pid, changes, places)
    if pd1 := message.first("PD1"):
        _practice(pd1, changes, places)
    notes = _leave_out_what_is_unknown(pid, reliability, changes) + _death_without_a_date(pid, changes)
    return Said(changes, places, _restricted(message), notes)


def _take(changes: Changes, places: dict[str, str], said: Changes, place: str) -> None:
    changes.update(said)
    places.update(dict.fromkeys(said, place))


def _numbers(pid: Segment, found: IdentifierList, config: Config, changes: Changes, places: dict[str, str]) -> None:
    """NHS number with its status (PID-32, NHS ITK), and numbers without meaning of their own (PID-19, kind `other`)."""
    nhs = found.of(NHS)
    if nhs:
        _take(changes, places, {"nhs_number": nhs[0].value}, nhs[0].place)
    elif found.nhs_erased:
        changes.update(nhs_number=ERASED, nhs_number_status=ERASED)
    for number, repeat in enumerate(pid.repeats(32), 1):
        if match := _STATUS.fullmatch((repeat.filled(1) or "").upper()):
            _take(changes, places, {"nhs_number_status": match[1]}, f"PID^{pid.sequence}^32^{number}")
            break
    other = [
        one
        for one in found.listed
        if (known := config.authority(one.authority)) and known.kind == "other" and known.personal
    ]
    if other:
        _take(changes, places, {"other_identifier": other[0].value}, other[0].place)
    elif (value := pid.value(19)) is not None:
        _take(changes, places, {"other_identifier": value}, f"PID^{pid.sequence}^19")


def _whole(names: Sequence[str], values: Sequence[str | None]) -> Changes:
    """These fields with these values; what the sent field leaves out is erased."""
    return dict(zip(names, (value or ERASED for value in values), strict=True))


def _best(repeats: Sequence[Repeat], component: int, order: Sequence[str]) -> Repeat | None:
    """The repeat whose type code stands first in `order`; None when no type is in it."""
    ranked = [(order.index(code), n, r) for n, r in enumerate(repeats) if (code := _code(r, component)) in order]
    return min(ranked, key=lambda one: one[:2])[2] if ranked else None


def _code(repeat: Repeat, component: int) -> str:
    return (repeat.filled(component) or "").upper()


def _name(repeats: Sequence[Repeat]) -> Changes:
    """PID-5: the legal name first; a name of another kind only when there is nothing better."""
    names = [repeat for repeat in repeats if repeat.text]
    chosen = _best(names, 7, _PREFERRED_NAMES) or (names[0] if len(names) == 1 else None)
    if chosen is None:
        return {}
    fields = ("family_name", "given_name", "middle_names")
    if chosen.erased:
        return dict.fromkeys(fields, ERASED)
    return _whole(fields, [chosen.filled(1), chosen.filled(2), chosen.filled(3)])


def _previous_name(pid: Segment, changes: Changes, places: dict[str, str]) -> None:
    """The maiden or birth name of PID-5, else another family name of an alias there or in PID-9 (withdrawn in 2.4)."""
    current = changes.get("family_name", "").upper()
    candidates = [(repeat, 5) for repeat in pid.repeats(5) if _code(repeat, 7) in _PREVIOUS_NAMES]
    candidates.sort(key=lambda one: _PREVIOUS_NAMES.index(_code(one[0], 7)))
    candidates += [(repeat, 9) for repeat in pid.repeats(9)]
    for repeat, field in candidates:
        name = repeat.value(1)
        if name is not None and (name.upper() != current or name == ERASED):
            _take(changes, places, {"previous_family_name": name}, f"PID^{pid.sequence}^{field}")
            return


def _date(name: str) -> Callable[[Sequence[Repeat]], Changes]:
    """A reader of a point in time whose time of day is cut off: only the date matters, and it may be partial."""

    def read(repeats: Sequence[Repeat]) -> Changes:
        value = repeats[0].value(1)
        if value and (match := _DATE_TIME.fullmatch(value)):
            value = match[1] or match[2]
        return {} if value is None else {name: value}

    return read


def _plain(name: str) -> Callable[[Sequence[Repeat]], Changes]:
    def read(repeats: Sequence[Repeat]) -> Changes:
        value = repeats[0].value(1)
        return {} if value is None else {name: value}

    return read


def _address(repeats: Sequence[Repeat]) -> Changes:
    """PID-11: the home address; never a bad, birth or business one."""
    chosen = _best([repeat for repeat in repeats if repeat.text], 7, _OWN_ADDRESSES)
    if chosen is None:
        return {}
    fields = ("address_line", "town", "postcode")
    if chosen.erased:
        return dict.fromkeys(fields, ERASED)
    street = chosen.filled(1) or " ".join(filter(None, (chosen.filled(1, 3), chosen.filled(1, 2))))
    line = " ".join(filter(None, (street, chosen.filled(2))))
    return _whole(fields, [line, chosen.filled(3), chosen.filled(5)])


def _phones(repeats: Sequence[Repeat]) -> Changes:
    """PID-13: the first telephone and the first mail address among its repeats."""
    if repeats[0].erased:
        return {"phone": ERASED, "email": ERASED}
    phone = email = None
    for repeat in repeats:
        equipment = _code(repeat, 3)
        mail = repeat.filled(4) or repeat.filled(1)
        if equipment in _MAIL or _code(repeat, 2) == "NET" or (not equipment and mail and "@" in mail):
            email = email or mail
        elif equipment not in _WRONG_PHONES:
            phone = phone or repeat.filled(1) or repeat.filled(12) or _phone_parts(repeat)
    return _whole(("phone", "email"), (phone, email))


def _phone_parts(repeat: Repeat) -> str | None:
    """XTN.5 to XTN.7, for senders of 2.5 that leave the written number out."""
    return " ".join(filter(None, (repeat.filled(5), repeat.filled(6), repeat.filled(7)))) or None


_PID_FIELDS: dict[int, Callable[[Sequence[Repeat]], Changes]] = {
    5: _name,
    7: _date("birth_date"),
    8: _plain("sex"),
    11: _address,
    13: _phones,
    29: _date("death_date"),
}


def _multiple_birth_and_death(pid: Segment, changes: Changes, places: dict[str, str]) -> None:
    """PID-24 and PID-30 `N` take back what PID-25 and PID-29 said: a death can be withdrawn, as by PID-30 `""`."""
    order = pid.value(25)
    if order is None and pid.filled(24).upper() == "N":
        order = ERASED
    if order is not None:
        _take(changes, places, {"multiple_birth_order": order}, f"PID^{pid.sequence}^25")
    indicator = pid.value(30)
    if "death_date" not in changes and indicator is not None and indicator.upper() in ("N", ERASED):
        _take(changes, places, {"death_date": ERASED}, f"PID^{pid.sequence}^30")


def _death_without_a_date(pid: Segment, changes: Changes) -> tuple[MessageError, ...]:
    """What is said where PID-30 tells of a death and PID-29 does not say when: only dates are kept of a record."""
    if pid.filled(30).upper() != "Y" or changes.get("death_date"):
        return ()
    text = "a death without its date (PID-29) is kept in the message only"
    return (MessageError(0, text, Severity.INFORMATION, location=f"PID^{pid.sequence}^30"),)


def _practice(pd1: Segment, changes: Changes, places: dict[str, str]) -> None:
    """The practice's ODS code: PD1-3 (XON.3, XON.10 or XON.1), else PD1-4 where a practice code stands there."""
    for field, components in ((3, (3, 10, 1)), (4, (1,))):
        for repeat in pd1.repeats(field):
            if repeat.erased:
                _take(changes, places, {"gp_practice": ERASED}, f"PD1^1^{field}")
                return
            for component in components:
                code = repeat.filled(component)
                if code and _PRACTICE.fullmatch(code.upper()) and (field == 3 or _is_practice(code)):
                    _take(changes, places, {"gp_practice": code}, f"PD1^1^{field}")
                    return


def _is_practice(code: str) -> bool:
    """A letter and five digits is a practice; a G and seven digits is a doctor."""
    return len(code) == 6 and code[1:].isdigit()


def _restricted(message: Message) -> bool | None:
    """PD1-12 (protection indicator) and PV1-16 (VIP indicator): True when one says so, False when PD1-12 denies it."""
    pd1, pv1 = message.first("PD1"), message.first("PV1")
    protection = pd1.filled(12).upper() if pd1 else ""
    vip = pv1.filled(16).upper() if pv1 else ""
    if protection == "Y" or (vip and vip not in _NOT_RESTRICTED):
        return True
    return False if protection == "N" else None


def _leave_out_what_is_unknown(pid: Segment, reliability: set[str], changes: Changes) -> tuple[MessageError, ...]:
    """Drop stand-ins: all of them when PID-31 says that nobody knows who this is, some by PID-32 (UD, UA)."""
    if pid.filled(31).upper() == "Y":
        changes.clear()
        text = "identity unknown: registered by its number only, nothing else was used"
        return (MessageError(0, text, Severity.INFORMATION, location=f"PID^{pid.sequence}^31"),)
    if "UD" in reliability and "birth_date" in changes:
        changes["birth_date"] = ERASED
    if "UA" in reliability:
        changes.update({name: ERASED for name in ("address_line", "town", "postcode") if name in changes})
    return ()
