"""Reads an HL7 v2 message (v2.3 to v2.5.1) into segments whose values are asked for by place.

The feed's hot path. It splits a segment only when somebody asks for it, which is why it stands here instead of
python-hl7 (figures in docs/explanation/hl7-reader.md); the tests compare each value with hl7apy's.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from mpi.hl7 import charset

_SEGMENT_ENDS = re.compile(r"\r\n?|\n")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_SURROGATES = re.compile(r"[\ud800-\udfff]")
_SEGMENT_ID = re.compile(r"[A-Z][A-Z0-9]{2}")
_DEFAULTS = "^~\\&"
MAX_REPEATS = 1000
MAX_SEGMENTS = 5000
"""More segments than any person message has; reading hundreds of thousands would stop every other connection."""
ERASED = ""
"""What a field that was sent as two quotation marks reads as: the stored value goes (HL7 v2.5 section 2.5.3.3)."""


class Unreadable(Exception):
    """The bytes are no HL7 message. `code` is of table 0357, `location` the place; the text carries no value."""

    def __init__(self, text: str, *, code: int, location: str | None) -> None:
        super().__init__(text)
        self.text = text
        self.code = code
        self.location = location


@dataclass(frozen=True, slots=True)
class Delimiters:
    """The characters that MSH-1 and MSH-2 name."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"

    @property
    def msh_2(self) -> str:
        """MSH-2 as it is written."""
        return self.component + self.repetition + self.escape + self.subcomponent


class Repeat:
    """One repetition of a field."""

    __slots__ = ("_codec", "_components", "_marks", "text")

    def __init__(self, text: str, marks: Delimiters, codec: str) -> None:
        self.text = text
        """As it was written, escapes and all."""
        self._marks = marks
        self._codec = codec
        self._components = text.split(marks.component)

    @property
    def erased(self) -> bool:
        """Whether the whole repetition is the null value, two quotation marks."""
        return self.text.strip() == '""'

    def value(self, component: int, subcomponent: int = 1) -> str | None:
        """The value there, counted from 1; None when nothing was said, `ERASED` when it was sent as null."""
        if component > len(self._components):
            return None
        text = self._components[component - 1]
        if self._marks.subcomponent in text:
            parts = text.split(self._marks.subcomponent)
            if subcomponent > len(parts):
                return None
            text = parts[subcomponent - 1]
        elif subcomponent > 1:
            return None
        return _value(text, self._marks, self._codec)

    def filled(self, component: int, subcomponent: int = 1) -> str | None:
        """Like `value`, but None for null too: for those who only want something to read."""
        return self.value(component, subcomponent) or None


class Segment:
    """One segment; fields are split when the first is asked for."""

    __slots__ = ("_codec", "_fields", "_marks", "_text", "name", "sequence")

    def __init__(self, text: str, sequence: int, marks: Delimiters, codec: str) -> None:
        self.name = text[:3]
        self.sequence = sequence
        """Which segment of its name this is in the message, from 1 (ERR-2.2)."""
        self._text = text
        self._marks = marks
        self._codec = codec
        self._fields: list[str] | None = None

    @property
    def written(self) -> str:
        """The whole segment as it was written."""
        return self._text

    def text(self, field: int) -> str:
        """The field as it was written; empty when it is absent."""
        if self._fields is None:
            self._fields = self._text.split(self._marks.field)
            if self.name == "MSH":
                self._fields.insert(1, self._marks.field)
        return self._fields[field] if field < len(self._fields) else ""

    def repeats(self, field: int) -> list[Repeat]:
        """The repetitions in their order, empty ones too; none of an absent field.

        Raises `Unreadable` for more than `MAX_REPEATS`: no system sends them, and each costs time.
        """
        text = self.text(field)
        if not text:
            return []
        parts = text.split(self._marks.repetition, MAX_REPEATS)
        if len(parts) > MAX_REPEATS:
            place = f"{self.name}^{self.sequence}^{field}"
            raise Unreadable(f"a field repeats more than {MAX_REPEATS} times", code=102, location=place)
        return [Repeat(part, self._marks, self._codec) for part in parts]

    def value(self, field: int, component: int = 1, subcomponent: int = 1) -> str | None:
        """The value in the first repetition; None when nothing was said, `ERASED` when it was sent as null."""
        text = self.text(field)
        if not text:
            return None
        first = text.split(self._marks.repetition, 1)[0]
        return Repeat(first, self._marks, self._codec).value(component, subcomponent)

    def filled(self, field: int, component: int = 1, subcomponent: int = 1) -> str:
        """Like `value`, but empty for absent and for null."""
        return self.value(field, component, subcomponent) or ""


@dataclass(frozen=True, slots=True)
class Message:
    """A message read: its segments in order, MSH first."""

    segments: tuple[Segment, ...]
    delimiters: Delimiters
    codec: str

    @property
    def header(self) -> Segment:
        """MSH."""
        return self.segments[0]

    def first(self, name: str) -> Segment | None:
        """The first segment of that name, or None."""
        return next((segment for segment in self.segments if segment.name == name), None)

    def all(self, *names: str) -> Iterator[Segment]:
        """The segments of these names, in the order of the message."""
        return (segment for segment in self.segments if segment.name in names)


