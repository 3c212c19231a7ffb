"""Which bytes are which letters: one pass over a file that also gives its digest and its number of lines."""

import codecs
import hashlib
from dataclasses import dataclass
from pathlib import Path

from mpi.domain.errors import BadInput

_CHUNK = 1 << 20
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
FALLBACK = "windows-1252"
"""What a file that is not UTF-8 is read as: what British hospital systems write otherwise."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What one pass over the bytes shows. `lines` counts line ends, so it is the rows and the header at most."""

    digest: str
    encoding: str
    lines: int
    size: int


def survey(path: Path) -> Survey:
    """Digest, encoding and lines of a file. Raises `BadInput` when it cannot be read."""
    digest = hashlib.sha256()
    lines = size = 0
    utf8: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder("utf-8")()
    encoding = "utf-8"
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                if size == 0:
                    encoding = next((name for mark, name in _MARKS if chunk.startswith(mark)), "utf-8")
                digest.update(chunk)
                size += len(chunk)
                lines += chunk.count(b"\n")
                utf8 = _still_utf8(utf8, chunk)
        if utf8 is not None:
            utf8 = _still_utf8(utf8, b"", final=True)
    except OSError as error:
        raise BadInput(f"{path.name} cannot be read: {error.strerror}", code="file") from error
    if encoding == "utf-8" and utf8 is None:
        encoding = FALLBACK
    return Survey(digest.hexdigest(), encoding, lines, size)


def _still_utf8(
    decoder: codecs.IncrementalDecoder | None, chunk: bytes, *, final: bool = False
) -> codecs.IncrementalDecoder | None:
    if decoder is None:
        return None
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return None
    return decoder


_NOT_TEXT = (
    (b"PAR1", "a Parquet file"),
    (b"PK\x03\x04", "a spreadsheet or a ZIP archive"),
    (b"\x1f\x8b", "compressed with gzip"),
    (b"%PDF", "a PDF document"),
    (b"\xd0\xcf\x11\xe0", "an old spreadsheet"),
    (b"SQLite format 3", "an SQLite database"),
)


def refuse_what_is_no_text(path: Path, encoding: str) -> None:
    """Raise `BadInput` for a file whose beginning shows that it is no text, whatever its name says."""
    with path.open("rb") as file:
        beginning = file.read(64 * 1024)
    for mark, what in _NOT_TEXT:
        if beginning.startswith(mark):
            raise BadInput(f"{path.name} is {what}, not the CSV that its name says", code="file")
    if encoding != "utf-16" and b"\0" in beginning:
        raise BadInput(f"{path.name} is no text: there are zero bytes in it", code="file")
