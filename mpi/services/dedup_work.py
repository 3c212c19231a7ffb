"""The folder a batch run works in: phases that are done are not done again, results appear whole or not at all."""

import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mpi.domain.errors import BadInput, Conflict, TemporaryFailure

FOLDER = ".work"
_MANIFEST = "manifest.json"
_LOCK = "lock"
_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


def key_of(settings: Mapping[str, Any]) -> str:
    """What stands for the inputs and settings of a run: a run of another key starts afresh."""
    text = json.dumps(settings, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


class Work:
    """The working folder of one run. Take it by `opened`."""

    def __init__(self, out: Path, key: str) -> None:
        self.out = out
        self.folder = out / FOLDER
        self._key = key
        self._done: dict[str, Any] = {}
        self.resumed = False
        """Whether a broken run had done something that this one need not do again."""

    def start(self) -> None:
        """Take up what a broken run of the same inputs and settings left, or begin with an empty folder."""
        found = _read(self.folder / _MANIFEST)
        if found.get("key") == self._key:
            self._done = dict(found.get("done", {}))
            self.resumed = bool(self._done)
            return
        self._forget()
        for path in self.folder.iterdir():
            if path.name != _LOCK:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        self._note()

    def once(self, phase: str, action: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
        """What `action` gave (JSON), now or in the run that was broken off; its files stand in `folder`."""
        if phase not in self._done:
            self._done[phase] = dict(action())
            self._note()
        return dict(self._done[phase])

    def _note(self) -> None:
        new = self.folder / (_MANIFEST + ".new")
        _durable(new, json.dumps({"key": self._key, "done": self._done}, ensure_ascii=True))
        new.replace(self.folder / _MANIFEST)

    def _forget(self) -> None:
        """Before any file goes: a run that is killed meanwhile must not be believed to have done what is gone."""
        (self.folder / _MANIFEST).unlink(missing_ok=True)

    def publish(self, names: list[str], last: str) -> None:
        """Move finished files from the folder to where the user looks for them; `last` says that all are there."""
        (self.out / last).unlink(missing_ok=True)
        for name in [*names, last]:
            path = self.folder / name
            with path.open("rb") as file:
                os.fsync(file.fileno())
        for name in [*names, last]:
            (self.folder / name).replace(self.out / name)

    def remove(self) -> None:
        """Leave nothing behind."""
        self._forget()
        shutil.rmtree(self.folder)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _durable(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def opened(out: Path, key: str) -> Iterator[Work]:
    """The working folder in `out`, made if need be, and nobody else's meanwhile.

    Raises `BadInput` where `out` cannot be a folder, `Conflict` while another run works there, and
    `TemporaryFailure` when the disk is full: what was done is kept, and the same command goes on from there.
    """
    with on_disk(out):
        try:
            out.mkdir(parents=True, exist_ok=True, mode=0o700)  # results hold what patients told
            (out / FOLDER).mkdir(exist_ok=True, mode=0o700)
        except (FileExistsError, NotADirectoryError) as error:
            raise BadInput(f"{out} is no folder", field="out") from error
        with (out / FOLDER / _LOCK).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Conflict(f"another run is working in {out}") from error
            work = Work(out, key)
            work.start()
            yield work


@contextmanager
def on_disk(out: Path) -> Iterator[None]:
    """Raise `TemporaryFailure`, in plain words, when something under `out` cannot be written in the block."""
    try:
        yield
    except OSError as error:
        why = "the disk is full" if error.errno in _FULL else error.strerror or type(error).__name__
        raise TemporaryFailure(f"{out} cannot be written ({why}); run the same command again to go on") from error
    except Exception as error:
        # DuckDB has errors of its own for a full disk, and no common base with the system's.
        if type(error).__module__.startswith(("duckdb", "_duckdb")) and type(error).__name__ == "IOException":
            raise TemporaryFailure(f"{out} cannot be written; run the same command again to go on") from error
        raise
