"""A message in, what it asks and its acknowledgement out; and the reader held against the reference, hl7apy."""

import json
import warnings

import pytest

from mpi.hl7 import ack, adt, reader
from tests.golden import messages

MESSAGES = messages.messages()
UNREADABLE = {
    "refused-charset-that-lies",
    "refused-utf-8-called-latin-1",
    "refused-unknown-charset",
    "refused-not-ascii",
    "refused-line-that-is-no-segment",
    "refused-no-hl7",
}
UNKNOWN_TO_THE_REFERENCE = {"refused-version"}
READABLE = [message for message in MESSAGES if message.name not in UNREADABLE | UNKNOWN_TO_THE_REFERENCE]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.name)
def test_message_becomes_command_and_acknowledgement(message: messages.Golden) -> None:
    expected = json.loads(message.expected_file.read_text(encoding="utf-8"))

    assert json.loads(json.dumps(messages.result(message))) == expected


def test_every_expectation_has_its_message() -> None:
    files = {file.stem for file in (messages.FOLDER / "adt").glob("*.json")}

    assert files == {message.name for message in MESSAGES}
    assert len(MESSAGES) >= 30


@pytest.mark.parametrize("message", READABLE, ids=lambda message: message.name)
def test_reader_sees_what_hl7apy_sees(message: messages.Golden) -> None:
    ours = reader.read(message.raw, _codec(message))
    reference = _parse("".join(line.strip() + "\r" for line in message.text.split("\n") if line.strip()))

    assert [segment.name for segment in ours.segments] == [segment.name for segment in reference.children]
    for mine, theirs in zip(ours.segments, reference.children, strict=True):
        assert _as_numbers(_our_values(mine)) == _as_numbers(_their_values(theirs, ours.delimiters))


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.name)
def test_hl7apy_reads_the_acknowledgement(message: messages.Golden) -> None:
    received = adt.receive(message.raw, "", messages.config())
    outcome = messages.answer_without_an_index(received.inbound)
    answer = _parse(ack.acknowledge(received, outcome).decode(received.codec))

    assert answer.msa.msa_1.to_er7() == outcome.ack
    assert answer.msa.msa_2.to_er7() == received.inbound.control_id
    assert answer.msh.msh_9.to_er7().startswith("ACK")


def _codec(message: messages.Golden) -> str | None:
    received = adt.receive(message.raw, "", messages.config())
    source = messages.config().source(received.inbound.application, received.inbound.facility)
    return source.charset if source else None


def _parse(text: str):
    """The message as hl7apy reads it, tolerant and without groups, as far as its version tables go."""
    from hl7apy.consts import VALIDATION_LEVEL
    from hl7apy.parser import parse_message

    version = text.split("\r")[0].split(text[3])[11].strip()
    text = text if version != "2.8" else text.replace("|2.8", "|2.5", 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return parse_message(text, validation_level=VALIDATION_LEVEL.TOLERANT, find_groups=False)


def _our_values(segment: reader.Segment) -> dict[tuple[int, int, int, int], str]:
    """Every value of the segment by field, repetition, component and subcomponent, null as two quotation marks."""
    values = {}
    for field in range(3 if segment.name == "MSH" else 1, 60):
        for number, repeat in enumerate(segment.repeats(field), 1):
            for component in range(1, 25):
                for subcomponent in range(1, 10):
                    value = repeat.value(component, subcomponent)
                    if value is not None:
                        values[field, number, component, subcomponent] = value or '""'
    return values


def _their_values(segment, marks: reader.Delimiters) -> dict[tuple[int, int, int, int], str]:
    values = {}
    seen: dict[int, int] = {}
    for field in segment.children:
        place = int(field.name.rsplit("_", 1)[1])
        if segment.name == "MSH" and place < 3:
            continue
        seen[place] = seen.get(place, 0) + 1
        for component, text in enumerate(field.to_er7().split(marks.component), 1):
            for subcomponent, part in enumerate(text.split(marks.subcomponent), 1):
                plain = _plain(part, marks)
                if plain:
                    values[place, seen[place], component, subcomponent] = plain
    return values


def _as_numbers(values: dict[tuple[int, int, int, int], str]) -> dict[tuple[int, int, int, int], str]:
    """The reference reads parts of a telephone number (XTN.5 to XTN.7) as numbers and drops the leading zero."""
    return {
        place: value.lstrip("0") if place[0] == 13 and place[2] in (5, 6, 7) else value
        for place, value in values.items()
    }


def _plain(text: str, marks: reader.Delimiters) -> str:
    """The escapes of the golden messages, undone one by one: the reference writes them back, and some twice."""
    text = text.replace(f"{marks.escape}E{marks.escape}", marks.escape)
    for escape, meaning in {
        "F": marks.field,
        "S": marks.component,
        "T": marks.subcomponent,
        "R": marks.repetition,
        "XC3A9": "é",
        ".br": " ",
    }.items():
        text = text.replace(marks.escape + escape + marks.escape, meaning)
    return text.strip()
