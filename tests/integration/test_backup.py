"""Backups: made while eight writers write, restored into either database, and refused where they are not whole."""

import gzip
import json
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from mpi.bootstrap import App
from mpi.cli.backup import backup as backup_command
from mpi.cli.restore import restore as restore_command
from mpi.domain.audit import SYSTEM
from mpi.domain.errors import BadInput, Conflict, TemporaryFailure
from mpi.domain.messages import AckCode
from mpi.services import backup
from mpi.store.tables import source_record
from tests.builders import nhs_number
from tests.effort import repeats
from tests.history import last_change
from tests.index import SENIOR, merge, open_index, register
from tests.invariants import check_index


def quiet(_table: str, _rows: int) -> None:
    pass


def filled(url: str) -> App:
    app = open_index(url)
    register(app, "RXX", "1", nhs_number=nhs_number(1), nhs_number_status="01", family_name="O\u2019Zyskowska")
    register(app, "RYY", "2", nhs_number=nhs_number(1), nhs_number_status="01", family_name="O\u2019Zyskowska")
    register(app, "RXX", "3", given_name="Peter", sex="male", birth_date="1950-01-01")
    merge(app, "3", "1")
    merge(app, "9", "1")
    app.undo.do(SENIOR, last_change(app), "taken back, so that rows point at later ones")
    return app


def local_ids(app: App) -> set[tuple[str, str]]:
    with app.store.reading() as unit:
        rows = unit.connection.execute(select(source_record.c.authority, source_record.c.local_id))
        return {(row[0], row[1]) for row in rows}


def run(command: object, *arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments))  # type: ignore[arg-type]


@pytest.fixture
def saved(migrated_sqlite_url: str, tmp_path: Path) -> Path:
    app = filled(migrated_sqlite_url)
    backup.save(app.store, SYSTEM, tmp_path / "saved", overwrite=False, progress=quiet)
    app.close()
    return tmp_path / "saved"


def test_an_index_comes_back_into_either_database(migrated_url: str, database_url: str, tmp_path: Path) -> None:
    app = filled(migrated_url)
    ids = local_ids(app)
    summary = backup.save(app.store, SYSTEM, tmp_path / "saved", overwrite=False, progress=quiet)
    app.close()
    assert (tmp_path / "saved").stat().st_mode & 0o077 == 0
    target = database_url if database_url != migrated_url else f"sqlite:///{tmp_path / 'other' / 'mpi.db'}"
    if target.startswith("sqlite"):
        target = f"sqlite:///{tmp_path / 'other' / 'mpi.db'}"

    assert backup.restore(target, SYSTEM, tmp_path / "saved", replace=False, progress=quiet) == summary
    restored = open_index(target)
    check_index(restored.store)
    assert local_ids(restored) == ids
    assert register(restored, "RZZ", "77").ack is AckCode.ACCEPTED  # the next ids are free
    check_index(restored.store)
    restored.close()


