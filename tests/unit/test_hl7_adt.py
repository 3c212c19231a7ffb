"""From a field of a message to a field of a record, one line each; and the acknowledgement of anything at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpi.config import NHS_AUTHORITY, Authority, Config, Source
from mpi.domain.messages import AckCode, Merge, MessageError, Outcome, Refused, Register
from mpi.hl7 import ack, adt
from tests.golden.messages import answer_without_an_index, config

CONFIG = config()
OWN = "77^^^RXX^MR"


def received(*segments: str, version: str = "2.5", event: str = "A28", more: str = "") -> adt.Received:
    header = f"MSH|^~\\&|PAS|RXX|MPI|RXX|20261101||ADT^{event}|C1|P|{version}{more}"
    return adt.receive("\r".join([header, *segments, ""]).encode(), "peer", CONFIG)


def pid(*segments: str, **fields: str) -> adt.Received:
    """A registration whose PID has these fields (`f5="..."`) and the segments after it."""
    wanted = {3: OWN} | {int(name[1:]): text for name, text in fields.items()}
    return received("PID|" + "|".join(wanted.get(n, "") for n in range(1, max(wanted) + 1)), *segments)


def changes(message: adt.Received) -> dict[str, str]:
    """What is changed by a registration, without what is erased because the field that was sent left it out."""
    command = message.inbound.command
    assert isinstance(command, Register)
    return {name: value for name, value in command.record.changes.items() if value}


def refusal(message: adt.Received) -> tuple[str, int, str | None]:
    command = message.inbound.command
    assert isinstance(command, Refused)
    return command.ack.value, int(command.errors[0].code), command.errors[0].location


@pytest.mark.parametrize(
    ("written", "family", "given_name", "previous"),
    [
        pytest.param("Long^Ann", "Long", "Ann", None, id="no type"),
        pytest.param("Long^Ann^^^^^L~Short^Ann^^^^^M", "Long", "Ann", "Short", id="legal and maiden"),
        pytest.param("Short^Ann^^^^^M~Long^Ann^^^^^L", "Long", "Ann", "Short", id="maiden first"),
        pytest.param("Wide^Ann^^^^^B~Short^Ann^^^^^M~Long^Ann", "Long", "Ann", "Short", id="maiden before birth name"),
        pytest.param("Annie^Ann^^^^^N~Long^Ann^^^^^D", "Long", "Ann", None, id="display before nickname"),
        pytest.param("Long^Ann^^^^^L~Long^Annie^^^^^A", "Long", "Ann", None, id="alias with the same family name"),
        pytest.param("Short^Ann^^^^^M", "Short", "Ann", None, id="only a maiden name"),
        pytest.param("van Long&van&Long^Ann", "van Long", "Ann", None, id="surname in subcomponents"),
        pytest.param("^Ann", None, "Ann", None, id="no family name"),
        pytest.param("~Long^Ann", "Long", "Ann", None, id="empty repetition first"),
    ],
)
def test_names(written: str, family: str | None, given_name: str, previous: str | None) -> None:
    said = changes(pid(f5=written))

    assert (said.get("family_name"), said.get("given_name"), said.get("previous_family_name")) == (
        family,
        given_name,
        previous,
    )


@pytest.mark.parametrize(
    ("written", "line", "town", "postcode"),
    [
        pytest.param("1 High St^^Leeds^^LS1 1AA", "1 High St", "Leeds", "LS1 1AA", id="plain"),
        pytest.param("1 High St^Flat 2^Leeds", "1 High St Flat 2", "Leeds", None, id="two lines"),
        pytest.param("&High St&1^^Leeds", "1 High St", "Leeds", None, id="street and number apart"),
        pytest.param("A^^A^^^^C~B^^B^^^^H", "B", "B", None, id="home before temporary"),
        pytest.param("A^^A^^^^BA~B^^B", "B", "B", None, id="never a bad address"),
        pytest.param("A^^A^^^^B", None, None, None, id="only a work address"),
    ],
)
def test_addresses(written: str, line: str | None, town: str | None, postcode: str | None) -> None:
    said = changes(pid(f11=written))

    assert (said.get("address_line"), said.get("town"), said.get("postcode")) == (line, town, postcode)


@pytest.mark.parametrize(
    ("written", "phone", "email"),
    [
        pytest.param("0113 496 0101", "0113 496 0101", None, id="number only"),
        pytest.param("0113 496 0101^PRN^PH~a@example.org^NET^Internet", "0113 496 0101", "a@example.org", id="both"),
        pytest.param("^NET^Internet^a@example.org", None, "a@example.org", id="mail in its own place"),
        pytest.param("a@example.org", None, "a@example.org", id="mail without a type"),
        pytest.param("1^WPN^FX~2^PRN^CP", "2", None, id="fax is no telephone"),
        pytest.param("^PRN^PH^^44^113^4960101", "44 113 4960101", None, id="in parts"),
        pytest.param("^PRN^PH^^^^^^^^^0113 496 0101", "0113 496 0101", None, id="unformatted, 2.5.1"),
    ],
)
def test_telephones(written: str, phone: str | None, email: str | None) -> None:
    said = changes(pid(f13=written))

    assert (said.get("phone"), said.get("email")) == (phone, email)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("19680324", "19680324"),
        ("196803240915", "19680324"),
        ("19680324091500.0000+0100", "19680324"),
        ("19680324+0100", "19680324"),
        ("196803", "196803"),
        ("1968", "1968"),
        ("1968-03-24", "1968-03-24"),
        ("24/03/1968", "24/03/1968"),
        ("196513121515", "19651312"),
    ],
)
def test_birth_dates_lose_their_time_and_nothing_else(written: str, value: str) -> None:
    assert changes(pid(f7=written)) == {"birth_date": value}


@pytest.mark.parametrize(
    ("pd1", "practice"),
    [
        pytest.param("|||SURGERY^^B86001", "B86001", id="XON.3"),
        pytest.param("|||SURGERY NAME^^^^^^^^^B86001", "B86001", id="XON.10"),
        pytest.param("|||B86001", "B86001", id="code as name"),
        pytest.param("|||SURGERY NAME", None, id="a name only"),
        pytest.param("||||G9999981^Doctor", None, id="a doctor is no practice"),
        pytest.param("||||B86001^Practice", "B86001", id="a practice where the doctor stands"),
    ],
)
def test_practices(pd1: str, practice: str | None) -> None:
    assert changes(pid("PD1" + pd1, f8="F")).get("gp_practice") == practice


@pytest.mark.parametrize(
    ("pd1", "pv1", "restricted"),
    [("", "", None), ("Y", "", True), ("N", "", False), ("", "V", True), ("N", "V", True), ("", "N", None)],
)
def test_restriction(pd1: str, pv1: str, restricted: bool | None) -> None:
    command = pid("PD1" + "|" * 12 + pd1, "PV1" + "|" * 16 + pv1).inbound.command

    assert isinstance(command, Register)
    assert command.record.restricted is restricted


@pytest.mark.parametrize(
    ("identifiers", "local_id", "nhs"),
    [
        pytest.param("77^^^RXX", "77", None, id="code"),
        pytest.param("77^^^rxx", "77", None, id="code in small letters"),
        pytest.param("77^^^REH^MR", "77", None, id="alias"),
        pytest.param("77^^^&2.999.1&ISO", "77", None, id="OID"),
        pytest.param("77^^^RXX&2.999.1&ISO", "77", None, id="code and OID"),
        pytest.param("77^^^nowhere&2.999.1&ISO~1^^^RYY", "77", None, id="unknown code, known OID"),
        pytest.param("77", "77", None, id="nothing: the feed's own"),
        pytest.param("A1^^^^AN~77", "77", None, id="an account number is no person's"),
        pytest.param("9990000018^^^NHS~77", "77", "9990000018", id="NHS number first"),
        pytest.param("9990000018^^^NH~77", "77", "9990000018", id="NH as authority"),
        pytest.param("9990000018^^^NHSNBR~77", "77", "9990000018", id="NHSNBR"),
        pytest.param("9990000018^^^^NH~77", "77", "9990000018", id="NH as type only"),
        pytest.param("1^^^RYY~77^^^RXX", "77", None, id="another hospital's beside"),
        pytest.param("007700^^^RXX", "007700", None, id="leading zeros stay"),
    ],
)
def test_identifiers(identifiers: str, local_id: str, nhs: str | None) -> None:
    message = pid(f3=identifiers)

    assert isinstance(message.inbound.command, Register)
    assert message.inbound.command.record.local_id == local_id
    assert changes(message).get("nhs_number") == nhs


@pytest.mark.parametrize(
    ("identifiers", "answer"),
    [
        pytest.param("", ("AE", 101, "PID^1^3"), id="none"),
        pytest.param('""', ("AE", 101, "PID^1^3"), id="null"),
        pytest.param("9990000018^^^NHS", ("AE", 101, "PID^1^3"), id="NHS number only"),
        pytest.param("V1^^^RXX^VN", ("AE", 101, "PID^1^3"), id="visit number only"),
        pytest.param("POL^^^INS", ("AE", 101, "PID^1^3"), id="insurer's number only"),
        pytest.param("77^^^RYY", ("AE", 204, "PID^1^3^1^4"), id="of another feed"),
        pytest.param("9^^^NHS~77^^^NOWHERE", ("AE", 204, "PID^1^3^2^4"), id="of nobody known"),
        pytest.param("77^^^RYY&2.999.1&ISO", ("AE", 204, "PID^1^3^1^4"), id="code and OID at odds"),
        pytest.param("77" + "~78" * 1000, ("AE", 102, "PID^1^3"), id="more than a thousand"),
        pytest.param("7" * 251 + "^^^RXX", ("AE", 102, "PID^1^3^1^1"), id="too long"),
    ],
)
def test_identifiers_that_leave_nothing_to_store(identifiers: str, answer: tuple[str, int, str]) -> None:
    assert refusal(pid(f3=identifiers, f5="Long^Ann")) == answer


@pytest.mark.parametrize(
    ("segments", "answer"),
    [
        pytest.param([], ("AE", 100, "PID^1"), id="nothing"),
        pytest.param(["MRG|78"], ("AE", 100, "MRG^1"), id="MRG without PID"),
        pytest.param(["PID|||77", "PID|||79", "MRG|78"], ("AE", 100, "PID^2"), id="PID without MRG"),
        pytest.param(["PID|||77", "MRG|78", "PID|||79"], ("AE", 100, "MRG^1"), id="last PID without MRG"),
        pytest.param(["PID|||77", "MRG|"], ("AE", 101, "MRG^1^1"), id="MRG without number"),
        pytest.param(["PID|||77", "MRG|78^^^NOWHERE"], ("AE", 204, "MRG^1^1^1^4"), id="MRG of nobody known"),
        pytest.param(["PID|||77", "MRG|78"] * 101, ("AE", 102, "MRG^101"), id="more merges than anybody sends"),
        pytest.param(["PID|||77^^^RYY", "MRG|78"], ("AE", 204, "PID^1^3^1^4"), id="survivor of another feed"),
    ],
)
def test_merges_that_are_refused(segments: list[str], answer: tuple[str, int, str]) -> None:
    assert refusal(received(*segments, event="A40")) == answer


def test_merge_reads_the_feeds_own_number_of_each_list() -> None:
    command = received("PID|||9990000018^^^NHS~77^^^RXX", "MRG|1^^^RYY~78^^^RXX", event="A40").inbound.command

    assert isinstance(command, Merge)
    [pair] = command.pairs
    assert (pair.surviving.value, pair.subsumed.value, pair.subsumed.authority) == ("77", "78", "RXX")


@pytest.mark.parametrize("version", adt.VERSIONS)
@pytest.mark.parametrize("event", adt.REGISTER)
def test_every_registering_event_in_every_version(event: str, version: str) -> None:
    message = received(f"PID|||{OWN}||Long^Ann", event=event, version=version)

    assert isinstance(message.inbound.command, Register)
    assert message.inbound.event == event


@pytest.mark.parametrize("event", ["A06", "A30", "A39", "A41", "A42", "A18", "A60", "Z01", ""])
def test_events_that_are_not_supported(event: str) -> None:
    assert refusal(received(f"PID|||{OWN}", event=event)) == ("AR", 201, "MSH^1^9^1^2")


def test_place_of_each_field_that_was_said() -> None:
    message = pid("PD1|||X^^B86001", f3=f"{OWN}~9990000018^^^NHS", f5="Long^Ann", f7="1968", f8="F", f32="AL~NSTS01")

    assert message.places == {
        "local_id": "PID^1^3^1",
        "nhs_number": "PID^1^3^2",
        "nhs_number_status": "PID^1^32^2",
        "family_name": "PID^1^5",
        "given_name": "PID^1^5",
        "middle_names": "PID^1^5",
        "birth_date": "PID^1^7",
        "sex": "PID^1^8",
        "gp_practice": "PD1^1^3",
    }


WARNING = MessageError(102, "No such date exists.", "W", field="birth_date")


def acknowledged(version: str, outcome: Outcome) -> list[str]:
    message = received(f"PID|||{OWN}||Long^Ann||19681324", version=version)
    return ack.acknowledge(message, outcome).decode().split("\r")[1:-1]


def test_warning_names_its_place_from_2_5() -> None:
    assert acknowledged("2.5", Outcome(AckCode.ACCEPTED, (WARNING,))) == [
        "MSA|AA|C1",
        "ERR||PID^1^7|102^Data type error^HL70357|W||||No such date exists.",
    ]


def test_warning_before_2_5_is_a_sentence() -> None:
    assert acknowledged("2.4", Outcome(AckCode.ACCEPTED, (WARNING,))) == ["MSA|AA|C1|PID-7: No such date exists."]


def test_error_before_2_5_has_its_place_and_code() -> None:
    error = MessageError(205, "Used before.", location="MSH^1^10")

    assert acknowledged("2.3.1", Outcome(AckCode.ERROR, (error,))) == [
        "MSA|AE|C1|MSH-10: Used before.|||205^Duplicate key identifier^HL70357",
        "ERR|MSH^1^10^205&Duplicate key identifier&HL70357",
    ]


def test_of_many_errors_the_first_fifty_are_named() -> None:
    assert len(acknowledged("2.5", Outcome(AckCode.ACCEPTED, (WARNING,) * 200))) == 1 + 50


def test_sentence_before_2_5_has_at_most_80_characters() -> None:
    line = acknowledged("2.3", Outcome(AckCode.ACCEPTED, (MessageError(102, "x" * 200, "W"),)))[0]

    assert len(line.split("|")[3]) == 80


def test_delimiters_in_a_text_are_escaped() -> None:
    error = MessageError(207, "a|b^c&d~e\\f")

    assert acknowledged("2.5", Outcome(AckCode.REJECTED, (error,)))[1].endswith(r"a\F\b\S\c\T\d\R\e\E\f")


def test_charset_of_the_message_is_used_for_what_is_echoed() -> None:
    raw = "MSH|^~\\&|PAS|RXX|MPI|RXX|20261101||ADT^A28|Zoë|P|2.5||||||8859/1\r".encode("latin-1")
    message = adt.receive(raw, "peer", CONFIG)

    answer = ack.acknowledge(message, Outcome(AckCode.ERROR))

    assert "MSA|AE|Zoë".encode("latin-1") in answer
    assert b"|8859/1\r" in answer


@given(st.binary(max_size=200))
def test_any_bytes_get_an_acknowledgement(raw: bytes) -> None:
    _check_acknowledged(raw)


@given(
    st.lists(
        st.sampled_from(
            [*"|^~\\&", '""', "\r", "\n", "MSH", "PID", "MRG", "PD1", "77", "RXX", "NHS", "9990000018", "é", "\x00"]
        ),
        max_size=60,
    ),
    st.sampled_from(adt.VERSIONS),
    st.sampled_from(["A28", "A40"]),
)
def test_any_content_gets_an_acknowledgement(parts: list[str], version: str, event: str) -> None:
    header = f"MSH|^~\\&|PAS|RXX|MPI|RXX|20261101||ADT^{event}|C1|P|{version}\r"
    _check_acknowledged((header + "PID|||77|" + "".join(parts)).encode())


@given(st.text(alphabet=st.characters(max_codepoint=0x17F), max_size=40), st.integers(0, 20))
def test_any_header_field_gets_an_acknowledgement(text: str, place: int) -> None:
    fields = "MSH|^~\\&|PAS|RXX|MPI|RXX|20261101||ADT^A28|C1|P|2.5".split("|") + [""] * 9
    fields[place] = text
    _check_acknowledged("|".join(fields).encode() + b"\rPID|||77\r")


def _check_acknowledged(raw: bytes) -> None:
    """Whatever comes, the answer is a whole message that fits in one frame."""
    message = adt.receive(raw, "peer", CONFIG)
    outcome = answer_without_an_index(message.inbound)
    answer = ack.acknowledge(message, outcome)

    segments = [line.split(answer.decode(message.codec)[3]) for line in answer.decode(message.codec).split("\r")]
    assert [line[0] for line in segments[:2]] == ["MSH", "MSA"]
    assert segments[0][8].startswith("ACK")
    assert segments[1][1] == outcome.ack.value
    assert {line[0] for line in segments[2:-1]} <= {"ERR"}
    assert segments[-1] == [""]
    assert b"\x1c" not in answer
    assert b"\x0b" not in answer


@pytest.mark.parametrize(("personal", "taken"), [(True, "P123"), (False, None)])
def test_a_number_that_a_family_shares_is_read_over(personal: bool, taken: str | None) -> None:
    configured = Config(
        authorities=(NHS_AUTHORITY, Authority("RXX", "A"), Authority("POL", "Policies", "other", personal=personal)),
        sources=(Source("PAS", "RXX", "RXX"),),
    )
    raw = b"MSH|^~\\&|PAS|RXX|MPI|RXX|20261101||ADT^A28|1|P|2.5\rPID|1||1^^^RXX~P123^^^POL||Ashworth^Maria\r"
    command = adt.receive(raw, "test", configured).inbound.command
    assert isinstance(command, Register)
    assert command.record.changes.get("other_identifier") == taken


@pytest.mark.parametrize(
    ("updated", "event", "said_at"),
    [
        pytest.param("20260701093000", "20260801", "20260701083000", id="PID-33 before EVN-2"),
        pytest.param("", "20260801", "20260801", id="EVN-2 where PID-33 is absent"),
        pytest.param('""', "20260801", "20260801", id="EVN-2 where PID-33 is null"),
        pytest.param("yesterday", "20260801", "20260801", id="EVN-2 where PID-33 is no time"),
        pytest.param("", "", None, id="neither"),
    ],
)
def test_when_a_message_says_that_it_was_so(updated: str, event: str, said_at: str | None) -> None:
    segments = (f"EVN|A31|{event}", f"PID|||{OWN}" + "|" * 30 + updated)
    command = received(*segments, event="A31").inbound.command
    assert isinstance(command, Register)
    assert command.record.said_at == said_at


def test_a_source_whose_times_mean_something_else_says_nothing_of_time() -> None:
    source = Source("PAS", "RXX", "RXX", times=False)
    raw = f"MSH|^~\\&|PAS|RXX|MPI|RXX|||ADT^A31|1|P|2.5\rEVN|A31|20260801\rPID|||{OWN}\r".encode()
    command = adt.receive(raw, "peer", Config(authorities=CONFIG.authorities, sources=(source,))).inbound.command
    assert isinstance(command, Register)
    assert command.record.said_at is None
