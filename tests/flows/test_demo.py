"""`make demo` as a user runs it: everything happens, busy ports are no trouble, and nothing is left behind."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
DEMO = [sys.executable, "-m", "mpi.cli.demo"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project folder of its own, with the project's data."""
    (tmp_path / "data").symlink_to(ROOT / "data")
    return tmp_path


@pytest.fixture
def busy_port() -> Iterator[None]:
    """The usual HL7 port taken, by us or by somebody else."""
    with closing(socket.socket()) as other:
        try:
            other.bind(("127.0.0.1", 2575))
            other.listen()
        except OSError:
            pass
        yield


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def is_closed(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def ports(text: str) -> list[int]:
    found = re.search(r"on port (\d+), pages on port (\d+)", text)
    assert found, text
    return [int(found[1]), int(found[2])]


def test_once_shows_everything_and_ends_by_itself(folder: Path, busy_port: None) -> None:
    done = subprocess.run([*DEMO, "--once"], cwd=folder, env=environment(), capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    for said in (
        "port 2575 is busy here",
        "200 messages answered",
        "attach:",
        "hold:",
        "refuse:",
        "Everything went as",
    ):
        assert said in done.stdout
    assert "✗" not in done.stdout
    assert all(is_closed(port) for port in ports(done.stdout))


def test_it_stays_up_until_ctrl_c_and_leaves_no_process_behind(folder: Path) -> None:
    running = subprocess.Popen(DEMO, cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    text = ""
    for line in running.stdout:
        text += line
        if "Ctrl-C stops everything" in line:
            break
    assert "rita" in text
    assert not any(is_closed(port) for port in ports(text))
    running.send_signal(signal.SIGINT)
    assert running.wait(60) == 130
    running.stdout.close()
    assert all(is_closed(port) for port in ports(text))


def test_a_folder_without_the_data_is_named(tmp_path: Path) -> None:
    done = subprocess.run(
        [*DEMO, "--once"], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 7
    assert "run make demo in the project's folder" in done.stderr
