"""Which characters the bytes of a message stand for: MSH-18, or what the configuration says of the source.

HL7 v2.5 section 2.15.9.18 and table 0211. An empty MSH-18 means ASCII by the standard; senders mean UTF-8 or
Windows-1252, so those two are tried.
"""

import codecs
import re

_UTF8 = "utf-8"
_WESTERN = "windows-1252"
_UNICODE = {
    "UNICODE": _UTF8,
    "UNICODEUTF8": _UTF8,
    "UTF8": _UTF8,
    "UNICODEUTF16": "utf-16",
    "UTF16": "utf-16",
}
_MARKS = ((codecs.BOM_UTF8, _UTF8), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_SINGLE_BYTE = re.compile(r"8859([1-9]|1[0-5])")
_WINDOWS = re.compile(r"(?:WINDOWS|CP)(125[0-8])")


class UnknownCharset(Exception):
    """MSH-18 names a character set that is not supported."""


class WrongCharset(Exception):
    """The bytes are not text in the character set that was named."""


def by_mark(raw: bytes) -> tuple[str | None, bytes]:
    """The character set that a byte order mark (or UTF-16's zero bytes) gives away, and the bytes without the mark."""
    for mark, codec in _MARKS:
        if raw.startswith(mark):
            return codec, raw[len(mark) :]
    if raw.startswith(b"M\0S\0H\0"):
        return "utf-16-le", raw
    if raw.startswith(b"\0M\0S\0H"):
        return "utf-16-be", raw
    return None, raw


def codec_of(name: str) -> str | None:
    """Python's codec for a value of MSH-18; None when it is empty. Raises `UnknownCharset`."""
    plain = re.sub(r"[^A-Z0-9]", "", name.upper())
    if not plain:
        return None
    if plain in ("ASCII", "ISOIR6", "USASCII"):
        return "ascii"
    if plain in _UNICODE:
        return _UNICODE[plain]
    if match := _SINGLE_BYTE.fullmatch(plain.removeprefix("ISO")):
        return f"iso8859-{match[1]}"
    if match := _WINDOWS.fullmatch(plain):
        return f"cp{match[1]}"
    raise UnknownCharset


def decode(raw: bytes, codec: str | None) -> tuple[str, str]:
    """The text of `raw` and the codec that read it. Raises `WrongCharset` rather than guess a name's letters.

    Without a codec UTF-8 is tried, then Windows-1252. A single-byte set reads anything, so bytes that are whole
    UTF-8 sequences under such a label are taken as a wrong label. 8859/1 with bytes 80-9F is Windows-1252, as
    everywhere on the web: those bytes are control characters in 8859/1 and curly apostrophes in Windows-1252.
    """
    codec = codecs.lookup(codec).name if codec else None  # the configuration may spell it in any way
    if raw.isascii() and (codec is None or not codec.startswith("utf-16")):
        return raw.decode("ascii"), codec or "ascii"
    try:
        return _decode(raw, codec)
    except UnicodeError:
        raise WrongCharset from None


def _decode(raw: bytes, codec: str | None) -> tuple[str, str]:
    if codec is None:
        return (raw.decode(_UTF8), _UTF8) if _is_utf8(raw) else (raw.decode(_WESTERN), _WESTERN)
    if codec.startswith("utf"):
        return raw.decode(codec), codec
    if codec.startswith(("iso8859", "cp125")) and _is_utf8(raw):
        raise WrongCharset
    if codec == "iso8859-1" and any(0x80 <= byte <= 0x9F for byte in raw):
        codec = _WESTERN
    return raw.decode(codec), codec


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode(_UTF8)
    except UnicodeDecodeError:
        return False
    return True
