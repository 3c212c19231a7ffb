"""Telephone numbers, e-mail addresses, practices and other identifiers made comparable."""

import re

from mpi.matching.fold import fold, letters_and_digits

NO_MAIL = frozenset(
    {"none", "no", "noemail", "no.email", "nomail", "noreply", "no-reply", "unknown", "test", "na", "n/a", "declined",
     "notgiven", "not.given", "notknown", "donotuse", "noaddress", "nil", "null", "email"}
)  # fmt: skip
"""What stands before the @ where there is no address."""
_MAIL = re.compile(r"^[^@\s]+@[^@\s]+\.[^@\s.]+$")
_NO_PRACTICE = frozenset({"V81997", "V81998", "V81999", "UNKNOWN", "NONE", "NK", "NA", "XXXXXX"})
NO_NUMBER = frozenset({"UNKNOWN", "NONE", "NULL", "NA", "NK", "NOTKNOWN", "TEST", "123456", "1234567", "12345678",
                       "123456789", "1234567890"})  # fmt: skip
"""Identifiers that stand for none."""

TYPED_PHONES = frozenset({"01234567890", "0123456789", "07123456789"})
"""Numbers that people type for "unknown"."""


def read_phone(text: str) -> tuple[str | None, str | None]:
    """The digits of a telephone number and its problem, one of them None; +44 and 0044 are folded to 0.

    A number of another country keeps its leading `+`. An extension (`x 12`, `ext 12`) is left out.
    """
    folded = re.split(r"\b(?:EXT|EXTN|EXTENSION)\b|X(?=\s*\d)", fold(text))[0]
    digits = "".join(filter(str.isdigit, folded.replace("+44 (0)", "+44").replace("+44(0)", "+44")))
    foreign = folded.lstrip(" (TEL:.").startswith("+")
    if digits.startswith("00"):
        digits, foreign = digits[2:], True
    if foreign and digits.startswith("44"):
        digits, foreign = "0" + digits[2:].removeprefix("0"), False
    if not digits:
        return None, "unreadable"
    if len(digits) < 6 or len(digits) > 15:
        return None, "unreadable" if len(set(digits)) > 1 else "placeholder"
    if len(set(digits[1:])) == 1 or len(set(digits[-7:])) == 1 or digits in TYPED_PHONES:
        return None, "placeholder"
    return ("+" if foreign else "") + digits, None


def read_email(text: str) -> tuple[str | None, str | None]:
    """The e-mail address in small letters and its problem, one of them None."""
    mail = text.strip().lower().removeprefix("mailto:")[:254]
    if not mail.isprintable():
        return None, "unreadable"
    if mail.split("@")[0] in NO_MAIL:
        return None, "placeholder"
    return (mail, None) if _MAIL.match(mail) else (None, "unreadable")


def read_practice(text: str) -> tuple[str | None, str | None]:
    """The practice code and its problem, one of them None; national codes for "no practice" are placeholders."""
    code = letters_and_digits(text)[:20]
    if not code:
        return None, "unreadable"
    return (None, "placeholder") if code in _NO_PRACTICE else (code, None)


def read_other_identifier(text: str) -> tuple[str | None, str | None]:
    """Another identifier in capitals and digits and its problem, one of them None. Repeats are placeholders."""
    number = letters_and_digits(text)[:40]
    if not number:
        return None, "unreadable"
    if len(number) < 3 or len(set(number)) == 1 or number in NO_NUMBER:
        return None, "placeholder"
    return number, None
