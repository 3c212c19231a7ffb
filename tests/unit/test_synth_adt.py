"""Synthetic rows as messages: what the HL7 door reads back is what the row says."""

from hypothesis import given
from hypothesis import strategies as st

from mpi.config import Authority, Config, Source
from mpi.domain.messages import Merge, MergePair, Register
from mpi.domain.person import DEMOGRAPHIC_FIELDS, Identifier
from mpi.hl7.adt import receive
from mpi.synth import adt
from mpi.synth.population import make

CODES = ("RXA", "RXB", "RXC", "RXD")
CONFIG = Config(
    authorities=(*Config().authorities, *(Authority(code, code, test=True) for code in CODES)),
    sources=tuple(Source("PAS", code, code) for code in CODES),
)
SEXES = {"M": "male", "F": "female", "O": "other", "U": "unknown"}


def test_every_value_of_a_population_comes_through_the_door() -> None:
    for row in make(200, 11):
        command = receive(adt.registration(row, "A28", "1", "20260101120000"), "test", CONFIG).inbound.command
        assert isinstance(command, Register)
        assert (command.record.authority, command.record.local_id) == (row["authority"], row["record_id"])
        said = {name: text for name, text in command.record.changes.items() if text}
        said["sex"] = SEXES.get(said.get("sex", ""), "")
        expected = {name: row[name] for name in DEMOGRAPHIC_FIELDS if row[name]}
        for name in ("birth_date", "death_date"):
            if name in expected:
                expected[name] = expected[name].replace("-", "")
        assert {k: v for k, v in said.items() if v} == expected


@given(st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=30))
def test_delimiters_in_a_value_are_escaped(name: str) -> None:
    row = {"record_id": "1", "authority": "RXA", "family_name": name, "given_name": "A"}
    command = receive(adt.registration(row, "A28", "1", "20260101120000"), "test", CONFIG).inbound.command
    assert isinstance(command, Register)
    assert command.record.changes["family_name"] == name


def test_a_merge_names_the_surviving_and_the_subsumed_number() -> None:
    command = receive(adt.merge("RXA", "2", "1", "9", "20260101120000"), "test", CONFIG).inbound.command
    assert command == Merge((MergePair(Identifier("RXA", "1"), Identifier("RXA", "2")),))
