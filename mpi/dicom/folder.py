"""The folder that received objects are kept in: whole or not at all, each under the digest of its data set.

incoming/   being received; emptied at start, for nobody was told that it is here
objects/    kept; a file is here before its row is written, and as long as its row says so
outgoing/   made for sending; emptied at start
"""

import contextlib
import fcntl
import hashlib
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from mpi.domain.errors import Conflict

_META_HEAD = 132 + 12
"""Bytes until the length of the file meta information is known (PS3.10 section 7.1)."""
_LOCKS = 64
_PAGE = 500
ORPHAN_SECONDS = 3600.0
"""A file without a row is left alone for so long: its row may be about to be written."""


class Landing:
    """A file that an object is received into. The library that writes to it never sees an error: `fault` is asked.

    Digest and size are of the data set alone, without preamble and file meta information.
    """

    def __init__(self, path: Path, most: int) -> None:
        self.name = str(path)
        self.fault: str | None = None
        self.size = 0
        self._most = most
        self._digest = hashlib.sha256()
        self._head = b""
        self._meta_left: int | None = None
        self._out: IO[bytes] | None = None
        try:
            self._out = open(path, "xb", buffering=1 << 20)  # noqa: SIM115 - closed by close or discard
        except OSError as error:
            self._fail(error)

    @property
    def file(self) -> "Landing":
        """What the library flushes after each part."""
        return self

    def flush(self) -> None:
        """Nothing: what matters is that all of it is on disk at the end."""

    def write(self, data: bytes) -> int:
        """Take the next bytes; after a fault they are passed over."""
        if self._out is None:
            return len(data)
        try:
            self._out.write(data)
        except OSError as error:
            self._fail(error)
            return len(data)
        body = self._body(data)
        self.size += len(body)
        self._digest.update(body)
        if self.size > self._most:
            self._fail(None)
        return len(data)

    def _body(self, data: bytes) -> bytes:
        """The part of `data` that belongs to the data set."""
        if self._meta_left is None:
            self._head += data
            if len(self._head) < _META_HEAD:
                return b""
            self._meta_left = _META_HEAD + int.from_bytes(self._head[140:144], "little")
            data, self._head = self._head, b""
        skipped = min(self._meta_left, len(data))
        self._meta_left -= skipped
        return data[skipped:]

    def finish(self) -> str | None:
        """Bring everything to disk; the digest, or None when it could not be kept (`fault`)."""
        if self._out is None:
            return None
        try:
            self._out.flush()
            os.fsync(self._out.fileno())
            self._out.close()
        except OSError as error:
            self._fail(error)
            return None
        self._out = None
        return self._digest.hexdigest()

    def close(self) -> None:
        """Let go of the file."""
        if self._out is not None:
            with contextlib.suppress(OSError):
                self._out.close()
            self._out = None

    def discard(self) -> None:
        """Remove it: nobody was told that it is here."""
        self.close()
        with contextlib.suppress(OSError):
            os.unlink(self.name)

    def _fail(self, error: OSError | None) -> None:
        self.fault = (error.strerror or type(error).__name__) if error else "larger than allowed"
        self.discard()


class Folder:
    """One node's quarantine on disk. Nobody else may use the same folder at the same time."""

    def __init__(self, path: Path, most: int) -> None:
        """Raises `Conflict` when it cannot be used, or another node uses it."""
        self.path = path
        self._most = most
        self._locks = [threading.Lock() for _ in range(_LOCKS)]
        try:
            for name in ("incoming", "objects", "outgoing"):
                (path / name).mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            self.node = _name(path / "node")
        except OSError as error:
            raise Conflict(f"the quarantine {path} cannot be used: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise Conflict(f"another node uses the quarantine {path}") from error
        for name in ("incoming", "outgoing"):
            for left in (path / name).iterdir():
                left.unlink(missing_ok=True)

    def close(self) -> None:
        """Let another node use it."""
        os.close(self._lock)

    def landing(self) -> Landing:
        """A new file to receive an object into."""
        return Landing(self.path / "incoming" / f"{secrets.token_hex(16)}.dcm", self._most)

    def place(self, digest: str) -> Path:
        """Where the object with this digest lies."""
        return self.path / "objects" / digest[:2] / f"{digest}.dcm"

    @contextlib.contextmanager
    def holding(self, digest: str) -> Iterator[None]:
        """Nobody else in this node does anything about this digest in the block."""
        with self._locks[int(digest[:4], 16) % _LOCKS]:
            yield

    def keep(self, landing: Landing, digest: str) -> None:
        """Bring a finished file to its place, safe against a crash. Raises OSError."""
        target = self.place(digest)
        made = not target.parent.exists()
        target.parent.mkdir(mode=0o700, exist_ok=True)
        os.replace(landing.name, target)
        _sync(target.parent)
        if made:
            _sync(target.parent.parent)

    def remove(self, digest: str) -> None:
        """Remove an object's file, if it is there."""
        self.place(digest).unlink(missing_ok=True)

    def outgoing(self) -> Path:
        """A new name for a file to be sent."""
        return self.path / "outgoing" / f"{secrets.token_hex(16)}.dcm"

    def sweep(self, needed: Callable[[Sequence[str]], set[str]], patience: float = ORPHAN_SECONDS) -> int:
        """Remove files that no row needs: what was forwarded, and what was never acknowledged. How many there were."""
        removed, before = 0, time.time() - patience
        for page in _pages(self.path / "objects", before):
            digests = [file.stem for file in page]
            wanted = needed(digests)
            for file in page:
                if file.stem in wanted:
                    continue
                with self.holding(file.stem):
                    if file.stem not in needed([file.stem]):
                        file.unlink(missing_ok=True)
                        removed += 1
        return removed


def _pages(root: Path, before: float) -> Iterator[list[Path]]:
    page: list[Path] = []
    for folder in sorted(root.iterdir()):
        for file in folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if file.suffix == ".dcm" and file.stat().st_mtime <= before:
                    page.append(file)
            if len(page) == _PAGE:
                yield page
                page = []
    if page:
        yield page


def _name(file: Path) -> str:
    """The name of the node that the folder belongs to, made at its first use."""
    if not file.exists():
        draft = file.with_suffix(".new")
        draft.write_text(secrets.token_hex(16), encoding="ascii")
        draft.replace(file)
    return file.read_text(encoding="ascii").strip()


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
