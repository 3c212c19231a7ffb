"""`mpi replay`: what the inbox kept is listed, and carried out by a person's decision."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mpi.bootstrap import App, build
from mpi.cli.replay import replay
from mpi.config import parse
from mpi.hl7.adt import receive

BEFORE = """
[[authorities]]
code = "RXX"
[[sources]]
application = "PAS"
facility = "RXX"
feeds = "RXX"
"""
AFTER = BEFORE + '[[sources]]\napplication = "NEW"\nfacility = "RXX"\nfeeds = "RXX"\n'


def a28(control_id: str, number: str, application: str = "PAS") -> bytes:
    return (
        f"MSH|^~\\&|{application}|RXX|MPI|MPI|20260101||ADT^A28^ADT_A05|{control_id}|P|2.5\r"
        f"EVN|A28|20260101\rPID|||{number}^^^RXX^MR||Ashworth^Maria||19680324|F\r"
    ).encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "before.toml").write_text(BEFORE, encoding="utf-8")
    (tmp_path / "after.toml").write_text(AFTER, encoding="utf-8")
    return tmp_path


@pytest.fixture
def index(folder: Path, migrated_sqlite_url: str) -> App:
    """An index that took one message, the same control id with other content, and one of a source not configured."""
    app = build(parse(BEFORE, folder / "before.toml", database_url=migrated_sqlite_url))
    for raw in (a28("1", "100"), a28("1", "200"), a28("3", "300", "NEW")):
        app.inbox.process([receive(raw, "test", app.config).inbound])
    return app


def run(folder: Path, url: str, *arguments: str, config: str = "before.toml") -> Result:
    return CliRunner().invoke(replay, [*arguments, "--database", url, "--config", str(folder / config)])


def test_what_waits_is_listed_without_its_content(folder: Path, index: App, migrated_sqlite_url: str) -> None:
    for arguments in ((), ("--list",)):
        result = run(folder, migrated_sqlite_url, *arguments)
        assert "control-id" in result.stdout
        assert "1 wait" in result.stdout
        assert "Ashworth" not in result.stdout
    index.close()


def test_a_control_id_used_again_is_carried_out_when_a_person_says_so(
    folder: Path, index: App, migrated_sqlite_url: str
) -> None:
    assert index.overview.counts().records == 1
    result = run(folder, migrated_sqlite_url, "--phase", "control-id", "--json")
    assert [one["ack"] for one in json.loads(result.stdout)] == ["AA"]
    assert index.overview.counts().records == 2
    assert run(folder, migrated_sqlite_url, "--list").stdout == "no message waits\n"
    index.close()


def test_a_message_has_its_effect_once(folder: Path, index: App, migrated_sqlite_url: str) -> None:
    result = run(folder, migrated_sqlite_url, "1")
    assert result.exit_code == 10
    assert "was applied already" in result.stdout
    index.close()


def test_a_refused_message_is_taken_once_its_source_is_configured(
    folder: Path, index: App, migrated_sqlite_url: str
) -> None:
    assert run(folder, migrated_sqlite_url, "3").exit_code == 10
    result = run(folder, migrated_sqlite_url, "3", config="after.toml")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "1 of 1 accepted")
    assert index.overview.counts().records == 2
    index.close()


def test_another_reason_chooses_nothing(folder: Path, index: App, migrated_sqlite_url: str) -> None:
    result = run(folder, migrated_sqlite_url, "--reason", "no such reason")
    assert result.stdout == "0 of 0 accepted\n"
    index.close()


def test_refused_messages_are_chosen_by_phase_reason_and_sender(
    folder: Path, index: App, migrated_sqlite_url: str
) -> None:
    listed = json.loads(run(folder, migrated_sqlite_url, "--list", "--source", "NEW|RXX", "--json").stdout)
    [message] = listed
    assert (message["id"], message["ack"]) == (3, "AE")
    for arguments in (
        ("--phase", "read", "--since", "2099-01-01"),
        ("--phase", "read", "--until", "2000-01-01"),
        ("--reason", message["reason"], "--source", "PAS|RXX"),
    ):
        assert run(folder, migrated_sqlite_url, *arguments).stdout == "0 of 0 accepted\n"
    chosen = ("--phase", message["phase"], "--reason", message["reason"], "--source", "NEW|RXX", "--json")
    for dry_run in (["--dry-run"], []):
        result = run(folder, migrated_sqlite_url, *chosen, *dry_run, config="after.toml")
        assert [(one["id"], one["ack"]) for one in json.loads(result.stdout)] == [(3, "AA")]
        assert index.overview.counts().records == (1 if dry_run else 2)
    assert run(folder, migrated_sqlite_url, *chosen, config="after.toml").stdout.strip() == "[]"
    index.close()


def test_a_sender_is_written_with_both_its_names(folder: Path, index: App, migrated_sqlite_url: str) -> None:
    assert run(folder, migrated_sqlite_url, "--source", "NEW").exit_code == 2
    index.close()
