"""A hospital's feed into a real index: what is answered, what is kept, and that nothing is lost or done twice."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
from sqlalchemy import select

from mpi.bootstrap import App
from mpi.store.tables import inbox_message
from tests.builders import nhs_number, with_wrong_check_digit
from tests.effort import repeats
from tests.flows.mllp_client import Running, Sender, adt, listening
from tests.index import open_index, persons_of


@pytest.fixture
def feed(app: App) -> Iterator[Running]:
    """The listener of the index."""
    with listening(app.inbox.process, config=app.config) as running:
        yield running


def kept(app: App) -> list[tuple[str, bytes]]:
    """Acknowledgement and bytes of each message in the inbox, in order."""
    with app.store.reading() as unit:
        rows = unit.connection.execute(select(inbox_message).order_by(inbox_message.c.id))
        return [(row.ack, row.raw) for row in rows]


MSH = b"MSH|^~\\&|PAS|RXX|MPI|RXX|20261101||ADT^A28|B1|P|2.5"
PERSON = "||Ashworth^Maria||19680324|F"

BAD_INPUT = [
    pytest.param(adt("B1").replace(b"\r", b"\n"), "AA", [], id="LF instead of CR"),
    pytest.param(adt("B1").replace(b"\r", b"\r\n"), "AA", [], id="CRLF instead of CR"),
    pytest.param(b"\xef\xbb\xbf" + adt("B1"), "AA", [], id="a byte order mark"),
    pytest.param(b"\r\n" + adt("B1") + b"  \r\n\x00", "AA", [], id="blanks around"),
    pytest.param(adt("B1", pid="||Ashworth^Maria||19681324|F"), "AA", [("PID^1^7", "102", "W")], id="month 13"),
    pytest.param(
        adt("B1", pid=f"~{with_wrong_check_digit(nhs_number(3))}^^^NHS^NH{PERSON}"),
        "AA",
        [("PID^1^3^2", "102", "W")],
        id="an NHS number with a wrong check digit",
    ),
    pytest.param(adt("B1", pid="||Ash\x00worth\x07^Maria||19680324|F"), "AA", [], id="control characters in a name"),
    pytest.param(
        adt("B1", pid=f"||{'x' * 10_000}^Maria||19680324|F"),
        "AA",
        [("PID^1^5", "102", "W")],
        id="a name of 10,000 characters",
    ),
    pytest.param(
        adt("B1", pid="".join(f"~{n}^^^NOWHERE" for n in range(39)) + PERSON),
        "AA",
        [(f"PID^1^3^{n}^4", "204", "W") for n in range(2, 41)],
        id="forty identifiers",
    ),
    pytest.param(b"\x89PNG\r\n\x1a\n\x00\x00", "AE", [("MSH^1", "100", "E")], id="bytes that are no message"),
    pytest.param(
        MSH + b"\rPID|1||77^^^RXX||\xff\x81\x8d\r", "AE", [("MSH^1^18", "102", "E")], id="bytes that are no text"
    ),
    pytest.param(
        MSH + b"||||||UNICODE UTF-8\rPID|1||77^^^RXX||M\xfcller\r",
        "AE",
        [("MSH^1^18", "102", "E")],
        id="a character set that lies",
    ),
    pytest.param(MSH + b"\rPV1|1|I\r", "AE", [("PID^1", "100", "E")], id="a missing PID"),
    pytest.param(MSH + b"\rPID|1||||Ashworth^Maria\r", "AE", [("PID^1^3", "101", "E")], id="no identifier"),
    pytest.param(MSH + b"\rPID|1||77^^^NOWHERE\r", "AE", [("PID^1^3^1^4", "204", "E")], id="an unknown authority"),
    pytest.param(MSH + b"\rPID|1||77^^^RYY\r", "AE", [("PID^1^3^1^4", "204", "E")], id="an authority of another feed"),
    pytest.param(
        adt("B1", number="7" * 10_000), "AE", [("PID^1^3^1^1", "102", "E")], id="an identifier of 10,000 characters"
    ),
    pytest.param(adt("B1", version="2.8"), "AR", [("MSH^1^12", "203", "E")], id="an unsupported version"),
    pytest.param(adt("B1", event="A40"), "AE", [("MRG^1", "100", "E")], id="a merge without MRG"),
    pytest.param(adt("B1", event="A24"), "AE", [("PID^2", "100", "E")], id="a link with one PID"),
    pytest.param(
        adt("B1", event="A24", pid=f"\rPID|2||{'8' * 10_000}^^^RXX"),
        "AE",
        [("PID^2^3^1^1", "102", "E")],
        id="a link to an identifier of 10,000 characters",
    ),
    pytest.param(
        adt("B1", event="A47", pid="\rMRG|9^^^RYY"), "AE", [("MRG^1^1^1^4", "204", "E")], id="a change of authority"
    ),
    pytest.param(
        adt("B1", event="A31", pid="||Ashworth^Maria" + "|" * 28 + "9" * 300),
        "AA",
        [],
        id="a time that is none",
    ),
]


@pytest.mark.parametrize(("raw", "code", "errors"), BAD_INPUT)
def test_bad_input(app: App, feed: Running, raw: bytes, code: str, errors: list[tuple[str, str, str]]) -> None:
    with feed.sender() as sender:
        answer = sender.send(raw)
        repeated = sender.send(raw)
        after = sender.send(adt("AFTER", number="4711"))

    assert (answer.code, answer.errors) == (code, errors)
    assert (repeated.code, repeated.errors) == (code, errors)
    assert after.code == "AA"
    assert kept(app) == [(code, raw), ("AA", adt("AFTER", number="4711"))]
    assert app.overview.counts().records == (2 if code == "AA" else 1)


def test_person_of_two_hospitals_is_one_and_a_merge_moves_the_number(app: App, feed: Running) -> None:
    number = f"~{nhs_number(5)}^^^NHS^NH{PERSON}|||14 Quarry Bank^^Exampleton^^LS6 4QB"
    with feed.sender() as sender:
        answers = [
            sender.send(adt("1", number="10", pid=number)),
            sender.send(adt("1", number="20", pid=number, facility="RYY")),
            sender.send(adt("2", number="11", pid=number)),
            sender.send(adt("3", event="A40", number="11", pid="\rMRG|10^^^RXX^MR")),
        ]

    assert [answer.code for answer in answers] == ["AA"] * 4
    assert len(set(persons_of(app, ("RXX", "10"), ("RXX", "11"), ("RYY", "20")))) == 1


def test_circular_merge_is_held_for_a_person_and_not_applied(app: App, feed: Running) -> None:
    with feed.sender() as sender:
        sender.send(adt("1", number="10"))
        sender.send(adt("2", event="A40", number="11", pid="\rMRG|10^^^RXX^MR"))
        held = sender.send(adt("3", event="A40", number="10", pid="\rMRG|11^^^RXX^MR"))

    assert held.code == "AA"
    assert [(code, severity) for _, code, severity in held.errors] == [("0", "I")]
    assert app.overview.counts().tasks_open == 1


def test_update_erases_what_is_null_and_leaves_what_is_absent(app: App, feed: Running) -> None:
    with feed.sender() as sender:
        sender.send(adt("1", number="10", pid="||Ashworth^Maria||19680324|F|||14 Quarry Bank^^Exampleton^^LS6 4QB"))
        sender.send(adt("2", event="A31", number="10", pid='||||""||||9 New Street^^Sampleby'))

    with app.store.reading() as unit:
        stored = unit.records.find("RXX", "10")
    assert stored is not None
    recorded = stored.recorded
    assert (recorded.family_name, recorded.given_name, recorded.birth_date) == ("Ashworth", "Maria", None)
    assert (recorded.address_line, recorded.town, recorded.postcode) == ("9 New Street", "Sampleby", None)


def test_same_control_id_with_other_content_is_kept_and_not_applied(app: App, feed: Running) -> None:
    with feed.sender() as sender:
        first = sender.send(adt("1", number="10"))
        other = sender.send(adt("1", number="11"))
        again = sender.send(adt("1", number="10"))

    assert [answer.code for answer in (first, other, again)] == ["AA", "AE", "AA"]
    assert other.errors == [("MSH^1^10", "205", "E")]
    assert app.overview.counts().records == 1
    assert len(kept(app)) == 2


def test_half_a_frame_does_not_spoil_the_whole_message(app: App, feed: Running) -> None:
    with feed.sender() as lost:
        lost.write(b"\x0b" + adt("1", number="10")[:70])
    _wait_for(lambda: kept(app))
    with feed.sender() as sender:
        whole = sender.send(adt("1", number="10"))

    assert (whole.code, whole.errors) == ("AA", [])
    assert [ack for ack, _ in kept(app)] == ["AR", "AA"]


@pytest.mark.parametrize("listeners", [1, 2], ids=["one listener", "two listeners"])
def test_eight_writers_lose_nothing_and_make_no_person_twice(app: App, listeners: int) -> None:
    """Four senders of each hospital register the same people at the same time, some of them twice."""
    people, wrong = repeats(400), []
    index = [app] + [open_index(app.config.database_url) for _ in range(listeners - 1)]
    running: list[AbstractContextManager[Running]] = [listening(one.inbox.process, config=one.config) for one in index]
    ports = [one.__enter__().port for one in running]

    def send(writer: int) -> None:
        facility = "RXX" if writer % 2 else "RYY"
        with Sender(ports[writer % len(ports)], timeout=100) as sender:
            for n in range(people):
                answer = sender.send(_person(n, f"W{writer}-{n}", facility))
                if answer.code != "AA":
                    wrong.append(answer.text)

    threads = [threading.Thread(target=send, args=(writer,)) for writer in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in running:
        one.__exit__(None, None, None)
    for one in index[1:]:
        one.close()

    counts = app.overview.counts()
    assert wrong == []
    assert (counts.records, counts.persons, counts.tasks_open) == (2 * people, people, 0)
    assert len(kept(app)) == 8 * people


def _person(n: int, control_id: str, facility: str) -> bytes:
    """The n-th invented person, unlike all others."""
    letters = "".join(chr(ord("a") + (n * step + step) % 26) for step in (1, 3, 7, 11, 5))
    born = f"{1930 + n * 7 % 80}{1 + n * 5 % 12:02d}{1 + n * 11 % 28:02d}"
    pid = (
        f"~{nhs_number(n)}^^^NHS^NH||{letters.capitalize()}by^{letters[::-1].capitalize()}||{born}|{'MF'[n % 2]}"
        f"|||{n} High Street^^Exampleton^^LS{1 + n % 20} {n % 10}QB|||||||||||||||||||||NSTS01"
    )
    return adt(control_id, number=f"{facility}{n}", pid=pid, facility=facility)


def _wait_for(condition: Callable[[], object], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
