"""The listener over real sockets: order, sharing of commits, limits, silence, garbage, encryption, shutdown."""

import logging
import ssl
import threading
import time

import pytest
import trustme

from mpi.domain.messages import Refused, Register
from mpi.hl7.listener import Limits
from mpi.hl7.tls import server_context
from mpi.logs import JsonLines
from tests.flows.mllp_client import FakeInbox, Sender, adt, listening


def test_many_messages_on_one_connection_are_answered_in_order() -> None:
    inbox = FakeInbox()
    with listening(inbox.process) as listener, listener.sender() as sender:
        answers = [sender.send(adt(f"M{n}")) for n in range(50)]

    assert [answer.control_id for answer in answers] == [f"M{n}" for n in range(50)]
    assert {answer.code for answer in answers} == {"AA"}
    assert [message.control_id for message in inbox.taken] == [f"M{n}" for n in range(50)]


def test_pipelined_messages_are_answered_in_order() -> None:
    inbox = FakeInbox()
    with listening(inbox.process) as listener, listener.sender() as sender:
        sender.write(b"".join(b"\x0b" + adt(f"P{n}") + b"\x1c\r" for n in range(20)))
        answers = [sender.answer() for _ in range(20)]

    assert [answer.control_id for answer in answers] == [f"P{n}" for n in range(20)]


