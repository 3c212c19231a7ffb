"""Reading: character sets, segment ends, delimiters, escapes, null against absent, and nothing but its own error."""

import hl7
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpi.hl7 import reader
from mpi.hl7.reader import Unreadable

HEADER = "MSH|^~\\&|PAS|RXX|MPI|RXX|20261101||ADT^A28^ADT_A05|1|P|2.5"


def pid(fields: str, *, header: str = HEADER, codec: str = "utf-8") -> reader.Segment:
    segment = reader.read(f"{header}\rPID|{fields}\r".encode(codec)).first("PID")
    assert segment is not None
    return segment


@pytest.mark.parametrize(
    ("written", "value"),
    [
        pytest.param("Smith", "Smith", id="plain"),
        pytest.param("  Smith ", "Smith", id="blanks around"),
        pytest.param("", None, id="absent"),
        pytest.param("   ", None, id="only blanks"),
        pytest.param('""', "", id="null"),
        pytest.param(' "" ', "", id="null with blanks"),
        pytest.param('"Smith"', '"Smith"', id="quotation marks are content"),
        pytest.param(r"A\F\B\S\C\T\D\R\E\E\F", "A|B^C&D~E\\F", id="all delimiters"),
        pytest.param(r"Ren\XC3A9\e", "Renée", id="hexadecimal in the message's set"),
        pytest.param(r"Ren\XE9\e", "Renée", id="hexadecimal in Windows-1252"),
        pytest.param(r"A\X0D0A\B", "A B", id="hexadecimal line end"),
        pytest.param(r"A\XZZ\B", r"A\XZZ\B", id="no hexadecimal"),
        pytest.param(r"A\H\B\N\C", "ABC", id="highlighting goes"),
        pytest.param(r"A\.br\B", "A B", id="line break"),
        pytest.param(r"A\Zany\B", r"A\Zany\B", id="a site's own escape stays"),
        pytest.param("A\\B", "A\\B", id="a lonely escape stays"),
        pytest.param("A\x00\x07B", "A B", id="control characters become a blank"),
        pytest.param("A\u0085\u2028B", "A B", id="other line ends become a blank"),
        pytest.param("&Own", None, id="first subcomponent empty"),
    ],
)
def test_value(written: str, value: str | None) -> None:
    assert pid(f"||||{written}").value(5) == value


def test_field_that_repeats_a_thousand_times_is_refused_and_its_first_value_can_be_read() -> None:
    segment = pid("||1" + "~2" * 1000)

    assert segment.value(3) == "1"
    with pytest.raises(Unreadable) as caught:
        segment.repeats(3)
    assert (caught.value.code, caught.value.location) == (102, "PID^1^3")
    assert len(pid("||1" + "~2" * 999).repeats(3)) == 1000


def test_place_that_is_not_there_is_absent() -> None:
    segment = pid("1||77^^^RXX")

    assert segment.value(3, 9) is None
    assert segment.value(3, 1, 2) is None
    assert segment.value(40) is None
    assert segment.filled(40) == ""


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\r\r\n"], ids=["CR", "LF", "CRLF", "doubled"])
def test_segment_ends(end: str) -> None:
    message = reader.read(end.join([HEADER, "EVN|A28", "PID|1||77", ""]).encode())

    assert [segment.name for segment in message.segments] == ["MSH", "EVN", "PID"]


def test_line_feed_inside_a_field_is_a_blank() -> None:
    message = reader.read(f"{HEADER}\rPID|1||77||Smith|||||1 High St\nFlat 2^^Leeds\nPV1|1\r".encode())

    assert [segment.name for segment in message.segments] == ["MSH", "PID", "PV1"]
    assert message.segments[1].value(10) == "1 High St Flat 2"


def test_sequence_counts_segments_of_one_name() -> None:
    message = reader.read(f"{HEADER}\rPID|1\rMRG|a\rPID|2\rMRG|b\r".encode())

    assert [(segment.name, segment.sequence) for segment in message.all("PID", "MRG")] == [
        ("PID", 1),
        ("MRG", 1),
        ("PID", 2),
        ("MRG", 2),
    ]


@pytest.mark.parametrize(
    ("declared", "codec", "text"),
    [
        ("", "utf-8", "Zoë"),
        ("", "cp1252", "O’Neill"),
        ("UNICODE UTF-8", "utf-8", "Zoë"),
        ("UNICODE", "utf-8", "Łucja"),
        ("utf8", "utf-8", "Łucja"),
        ("8859/1", "latin-1", "Zoë"),
        ("8859/1", "cp1252", "O’Neill"),
        ("8859/15", "iso8859-15", "Œuf"),
        ("WINDOWS-1252", "cp1252", "O’Neill"),
        ("ASCII", "ascii", "Zoe"),
        ("ASCII~8859/1", "ascii", "Zoe"),
    ],
)
def test_character_sets(declared: str, codec: str, text: str) -> None:
    assert pid(f"||||{text}", header=f"{HEADER}||||||{declared}", codec=codec).value(5) == text


