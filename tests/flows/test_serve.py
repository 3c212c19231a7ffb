"""`mpi serve` as people start it: a real process, a real socket."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mpi.bootstrap import build
from mpi.cli.options import OPERATOR
from mpi.config import Config
from mpi.domain.roles import Role


@contextmanager
def serving(url: str, *options: str, folder: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address of a server that is up, and its process."""
    command = [sys.executable, "-m", "mpi.cli.main", "serve", "--port", "0", "--database", url, *options]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.fullmatch(r"serving on (http://\S+)\n", line)
            assert found, line or process.communicate(timeout=10)[1]
            yield found.group(1), process
        finally:
            if process.poll() is None:
                process.kill()


def get(address: str, path: str) -> tuple[int, str, dict[str, str]]:
    try:
        with urllib.request.urlopen(f"{address}{path}", timeout=20) as answer:  # noqa: S310 - our own server
            return answer.status, answer.read().decode(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), dict(error.headers)


def test_it_serves_pages_interface_and_health_until_it_is_told_to_stop(
    migrated_sqlite_url: str, tmp_path: Path
) -> None:
    app = build(Config(database_url=migrated_sqlite_url))
    token = app.users.issue_token(OPERATOR, "gateway", Role.SERVICE)
    app.close()
    with serving(migrated_sqlite_url, "--plain-http", folder=tmp_path) as (address, process):
        status, page, headers = get(address, "sign-in")
        assert status == 200
        assert "<h1" in page
        assert "Server" not in headers
        assert get(address, "health/ready")[0] == 200
        assert get(address, "static/nhsuk/nhsuk-frontend.min.css")[0] == 200
        asked = urllib.request.Request(  # noqa: S310 - our own server
            f"{address}api/v1/match",
            data=json.dumps({"family_name": "Quillfeather", "birth_date": "1933-08-19"}).encode(),
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(asked, timeout=20) as answer:  # noqa: S310 - our own server
            assert json.load(answer)["outcome"] == "apart"
        process.send_signal(signal.SIGTERM)
        _, logged = process.communicate(timeout=30)
    assert process.returncode == 0
    lines = [json.loads(line) for line in logged.splitlines() if line.startswith("{")]
    assert any(line.get("route") == "/api/v1/match" and line.get("status") == 200 for line in lines)
    assert "Quillfeather" not in logged
    key = tmp_path / "secret.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_without_plain_http_the_cookie_is_for_tls_only_and_the_server_says_so(
    migrated_sqlite_url: str, tmp_path: Path
) -> None:
    with serving(migrated_sqlite_url, folder=tmp_path) as (address, process):
        cookie = get(address, "sign-in")[2]["Set-Cookie"]
        process.send_signal(signal.SIGINT)
        _, logged = process.communicate(timeout=30)
    assert cookie.startswith("__Host-mpi=")
    assert "Secure" in cookie
    assert "TLS" in logged


def test_requests_that_are_never_finished_do_not_shut_the_door(migrated_sqlite_url: str, tmp_path: Path) -> None:
    half = b"POST /api/v1/studies/check HTTP/1.1\r\nHost: a\r\nContent-Length: 60000000\r\n\r\nhalf"
    with serving(migrated_sqlite_url, "--plain-http", folder=tmp_path) as (address, _), ExitStack() as opened:
        port = urlsplit(address).port
        for _half in range(200):
            connection = opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            connection.sendall(half)
        assert get(address, "health/live")[0] == 200


def run(url: str, *options: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mpi.cli.main", "serve", "--database", url, *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=folder)


def test_plain_http_is_refused_for_an_address_that_others_reach(migrated_sqlite_url: str, tmp_path: Path) -> None:
    done = run(migrated_sqlite_url, "--plain-http", "--host", "0.0.0.0", folder=tmp_path)
    assert done.returncode == 2
    assert "--plain-http" in done.stderr


def test_a_database_that_was_not_migrated_is_refused(sqlite_url: str, tmp_path: Path) -> None:
    Path(sqlite_url.removeprefix("sqlite:///")).touch()
    done = run(sqlite_url, folder=tmp_path)
    assert done.returncode == 7
    assert "mpi migrate" in done.stderr


def test_a_port_in_use_is_said_in_one_line(migrated_sqlite_url: str, tmp_path: Path) -> None:
    with serving(migrated_sqlite_url, "--plain-http", folder=tmp_path) as (address, process):
        port = address.rstrip("/").rpartition(":")[2]
        done = run(migrated_sqlite_url, "--plain-http", "--port", port, folder=tmp_path)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert done.returncode == 1
    assert "cannot listen" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost"])
def test_it_listens_on_the_address_it_is_given(migrated_sqlite_url: str, tmp_path: Path, address: str) -> None:
    with serving(migrated_sqlite_url, "--plain-http", "--host", address, folder=tmp_path) as (found, process):
        assert address in found
        assert get(found, "health/live")[0] == 200
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
