"""Queries, batches and enhanced mode over real sockets, beside a feed and when the database is gone."""

import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import func, select

from mpi.bootstrap import App
from mpi.config import load
from mpi.hl7.desk import Desk
from mpi.store.tables import audit_event, inbox_message
from tests.flows.mllp_client import FakeInbox, Running, adt, listening
from tests.golden import queries
from tests.golden.queries import desk_of, open_world
from tests.invariants import check_index


@pytest.fixture
def world(migrated_url: str) -> Iterator[App]:
    app = open_world(migrated_url)
    yield app
    check_index(app.store)
    app.close()


@pytest.fixture
def hub(world: App) -> Iterator[Running]:
    with listening(world.inbox.process, config=world.config, desk=lambda: desk_of(world)) as running:
        yield running


def pix(number: str, control_id: str = "Q1", *, tail: str = "") -> bytes:
    head = f"MSH|^~\\&|PACS|RXX|MPI|HUB|20261101||QBP^Q23^QBP_Q21|{control_id}|P|2.5{tail}"
    return f"{head}\rQPD|IHE PIX Query|T1|{number}^^^RXX|^^^NHS\rRCP|I\r".encode()


def asked(world: App) -> int:
    """How many look-ups stand in the audit."""
    with world.store.reading() as unit:
        counted = select(func.count()).select_from(audit_event).where(audit_event.c.action == "crosswalk.read")
        return unit.connection.execute(counted).scalar_one()


def test_each_answer_leaves_after_its_audit(world: App, hub: Running) -> None:
    with hub.sender() as sender:
        for turn in range(1, 6):
            assert sender.send(pix("1001", f"Q{turn}")).code == "AA"
            assert asked(world) == turn


def test_who_was_registered_is_found_by_the_next_query(hub: Running) -> None:
    with hub.sender() as feed, hub.sender() as asker:
        for number in range(20):
            assert asker.send(pix(f"N{number}")).code == "AE"
            assert feed.send(adt(f"A{number}", number=f"N{number}")).code == "AA"
            assert asker.send(pix(f"N{number}")).code == "AA"


def test_many_askers_beside_a_feed_each_get_their_own_answer(world: App, hub: Running) -> None:
    wrong: list[str] = []

    def ask(place: int) -> None:
        with hub.sender() as sender:
            for turn in range(10):
                number = ("1001", "1003", "never")[turn % 3]
                answer = sender.send(pix(number, f"{place}-{turn}"))
                expected = {"1001": "QAK|T1|OK", "1003": "QAK|T1|NF", "never": "QAK|T1|AE"}[number]
                if answer.control_id != f"{place}-{turn}" or expected not in answer.text:
                    wrong.append(answer.text)

    def feed(place: int) -> None:
        with hub.sender() as sender:
            codes = [sender.send(adt(f"F{place}-{turn}", number=f"F{place}-{turn}")).code for turn in range(10)]
            wrong.extend(code for code in codes if code != "AA")

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(6)]
    threads += [threading.Thread(target=feed, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not wrong
    assert asked(world) == 60


def test_query_is_refused_for_a_while_when_the_database_is_gone() -> None:
    config = load(queries.FOLDER / "mpi.toml", database_url="sqlite:///nowhere/mpi.db")

    def fails(_: object) -> list:
        raise RuntimeError("the database is on fire")

    with (
        listening(FakeInbox().process, config=config, desk=lambda: Desk(config, fails, fails, lambda *_: None)) as hub,
        hub.sender() as sender,
    ):
        answers = [sender.send(pix("1001", f"Q{n}")) for n in range(2)]

    assert [answer.code for answer in answers] == ["AR", "AR"]
    assert answers[0].errors == [("", "207", "E")]
    assert "QAK|T1|AR" in answers[0].text


def test_batch_is_answered_as_a_batch(world: App, hub: Running) -> None:
    inside = [adt("B1", number="b1"), adt("B2", event="A99"), pix("1001", "B3"), adt("B4", number="b4")]
    raw = b"BHS|^~\\&|PAS|RXX|MPI|HUB|20261101||||BATCH7\r" + b"".join(inside) + b"BTS|4\r"
    with hub.sender() as sender:
        lines = sender.send(raw).text.split("\r")

    assert [line for line in lines if line.startswith("MSA")] == ["MSA|AA|B1", "MSA|AR|B2", "MSA|AA|B3", "MSA|AA|B4"]
    assert lines[0].split("|")[2:6] == ["MPI", "HUB", "PAS", "RXX"]
    assert lines[0].split("|")[11] == "BATCH7"
    assert lines[-2:] == ["BTS|4", ""]
    with world.store.reading() as unit:
        kept = unit.connection.execute(
            select(inbox_message.c.raw).order_by(inbox_message.c.id.desc()).limit(3)
        ).scalars()
        assert list(kept) == [inside[3], inside[1], inside[0]]


def test_last_message_of_a_batch_that_was_cut_off_is_to_be_sent_again(hub: Running) -> None:
    whole = adt("B2", number="b2")
    with hub.sender() as sender:
        lines = sender.send(b"BHS|^~\\&|PAS|RXX\r" + adt("B1", number="b1") + whole[:-20]).text.split("\r")
        again = sender.send(whole)

    assert [line for line in lines if line.startswith("MSA")] == ["MSA|AA|B1", "MSA|AR|B2"]
    assert again.code == "AA"


def test_two_messages_in_one_frame_are_refused(hub: Running) -> None:
    with hub.sender() as sender:
        answer = sender.send(adt("D1", number="d1") + adt("D2", number="d2"))

    assert (answer.code, answer.errors) == ("AE", [("MSH^2", "100", "E")])


def test_enhanced_mode_sends_each_acknowledgement_in_its_own_frame(hub: Running) -> None:
    with hub.sender() as sender:
        first = sender.send(adt("E1", number="e1").replace(b"|P|2.5\r", b"|P|2.5|||AL|AL\r"))
        second = sender.answer()
        query = sender.send(pix("1001", "E2", tail="|||AL|NE"))
        answer = sender.answer()

    assert [(one.code, one.control_id) for one in (first, second)] == [("CA", "E1"), ("AA", "E1")]
    assert [(one.code, one.control_id) for one in (query, answer)] == [("CA", "E2"), ("AA", "E2")]
    assert "QAK|T1|OK" in answer.text


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-8-sig", "latin-1"])
def test_query_is_known_in_any_character_set(hub: Running, codec: str) -> None:
    said = {"utf-16": "UNICODE UTF-16", "utf-16-le": "UNICODE UTF-16", "latin-1": "8859/1"}.get(codec, "")
    raw = pix("1001", tail=f"||||||{said}" if said else "").decode().encode(codec)
    with hub.sender() as sender:
        sender.write(b"\x0b" + raw + b"\x1c\r")
        answer = sender.answer().text.replace("\0", "")

    assert "QAK|T1|OK" in answer


def test_an_acknowledgement_is_not_acknowledged(hub: Running) -> None:
    ack = b"MSH|^~\\&|PACS|RXX|MPI|HUB|20261101||ACK^A31^ACK|X1|P|2.5\rMSA|AA|C1\r"
    with hub.sender() as sender:
        sender.write(b"\x0b" + ack + b"\x1c\r")
        assert sender.send(pix("1001")).control_id == "Q1"