def test_a_backup_made_while_eight_writers_write_is_one_moment(migrated_url: str, tmp_path: Path) -> None:
    app = filled(migrated_url)
    stop = threading.Event()

    def write(writer: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            register(app, "RXX", f"{writer}-{number}", nhs_number=nhs_number(writer * 100 + number % 7))
            register(app, "RYY", f"{writer}-{number % 5}", family_name=f"Family{number}", nhs_number=None)
            if number % 3 == 0:
                merge(app, f"{writer}-{number - 1}", f"{writer}-{number}")

    writers = [threading.Thread(target=write, args=(n,)) for n in range(1, 9)]
    for one in writers:
        one.start()
    try:
        for n in range(repeats(20)):
            file = tmp_path / f"saved-{n}"
            backup.save(app.store, SYSTEM, file, overwrite=False, progress=quiet)
            url = f"sqlite:///{tmp_path / f'restored-{n}.db'}"
            backup.restore(url, SYSTEM, file, replace=False, progress=quiet)
            restored = open_index(url)
            check_index(restored.store)
            restored.close()
    finally:
        stop.set()
        for one in writers:
            one.join()
    check_index(app.store)
    app.close()


class Interrupted(Exception):
    pass


def interrupted(_table: str, _rows: int) -> None:
    raise Interrupted


def test_a_backup_that_is_broken_off_leaves_nothing(migrated_url: str, tmp_path: Path) -> None:
    app = filled(migrated_url)
    before = set(tmp_path.iterdir())
    with pytest.raises(Interrupted):
        backup.save(app.store, SYSTEM, tmp_path / "saved", overwrite=False, progress=interrupted)
    assert set(tmp_path.iterdir()) == before
    app.close()


def test_a_backup_that_cannot_be_written_says_so(migrated_sqlite_url: str, tmp_path: Path) -> None:
    app = filled(migrated_sqlite_url)
    with pytest.raises(TemporaryFailure):
        backup.save(app.store, SYSTEM, tmp_path / "no such folder" / "saved", overwrite=False, progress=quiet)
    app.close()


def test_a_restore_that_is_broken_off_changes_nothing(migrated_url: str, saved: Path, tmp_path: Path) -> None:
    app = open_index(migrated_url)
    register(app, "RXX", "keep-me")
    app.close()
    before = set(tmp_path.iterdir())
    with pytest.raises(Interrupted):
        backup.restore(migrated_url, SYSTEM, saved, replace=True, progress=interrupted)
    assert set(tmp_path.iterdir()) == before
    app = open_index(migrated_url)
    assert ("RXX", "keep-me") in local_ids(app)
    check_index(app.store)
    app.close()


def test_a_database_that_holds_something_is_left_alone(migrated_url: str, saved: Path) -> None:
    app = open_index(migrated_url)
    register(app, "RXX", "keep-me")
    app.close()
    with pytest.raises(Conflict, match="not empty"):
        backup.restore(migrated_url, SYSTEM, saved, replace=False, progress=quiet)
    app = open_index(migrated_url)
    assert ("RXX", "keep-me") in local_ids(app)
    app.close()


def test_a_database_is_replaced_when_asked_for(migrated_url: str, saved: Path) -> None:
    app = open_index(migrated_url)
    register(app, "RXX", "forget-me")
    app.close()
    backup.restore(migrated_url, SYSTEM, saved, replace=True, progress=quiet)
    app = open_index(migrated_url)
    assert ("RXX", "forget-me") not in local_ids(app)
    assert ("RYY", "2") in local_ids(app)
    check_index(app.store)
    app.close()


def test_a_database_in_use_is_not_replaced(migrated_url: str, saved: Path) -> None:
    app = open_index(migrated_url)
    register(app, "RXX", "in-use")
    with app.store.reading() as unit:
        unit.records.count()
        with pytest.raises(Conflict, match="in use"):
            backup.restore(migrated_url, SYSTEM, saved, replace=True, progress=quiet)
    assert ("RXX", "in-use") in local_ids(app)
    app.close()


def lines_of(file: Path) -> list[bytes]:
    return gzip.decompress(file.read_bytes()).splitlines(keepends=True)


def cut_off(file: Path) -> bytes:
    return file.read_bytes()[:-200]


def cut_between_lines(file: Path) -> bytes:
    return gzip.compress(b"".join(lines_of(file)[:-1]))


def one_value_changed(file: Path) -> bytes:
    return gzip.compress(b"".join(lines_of(file)).replace(b"1968-03-24", b"1968-03-25", 1))


def a_row_less(file: Path) -> bytes:
    lines = lines_of(file)
    at = next(n for n, line in enumerate(lines) if line.startswith(b"["))
    return gzip.compress(b"".join(lines[:at] + lines[at + 1 :]))


def something_after_its_end(file: Path) -> bytes:
    return gzip.compress(b"".join(lines_of(file)) + b"[]\n")


def a_newer_format(file: Path) -> bytes:
    lines = lines_of(file)
    return gzip.compress(json.dumps({**json.loads(lines[0]), "format": 99}).encode() + b"\n" + b"".join(lines[1:]))


def bits_flipped(file: Path) -> bytes:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    return bytes(data)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(cut_off, id="cut-off"),
        pytest.param(cut_between_lines, id="without-its-end"),
        pytest.param(one_value_changed, id="a-value-changed"),
        pytest.param(a_row_less, id="a-row-taken-out"),
        pytest.param(something_after_its_end, id="something-added"),
        pytest.param(a_newer_format, id="a-newer-format"),
        pytest.param(bits_flipped, id="bits-flipped"),
        pytest.param(lambda _: b"", id="empty"),
        pytest.param(lambda _: b"not a backup at all", id="another-file"),
    ],
)
def test_what_is_not_whole_is_refused_and_nothing_is_touched(damage, saved: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    broken = tmp_path / "broken"
    broken.write_bytes(damage(saved))
    target = tmp_path / "target.db"
    with pytest.raises(BadInput, match="no whole backup"):
        backup.restore(f"sqlite:///{target}", SYSTEM, broken, replace=True, progress=quiet)
    assert not target.exists()


def test_rows_rewritten_with_a_new_checksum_still_break_the_audit_chain(saved: Path, tmp_path: Path) -> None:
    import hashlib

    lines = [line.replace(b"record.created", b"record.updated") for line in lines_of(saved)]
    end = json.loads(lines[-1])
    end["sha256"] = hashlib.sha256(b"".join(lines[:-1])).hexdigest()
    broken = tmp_path / "broken"
    broken.write_bytes(gzip.compress(b"".join(lines[:-1]) + json.dumps(end, separators=(",", ":")).encode() + b"\n"))
    with pytest.raises(BadInput, match="audit chain"):
        backup.restore(f"sqlite:///{tmp_path / 'target.db'}", SYSTEM, broken, replace=False, progress=quiet)
    assert not (tmp_path / "target.db").exists()


def test_the_commands_save_check_and_restore(migrated_sqlite_url: str, tmp_path: Path) -> None:
    filled(migrated_sqlite_url).close()
    file, target = str(tmp_path / "saved"), f"sqlite:///{tmp_path / 'target.db'}"
    assert run(backup_command, file, "--database", migrated_sqlite_url).exit_code == 0
    again = run(backup_command, file, "--database", migrated_sqlite_url)
    assert isinstance(again.exception, Conflict)
    checked = run(restore_command, file, "--check", "--json")
    assert json.loads(checked.stdout)["rows"]["source_record"] == 3
    assert "restored and verified" in run(restore_command, file, "--database", target).stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mpi.db", "saved", "target.db"]
