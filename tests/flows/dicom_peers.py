"""The programs that the node talks to in tests: Debian's dcmtk and Orthanc, on free ports of loopback."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.missing import cannot_run

SECONDS = 60


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def program(name: str, package: str) -> str:
    """Where a program is; the test cannot run without it."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/bin")
    return found or cannot_run(name, f"apt-get install {package}")


def run(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """One of dcmtk's programs, ended."""
    # dcmtk's programs share names with pynetdicom's, which stand in the folder of this Python.
    command = [_dcmtk(name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)


def _dcmtk(name: str) -> str:
    path = os.pathsep.join(p for p in os.environ["PATH"].split(os.pathsep) if ".venv" not in p)
    return shutil.which(name, path=path) or cannot_run(name, "apt-get install dcmtk")


@contextlib.contextmanager
def serving(name: str, *arguments: object, port: int) -> Iterator[None]:
    """One of dcmtk's servers while the block runs."""
    process = subprocess.Popen([_dcmtk(name), *map(str, arguments)])
    try:
        until(lambda: answers(port), f"{name} does not listen")
        yield
    finally:
        process.terminate()
        process.wait(SECONDS)


def until(true: Any, what: str) -> None:
    """Wait until `true` says so."""
    end = time.monotonic() + SECONDS
    while not true():
        if time.monotonic() > end:
            pytest.fail(what)
        time.sleep(0.05)


def answers(port: int) -> bool:
    """Whether anybody listens there."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


class Listening:
    """`mpi dicom listen` in a process of its own."""

    def __init__(self, config: Path, port: int, *arguments: object, place: str | None = None) -> None:
        program = ["-m", "mpi.cli.main"] if place is None else ["-m", "tests.flows.dicom_child", place]
        command = ["dicom", "listen", "--config", config, "--port", port, *arguments]
        self.log = (config.parent / "node.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, *program, *map(str, command)], stdout=self.log, stderr=self.log
        )
        until(lambda: self.process.poll() is not None or answers(port), "the node does not listen")

    def kill(self) -> None:
        """End it without a word."""
        self.process.kill()
        self.process.wait()
        self.log.close()

    def stop(self) -> int:
        """End it as a service is ended; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(SECONDS)
        self.log.close()
        return code


class Orthanc:
    """A real archive."""

    def __init__(self, folder: Path, node_port: int) -> None:
        self.dicom, self.http = free_port(), free_port()
        folder.mkdir(parents=True)
        settings = {
            "Name": "PACS",
            "StorageDirectory": str(folder / "storage"),
            "IndexDirectory": str(folder / "storage"),
            "DicomAet": "PACS",
            "DicomPort": self.dicom,
            "HttpPort": self.http,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomCheckCalledAet": True,
            "DicomModalities": {"mpi": {"AET": "MPI", "Host": "127.0.0.1", "Port": node_port}},
            "OverwriteInstances": True,
        }
        path = folder / "orthanc.json"
        path.write_text(json.dumps(settings), encoding="utf-8")
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen([program("Orthanc", "orthanc"), str(path)], stdout=log, stderr=log)
        until(lambda: answers(self.http) and answers(self.dicom), "Orthanc does not start")

    def instances(self) -> list[dict[str, Any]]:
        """The tags of all instances that it holds."""
        return [self._get(f"/instances/{one}/simplified-tags") for one in self._get("/instances")]

    def file(self, sop_uid: str) -> bytes:
        """One instance as it keeps it."""
        (found,) = [one for one in self._get("/instances?expand") if one["MainDicomTags"]["SOPInstanceUID"] == sop_uid]
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/instances/{found['ID']}/file") as answer:
            return bytes(answer.read())

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}") as answer:
            return json.load(answer)

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(SECONDS)


@contextlib.contextmanager
def orthanc(folder: Path, node_port: int) -> Iterator[Orthanc]:
    """A real archive while the block runs."""
    archive = Orthanc(folder, node_port)
    try:
        yield archive
    finally:
        archive.stop()


def configuration(folder: Path, url: str, archive_port: int, more: Sequence[str] = (), forward: str = "") -> Path:
    """An `mpi.toml` for the index of the gate's tests, with a node before an archive."""
    path = folder / "mpi.toml"
    lines = [
        f'[database]\nurl = "{url}"',
        '[[authorities]]\ncode = "RXX"\noid = "2.999.1"\naliases = ["REH"]\ntest = true',
        '[[authorities]]\ncode = "RYY"\noid = "2.999.2"\ntest = true',
        '[dicom]\nquarantine = "quarantine"\nquiet = 0.2',
        '[[dicom.partners]]\nae_title = "REMOTE"',
        f'[dicom.forward]\nae_title = "PACS"\nhost = "127.0.0.1"\nport = {archive_port}\nauthority = "RYY"\n{forward}',
        *more,
    ]
    path.write_text("\n\n".join(lines), encoding="utf-8")
    return path
