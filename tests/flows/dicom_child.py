"""`mpi dicom listen` that kills itself the first time it comes to a place (first argument)."""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from mpi.cli.main import main
from mpi.dicom import folder, forward, receive
from mpi.services import forwarding, quarantine


def _die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _before(owner: Any, name: str) -> None:
    setattr(owner, name, _die)


def _after(owner: Any, name: str) -> None:
    true: Callable[..., Any] = getattr(owner, name)

    def then_die(*args: Any, **kwargs: Any) -> None:
        true(*args, **kwargs)
        _die()

    setattr(owner, name, then_die)


PLACES: dict[str, Callable[[], None]] = {
    "received, not on disk": lambda: _before(folder.Landing, "finish"),
    "on disk, not in its place": lambda: _before(folder.Folder, "keep"),
    "in its place, no row": lambda: _after(folder.Folder, "keep"),
    "written down, not answered": lambda: _after(receive.Quarantine, "take"),
    "judged, not written down": lambda: _before(quarantine.Quarantine, "_problem"),
    "judged": lambda: _after(quarantine.Quarantine, "judge"),
    "intent written, not coerced": lambda: _after(forwarding.Forwarding, "next"),
    "coerced, not sent": lambda: _after(forward, "coerce"),
    "taken by the archive, not written down": lambda: _before(forwarding.Forwarding, "settle"),
    "written down, file still there": lambda: _before(forward.Forwarder, "_remove"),
}

if __name__ == "__main__":
    PLACES[sys.argv[1]]()
    sys.argv = ["mpi", *sys.argv[2:]]
    main()
