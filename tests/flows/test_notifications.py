"""Subscribers told over real connections: well, away, slow, refusing, silent, talking nonsense; workers killed."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from click.testing import CliRunner

from mpi.bootstrap import App, build
from mpi.cli.main import cli
from mpi.cli.work import sending
from mpi.config import Subscriber
from mpi.domain.review import Verdict
from mpi.hl7 import tls
from tests.builders import nhs_number
from tests.effort import repeats
from tests.flows.mllp_client import FakeInbox, Sender, adt, listening
from tests.flows.subscriber import Receiver, Told
from tests.index import REVIEWER, config_for, merge, register
from tests.invariants import check_index
from tests.notified import groups_of_index

SAME = {"family_name": "Ellwood", "birth_date": "1987-06-14", "nhs_number": nhs_number(7), "nhs_number_status": "01"}


def told_of(receiver: Receiver, *domains: str, **more: object) -> Subscriber:
    return Subscriber("PACS", "127.0.0.1", receiver.port, domains or ("RXX", "RYY"), timeout=1.0, **more)


@contextmanager
def index(url: str, *subscribers: Subscriber) -> Iterator[App]:
    """Services whose subscribers are these; at the end the index is whole."""
    app = build(replace(config_for(url), subscribers=subscribers))
    app.outbox.enrol()
    try:
        yield app
        check_index(app.store)
    finally:
        app.close()


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not come about"
        time.sleep(0.02)


def all_told(app: App) -> bool:
    return all(not (one.waiting or one.behind) for one in app.outbox.deliveries())


def people(count: int) -> list[dict[str, str | None]]:
    return [
        {"family_name": f"Family{n}", "given_name": f"Given{n}", "birth_date": f"19{40 + n}-02-0{n % 9 + 1}",
         "postcode": f"LS{n + 1} 1AA", "address_line": f"{n} Lane", "nhs_number": nhs_number(50 + n),
         "nhs_number_status": "01"}
        for n in range(count)
    ]  # fmt: skip


def test_changes_arrive_while_they_are_made(migrated_url: str) -> None:
    with Receiver() as pacs, index(migrated_url, told_of(pacs)) as app, sending(app):
        register(app, "RXX", "1", **SAME)
        [first] = pacs.wait_for(1)
        register(app, "RYY", "2", **SAME)
        second = pacs.wait_for(2)[1]
    assert first.identifiers == {("RXX", "1")}
    assert second.identifiers == {("RXX", "1"), ("RYY", "2")}
    assert first.control_id != second.control_id


def test_join_split_and_join_again(migrated_url: str) -> None:
    with Receiver() as pacs, index(migrated_url, told_of(pacs)) as app, sending(app):
        register(app, "RXX", "1", nhs_number=nhs_number(41))
        register(app, "RYY", "2", nhs_number=nhs_number(42))
        pacs.wait_for(2)
        [task] = app.review.queue(REVIEWER).tasks
        app.review.decide(REVIEWER, task.id, Verdict.SAME, "one chart")
        joined = pacs.wait_for(3)[2]
        until(lambda: all_told(app))
    assert joined.identifiers == {("RXX", "1"), ("RYY", "2")}
    assert len(pacs.answered) == 3


def test_a_merge_is_told_once_for_the_survivor(migrated_url: str) -> None:
    with Receiver() as pacs, index(migrated_url, told_of(pacs)) as app, sending(app):
        register(app, "RXX", "1", given_name="Maria")
        register(app, "RXX", "2", given_name="Maria", phone="0113 496 0001")
        until(lambda: all_told(app))
        before = len(pacs.answered)
        merge(app, "2", "1")
        until(lambda: all_told(app))
    told = pacs.answered[before:]
    assert [one.identifiers for one in told] == [{("RXX", "1")}]


def test_the_feed_does_not_wait_for_a_subscriber_that_is_away(migrated_sqlite_url: str) -> None:
    with Receiver() as closed:
        port = closed.port
    away = Subscriber("PACS", "127.0.0.1", port, ("RXX",), timeout=0.5)
    with index(migrated_sqlite_url, away) as app, sending(app):
        for n, person in enumerate(people(5)):
            register(app, "RXX", str(n), **person)
        until(lambda: app.outbox.deliveries()[0].failures > 0)
        [pacs] = app.outbox.deliveries()
        assert "does not answer" in (pacs.problem or "")
        assert app.overview.health().ok
        with Receiver(port=port) as back:
            assert len({one.control_id for one in back.wait_for(5)}) == 5
            until(lambda: all_told(app))
    [pacs] = app.outbox.deliveries()
    assert (pacs.failures, pacs.problem) == (0, None)


def once(told: Told, seen: set[str], first: str) -> str:
    """Misbehave at the first sight of each message, and take it at the second."""
    if told.control_id in seen:
        return "AA"
    seen.add(told.control_id)
    return first


@pytest.mark.parametrize("fault", ["silent", "close", "garbage", "other", "drip", "AE", "AR", "CE", "XX"])
def test_whatever_is_no_acceptance_is_repeated_with_the_same_control_id(migrated_sqlite_url: str, fault: str) -> None:
    seen: set[str] = set()
    with Receiver(lambda told: once(told, seen, fault)) as pacs:
        subscriber = replace(told_of(pacs), timeout=0.4)
        with index(migrated_sqlite_url, subscriber) as app, sending(app):
            register(app, "RXX", "1", **SAME)
            pacs.wait_for(1)
            until(lambda: all_told(app))
    assert [one.control_id for one in pacs.received] == [pacs.answered[0].control_id] * 2


def test_answers_that_come_twice_or_late_confuse_nobody(migrated_sqlite_url: str) -> None:
    with Receiver(lambda _: "twice") as pacs, index(migrated_sqlite_url, told_of(pacs)) as app, sending(app):
        for n, person in enumerate(people(4)):
            register(app, "RXX", str(n), **person)
        until(lambda: all_told(app))
    with Receiver(lambda _: "slow") as slow, index(migrated_sqlite_url, told_of(slow)) as app, sending(app):
        register(app, "RYY", "7", **people(9)[8])
        until(lambda: all_told(app))
    assert len(pacs.received) == 4
    assert len(slow.received) == 1


def test_a_receiver_that_closes_after_each_answer_is_told_without_a_pause(migrated_sqlite_url: str) -> None:
    with Receiver(lambda _: "bye") as pacs, index(migrated_sqlite_url, told_of(pacs)) as app:
        for n, person in enumerate(people(8)):
            register(app, "RXX", str(n), **person)
        with sending(app):
            pacs.wait_for(8, seconds=4)
            until(lambda: all_told(app))
    assert len({told.control_id for told in pacs.received}) == 8
    assert app.outbox.deliveries()[0].failures == 0


def test_one_that_is_refused_for_ever_is_given_up_and_holds_up_nobody(migrated_sqlite_url: str) -> None:
    def behave(told: Told) -> str:
        return "AE" if ("RXX", "0") in told.identifiers else "AA"

    with Receiver(behave) as pacs, index(migrated_sqlite_url, replace(told_of(pacs), refusals=2)) as app, sending(app):
        for n, person in enumerate(people(5)):
            register(app, "RXX", str(n), **person)
        pacs.wait_for(4)
        until(lambda: app.outbox.deliveries()[0].given_up == 1)
    [dead] = app.outbox.given_up()
    assert dead.problem == "AE 204"
    assert sum(told.control_id == dead.control_id for told in pacs.received) == 2


def test_a_receiver_that_refuses_everything_is_left_alone(migrated_sqlite_url: str) -> None:
    with Receiver(lambda _: "AR") as pacs, index(migrated_sqlite_url, told_of(pacs)) as app:
        for n, person in enumerate(people(9)):
            register(app, "RXX", str(n), **person)
        with sending(app):
            until(lambda: len(pacs.received) >= 3)
            time.sleep(0.4)
            assert len(pacs.received) == 3
    assert app.outbox.given_up() == []


def test_one_slow_subscriber_does_not_hold_up_another(migrated_sqlite_url: str) -> None:
    with Receiver(lambda _: "silent") as silent, Receiver() as well:
        one = replace(told_of(silent), name="SILENT")
        with index(migrated_sqlite_url, one, told_of(well)) as app, sending(app):
            for n, person in enumerate(people(3)):
                register(app, "RXX", str(n), **person)
            well.wait_for(3, seconds=5)


def test_encrypted_both_ways(migrated_sqlite_url: str, tmp_path: Path) -> None:
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    for name in ("server", "client"):
        issued = authority.issue_cert("127.0.0.1")
        issued.cert_chain_pems[0].write_to_path(tmp_path / f"{name}.pem")
        issued.private_key_pem.write_to_path(tmp_path / f"{name}.key")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = tls.server_context(tmp_path / "server.pem", tmp_path / "server.key", tmp_path / "ca.pem")
    inbox = FakeInbox()
    with listening(inbox.process, tls=context) as listener:
        files = {"tls_ca": "ca.pem", "tls_cert": "client.pem", "tls_key": "client.key"}
        paths = {key: str(tmp_path / name) for key, name in files.items()}
        pacs = Subscriber("PACS", "127.0.0.1", listener.port, ("RXX",), timeout=5.0, tls=True, **paths)
        with index(migrated_sqlite_url, pacs) as app, sending(app):
            register(app, "RXX", "1", **SAME)
            until(lambda: len(inbox.taken) == 1)
        stranger = replace(pacs, name="STRANGER", tls_ca=None)
        with index(migrated_sqlite_url, stranger) as app, sending(app):
            until(lambda: any(one.failures for one in app.outbox.deliveries()))
    assert len(inbox.taken) == 1


def worker(config_file: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "mpi.cli.main", "work", "--config", str(config_file), *options]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ})


def written(tmp_path: Path, url: str, port: int) -> Path:
    file = tmp_path / "mpi.toml"
    lines = ["[database]", f'url = "{url}"']
    for code in ("RXX", "RYY"):
        lines += ["[[authorities]]", f'code = "{code}"', "test = true"]
    lines += ["[[subscribers]]", 'name = "PACS"', 'host = "127.0.0.1"', f"port = {port}", "timeout = 1"]
    lines += ['domains = ["RXX", "RYY"]', ""]
    file.write_text("\n".join(lines))
    return file


def test_a_worker_killed_between_sending_and_marking_sends_again_and_loses_nothing(
    migrated_url: str, tmp_path: Path
) -> None:
    workers: list[subprocess.Popen[str]] = []

    def kill(told: Told) -> str:
        # The third message is answered, and the worker dies before it can write down any of the three.
        if len(pacs.received) == 3:
            workers[0].send_signal(signal.SIGKILL)
            workers[0].communicate(timeout=10)
        return "AA"

    with index(migrated_url) as app:
        for n, person in enumerate(people(6)):
            register(app, "RXX", str(n), **person)
    with Receiver(kill) as pacs:
        file = written(tmp_path, migrated_url, pacs.port)
        workers.append(worker(file))
        until(lambda: workers[0].poll() is not None, 30)
        assert len(pacs.received) >= 3
        workers.append(worker(file))
        until(lambda: len({told.control_id for told in pacs.answered}) == 6, 40)
        workers[1].send_signal(signal.SIGTERM)
        output, _ = workers[1].communicate(timeout=30)
    assert workers[1].returncode == 0, output
    assert "finishing what is being sent" in output
    first = [told.control_id for told in pacs.received[:3]]
    assert [told.control_id for told in pacs.received].count(first[0]) == 2, (
        "it is sent again under the same control id"
    )
    assert set(pacs.groups()) == {("RXX", str(n)) for n in range(6)}
    with index(migrated_url, told_of(pacs)) as app:
        assert all_told(app)


def test_workers_killed_at_any_moment_leave_the_subscriber_with_what_is_so(
    migrated_sqlite_url: str, tmp_path: Path
) -> None:
    chance = random.Random(11)
    with Receiver() as pacs, index(migrated_sqlite_url, told_of(pacs)) as app:
        file = written(tmp_path, migrated_sqlite_url, pacs.port)
        for round_ in range(repeats(20)):
            for n, person in enumerate(people(10)):
                register(app, "RXX" if round_ % 2 else "RYY", f"{round_}-{n}", **person)
            before = len(pacs.received)
            doomed = worker(file)
            until(lambda before=before: len(pacs.received) > before, 40)
            time.sleep(chance.random() * 0.1)
            doomed.send_signal(signal.SIGKILL)
            doomed.communicate(timeout=10)
        last = worker(file)
        until(lambda: all_told(app), 40)
        last.send_signal(signal.SIGTERM)
        last.communicate(timeout=30)
        expected = groups_of_index(app, ("RXX", "RYY"))
    assert len(expected) == 10 * repeats(20)
    assert pacs.groups() == expected


def test_two_workers_send_each_message_once_and_one_takes_over(migrated_sqlite_url: str, tmp_path: Path) -> None:
    with Receiver() as pacs, index(migrated_sqlite_url, told_of(pacs)) as app:
        file = written(tmp_path, migrated_sqlite_url, pacs.port)
        workers = [worker(file), worker(file)]
        try:
            register(app, "RXX", "0", **people(1)[0])
            pacs.wait_for(1, 30)
            [delivery] = app.outbox.deliveries()
            holder = int((delivery.sent_by or "").split(":")[1])
            [dying] = [one for one in workers if one.pid == holder]
            dying.send_signal(signal.SIGTERM)
            dying.communicate(timeout=20)
            assert dying.returncode == 0
            for n, person in enumerate(people(8)[1:], 1):
                register(app, "RXX", str(n), **person)
            pacs.wait_for(8, 30)
            until(lambda: all_told(app))
        finally:
            for one in workers:
                if one.poll() is None:
                    one.terminate()
                    one.communicate(timeout=20)
    assert len(pacs.received) == 8


def test_concurrent_feeds_and_an_unruly_receiver_end_in_the_same_groups(migrated_url: str) -> None:
    """Three feeds change the same people at once, merges among them; the receiver fails now and then."""
    turn = iter(range(1_000_000))

    def behave(_: Told) -> str:
        return {7: "silent", 13: "AE", 19: "close", 23: "AR"}.get(next(turn) % 29, "AA")

    with Receiver(behave) as pacs:
        subscriber = replace(told_of(pacs), timeout=0.3, refusals=50)
        with index(migrated_url, subscriber) as app, sending(app):

            def feed(authority: str) -> None:
                everybody = people(12)
                for round_ in range(repeats(20)):
                    for n, person in enumerate(everybody):
                        number = (
                            nhs_number(50 + (n + round_) % 12) if round_ % 2 and n % 3 == 0 else person["nhs_number"]
                        )
                        register(app, authority, f"{n}", **{**person, "nhs_number": number})
                    if authority == "RXX":
                        merge(app, f"{round_ % 12}", f"{(round_ + 1) % 12}")

            feeds = [threading.Thread(target=feed, args=(authority,)) for authority in ("RXX", "RYY", "RZZ")]
            for one in feeds:
                one.start()
            for one in feeds:
                one.join(120)
            until(lambda: all_told(app), 60)
            expected = groups_of_index(app, ("RXX", "RYY"))
    held = {name: group for name, group in pacs.groups().items() if name in expected}
    assert held == expected


def test_given_up_and_sent_again_by_command(migrated_sqlite_url: str, tmp_path: Path) -> None:
    well = threading.Event()
    with Receiver(lambda _: "AA" if well.is_set() else "AE") as pacs:
        file = written(tmp_path, migrated_sqlite_url, pacs.port)
        file.write_text(file.read_text() + "refusals = 1\n")
        with index(migrated_sqlite_url) as app:
            register(app, "RXX", "1", **SAME)
        run = CliRunner().invoke
        work = ["work", "--config", str(file)]
        assert run(cli, [*work, "--once"]).exit_code == 0
        listed = run(cli, [*work, "--list"])
        assert "1 given up" in listed.output
        assert "AE 204" in listed.output
        assert "Ellwood" not in listed.output
        well.set()
        assert "1 will be sent again" in run(cli, [*work, "--retry"]).output
        assert run(cli, [*work, "--once"]).exit_code == 0
        assert "0 given up" in run(cli, [*work, "--list"]).output
        assert run(cli, [*work, "--retry", "--once"]).exit_code == 2
    assert [one.control_id for one in pacs.received] == [pacs.answered[0].control_id] * 2


@contextmanager
def listener(config_file: Path, *options: str) -> Iterator[int]:
    """`mpi listen` on a port of its own, stopped cleanly at the end."""
    command = [sys.executable, "-u", "-m", "mpi.cli.main", "listen", "--port", "0", "--config", str(config_file)]
    process = subprocess.Popen([*command, *options], text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        yield int(line.strip().rsplit(":", 1)[1])
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        assert process.returncode == 0


def test_the_listener_tells_what_it_takes_in_unless_told_not_to(migrated_sqlite_url: str, tmp_path: Path) -> None:
    with Receiver() as pacs:
        file = written(tmp_path, migrated_sqlite_url, pacs.port)
        with file.open("a") as out:
            out.write('[[sources]]\napplication = "PAS"\nfacility = "RXX"\nfeeds = "RXX"\n')
        with listener(file) as port, Sender(port) as sender:
            assert sender.send(adt("1", number="77")).code == "AA"
            [told] = pacs.wait_for(1)
        with listener(file, "--no-outbox") as port, Sender(port) as sender:
            assert sender.send(adt("2", number="78", pid="||Szabo^Zoltan||19510203|M")).code == "AA"
        assert len(pacs.received) == 1
        once = worker(file, "--once")
        output, _ = once.communicate(timeout=60)
        assert once.returncode == 0, output
    assert told.identifiers == {("RXX", "77")}
    assert [one.identifiers for one in pacs.received[1:]] == [{("RXX", "78")}]


def test_a_database_that_goes_away_and_comes_back(migrated_sqlite_url: str, tmp_path: Path) -> None:
    database = Path(migrated_sqlite_url.removeprefix("sqlite:///"))
    with Receiver() as pacs, index(migrated_sqlite_url, told_of(pacs)) as app, sending(app):
        register(app, "RXX", "1", **SAME)
        pacs.wait_for(1)
        until(lambda: all_told(app))
        register(app, "RYY", "2", **SAME)
        away = database.rename(database.with_suffix(".away"))
        time.sleep(1.0)
        away.rename(database)
        until(lambda: all_told(app), 30)
    assert pacs.groups()["RXX", "1"] == {("RXX", "1"), ("RYY", "2")}
