"""What is written is read back: the writer against the door, and against hl7apy."""

import warnings
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpi.domain.messages import Merge, MergePair, Register
from mpi.domain.person import Identifier, SourceRecord
from mpi.hl7 import adt, writer
from tests.builders import nhs_number
from tests.golden.messages import config

CONFIG = config()
SENDER = {"application": "PAS", "facility": "RXX"}


def read_back(record: SourceRecord, event: str = "A28") -> SourceRecord:
    raw = writer.registration(record, "C1", event=event, **SENDER)
    received = adt.receive(raw, "peer", CONFIG)
    assert (received.inbound.control_id, received.inbound.event) == ("C1", event)
    assert isinstance(received.inbound.command, Register)
    assert received.inbound.command.record.said_at is not None
    return replace(received.inbound.command.record, said_at=None)


WHOLE = {
    "nhs_number": nhs_number(1),
    "nhs_number_status": "01",
    "family_name": "Ashworth & Söhne",
    "given_name": "Maria|Jane",
    "middle_names": "Ann^a",
    "previous_family_name": "O~Holt",
    "birth_date": "19680324",
    "sex": "F",
    "address_line": "14 Quarry\\Bank",
    "town": "Exampleton",
    "postcode": "LS6 4QB",
    "phone": "0113 496 0101",
    "email": "maria@example.org",
    "gp_practice": "B86001",
    "other_identifier": "QQ123456C",
    "multiple_birth_order": "2",
    "death_date": "20261031",
}


@pytest.mark.parametrize("event", ["A01", "A28", "A31"])
def test_every_field_is_read_back(event: str) -> None:
    record = SourceRecord("RXX", "77&8", WHOLE, restricted=True)

    assert read_back(record, event) == record


def test_erased_fields_are_read_back() -> None:
    record = SourceRecord("RXX", "77", dict.fromkeys(WHOLE, ""), restricted=False)

    assert read_back(record) == record


def test_nothing_said_is_read_back() -> None:
    assert read_back(SourceRecord("RXX", "77", {})) == SourceRecord("RXX", "77", {})


@pytest.mark.parametrize(
    ("field", "recorded", "sent"),
    [
        ("birth_date", "1968-03-24", "19680324"),
        ("birth_date", "1968-03", "196803"),
        ("birth_date", "24/03/1968", "24/03/1968"),
        ("sex", "female", "F"),
        ("sex", "unknown", "U"),
        ("nhs_number_status", "1", "01"),
    ],
)
def test_values_of_person_files_are_written_as_hl7_has_them(field: str, recorded: str, sent: str) -> None:
    assert read_back(SourceRecord("RXX", "77", {field: recorded})).changes == {field: sent}


_TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=0x17E, exclude_categories=["Cc", "Zs", "Cf"]), min_size=1)
_SAID = _TEXT.filter(lambda text: text != '""')


@given(_SAID, _SAID, _SAID, _SAID)
def test_any_names_and_address_are_read_back(family: str, given_name: str, line: str, town: str) -> None:
    said = {"family_name": family, "given_name": given_name, "address_line": line, "town": town}

    changes = read_back(SourceRecord("RXX", "77", said)).changes

    assert {name: value for name, value in changes.items() if value} == said


def test_merge_is_read_back() -> None:
    pair = MergePair(Identifier("RXX", "77"), Identifier("RXX", "78|9"))

    command = adt.receive(writer.merge(pair, "C1", **SENDER), "peer", CONFIG).inbound.command

    assert isinstance(command, Merge)
    assert replace(command, said_at=None) == Merge((pair,))


def test_hl7apy_finds_what_is_written_valid() -> None:
    from hl7apy.parser import parse_message

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for raw in (
            writer.registration(SourceRecord("RXX", "77", WHOLE), "C1", **SENDER),
            writer.merge(MergePair(Identifier("RXX", "77"), Identifier("RXX", "78")), "C2", **SENDER),
        ):
            message = parse_message(raw.decode(), find_groups=False)
            assert message.msh.msh_12.to_er7() == "2.5"
            assert message.pid.pid_3.to_er7().startswith("77^^^RXX^MR")