def test_eight_connections_share_commits_and_get_their_own_answers() -> None:
    inbox = FakeInbox()
    wrong: list[str] = []

    def send(name: str, port: int) -> None:
        with Sender(port) as sender:
            for n in range(25):
                answer = sender.send(adt(f"{name}-{n}"))
                if (answer.code, answer.control_id) != ("AA", f"{name}-{n}"):
                    wrong.append(answer.text)

    with listening(inbox.process) as listener:
        threads = [threading.Thread(target=send, args=(f"C{c}", listener.port)) for c in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert wrong == []
    assert len(inbox.taken) == 200
    for c in range(8):
        own = [m.control_id for m in inbox.taken if m.control_id.startswith(f"C{c}-")]
        assert own == [f"C{c}-{n}" for n in range(25)]


def test_messages_that_come_while_a_batch_is_committed_go_together() -> None:
    inbox = FakeInbox(hold=threading.Event())
    with listening(inbox.process) as listener:
        first = listener.sender()
        first.write(b"\x0b" + adt("first") + b"\x1c\r")
        _until(lambda: len(inbox.batches) == 1)
        others = [listener.sender() for _ in range(5)]
        for n, other in enumerate(others):
            other.write(b"\x0b" + adt(f"other{n}") + b"\x1c\r")
        time.sleep(0.2)
        inbox.hold.set()
        answers = [sender.answer() for sender in [first, *others]]
        for sender in [first, *others]:
            sender.__exit__()

    assert [len(batch) for batch in inbox.batches] == [1, 5]
    assert [answer.control_id for answer in answers] == ["first", *(f"other{n}" for n in range(5))]


def test_no_answer_before_the_commit() -> None:
    inbox = FakeInbox(hold=threading.Event())
    with listening(inbox.process) as listener, listener.sender(timeout=0.3) as sender:
        sender.write(b"\x0b" + adt("W1") + b"\x1c\r")
        _until(lambda: len(inbox.batches) == 1)
        with pytest.raises(TimeoutError):
            sender.answer()
        inbox.hold.set()
        assert sender.answer().code == "AA"


def test_failure_of_the_index_is_answered_ar_and_the_next_message_is_taken() -> None:
    inbox = FakeInbox(fail=True)
    with listening(inbox.process) as listener, listener.sender() as sender:
        failed = sender.send(adt("F1"))
        inbox.fail = False
        taken = sender.send(adt("F1"))

    assert (failed.code, failed.control_id) == ("AR", "F1")
    assert [code for _, code, _ in failed.errors] == ["207"]
    assert taken.code == "AA"


def test_half_a_frame_and_silence_is_answered_ar_kept_and_closed() -> None:
    inbox = FakeInbox()
    with (
        listening(inbox.process, limits=Limits(frame_timeout=0.2, grace=5)) as listener,
        listener.sender() as sender,
    ):
        sender.write(b"\x0b" + adt("H1")[:60])
        answer = sender.answer()
        assert sender.closed()

    assert (answer.code, answer.control_id) == ("AR", "H1")
    [kept] = inbox.taken
    assert kept.raw == adt("H1")[:60]
    assert kept.control_id == ""  # so that the whole message may come again under its id
    assert isinstance(kept.command, Refused)


def test_half_a_frame_and_a_lost_connection_is_kept() -> None:
    inbox = FakeInbox()
    with listening(inbox.process) as listener:
        with listener.sender() as sender:
            sender.write(b"\x0b" + adt("L1")[:60])
        _until(lambda: inbox.taken)

    assert inbox.taken[0].raw == adt("L1")[:60]


def test_message_begun_again_is_answered_once() -> None:
    inbox = FakeInbox()
    with listening(inbox.process) as listener, listener.sender() as sender:
        sender.write(b"\x0b" + adt("B1")[:40])
        answer = sender.send(adt("B2"))
        after = sender.send(adt("B3"))

    assert [(a.code, a.control_id) for a in (answer, after)] == [("AA", "B2"), ("AA", "B3")]
    assert [message.control_id for message in inbox.taken] == ["", "B2", "B3"]


def test_idle_connection_is_closed() -> None:
    with (
        listening(FakeInbox().process, limits=Limits(idle_timeout=0.2, grace=5)) as listener,
        listener.sender() as sender,
    ):
        assert sender.send(adt("I1")).code == "AA"
        assert sender.closed()


def test_frame_of_50_megabytes_is_answered_ae_and_the_connection_goes_on() -> None:
    inbox = FakeInbox()
    with listening(inbox.process) as listener, listener.sender() as sender:
        sender.write(b"\x0b" + adt("BIG") + b"OBX|1|ED|")
        for _ in range(50):
            sender.write(b"A" * 1024 * 1024)
        sender.write(b"\r\x1c\r")
        refused = sender.answer()
        taken = sender.send(adt("AFTER"))

    assert (refused.code, refused.control_id) == ("AE", "BIG")
    assert taken.code == "AA"
    assert len(inbox.taken[0].raw) == 64 * 1024
    assert inbox.taken[0].raw.startswith(adt("BIG"))


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(range(256)), id="a picture"),
        pytest.param(b"", id="an empty frame"),
        pytest.param(b"hello", id="a word"),
        pytest.param(b"MSH", id="three letters"),
        pytest.param(b"MSH|^~\\&", id="nothing but delimiters"),
        pytest.param(b"MSH|^~\\&|PAS|RXX|||||ADT^A28|G|P|2.5\rPID|\xff\xfe\x00\x81\r", id="bytes that are no text"),
        pytest.param(b"MSH|^~\\&|PAS|RXX|||||ADT^A28|G|P|2.5\r\xff\xfe\x00\x00", id="no segment"),
        pytest.param(b"MSH|^~\\&|PAS|RXX|||||ADT^A28|G|P|2.5\r", id="no PID"),
        pytest.param(b"<xml/>", id="XML"),
        pytest.param(b"\xff\xfe" + b"MSH|^~\\&|PAS", id="a mark that lies"),
        pytest.param(b"MSH|^~\\&|" + b"~^&\\" * 5000, id="delimiters only"),
        pytest.param(b"MSH|||||||||||||||", id="no delimiters named"),
    ],
)
def test_garbage_is_answered_kept_and_forgotten(garbage: bytes) -> None:
    inbox = FakeInbox()
    with listening(inbox.process) as listener, listener.sender() as sender:
        refused = sender.send(garbage)
        taken = sender.send(adt("AFTER"))

    assert refused.code in ("AE", "AR")
    assert refused.errors
    assert inbox.taken[0].raw == garbage
    assert taken.code == "AA"


