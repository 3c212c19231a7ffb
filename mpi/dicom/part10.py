"""The bytes of a DICOM file that the gate needs, without reading the rest: elements are walked over, not loaded.

Walking to the end also shows a file that was cut off. Encoding as in PS3.5 chapter 7, file format as in PS3.10
chapter 7.
"""

import io
import os
import struct
import zlib
from collections.abc import Container
from dataclasses import dataclass
from typing import BinaryIO

from mpi.domain.errors import BadInput

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
DIRECTORY_STORAGE = "1.2.840.10008.1.3.10"

MOST_BYTES = 64 * 1024
"""Bytes of all elements taken from one file together."""
MOST_INFLATED = 4 * 1024 * 1024
"""Bytes of a deflated data set that are looked at: what is needed stands at its beginning."""
_DEEPEST = 32
UNDEFINED = 0xFFFFFFFF
"""The length of a value that ends with a delimiter."""
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_LONG = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
TRANSFER_SYNTAX, _MEDIA_CLASS, _SOURCE_AE = 0x00020010, 0x00020002, 0x00020016
_CHARACTER_SET = 0x00080005


class CutOff(Exception):
    """The bytes end in the middle of an element, or are no elements at all."""


@dataclass(frozen=True, slots=True)
class Part10:
    """What was taken out of one file. `elements` are whole elements, encoded as `implicit` and `little_endian` say."""

    elements: bytes
    implicit: bool
    little_endian: bool
    media_class: str
    source_ae: str | None


@dataclass(frozen=True, slots=True)
class Encoding:
    """How elements are written (PS3.5 section 7.1)."""

    implicit: bool
    little: bool


@dataclass(frozen=True, slots=True)
class Header:
    """The beginning of an element: `start` is its place in the file, `length` that of its value in bytes."""

    tag: int
    length: int
    vr: bytes
    start: int


class Walker:
    """Goes over the elements of a data set, from where the file stands."""

    def __init__(self, file: BinaryIO, encoding: Encoding, end: int) -> None:
        self._file = file
        self._encoding = encoding
        self._end = end
        order = "<" if encoding.little else ">"
        self._short = struct.Struct(order + "HHI")
        self._explicit = struct.Struct(order + "HH2sH")
        self._long = struct.Struct(order + "I")

    def header(self) -> Header:
        """The beginning of the next element."""
        start = self._file.tell()
        head = self._read(8)
        group, element, length = self._short.unpack(head)
        tag = group << 16 | element
        if self._encoding.implicit or tag in (_ITEM, _ITEM_END, _SEQUENCE_END):
            return Header(tag, length, b"", start)
        _, _, vr, short = self._explicit.unpack(head)
        if not (vr.isalpha() and vr.isupper()):
            # Some writers slip into implicit encoding inside a data set; pydicom reads such an element alike.
            return Header(tag, length, b"", start)
        if vr in _LONG:
            return Header(tag, self._long.unpack(self._read(4))[0], vr, start)
        return Header(tag, short, vr, start)

    def _read(self, count: int) -> bytes:
        found = self._file.read(count)
        if len(found) < count:
            raise CutOff
        return found

    def over(self, data: bytes) -> "Walker":
        """A walker over other bytes of the same encoding."""
        return Walker(io.BytesIO(data), self._encoding, len(data))

    def at_end(self) -> bool:
        """Whether nothing but padding is left."""
        left = self._end - self._file.tell()
        if left >= 8:
            return False
        return not self._file.read(left).strip(b"\0")

    def skip(self, header: Header, depth: int = 0) -> None:
        """Pass over the value of an element."""
        if header.length != UNDEFINED:
            self._jump(header.length)
            return
        if depth > _DEEPEST:
            raise CutOff
        while True:
            item = self.header()
            if item.tag == _SEQUENCE_END:
                return
            if item.tag != _ITEM:
                raise CutOff
            if item.length != UNDEFINED:
                self._jump(item.length)
            else:
                while (inner := self.header()).tag != _ITEM_END:
                    self.skip(inner, depth + 1)

    def items_repeat(self, sequence: Header) -> bool:
        """Whether an attribute stands twice in one item of a sequence; False for what is no sequence."""
        end = self._end if sequence.length == UNDEFINED else self._file.tell() + sequence.length
        while self._file.tell() < end:
            item = self.header()
            if item.tag != _ITEM:
                return False
            if self._repeats(item):
                return True
        return False

    def _repeats(self, item: Header) -> bool:
        end = self._end if item.length == UNDEFINED else self._file.tell() + item.length
        seen = set[int]()
        while self._file.tell() < end:
            header = self.header()
            if header.tag == _ITEM_END:
                return False
            if header.tag in seen:
                return True
            seen.add(header.tag)
            self.skip(header)
        return False

    def _jump(self, length: int) -> None:
        target = self._file.tell() + length
        if target > self._end:
            raise CutOff
        self._file.seek(target)

    def take(self, header: Header) -> bytes:
        """The whole bytes of an element, passed over."""
        self.skip(header)
        end = self._file.tell()
        if end - header.start > MOST_BYTES:
            raise BadInput("an attribute of the patient or study is too long to be one", code="dicom-size")
        self._file.seek(header.start)
        return self._file.read(end - header.start)


