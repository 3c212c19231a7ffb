"""Headers put together at random out of three people's values and junk: no study goes to a wrong person."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, target
from hypothesis import strategies as st

from mpi.domain.study import GateDecision, PatientId, StudyHeader
from mpi.store.schema import migrate
from tests.gate_world import MARIA_NHS, MARTA_NHS, PETER_NHS, World, a_header, rxx

NUMBERS = ["100", "101", "200", "100 ", "0100", "", " ", MARIA_NHS, MARTA_NHS, PETER_NHS, "4444444444", "1\x00"]
ISSUERS = [None, "", "RXX", "rxx", "REH", "NHS", "RYY", "INS", "ELSEWHERE", "R\u0445\u0445", "NH\u017f"]
FAMILIES = [None, "", "ASHWORTH", "Ashworth", "HOLT", "UNKNOWN", "ASHWORTH\u200b", "MARIA"]
GIVENS = [None, "", "MARIA", "MARTA", "PETER", "M", "MARIA MARTA", "BABY OF MARIA", "PETE"]
BIRTHS = [None, "", "19680324", "1968", "19511102", "19000101", "19682403"]
NUMBERS_OF = {
    "100": "maria",
    MARIA_NHS: "maria",
    "101": "marta",
    MARTA_NHS: "marta",
    "200": "peter",
    PETER_NHS: "peter",
}
NAMES_OF = {"maria": ("ASHWORTH", "MARIA"), "marta": ("ASHWORTH", "MARTA"), "peter": ("HOLT", "PETE")}

patient_ids = st.builds(PatientId, st.sampled_from(NUMBERS), st.sampled_from(ISSUERS))
FIELDS = {
    "patient_id": st.none() | patient_ids,
    "other_patient_ids": st.lists(patient_ids, max_size=2).map(tuple),
    "family_name": st.sampled_from(FAMILIES),
    "given_name": st.sampled_from(GIVENS),
    "birth_date": st.sampled_from(BIRTHS),
    "sex": st.sampled_from([None, "", "M", "F"]),
}
RIGHT = [
    a_header(),
    a_header(patient_id=rxx("101"), given_name="MARTA"),
    a_header(patient_id=rxx("200"), family_name="HOLT", given_name="PETER", birth_date="19511102", sex="M"),
]


@st.composite
def headers(draw: st.DrawFn) -> StudyHeader:
    """A right header of one of the three with up to four fields replaced."""
    names = draw(st.sets(st.sampled_from(sorted(FIELDS)), max_size=4))
    uid = f"2.25.{draw(st.integers(1, 10**30))}"
    return replace(draw(st.sampled_from(RIGHT)), study_uid=uid, **{name: draw(FIELDS[name]) for name in sorted(names)})


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    file: Path = tmp_path_factory.mktemp("gate") / "mpi.db"
    migrate(f"sqlite:///{file}")
    built = World(f"sqlite:///{file}")
    yield built
    built.close()


@given(header=headers())
def test_whoever_a_study_is_attached_to_is_whom_all_of_its_header_names(world: World, header: StudyHeader) -> None:
    answer = world.check(header)
    target(float(answer.decision is GateDecision.ATTACH))
    if answer.decision is not GateDecision.ATTACH:
        assert answer.person is None
        return
    people = {world.eid(getattr(world, name)): name for name in NAMES_OF}
    person = people[answer.person or ""]
    family, given_name = NAMES_OF[person]
    assert (header.family_name or "").upper() == family
    assert (header.given_name or "").startswith(given_name[:4])
    assert header.birth_date == ("19511102" if person == "peter" else "19680324")
    assert header.sex in (None, "", "M" if person == "peter" else "F")
    ids = [one for one in (header.patient_id, *header.other_patient_ids) if one is not None]
    spelled = {"RXX", "rxx", "REH", "NHS"}
    led = {NUMBERS_OF[one.value.strip()] for one in ids if one.issuer in spelled and _leads(one)}
    assert led == {person}


def _leads(one: PatientId) -> bool:
    """Whether this number under this issuer is in the index."""
    value = one.value.strip()
    return value in NUMBERS_OF and (len(value) == 10) == (one.issuer == "NHS")