@pytest.mark.parametrize(
    ("configured", "codec"),
    [
        ("UTF-8", "utf-8"),
        ("utf8", "utf-8"),
        ("Windows-1252", "cp1252"),
        ("latin-1", "latin-1"),
        ("ISO-8859-15", "iso8859-15"),
        ("utf-16-le", "utf-16-le"),
        ("shift_jis", "shift_jis"),
    ],
)
def test_configured_character_set_goes_before_the_declared_one(configured: str, codec: str) -> None:
    name = "鈴木" if codec == "shift_jis" else "Zoë"
    raw = f"{HEADER}||||||ASCII\rPID|||77||{name}\r".encode(codec)

    assert reader.read(raw, configured).segments[1].value(5) == name


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        pytest.param(b"", 100, id="nothing"),
        pytest.param(b"\x89PNG\r\n\x1a\n\x00\x00", 100, id="a picture"),
        pytest.param(b"MSH", 100, id="three letters"),
        pytest.param(b"PID|1\rMSH|^~\\&|", 100, id="MSH comes later"),
        pytest.param(b"MSHA^~\\&A1A", 102, id="a letter as delimiter"),
        pytest.param(b"MSH|^^^^|PAS|RXX", 102, id="one delimiter four times"),
        pytest.param(b"MSH|^~\\&|PAS\rhello\r", 100, id="a line that is no segment"),
        pytest.param(b"MSH|^~\\&|PAS\rPID1|1\r", 100, id="a name that is too long"),
        pytest.param(HEADER.encode() + b"||||||UTF-8\rPID|\xff\xfe\r", 102, id="bytes that are no UTF-8"),
        pytest.param(HEADER.encode() + b"||||||ASCII\rPID|\xe9\r", 102, id="bytes that are no ASCII"),
        pytest.param(HEADER.encode() + b"\rPID|\x81\xe9\r", 102, id="bytes of no set that is tried"),
        pytest.param(HEADER.encode() + b"||||||JIS7\rPID|1\r", 103, id="a set that is not supported"),
    ],
)
def test_unreadable(raw: bytes, code: int) -> None:
    with pytest.raises(Unreadable) as caught:
        reader.read(raw)

    assert caught.value.code == code


@given(st.binary(max_size=300))
def test_any_bytes_raise_nothing_else(raw: bytes) -> None:
    _exhaust(raw)


@given(st.binary(max_size=300), st.sampled_from(["", "UNICODE UTF-8", "8859/1", "UNICODE UTF-16", "ASCII"]))
def test_any_bytes_after_a_header_raise_nothing_else(tail: bytes, charset: str) -> None:
    _exhaust(f"{HEADER}||||||{charset}\rPID|1||".encode() + tail)


@given(st.text(alphabet='MSHPID|^~\\&\r\n\x0b\x1c"X0F.é ', max_size=200))
def test_any_delimiters_raise_nothing_else(text: str) -> None:
    _exhaust(("MSH|^~\\&|" + text).encode())


def _exhaust(raw: bytes) -> None:
    """Read everything that can be asked for."""
    try:
        message = reader.read(raw)
    except Unreadable:
        return
    for segment in message.segments:
        for field in range(1, 40):
            for repeat in segment.repeats(field):
                for component in range(1, 6):
                    value = repeat.value(component)
                    assert value is None or value == value.strip()
                    assert value is None or value.isprintable() or max(value) >= "\xa0"


# ASCII only: python-hl7 writes other characters as their code point, which is no character set of HL7's.
_NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1).filter(lambda name: name != '""')


@given(_NAMES, _NAMES)
def test_what_python_hl7_escapes_is_read_back(family: str, given_name: str) -> None:
    written = hl7.Message("\r", [hl7.Segment("|", [hl7.Field("", ["MSH"])])])
    escaped = [written.escape(name) for name in (family, given_name)]

    segment = pid("||||" + "^".join(escaped))

    assert [segment.value(5, 1), segment.value(5, 2)] == [family, given_name]


def test_a_message_of_very_many_segments_is_refused_before_it_costs_time() -> None:
    raw = HEADER.encode() + b"\r" + b"ZZZ|1\r" * 200_000
    with pytest.raises(Unreadable, match="segments"):
        reader.read(raw)
