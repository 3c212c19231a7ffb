"""The minimal lower layer protocol: frames in a stream of bytes (HL7 v2.5 implementation guide, appendix C.4).

A frame is 0x0B, the message, then 0x1C 0x0D. Nothing here reads or writes: bytes go in, frames come out.
"""

from collections.abc import Iterator
from dataclasses import dataclass

START = b"\x0b"
END = b"\x1c\r"
DEFAULT_MAX_MESSAGE = 1024 * 1024
HEAD_KEPT = 64 * 1024
"""Of a frame that is too large or never ends, so many bytes are kept: enough to see whose it was."""

_RESTART = b"\x0bMSH"
MAX_RESTARTS = 10
"""So many broken beginnings of one frame are kept each for itself; what stands before them is kept as one."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What stood between the marks. At most one of the flags is set."""

    payload: bytes
    too_large: bool = False
    """The message was over the limit; `payload` is only its beginning, `size` says how long it was."""
    torn: bool = False
    """The end mark never came: a new message started, or the sender fell silent or went away."""
    size: int = 0


class FrameReader:
    """Cuts a stream into frames, holding no more than one message of `max_message` bytes at a time."""

    def __init__(self, max_message: int = DEFAULT_MAX_MESSAGE) -> None:
        self._max = max_message
        self._buffer = bytearray()
        self._inside = False
        self._skipped = 0
        self._searched = 0
        self.ignored = 0
        """Bytes seen outside any frame since the start, line ends and blanks not counted."""

    @property
    def inside(self) -> bool:
        """Whether a frame has begun and not yet ended."""
        return self._inside

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that `data` completes, in their order. Consume the whole iterator before feeding again."""
        self._buffer += data
        while self._inside or self._find_start():
            end = self._buffer.find(END, self._searched)
            if end < 0:
                self._wait_for_more()
                return
            payload = bytes(self._buffer[:end])
            del self._buffer[: end + len(END)]
            yield from self._finished(payload)

    def abandon(self) -> Frame | None:
        """The half frame that is left when nothing more will come, or None when there is none."""
        if not self._inside:
            return None
        frame = Frame(bytes(self._buffer[:HEAD_KEPT]), torn=True, size=self._skipped + len(self._buffer))
        self._leave()
        self._buffer.clear()
        return frame

    def _find_start(self) -> bool:
        start = self._buffer.find(START)
        outside = self._buffer if start < 0 else self._buffer[:start]
        self.ignored += len(bytes(outside).strip())
        if start < 0:
            self._buffer.clear()
            return False
        del self._buffer[: start + 1]
        self._inside = True
        return True

    def _wait_for_more(self) -> None:
        """Remember how far was searched; of a message over the limit, drop all but its beginning and last byte."""
        if len(self._buffer) + self._skipped > self._max:
            surplus = len(self._buffer) - 1 - HEAD_KEPT
            if surplus > 0:
                del self._buffer[HEAD_KEPT:-1]
                self._skipped += surplus
        self._searched = max(len(self._buffer) - 1, 0)

    def _finished(self, payload: bytes) -> Iterator[Frame]:
        size = self._skipped + len(payload)
        self._leave()
        if size > self._max:
            yield Frame(payload[:HEAD_KEPT], too_large=True, size=size)
            return
        *torn, whole = _split_restarts(payload)
        for half in torn:
            yield Frame(half[:HEAD_KEPT], torn=True, size=len(half))
        yield Frame(whole, size=len(whole))

    def _leave(self) -> None:
        self._inside = False
        self._skipped = 0
        self._searched = 0


def _split_restarts(payload: bytes) -> list[bytes]:
    """A sender that broke off and began again leaves two starts before one end: the last is the whole message.

    A start byte that no MSH follows is content: people paste vertical tabs into comments.
    """
    if START not in payload:
        return [payload]
    first, *rest = payload.rsplit(_RESTART, MAX_RESTARTS)
    halves = [first, *(b"MSH" + part for part in rest)]
    return [half for half in halves if half] or [b""]


def wrap(payload: bytes) -> bytes:
    """`payload` as a frame."""
    return START + payload + END
