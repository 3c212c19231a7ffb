"""Our own sender of messages, against our own listener."""

import socket
import ssl
import threading
from collections.abc import Iterator

import pytest
import trustme

from mpi.domain.errors import TemporaryFailure
from mpi.domain.messages import Register
from mpi.domain.person import SourceRecord
from mpi.hl7 import writer
from mpi.hl7.sender import Sender
from mpi.hl7.tls import server_context
from tests.flows.mllp_client import FakeInbox, listening

RECORD = SourceRecord("RXX", "77", {"family_name": "Ashworth", "given_name": "Zoë"})


def registration(control_id: str) -> bytes:
    return writer.registration(RECORD, control_id, application="PAS", facility="RXX")


def test_messages_are_sent_and_their_answers_read() -> None:
    inbox = FakeInbox()
    with listening(inbox.process) as listener, Sender("127.0.0.1", listener.port) as sender:
        answers = [sender.send(registration(f"S{n}")) for n in range(3)]
        refused = sender.send(registration("S4").replace(b"ADT^A28", b"ADT^A99"))

    assert [(answer.code, answer.control_id) for answer in answers] == [("AA", "S0"), ("AA", "S1"), ("AA", "S2")]
    assert (refused.code, refused.control_id) == ("AR", "S4")
    command = inbox.taken[0].command
    assert isinstance(command, Register)
    assert command.record.changes["given_name"] == "Zoë"


def test_encrypted(tmp_path) -> None:
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    issued = authority.issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    client = ssl.create_default_context()
    authority.configure_trust(client)
    with (
        listening(FakeInbox().process, tls=server_context(tmp_path / "cert.pem", tmp_path / "key.pem")) as listener,
        Sender("localhost", listener.port, tls=client) as sender,
    ):
        assert sender.send(registration("S1")).code == "AA"


def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(TemporaryFailure):
            Sender("127.0.0.1", taken.getsockname()[1], timeout=2)


@pytest.fixture
def rude(request: pytest.FixtureRequest) -> Iterator[int]:
    """The port of a receiver that answers each connection with the bytes of the test's parameter, then hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(request.param)

        thread = threading.Thread(target=answer)
        thread.start()
        yield server.getsockname()[1]
        thread.join(10)


@pytest.mark.parametrize(
    "rude",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x0bhello\x1c\r", id="no message"),
        pytest.param(b"\x0bMSH|^~\\&|A|B\rEVN|A28\r\x1c\r", id="no MSA"),
        pytest.param(b"\x0bMSH|^~\\&|A|B\rMSA|AA|S1\r", id="half a frame"),
    ],
    indirect=True,
)
def test_no_acknowledgement_is_a_temporary_failure(rude: int) -> None:
    with Sender("127.0.0.1", rude) as sender, pytest.raises(TemporaryFailure):
        sender.send(registration("S1"))