def read(raw: bytes, codec: str | None = None) -> Message:
    """The message in `raw`. `codec` goes before MSH-18 (a byte order mark before both). Raises `Unreadable` only."""
    message_codec, body, marks = _opening(raw)
    codec = message_codec or codec
    if codec is None:
        codec = _declared(read_header(raw))
    try:
        text, codec = charset.decode(body, codec)
    except charset.WrongCharset:
        raise Unreadable(
            "the bytes are not text in the character set of the message", code=102, location="MSH^1^18"
        ) from None
    return Message(_segments(text, marks, codec), marks, codec)


def read_header(raw: bytes) -> Segment:
    """MSH alone, read byte for byte as Latin-1: to see who sends, and in which character set, before the rest.

    Raises `Unreadable` when there is no MSH to read.
    """
    codec, body, marks = _opening(raw)
    if codec is not None and codec.startswith("utf-16"):
        text = body[:8192].decode(codec, errors="replace")
    else:
        text = body[: 64 * 1024].decode("latin-1")
    line = _SEGMENT_ENDS.split(text, maxsplit=1)[0]
    return Segment(line.rstrip(), 1, marks, "latin-1")


def _opening(raw: bytes) -> tuple[str | None, bytes, Delimiters]:
    """The character set given away by the first bytes, the message from its MSH on, and its delimiters."""
    codec, body = charset.by_mark(raw)
    if codec is None or codec == "utf-8":
        body = body.lstrip(b" \t\r\n\0")
    try:
        opening = body[:32].decode(codec if codec and codec.startswith("utf-16") else "latin-1", errors="replace")
    except UnicodeError:  # pragma: no cover - "replace" never raises for these codecs
        opening = ""
    if not opening.startswith("MSH") or len(opening) < 8:
        raise Unreadable("the message does not begin with an MSH segment", code=100, location="MSH^1")
    return codec, body, _delimiters(opening)


@lru_cache(maxsize=256)
def _delimiters(opening: str) -> Delimiters:
    field = opening[3]
    found = re.split("[" + re.escape(field) + "\r\n]", opening[4:], maxsplit=1)[0][:4]
    used = found + "".join(mark for mark in _DEFAULTS[len(found) :] if mark not in found + field)
    marks = field + used
    if len(used) < 4 or len(set(marks)) < 5 or any(mark.isalnum() or mark <= " " or mark > "~" for mark in marks):
        raise Unreadable("MSH-1 and MSH-2 do not name five different delimiters", code=102, location="MSH^1^2")
    return Delimiters(field, *used)


def _declared(header: Segment) -> str | None:
    try:
        return charset.codec_of(header.filled(18))
    except charset.UnknownCharset:
        raise Unreadable("MSH-18 names an unknown character set", code=103, location="MSH^1^18") from None


def _segments(text: str, marks: Delimiters, codec: str) -> tuple[Segment, ...]:
    """The segments of `text`, whatever ends them: CR by the standard, LF or CRLF in real files."""
    counts: dict[str, int] = {}
    segments = []
    for number, line in enumerate(_lines(text, marks.field), 1):
        if number > MAX_SEGMENTS:
            raise Unreadable(f"the message has more than {MAX_SEGMENTS} segments", code=102, location=None)
        name = line[:3]
        if not _SEGMENT_ID.fullmatch(name) or (len(line) > 3 and line[3] != marks.field):
            raise Unreadable(f"line {number} of the message is no segment", code=100, location=None)
        counts[name] = counts.get(name, 0) + 1
        segments.append(Segment(line, counts[name], marks, codec))
    return tuple(segments)


def _lines(text: str, field: str) -> Iterator[str]:
    if "\n" in text and "\r" in text:
        # Segments end with CR here: a lone LF that no segment follows is a line break inside a field.
        text = re.sub(r"\r\n|\n(?=[A-Z][A-Z0-9]{2}" + re.escape(field) + ")", "\r", text).replace("\n", " ")
    for line in _SEGMENT_ENDS.split(text):
        if stripped := line.strip(" \t\0\x1a"):
            yield stripped


def _value(text: str, marks: Delimiters, codec: str) -> str | None:
    text = text.strip()
    if not text:
        return None
    if text == '""':
        return ERASED
    if marks.escape in text:
        text = _unescape(text, marks, codec).strip()
    if not text.isprintable():
        # Control characters mean nothing in a value, and PostgreSQL cannot store all of them.
        text = _SURROGATES.sub("\ufffd", _CONTROL.sub(" ", text)).strip()
    return text or None


def _unescape(text: str, marks: Delimiters, codec: str) -> str:
    r"""Decode `\F\`, `\S\`, `\T\`, `\R\`, `\E\` and `\Xhh..\`; drop formatting; leave what is not understood."""
    plain = {"F": marks.field, "S": marks.component, "T": marks.subcomponent, "R": marks.repetition, "E": marks.escape}

    def meaning(match: re.Match[str]) -> str:
        name = match[1]
        if name in plain:
            return plain[name]
        if name in ("H", "N"):
            return ""
        if name.startswith("."):
            return " "
        if name.startswith("X"):
            return _from_hex(name[1:], codec) or match[0]
        return match[0]

    escape = re.escape(marks.escape)
    return re.sub(f"{escape}([^{escape}]{{1,200}}){escape}", meaning, text)


def _from_hex(digits: str, codec: str) -> str | None:
    r"""The characters of `\Xhh..\` in the message's character set, else in Windows-1252, else None."""
    try:
        raw = bytes.fromhex(digits)
    except ValueError:
        return None
    for candidate in (codec, "utf-8", "windows-1252"):
        try:
            return raw.decode(candidate)
        except UnicodeDecodeError:
            continue
    return None
