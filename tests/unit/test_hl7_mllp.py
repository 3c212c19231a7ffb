"""Frames in a stream of bytes: whole, split, pipelined, too large, torn."""

from hypothesis import given
from hypothesis import strategies as st

from mpi.hl7.mllp import HEAD_KEPT, MAX_RESTARTS, Frame, FrameReader, wrap


def frames(reader: FrameReader, *chunks: bytes) -> list[Frame]:
    return [frame for chunk in chunks for frame in reader.feed(chunk)]


def test_one_frame_in_one_chunk() -> None:
    assert frames(FrameReader(), wrap(b"MSH|a\r")) == [Frame(b"MSH|a\r", size=6)]


def test_pipelined_frames_come_in_order() -> None:
    found = frames(FrameReader(), wrap(b"MSH|1\r") + wrap(b"MSH|2\r") + wrap(b"MSH|3\r"))

    assert [frame.payload for frame in found] == [b"MSH|1\r", b"MSH|2\r", b"MSH|3\r"]


def test_end_mark_split_between_chunks() -> None:
    found = frames(FrameReader(), b"\x0bMSH|1\r\x1c", b"\r\x0bMSH", b"|2\r\x1c\r")

    assert [frame.payload for frame in found] == [b"MSH|1\r", b"MSH|2\r"]


def test_bytes_outside_frames_are_counted_and_ignored() -> None:
    reader = FrameReader()

    found = frames(reader, b"GET / HTTP/1.1\r\n", b"\r\n", wrap(b"MSH|1\r"), b"\n", wrap(b"MSH|2\r"))

    assert len(found) == 2
    assert reader.ignored == len(b"GET / HTTP/1.1")


def test_file_separator_alone_is_content() -> None:
    found = frames(FrameReader(), wrap(b"MSH|a\x1cb\r"))

    assert found == [Frame(b"MSH|a\x1cb\r", size=8)]


def test_vertical_tab_in_a_comment_is_content() -> None:
    found = frames(FrameReader(), wrap(b"MSH|a\x0bb\r"))

    assert found == [Frame(b"MSH|a\x0bb\r", size=8)]


def test_message_begun_again_leaves_a_torn_half_and_a_whole() -> None:
    found = frames(FrameReader(), b"\x0bMSH|1|ha" + wrap(b"MSH|1|whole\r"))

    assert found == [Frame(b"MSH|1|ha", torn=True, size=8), Frame(b"MSH|1|whole\r", size=12)]


def test_empty_frame_is_a_frame() -> None:
    assert frames(FrameReader(), wrap(b"")) == [Frame(b"", size=0)]


def test_message_begun_again_and_again_is_no_flood_of_frames() -> None:
    found = frames(FrameReader(), b"\x0b" + b"MSH|\x0b" * 100_000 + b"MSH|whole\x1c\r")

    assert len(found) == MAX_RESTARTS + 1
    assert [frame.torn for frame in found] == [True] * MAX_RESTARTS + [False]
    assert found[0].size > 400_000
    assert found[-1].payload == b"MSH|whole"


def test_frame_over_the_limit_is_not_buffered() -> None:
    reader = FrameReader(max_message=1000)
    chunk = b"x" * 10_000

    found = frames(reader, b"\x0bMSH|", *[chunk] * 500)
    held = len(reader._buffer)
    found += frames(reader, b"\x1c\r")

    assert held <= HEAD_KEPT + len(chunk)
    [frame] = found
    assert frame.too_large
    assert frame.size == 4 + 500 * 10_000
    assert frame.payload.startswith(b"MSH|x")
    assert len(frame.payload) <= HEAD_KEPT


def test_connection_goes_on_after_a_frame_over_the_limit() -> None:
    reader = FrameReader(max_message=10)

    found = frames(reader, wrap(b"MSH|" + b"y" * 100) + wrap(b"MSH|1\r"))

    assert [(frame.too_large, frame.size) for frame in found] == [(True, 104), (False, 6)]


def test_message_of_exactly_the_limit_is_taken() -> None:
    assert not frames(FrameReader(max_message=6), wrap(b"MSH|1\r"))[0].too_large


def test_half_a_frame_is_left_behind() -> None:
    reader = FrameReader()

    assert frames(reader, b"\x0bMSH|half") == []
    assert reader.inside
    assert reader.abandon() == Frame(b"MSH|half", torn=True, size=8)
    assert reader.abandon() is None


@given(
    st.lists(st.binary(max_size=60).filter(lambda b: b"\x1c\r" not in b and not b.endswith(b"\x1c")), max_size=6),
    st.integers(1, 9),
)
def test_how_the_stream_is_cut_makes_no_difference(payloads: list[bytes], step: int) -> None:
    payloads = [payload for payload in payloads if b"\x0bMSH" not in payload]
    stream = b"".join(wrap(payload) for payload in payloads)
    pieces = [stream[at : at + step] for at in range(0, len(stream), step)]

    assert [frame.payload for frame in frames(FrameReader(), *pieces)] == payloads


@given(st.lists(st.binary(max_size=200), max_size=8))
def test_any_bytes_leave_it_usable(chunks: list[bytes]) -> None:
    reader = FrameReader(max_message=100)
    frames(reader, *chunks)
    reader.abandon()

    assert [frame.payload for frame in frames(reader, wrap(b"MSH|1\r"))] == [b"MSH|1\r"]
