"""Batch files cut into messages, and the answers put together again; which acknowledgements enhanced mode asks for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpi.domain.messages import AckCode, ErrorCode, MessageError, Outcome
from mpi.hl7 import adt, batch
from mpi.hl7.enhanced import acknowledgements
from tests.flows.mllp_client import adt as message
from tests.golden import messages

HEAD = b"FHS|^~\\&|PAS|RXX|MPI|RXX|20261101||||F1\rBHS|^~\\&|PAS|RXX|MPI|RXX|20261101||||B1\r"
ENDS = ["\r", "\n", "\r\n"]
ACCEPTED = Outcome(AckCode.ACCEPTED, message_id=1)
CONTENT = Outcome(AckCode.ERROR, (MessageError(204, "unknown"),), message_id=1)
EVENT = Outcome(AckCode.REJECTED, (MessageError(ErrorCode.UNSUPPORTED_EVENT, "unsupported"),), message_id=1)
LOST = Outcome(AckCode.REJECTED, (MessageError(ErrorCode.INTERNAL, "not now"),))


def a_batch(*inside: bytes, said: str = "") -> bytes:
    return HEAD + b"".join(inside) + f"BTS|{said}\rFTS|1\r".encode()


@pytest.mark.parametrize("end", ENDS, ids=["CR", "LF", "CRLF"])
@pytest.mark.parametrize("size", [1, 7, 64, 100_000])
def test_pieces_are_the_same_however_the_stream_is_cut(end: str, size: int) -> None:
    one, two = message("A1"), message("A2", number="78")
    stream = a_batch(one, two).replace(b"\r", end.encode())

    found = list(batch.pieces(stream[at : at + size] for at in range(0, len(stream), size)))

    assert [piece.name for piece in found] == ["FHS", "BHS", "MSH", "MSH", "BTS", "FTS"]
    assert [piece.raw for piece in found[2:4]] == [
        raw.rstrip().replace(b"\r", end.encode()) + b"\r" for raw in (one, two)
    ]
    assert [piece.line for piece in found] == [1, 2, 3, 5, 7, 8]


def test_messages_in_their_frames_are_found_in_a_file() -> None:
    stream = b"".join(b"\x0b" + message(f"A{n}") + b"\x1c\r" for n in range(3))

    assert [piece.raw for piece in batch.pieces([stream])] == [message(f"A{n}") for n in range(3)]


@given(st.lists(st.integers(1, 99), min_size=1, max_size=20), st.integers(1, 200))
def test_no_message_of_a_batch_is_lost(numbers: list[int], size: int) -> None:
    sent = [message(f"A{place}", number=str(number)) for place, number in enumerate(numbers)]
    stream = a_batch(*sent)

    found = batch.pieces(stream[at : at + size] for at in range(0, len(stream), size))

    assert [piece.raw for piece in found if piece.name == "MSH"] == sent


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        pytest.param(a_batch(message("A1")), True, id="file header"),
        pytest.param(b"\xef\xbb\xbf\r\nBHS|^~\\&\r", True, id="batch header after a byte order mark"),
        pytest.param(message("A1"), False, id="a message"),
        pytest.param(b"", False, id="nothing"),
    ],
)
def test_batch_is_known_by_its_header(payload: bytes, expected: bool) -> None:
    assert batch.is_batch(payload) is expected


def test_batch_knows_its_end_and_its_count() -> None:
    whole = batch.read_batch(a_batch(message("A1"), message("A2"), said="2"))
    short = batch.read_batch(a_batch(message("A1"), said="2"))
    cut = batch.read_batch(HEAD + message("A1"))

    assert (whole.ended, whole.short) == (True, False)
    assert (short.ended, short.short) == (True, True)
    assert (cut.ended, cut.short) == (False, False)
    assert batch.read_batch(b"BHS|^~\\&\r" + message("A1") * (batch.MAX_MESSAGES + 1)) is None


def test_answer_names_the_batch_that_it_answers() -> None:
    found = batch.read_batch(a_batch(message("A1"), said="1"))

    lines = batch.answer(found, [b"MSH|^~\\&|MPI\rMSA|AA|A1\r"]).decode().split("\r")

    assert [line[:3] for line in lines] == ["FHS", "BHS", "MSH", "MSA", "BTS", "FTS", ""]
    assert [line.split("|")[2:6] for line in lines[:2]] == [["MPI", "RXX", "PAS", "RXX"]] * 2
    assert [line.split("|")[11] for line in lines[:2]] == ["F1", "B1"]
    assert lines[4:6] == ["BTS|1", "FTS|1"]


def test_a_second_message_in_a_frame_is_seen() -> None:
    assert batch.has_second_message(message("A1") + message("A2"))
    assert batch.has_second_message(b"\n" + message("A1") + b"\n" + message("A2"))
    assert not batch.has_second_message(b"\r\n" + message("A1"))


CASES = [
    # MSH-15, MSH-16, outcome, answers
    ("", "", ACCEPTED, ["AA"]),
    ("", "", CONTENT, ["AE"]),
    ("AL", "AL", ACCEPTED, ["CA", "AA"]),
    ("AL", "NE", ACCEPTED, ["CA"]),
    ("NE", "AL", ACCEPTED, ["AA"]),
    ("NE", "NE", ACCEPTED, []),
    ("ER", "ER", ACCEPTED, []),
    ("SU", "SU", ACCEPTED, ["CA", "AA"]),
    ("AL", "", ACCEPTED, ["CA"]),
    ("", "AL", ACCEPTED, ["AA"]),
    ("AL", "AL", CONTENT, ["CA", "AE"]),
    ("AL", "ER", CONTENT, ["CA", "AE"]),
    ("AL", "NE", CONTENT, ["CE"]),
    ("AL", "SU", CONTENT, ["CE"]),
    ("SU", "AL", CONTENT, ["CA", "AE"]),
    ("ER", "NE", CONTENT, ["CE"]),
    ("AL", "AL", EVENT, ["CR"]),
    ("NE", "AL", EVENT, ["AR"]),
    ("SU", "ER", EVENT, ["AR"]),
    ("AL", "AL", LOST, ["CE"]),
    ("NE", "ER", LOST, ["AR"]),
    ("XX", "XX", ACCEPTED, ["CA", "AA"]),
]


@pytest.mark.parametrize(("accept", "application", "outcome", "expected"), CASES)
def test_enhanced_mode_answers_what_is_asked_for(
    accept: str, application: str, outcome: Outcome, expected: list[str]
) -> None:
    raw = message("A1").replace(b"|P|2.5\r", f"|P|2.5|||{accept}|{application}\r".encode())
    received = adt.receive(raw, "", messages.config())

    answers = [answer.decode().split("\r") for answer in acknowledgements(received, outcome)]

    assert [lines[1].split("|")[1] for lines in answers] == expected
    assert all(lines[1].split("|")[2] == "A1" for lines in answers)
    for code, lines in zip(expected, answers, strict=True):
        assert any(line.startswith("ERR") for line in lines) == (code not in ("CA", "AA"))


def test_an_application_acknowledgement_asks_for_none_itself() -> None:
    raw = message("A1").replace(b"|P|2.5\r", b"|P|2.5|||AL|AL\r")

    accept, application = acknowledgements(adt.receive(raw, "", messages.config()), ACCEPTED)

    assert application.decode().split("\r")[0].split("|")[14:16] == ["NE", "NE"]
    assert len(accept.decode().split("\r")[0].split("|")) < 14
