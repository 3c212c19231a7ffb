"""An object given the local patient's identity, what it said before kept inside it (PS3.3 C.12.1.1.9; IHE IRWF).

Elements that are not changed are copied byte for byte, pixel data and all that follows (0400,0561) without being
looked at. What is changed stands in a new item of the Original Attributes Sequence with its old bytes.
"""

import io
import shutil
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mpi.dicom.part10 import (
    DEFLATED,
    TRANSFER_SYNTAX,
    UNDEFINED,
    CutOff,
    Encoding,
    Header,
    Walker,
    encoding_of,
    read_meta,
)
from mpi.domain.errors import BadInput
from mpi.domain.quarantine import Identity, LocalNumber
from mpi.matching.fold import fold

CHARACTER_SET, COERCED_AT = 0x00080005, 0x00080015
NAME, PATIENT_ID, ISSUER, QUALIFIERS = 0x00100010, 0x00100020, 0x00100021, 0x00100024
BIRTH_DATE, SEX, OTHER_IDS_FLAT, OTHER_IDS, COMMENTS = 0x00100030, 0x00100040, 0x00101000, 0x00101002, 0x00104000
UNIVERSAL_ID, UNIVERSAL_TYPE, ID_TYPE = 0x00400032, 0x00400033, 0x00400035
MODIFIED, ORIGINALS, MODIFIED_AT, MODIFYING, SOURCE, REASON = (
    0x04000550, 0x04000561, 0x04000562, 0x04000563, 0x04000564, 0x04000565,
)  # fmt: skip
NOT_VERIFIED = "IDENTITY NOT VERIFIED"
_ITEM, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE0DD
_LONG_FORM = ("SQ", "UT")
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Coercion:
    """What is said of the change: when (DT), by which system, and whose the values before were."""

    at: str
    by: str
    source: str


@dataclass(frozen=True, slots=True)
class _Span:
    header: Header
    value: int
    end: int


def coerce(source: Path, target: Path, identity: Identity, coercion: Coercion) -> None:
    """Write the object in `source` to `target`, naming `identity`.

    The same arguments give the same bytes. Raises `BadInput` for an object that cannot be read or changed, OSError.
    """
    try:
        with source.open("rb") as file, target.open("wb") as out:
            _coerce(file, out, identity, coercion)
    except CutOff:
        raise BadInput("the object cannot be changed: it is damaged", code="dicom-file") from None


def _coerce(file: BinaryIO, out: BinaryIO, identity: Identity, coercion: Coercion) -> None:
    end = file.seek(0, io.SEEK_END)
    file.seek(132)
    syntax = read_meta(file, end).get(TRANSFER_SYNTAX, "")
    start = file.tell()
    file.seek(0)
    out.write(file.read(start))
    if syntax != DEFLATED:
        _Writer(file, end, encoding_of(file, syntax)).write(out, identity, coercion)
        return
    with io.BytesIO() as plain, io.BytesIO() as changed:
        _inflate(file, plain)
        size = plain.tell()
        plain.seek(0)
        _Writer(plain, size, Encoding(implicit=False, little=True)).write(changed, identity, coercion)
        deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        packed = deflate.compress(changed.getvalue()) + deflate.flush()
        out.write(packed + b"\0" * (len(packed) % 2))


def _inflate(file: BinaryIO, plain: BinaryIO) -> None:
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        while not stream.eof and (chunk := file.read(_CHUNK)):
            plain.write(stream.decompress(chunk))
    except zlib.error as error:
        raise CutOff from error
    if not stream.eof:
        raise CutOff


