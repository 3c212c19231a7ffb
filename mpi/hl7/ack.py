"""Acknowledgements (HL7 v2.5 section 2.9): MSH, MSA and what is wrong.

Written with the delimiters, version and character set of the message, so that what is echoed comes back byte for
byte. From v2.5 ERR has location, code and severity of each error; before, ERR-1 and MSA-6 name errors, and a
warning on an accepted message stands in MSA-3 only, since ERR-1 has no severity and would read as a failure.
"""

import contextlib
import itertools
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from mpi.domain.messages import AckCode, MessageError, Outcome
from mpi.hl7.adt import VERSIONS, Received
from mpi.hl7.reader import Delimiters, Segment

CODES = {
    0: "Message accepted",
    100: "Segment sequence error",
    101: "Required field missing",
    102: "Data type error",
    103: "Table value not found",
    200: "Unsupported message type",
    201: "Unsupported event code",
    202: "Unsupported processing id",
    203: "Unsupported version id",
    204: "Unknown key identifier",
    205: "Duplicate key identifier",
    206: "Application record locked",
    207: "Application internal error",
}
"""HL7 table 0357."""

MAX_ERRORS = 50
"""Of more errors than that the first are named."""

COMMIT_ACCEPTED = "CA"
_OWN_NAME = "MPI"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_RUN = secrets.token_hex(4).upper()
_numbers = itertools.count(1)


class Answering:
    """Writes answers to one message, with its delimiters, its version and its character set."""

    def __init__(self, header: Segment | None, codec: str) -> None:
        self._header = header
        self._codec = codec
        self.marks = _marks(header)
        version = header.filled(12) if header else ""
        self.version = version if version in VERSIONS else VERSIONS[-1]

    @property
    def coded_errors(self) -> bool:
        """Whether ERR has a segment for each error, as from v2.5."""
        return self.version.startswith("2.5")

    def msh(self, *kind: str, enhanced: bool = False) -> str:
        """MSH of the answer: sender and receiver change places; MSH-9 is `kind`.

        In enhanced mode (`enhanced`) it says that nobody need acknowledge it (MSH-15, MSH-16).
        """
        header = self._header
        receiver = [_echo(header, 5) or _OWN_NAME, _echo(header, 6), _echo(header, 3), _echo(header, 4)]
        now = datetime.now().astimezone().strftime("%Y%m%d%H%M%S%z")
        number = f"{_RUN}{int(time.time()) % 100000:05d}{next(_numbers) % 10000000:07d}"
        type_ = self.marks.component.join(kind)
        fields = ["MSH", self.marks.msh_2, *receiver, now, "", type_, number, _echo(header, 11) or "P", self.version]
        fields += ["", "", *(("NE", "NE") if enhanced else ("", "")), "", _echo(header, 18)]
        return self.marks.field.join(fields).rstrip(self.marks.field)

    def msa(self, code: str, errors: Sequence[MessageError], *, accepted: bool) -> list[str]:
        """MSA and what is wrong: ERR of its version."""
        marks = self.marks
        msa = [code, _echo(self._header, 10)]
        if self.coded_errors:
            rest = [_err(error, marks) for error in errors]
        else:
            if errors:
                msa.append(clean(_sentence(errors), marks))
            if errors and not accepted:
                msa += ["", "", marks.component.join(_coded(errors[0], marks))]
            rest = [] if accepted or not errors else [_old_err(errors, marks)]
        return [marks.field.join(["MSA", *msa]).rstrip(marks.field), *rest]

    def plain(self, segment: str) -> str:
        """`segment` without control characters, which would end it."""
        return _CONTROL.sub(" ", segment)

    def encoded(self, segments: Sequence[str], *, new_text: bool = False) -> bytes:
        """The segments as they travel: in the character set of the message, or in UTF-8 where that lacks a letter.

        `new_text` says that there is more in them than the message said: then the set of letters beyond ASCII must be
        declared, also where the message declared none.
        """
        text = "".join(segment + "\r" for segment in segments)
        fields = segments[0].split(self.marks.field)
        declared = len(fields) > 17 and fields[17]
        if declared or not new_text or text.isascii():
            with contextlib.suppress(UnicodeEncodeError):
                return text.encode(self._codec)
        fields += [""] * (18 - len(fields))
        fields[17] = "UNICODE UTF-8"
        text = "".join(segment + "\r" for segment in [self.marks.field.join(fields), *segments[1:]])
        return text.encode("utf-8", errors="replace")