def test_fault_of_our_own_is_answered_ar_and_logged_without_values(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("cannot read ASHWORTH")

    inbox = FakeInbox()
    monkeypatch.setattr("mpi.hl7.listener.adt.receive", broken)
    with listening(inbox.process) as listener, listener.sender() as sender:
        refused = sender.send(adt("X1"))

    assert (refused.code, refused.control_id) == ("AR", "X1")
    assert (inbox.taken[0].raw, inbox.taken[0].control_id) == (adt("X1"), "")
    written = "\n".join(JsonLines().format(record) for record in caplog.records)
    assert "ValueError" in written
    assert "ASHWORTH" not in written


def test_bytes_outside_frames_are_ignored() -> None:
    with listening(FakeInbox().process) as listener, listener.sender() as sender:
        sender.write(b"\r\nHELO\r\n")
        assert sender.send(adt("O1")).code == "AA"


def test_one_connection_too_many_is_closed_and_the_others_go_on() -> None:
    with (
        listening(FakeInbox().process, limits=Limits(max_connections=1, grace=5)) as listener,
        listener.sender() as first,
    ):
        assert first.send(adt("T1")).code == "AA"
        with listener.sender() as second:
            assert second.closed()
        assert first.send(adt("T2")).code == "AA"


def test_stop_finishes_and_answers_what_is_in_hand() -> None:
    inbox = FakeInbox(hold=threading.Event())
    with listening(inbox.process) as listener:
        busy, idle = listener.sender(), listener.sender()
        busy.write(b"\x0b" + adt("S1") + b"\x1c\r")
        _until(lambda: len(inbox.batches) == 1)
        stopped = listener.begin_to_stop()
        assert idle.closed()
        inbox.hold.set()
        answer = busy.answer()
        stopped.result(10)
        busy.__exit__()
        idle.__exit__()

    assert (answer.code, answer.control_id) == ("AA", "S1")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture
def certificate(authority: trustme.CA, tmp_path) -> tuple:
    issued = authority.issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "ca.pem"


def test_encrypted_connection(authority: trustme.CA, certificate: tuple) -> None:
    client = ssl.create_default_context()
    authority.configure_trust(client)
    with (
        listening(FakeInbox().process, tls=server_context(*certificate[:2])) as listener,
        listener.sender(tls=client) as sender,
    ):
        assert sender.send(adt("T1")).code == "AA"
        assert sender.send(adt("T2")).code == "AA"


def test_sender_without_the_certificate_that_is_asked_for_is_kept_out(
    authority: trustme.CA, certificate: tuple
) -> None:
    inbox = FakeInbox()
    stranger = ssl.create_default_context()
    authority.configure_trust(stranger)
    known = ssl.create_default_context()
    authority.configure_trust(known)
    authority.issue_cert("pas.example").configure_cert(known)
    with listening(inbox.process, tls=server_context(*certificate)) as listener:
        with pytest.raises((OSError, EOFError)), listener.sender(tls=stranger) as sender:
            sender.send(adt("T1"))
        with listener.sender(tls=known) as sender:
            assert sender.send(adt("T2")).code == "AA"

    assert [message.control_id for message in inbox.taken] == ["T2"]


def test_plain_sender_does_not_hurt_an_encrypted_listener(authority: trustme.CA, certificate: tuple) -> None:
    client = ssl.create_default_context()
    authority.configure_trust(client)
    with listening(FakeInbox().process, tls=server_context(*certificate[:2])) as listener:
        with listener.sender() as plain, pytest.raises((OSError, EOFError, AssertionError)):
            plain.send(adt("T1"))
        with listener.sender(tls=client) as sender:
            assert sender.send(adt("T2")).code == "AA"


def test_logs_name_no_patient(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with listening(FakeInbox().process) as listener, listener.sender() as sender:
        sender.send(adt("LOG1", number="LOCAL4711", pid="||Ashworth^Maria||19680324|F"))
        sender.send(b"\x0bMSH|Ashworth")

    written = "\n".join(JsonLines().format(record) for record in caplog.records)
    assert "LOG1" in written
    for value in ("Ashworth", "Maria", "19680324", "LOCAL4711"):
        assert value not in written


def test_what_is_asked_reaches_the_index() -> None:
    inbox = FakeInbox()
    with listening(inbox.process) as listener, listener.sender() as sender:
        sender.send(adt("R1", number="4711"))

    [message] = inbox.taken
    assert message.raw == adt("R1", number="4711")
    assert message.peer.startswith("127.0.0.1:")
    assert isinstance(message.command, Register)
    assert (message.command.record.authority, message.command.record.local_id) == ("RXX", "4711")


def _until(condition, seconds: float = 10.0) -> None:
    """Wait for something that another thread does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)
