"""`mpi load` of a file of HL7 v2 messages: a batch (FHS, BHS), or one message after the other."""

import hashlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mpi.bootstrap import App
from mpi.cli.options import OPERATOR, echo_json
from mpi.domain.errors import BadInput
from mpi.files.set_aside import SideFile
from mpi.hl7 import batch
from mpi.hl7.adt import receive
from mpi.services.load import LoadJob
from mpi.services.load_messages import FileMessage, LoadedMessages, MessageChunk

_CHUNK = 1024 * 1024
_OPENING = 4096
LONGEST = 1024 * 1024
"""Bytes of a message; the listener takes no longer ones either."""


def is_message_file(path: Path) -> bool:
    """Whether the file begins as HL7 v2 messages do."""
    try:
        with path.open("rb") as file:
            first = next(batch.pieces([file.read(_OPENING)]), None)
    except OSError:
        return False
    return first is not None and first.name in ("FHS", "BHS", "MSH")


class MessageFile:
    """The messages of a file, in their order."""

    def __init__(self, path: Path, app: App) -> None:
        self._path = path
        self._app = app
        self.notes: list[str] = []
        """What is wrong with the batches of the file, once they have been read."""
        digest = hashlib.sha256(b"messages")
        self.expected = 0
        for chunk in self._bytes():
            digest.update(chunk)
            self.expected += chunk.count(b"\rMSH") + chunk.count(b"\nMSH") + chunk.startswith(b"MSH")
        self.digest = digest.hexdigest()

    def __iter__(self) -> Iterator[FileMessage]:
        """Each message, the last of a batch that does not end as one that is not to be taken."""
        inside, came, held = False, 0, None
        for piece in batch.pieces(self._bytes()):
            if piece.name == "MSH":
                if held is not None:
                    yield held
                held, came = self._message(piece), came + 1
                continue
            if piece.name == "BTS" and piece.field(1) not in ("", str(came)):
                self.notes.append(f"line {piece.line}: {piece.field(1)} messages were announced, {came} came")
            if piece.name == "?":
                self.notes.append(f"line {piece.line}: {batch.lines_of(piece.raw) + 1} lines stand outside any message")
            if held is not None:
                yield held
            inside, came, held = piece.name in ("FHS", "BHS") or (inside and piece.name == "?"), 0, None
        if held is not None:
            yield replace(held, fault=_CUT) if inside else held

    def _message(self, piece: batch.Piece) -> FileMessage:
        received = receive(piece.raw[:LONGEST], f"file:{self._path.name}", self._app.config)
        fault = f"the message is longer than {LONGEST} bytes" if len(piece.raw) > LONGEST else None
        return FileMessage(piece.line, received.inbound, fault)

    def _bytes(self) -> Iterator[bytes]:
        try:
            with self._path.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    yield chunk
        except OSError as error:
            raise BadInput(f"{self._path} cannot be read: {error.strerror}", code="file") from error


_CUT = "the batch does not end (no BTS): its last message may be cut off"


class _Report:
    """Follows a load: the progress bar and the messages set aside."""

    def __init__(self, expected: int, rejected: Path, *, show: bool) -> None:
        self._path = rejected
        self._rejected: SideFile | None = None
        columns = (TextColumn("loading"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.bar = Progress(*columns, console=Console(stderr=True), disable=not show)
        self._task = self.bar.add_task("loading", total=expected)

    def started(self, skipped: int, last_line: int) -> None:
        """Begin, or go on: what an earlier run set aside is kept."""
        self._rejected = SideFile(self._path, ("line", "reason", "message"), keep_upto=last_line)
        if skipped:
            click.echo(f"note: an earlier run was broken off after line {last_line}; going on from there", err=True)
            self.bar.update(self._task, completed=skipped)

    def done(self, chunk: MessageChunk) -> None:
        """A chunk is stored."""
        if self._rejected:
            self._rejected.add([(one.line, reason, _text(one.inbound.raw)) for one, reason in chunk.set_aside])
        self.bar.update(self._task, advance=chunk.messages)

    def close(self) -> None:
        """Close the file beside the input."""
        if self._rejected:
            self._rejected.close()

    @property
    def set_aside(self) -> Path | None:
        """The file with the messages that were not accepted; None when there are none."""
        return self._path if self._rejected and self._rejected.written else None


def _text(raw: bytes) -> str:
    """A message as somebody may mend it, a segment a line."""
    raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def load_messages(app: App, file: Path, rejected: Path, *, as_json: bool, show: bool) -> None:
    """Load the messages of `file` and say what became of them."""
    messages = MessageFile(file, app)
    report = _Report(messages.expected, rejected, show=show)
    with closing(report), report.bar:
        done = app.message_loader.load(LoadJob(file.name, messages.digest, "", OPERATOR), messages, report)
    for note in messages.notes:
        click.echo(f"note: {note}", err=True)
    if as_json:
        beside = str(report.set_aside) if report.set_aside else None
        echo_json(asdict(done) | {"rejected_file": beside, "notes": messages.notes})
        return
    _say(done, report)


def _say(done: LoadedMessages, report: _Report) -> None:
    click.echo(
        f"{done.messages} messages: {done.accepted} accepted ({done.held} held for a person to decide), "
        f"{done.repeated} known before; {done.set_aside} set aside"
    )
    if done.warnings:
        click.echo(f"  {done.warnings} values could not be read: kept as recorded, and out of matching")
    if report.set_aside:
        click.echo(f"messages set aside, with line and reason: {report.set_aside}")