def acknowledge(received: Received, outcome: Outcome, *, code: str | None = None, enhanced: bool = False) -> bytes:
    """The acknowledgement of `received` with this outcome, ready to be framed.

    `code` is MSA-1 where it is not the outcome's own (an accept acknowledgement); `enhanced` marks the application
    acknowledgement of enhanced mode.
    """
    answer = Answering(received.header, received.codec)
    kind = ["ACK"]
    if event := (received.header.filled(9, 2) if received.header else ""):
        kind.append(clean(event, answer.marks))
        if answer.coded_errors:
            kind.append("ACK")
    accepted = outcome.ack == AckCode.ACCEPTED
    errors = () if code == COMMIT_ACCEPTED else _placed(outcome, received)
    msa = answer.msa(code or outcome.ack.value, errors, accepted=accepted)
    return answer.encoded([answer.msh(*kind, enhanced=enhanced), *msa])


def _marks(header: Segment | None) -> Delimiters:
    """The sender's delimiters; the usual ones when there was no header."""
    if header is None:
        return Delimiters()
    written = header.text(2)[:4]
    usual = Delimiters()
    return Delimiters(header.text(1), *(written + usual.msh_2[len(written) :])) if written else usual


def _echo(header: Segment | None, field: int) -> str:
    """A field of the message's header as it was written."""
    return _CONTROL.sub(" ", header.text(field).strip()) if header else ""


def _placed(outcome: Outcome, received: Received) -> list[MessageError]:
    """The errors of the outcome with their places, then the door's own remarks when the message was taken."""
    errors = [
        replace(error, location=received.places.get(error.field)) if error.field and not error.location else error
        for error in outcome.errors
    ]
    found = errors + (list(received.notes) if outcome.ack == AckCode.ACCEPTED else [])
    return found[:MAX_ERRORS]


def _err(error: MessageError, marks: Delimiters) -> str:
    """ERR of v2.5 (2.15.5): location, code, severity, and the text for people in ERR-8."""
    location = (error.location or "").replace("^", marks.component)
    code = marks.component.join(_coded(error, marks))
    return marks.field.join(["ERR", "", location, code, error.severity, "", "", "", clean(error.text, marks)])


def _old_err(errors: Sequence[MessageError], marks: Delimiters) -> str:
    """ERR of v2.3 to v2.4: ERR-1 repeats segment, sequence, field and code (component 4, of subcomponents)."""
    written = []
    for error in errors:
        place = ((error.location or "").split("^") + [""] * 3)[:3]
        code = marks.subcomponent.join(_coded(error, marks))
        written.append(marks.component.join([*place, code]))
    return marks.field.join(["ERR", marks.repetition.join(written)])


def _coded(error: MessageError, marks: Delimiters) -> tuple[str, str, str]:
    return str(int(error.code)), clean(CODES.get(error.code, CODES[207]), marks), "HL70357"


def _sentence(errors: Sequence[MessageError]) -> str:
    """All places and the first error in one line of at most 80 characters, the length of MSA-3."""
    places = dict.fromkeys(_short(error.location) for error in errors if error.location)
    text = ": ".join([", ".join(places), errors[0].text] if places else [errors[0].text])
    return text if len(text) <= 80 else text[:77] + "..."


def _short(location: str | None) -> str:
    """`PID^1^7` as people write it: PID-7."""
    name, *rest = (location or "").split("^")
    return f"{name}-{rest[1]}" if len(rest) > 1 else name


def clean(text: str, marks: Delimiters) -> str:
    """`text` with the delimiters of the message escaped."""
    escapes: Mapping[str, str] = {
        marks.escape: "E",
        marks.field: "F",
        marks.component: "S",
        marks.subcomponent: "T",
        marks.repetition: "R",
    }
    escaped = (f"{marks.escape}{escapes[c]}{marks.escape}" if c in escapes else c for c in text)
    return _CONTROL.sub(" ", "".join(escaped))