def read_part10(file: BinaryIO, wanted: Container[int]) -> Part10:
    """The elements of `file` whose tags are `wanted`; raises `BadInput` for what is no DICOM file or not whole."""
    try:
        return _read(file, wanted)
    except CutOff:
        raise BadInput("the file is cut off or damaged", code="dicom-file") from None
    except OSError as error:
        raise BadInput(f"the file cannot be read ({type(error).__name__})", code="dicom-file") from error


def _read(file: BinaryIO, wanted: Container[int]) -> Part10:
    end = file.seek(0, os.SEEK_END)
    file.seek(0)
    preamble = file.read(132)
    if not looks_like_dicom(preamble):
        raise BadInput("this is no DICOM file", code="dicom-file")
    file.seek(132 if preamble[128:] == b"DICM" else 0)
    meta = read_meta(file, end)
    syntax = meta.get(TRANSFER_SYNTAX, "")
    whole = True
    if syntax == DEFLATED:
        file, whole = _inflated(file)
        end = file.seek(0, os.SEEK_END)
        file.seek(0)
    encoding = encoding_of(file, syntax)
    elements = _elements(Walker(file, encoding, end), wanted, whole=whole)
    source = meta.get(_SOURCE_AE) or None
    return Part10(elements, encoding.implicit, encoding.little, meta.get(_MEDIA_CLASS, ""), source)


def looks_like_dicom(head: bytes) -> bool:
    """Whether the first 132 bytes are those of a DICOM file, or of a data set that was stored without its header."""
    return head[128:132] == b"DICM" or head[:2] in (b"\x08\x00", b"\x02\x00", b"\x00\x08")


def read_meta(file: BinaryIO, end: int) -> dict[int, str]:
    """The file meta information (group 0002), always explicit little endian, as text without padding.

    The file stands at the first element of the data set then.
    """
    walker = Walker(file, Encoding(implicit=False, little=True), end)
    found: dict[int, str] = {}
    while file.tell() < end:
        header = walker.header()
        if header.tag >> 16 != 2:
            file.seek(header.start)
            break
        at = file.tell()
        walker.skip(header)
        if header.tag in (TRANSFER_SYNTAX, _MEDIA_CLASS, _SOURCE_AE):
            file.seek(at)
            found[header.tag] = file.read(min(header.length, 64)).decode("ascii", "replace").strip(" \0")
            walker.skip(Header(header.tag, header.length - (file.tell() - at), b"", header.start))
    return found


def encoding_of(file: BinaryIO, syntax: str) -> Encoding:
    """How a data set of this transfer syntax is written."""
    if syntax == IMPLICIT_LITTLE:
        return Encoding(implicit=True, little=True)
    if syntax:
        return Encoding(implicit=False, little=syntax != EXPLICIT_BIG)
    # No file meta information: the first element tells (its group is 0008, and explicit ones carry two capitals).
    at = file.tell()
    head = file.read(6)
    file.seek(at)
    vr = head[4:6]
    return Encoding(implicit=not (vr.isalpha() and vr.isupper()), little=head[:2] != b"\x00\x08")


def _inflated(file: BinaryIO) -> tuple[BinaryIO, bool]:
    """The beginning of a deflated data set (PS3.5 A.5), and whether it is all of it."""
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = bytearray()
    try:
        while not stream.eof and len(inflated) < MOST_INFLATED and (chunk := file.read(65536)):
            inflated += stream.decompress(chunk, MOST_INFLATED - len(inflated))
            while stream.unconsumed_tail and len(inflated) < MOST_INFLATED:
                inflated += stream.decompress(stream.unconsumed_tail, MOST_INFLATED - len(inflated))
    except zlib.error as error:
        raise CutOff from error
    if not stream.eof and len(inflated) < MOST_INFLATED:
        raise CutOff
    return io.BytesIO(inflated), stream.eof


def _items_repeat(element: bytes, walker: Walker) -> bool:
    inner = walker.over(element)
    try:
        return inner.items_repeat(inner.header())
    except CutOff:
        return False  # not the items of a sequence


def _elements(walker: Walker, wanted: Container[int], *, whole: bool) -> bytes:
    """The wanted elements and the character set, joined. With `whole` False the bytes may end anywhere."""
    taken, seen = bytearray(), set[int]()
    try:
        while not walker.at_end():
            header = walker.header()
            if header.tag in wanted or header.tag == _CHARACTER_SET:
                element = walker.take(header)
                if header.tag in seen or _items_repeat(element, walker):
                    # PS3.5 section 7.1 allows each once; which of two values counts, every reader decides for itself.
                    raise BadInput("an attribute of the patient or study stands twice", code="dicom-file")
                seen.add(header.tag)
                taken += element
                if len(taken) > MOST_BYTES:
                    raise BadInput("the attributes of patient and study are too long", code="dicom-size")
            else:
                walker.skip(header)
    except CutOff:
        if whole:
            raise
    return bytes(taken)
