"""Batch files: many messages between FHS/BHS and BTS/FTS (HL7 v2.5 section 2.10.3), by a frame or by a file."""

import itertools
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

_MARK = b"\xef\xbb\xbf"
"""A byte order mark, which stands before each of several files that were put together."""
_STARTS = re.compile(rb"(?:\A|(?<=[\r\n\x0b]))(?=(?:\xef\xbb\xbf)?(?:FHS|BHS|MSH|BTS|FTS)[^A-Za-z0-9\s])")
_SECOND = re.compile(rb"[\r\n](?:\xef\xbb\xbf)?MSH[^A-Za-z0-9\s]")
_AROUND = b" \t\r\n\0\x0b\x1c\x1a"
MAX_MESSAGES = 2000
"""Messages of one frame; a larger batch is a matter for `mpi load`."""
_RUN = secrets.token_hex(4).upper()
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Piece:
    """A header, a trailer or a whole message of a batch, as it was written; `line` is where it begins, from 1."""

    name: str
    raw: bytes
    line: int

    def field(self, number: int) -> str:
        """A field of a header or trailer; empty when it is absent."""
        text = self.raw.decode("latin-1").strip()
        fields = text.split(text[3]) if len(text) > 3 else [text]
        place = number - 1 if self.name in ("FHS", "BHS") else number
        return fields[place].strip() if 0 < place < len(fields) else ""


def is_batch(payload: bytes) -> bool:
    """Whether the bytes begin with a batch or file header."""
    return payload.lstrip(b"\xef\xbb\xbf \t\r\n\0")[:3] in (b"FHS", b"BHS")


def has_second_message(payload: bytes) -> bool:
    """Whether another message begins inside the bytes of one: what stands in it would be read by nobody."""
    return _SECOND.search(payload, payload.find(b"MSH") + 1) is not None


def pieces(chunks: Iterable[bytes]) -> Iterator[Piece]:
    """The pieces of a stream in their order; what stands before the first is a piece named `?`, unless it is blank."""
    rest, line = b"", 1
    for chunk in chunks:
        *whole, rest = _STARTS.split(rest + chunk)
        for raw in whole:
            yield from _piece(raw, line)
            line += lines_of(raw)
    yield from _piece(rest, line)


def lines_of(raw: bytes) -> int:
    """How many lines (segments) there are, whatever ends them."""
    return raw.count(b"\n") + raw.count(b"\r") - raw.count(b"\r\n")


def _piece(raw: bytes, line: int) -> Iterator[Piece]:
    known = _STARTS.match(raw) is not None
    kept = (raw.removeprefix(_MARK) if known else raw).strip(_AROUND)
    name = kept[:3].decode("latin-1") if known else "?"
    if kept and name == "MSH":
        kept += b"\r"
    if kept:
        yield Piece(name, kept, line)


@dataclass(frozen=True, slots=True)
class Batch:
    """A whole batch as one frame holds it."""

    file: Piece | None
    head: Piece | None
    messages: tuple[Piece, ...]
    ended: bool
    """Whether its trailer came: without one the last message may be cut off."""
    said: str
    """How many messages the trailer says there are; empty when it does not say."""

    @property
    def short(self) -> bool:
        """Whether the trailer says another number of messages than came."""
        return self.said != "" and self.said != str(len(self.messages))


def read_batch(payload: bytes) -> Batch | None:
    """The batch in a frame; None when it is none, or too large."""
    found = list(pieces([payload]))
    messages = tuple(piece for piece in found if piece.name == "MSH")
    if len(messages) > MAX_MESSAGES or any(piece.name == "?" for piece in found):
        return None
    by_name = {piece.name: piece for piece in found}
    trailers = [piece for piece in found if piece.name == "BTS"]
    numbers = [piece.field(1) for piece in trailers]
    said = (
        str(sum(int(one) for one in numbers)) if numbers and all(n.isascii() and n.isdigit() for n in numbers) else ""
    )
    ended = bool(found) and found[-1].name in ("BTS", "FTS")
    return Batch(by_name.get("FHS"), by_name.get("BHS"), messages, ended, said)


def answer(batch: Batch, answers: Sequence[bytes]) -> bytes:
    """The answers to the messages of a batch, as a batch that names it (BHS-12, FHS-12)."""
    comment = f"{batch.said} messages were announced, {len(batch.messages)} came" if batch.short else ""
    lines = []
    if batch.file:
        lines.append(_header("FHS", batch.file))
    lines.append(_header("BHS", batch.head or batch.file))
    ends = [_line(_mark(batch), "BTS", str(len(answers)), comment)]
    if batch.file:
        ends.append(_line(_mark(batch), "FTS", "1"))
    return b"".join([*lines, *answers, *ends])


def _mark(batch: Batch) -> str:
    piece = batch.head or batch.file
    return piece.raw[3:4].decode("latin-1") if piece else "|"


def _header(name: str, theirs: Piece | None) -> bytes:
    mark = theirs.raw[3:4].decode("latin-1") if theirs else "|"
    field = theirs.field if theirs else lambda _: ""
    now = datetime.now().astimezone().strftime("%Y%m%d%H%M%S%z")
    number = f"{_RUN}{next(_numbers):08d}"
    names = [field(5), field(6), field(3), field(4)]
    return _line(mark, name, field(2) or "^~\\&", *names, now, "", "", "", number, field(11))


def _line(mark: str, *fields: str) -> bytes:
    return (mark.join(fields).rstrip(mark) + "\r").encode("latin-1")
