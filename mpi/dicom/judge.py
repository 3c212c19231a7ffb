"""Lets the gate judge studies that came in, and keeps the quarantine's folder in order."""

import logging
import threading
import time

from mpi.dicom.folder import Folder
from mpi.domain.errors import MpiError, TemporaryFailure
from mpi.services.quarantine import Quarantine

_log = logging.getLogger(__name__)
POLL_SECONDS = 0.25
SWEEP_SECONDS = 3600.0


class Judge:
    """One node's judging; `run` is a thread's work. Several nodes may judge one study: the gate's answer is one."""

    def __init__(self, quarantine: Quarantine, folder: Folder) -> None:
        self._quarantine = quarantine
        self._folder = folder
        self._swept = time.monotonic()

    def run(self, stop: threading.Event) -> None:
        """Judge until told to stop."""
        while not stop.is_set():
            try:
                busy = self.step() > 0
            except TemporaryFailure as error:
                _log.warning("judging waits for the database", extra={"facts": {"reason": str(error)}})
                busy = False
            except MpiError:
                _log.exception("judging failed")
                busy = False
            if not busy:
                stop.wait(POLL_SECONDS)

    def step(self) -> int:
        """Judge what is due; how many studies."""
        if time.monotonic() - self._swept > SWEEP_SECONDS:
            self._swept = time.monotonic()
            self._folder.sweep(lambda digests: self._quarantine.needed(self._folder.node, digests))
        return self._quarantine.judge_due()
