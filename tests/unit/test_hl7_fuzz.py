"""Golden messages broken at random: whatever comes of them, it is one command and one whole acknowledgement."""

import random

from mpi.hl7 import ack, adt
from tests.effort import repeats
from tests.golden import messages

PIECES = [
    *(character.encode() for character in "|^~\\&\r\n\0é"),
    *(b'""', b"\xff", b"MSH", b"PID|", b"MRG|", b"NHS", b"RXX", b"\\X", b"\\F\\", b"9" * 50),
    *(b"\xef\xbb\xbf", b"\xff\xfe"),
]


def test_broken_messages_are_answered() -> None:
    chance = random.Random(20261101)
    config = messages.config()
    originals = [message.raw for message in messages.messages()]
    kinds = set()
    for _ in range(repeats(100_000)):
        raw = broken(chance.choice(originals), chance)
        received = adt.receive(raw, "peer", config)
        outcome = messages.answer_without_an_index(received.inbound)
        answer = ack.acknowledge(received, outcome)
        kinds.add((type(received.inbound.command).__name__, outcome.ack))

        assert received.inbound.raw == raw
        assert "\rMSA" in answer.decode(received.codec)
        assert b"\x0b" not in answer
        assert b"\x1c" not in answer
    # What is broken little is still taken.
    assert {"Register", "Merge", "Acknowledge", "Refused"} <= {kind for kind, _ in kinds}
    assert {"AA", "AE", "AR"} == {code for _, code in kinds}


def broken(original: bytes, chance: random.Random) -> bytes:
    """`original` with one to six bytes changed, pieces put in, parts cut out or doubled."""
    broken = bytearray(original)
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(broken) + 1)
        kind = chance.randrange(4)
        if kind == 0 and place < len(broken):
            broken[place] = chance.randrange(256)
        elif kind == 1:
            broken[place:place] = chance.choice(PIECES)
        elif kind == 2:
            del broken[place : place + chance.randint(1, 20)]
        else:
            begin = chance.randrange(len(broken) + 1)
            broken[place:place] = broken[begin : begin + chance.randint(1, 40)]
    return bytes(broken)