class _Writer:
    """Writes one data set anew, element by element."""

    def __init__(self, file: BinaryIO, end: int, encoding: Encoding) -> None:
        self._file = file
        self._end = end
        self._encoding = encoding
        self._order = "<" if encoding.little else ">"

    def write(self, out: BinaryIO, identity: Identity, coercion: Coercion) -> None:
        spans, rest = self._spans()
        changes = self._changes(identity, spans)
        modified = {tag: new for tag, new in changes.items() if new != self._bytes(spans.get(tag))}
        if modified:
            modified[COERCED_AT] = self._element(COERCED_AT, "DT", coercion.at.encode("ascii"))
            modified[ORIGINALS] = self._originals(spans, set(modified) - {COERCED_AT}, coercion)
        for tag in sorted(spans.keys() | modified.keys()):
            if tag in modified:
                out.write(modified[tag])
            else:
                self._copy(out, spans[tag])
        self._file.seek(rest)
        shutil.copyfileobj(self._file, out, _CHUNK)

    def _spans(self) -> tuple[dict[int, _Span], int]:
        """The elements up to (0400,0561) without group lengths, which would be wrong, and where the rest begins."""
        found: dict[int, _Span] = {}
        walker = Walker(self._file, self._encoding, self._end)
        while True:
            rest = self._file.tell()
            if walker.at_end():
                return found, rest
            header = walker.header()
            if header.tag > ORIGINALS:
                return found, header.start
            value = self._file.tell()
            walker.skip(header)
            if header.tag & 0xFFFF:
                if header.tag in found or (found and header.tag < max(found)):
                    raise CutOff  # an order that no reader can rely on
                found[header.tag] = _Span(header, value, self._file.tell())

    def _bytes(self, span: _Span | None) -> bytes:
        """An element as it stands; empty for one that is absent."""
        if span is None:
            return b""
        self._file.seek(span.header.start)
        return self._file.read(span.end - span.header.start)

    def _value(self, span: _Span) -> bytes:
        self._file.seek(span.value)
        return self._file.read(span.end - span.value)

    def _copy(self, out: BinaryIO, span: _Span) -> None:
        self._file.seek(span.header.start)
        left = span.end - span.header.start
        while left and (chunk := self._file.read(min(left, _CHUNK))):
            out.write(chunk)
            left -= len(chunk)

    def _changes(self, identity: Identity, spans: dict[int, _Span]) -> dict[int, bytes]:
        """The elements that name the local patient; empty bytes take one away."""
        number, encode = identity.number, self._encoder(spans)
        name = "^".join(_component(part) for part in (identity.family, identity.given, identity.middle)).rstrip("^")
        others = b"".join(self._item(self._number(one, with_type=True)) for one in identity.others)
        changes = {
            NAME: self._element(NAME, "PN", encode(name)),
            **self._number(number, with_type=False),
            BIRTH_DATE: self._element(BIRTH_DATE, "DA", identity.birth_date.encode("ascii")),
            SEX: self._element(SEX, "CS", identity.sex.encode("ascii")),
            OTHER_IDS_FLAT: b"",
            OTHER_IDS: self._sequence(OTHER_IDS, others) if others else b"",
        }
        changes.setdefault(QUALIFIERS, b"")
        if not identity.verified:
            changes[COMMENTS] = self._element(COMMENTS, "LT", NOT_VERIFIED.encode("ascii"))
        return changes

    def _number(self, number: LocalNumber, *, with_type: bool) -> dict[int, bytes]:
        """Patient ID with issuer and qualifiers, as elements of a data set or of an item."""
        found = {PATIENT_ID: self._element(PATIENT_ID, "LO", _plain(number.value))}
        found[ISSUER] = self._element(ISSUER, "LO", _plain(number.issuer or ""))
        if with_type:
            found[0x00100022] = self._element(0x00100022, "CS", b"TEXT")
        if number.oid:
            parts = {
                UNIVERSAL_ID: self._element(UNIVERSAL_ID, "UT", number.oid.encode("ascii")),
                UNIVERSAL_TYPE: self._element(UNIVERSAL_TYPE, "CS", b"ISO"),
            }
            found[QUALIFIERS] = self._sequence(QUALIFIERS, self._item(parts))
        return found

    def _originals(self, spans: dict[int, _Span], changed: set[int], coercion: Coercion) -> bytes:
        """The Original Attributes Sequence with one more item; the items that are there stay as they are."""
        listed = changed | ({ISSUER} if PATIENT_ID in changed else set())
        old = {tag: self._bytes(spans[tag]) if tag in spans else self._absent(tag) for tag in listed}
        parts = {
            MODIFIED: self._sequence(MODIFIED, self._item(old)),
            MODIFIED_AT: self._element(MODIFIED_AT, "DT", coercion.at.encode("ascii")),
            MODIFYING: self._element(MODIFYING, "LO", _plain(coercion.by)),
            SOURCE: self._element(SOURCE, "LO", _plain(coercion.source)),
            REASON: self._element(REASON, "CS", b"COERCE"),
        }
        before = spans.get(ORIGINALS)
        return self._sequence(ORIGINALS, (self._items(before) if before else b"") + self._item(parts))

    def _items(self, span: _Span) -> bytes:
        """The items of a sequence without its delimiter."""
        if span.header.vr not in (b"SQ", b""):
            raise BadInput("the Original Attributes Sequence cannot be read", field="(0400,0561)")
        value = self._value(span)
        return value[:-8] if span.header.length == UNDEFINED else value

    def _absent(self, tag: int) -> bytes:
        """An element of no value: what was added did not stand there."""
        return self._sequence(tag, b"") if tag in (QUALIFIERS, OTHER_IDS) else self._element(tag, _VR[tag], b"")

    def _element(self, tag: int, vr: str, value: bytes) -> bytes:
        return self._head(tag, vr, len(value) + len(value) % 2) + value + b" " * (len(value) % 2)

    def _sequence(self, tag: int, items: bytes) -> bytes:
        return self._head(tag, "SQ", len(items)) + items

    def _item(self, elements: dict[int, bytes]) -> bytes:
        content = b"".join(elements[tag] for tag in sorted(elements))
        return self._tag(_ITEM) + struct.pack(f"{self._order}I", len(content)) + content

    def _head(self, tag: int, vr: str, length: int) -> bytes:
        if self._encoding.implicit:
            return self._tag(tag) + struct.pack(f"{self._order}I", length)
        if vr in _LONG_FORM:
            return self._tag(tag) + vr.encode("ascii") + struct.pack(f"{self._order}HI", 0, length)
        return self._tag(tag) + vr.encode("ascii") + struct.pack(f"{self._order}H", length)

    def _tag(self, tag: int) -> bytes:
        return struct.pack(f"{self._order}HH", tag >> 16, tag & 0xFFFF)

    def _encoder(self, spans: dict[int, _Span]) -> Callable[[str], bytes]:
        """Text in the object's own character set; what that cannot say loses its accents."""
        span = spans.get(CHARACTER_SET)
        first = self._value(span).decode("ascii", "replace").split("\\")[0].strip(" \0") if span else ""
        codec = _codec(first)

        def encode(text: str) -> bytes:
            try:
                return text.encode(codec)
            except UnicodeEncodeError:
                return "^".join(fold(part) for part in text.split("^")).encode("ascii")

        return encode


_VR = {NAME: "PN", PATIENT_ID: "LO", ISSUER: "LO", BIRTH_DATE: "DA", SEX: "CS", OTHER_IDS_FLAT: "LO", COMMENTS: "LT"}
_DEFAULT_REPERTOIRE = ("", "ISO_IR 6", "ISO 2022 IR 6")


def _codec(character_set: str) -> str:
    """Python's name of a DICOM character set; of one that is absent or unknown, ASCII."""
    if character_set in _DEFAULT_REPERTOIRE:
        return "ascii"
    from pydicom.charset import python_encoding

    found = python_encoding.get(character_set, "ascii")
    return "ascii" if found.startswith("iso2022") else found


def _component(text: str) -> str:
    """A component of a name without what would end it (PS3.5 section 6.2.1)."""
    return " ".join("".join(" " if c in "^=\\" or not c.isprintable() else c for c in text).split())


def _plain(text: str) -> bytes:
    """Text of a number, an issuer or a system: at most 64 characters, none outside ASCII."""
    if len(text) > 64 or not text.isascii() or "\\" in text or not text.isprintable():
        raise BadInput("a local number or name cannot be written in a DICOM object")
    return text.encode("ascii")
