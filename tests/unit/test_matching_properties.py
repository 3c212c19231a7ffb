"""What must hold of matching whatever the text: nothing raises, sides do not matter, missing is not different."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from mpi.domain.decision import Outcome
from mpi.domain.person import DEMOGRAPHIC_FIELDS, Demographics
from mpi.matching.block import MAX_KEYS, blocking_keys
from mpi.matching.decide import decide_pair
from mpi.matching.model import load_default
from mpi.matching.prepare import PROBLEMS, prepare
from mpi.matching.prepared import Prepared
from mpi.matching.weigh import judge

REALISTIC = {
    "nhs_number": ["9990000018", "9990000026", "999 000 0018", "0000000000"],
    "nhs_number_status": ["01", "02", "05", "1"],
    "family_name": ["Smith", "SMYTH", "O'Brien", "Wakegrave", "Ann", "BABY SMITH", "UNKNOWN"],
    "given_name": ["Ann", "ANNE", "William", "Bill", "Smith", "BABY", "TWIN 1", "J"],
    "middle_names": ["Ann", "J", "Mary Jane"],
    "previous_family_name": ["Smith", "Wakegrave"],
    "birth_date": ["1980-01-02", "19800201", "1980", "1980-01-12", "1900-01-01", "1951-06-30"],
    "sex": ["1", "F", "male", "U"],
    "address_line": ["14 High Street", "14 High St", "16 High Street"],
    "town": ["Leeds", "York"],
    "postcode": ["LS6 4QB", "LS64QD", "EX4 9ZZ", "ZZ99 3VZ", "75008"],
    "phone": ["01632960001", "+44 1632 960001", "07700900123"],
    "email": ["a@example.org", "none@x.y"],
    "other_identifier": ["EX4711", "EX4712", "0000"],
    "multiple_birth_order": ["1", "2"],
}  # fmt: skip

people = st.fixed_dictionaries(
    {}, optional={field: st.sampled_from(values) for field, values in REALISTIC.items()}
).map(lambda values: Demographics(**values))
any_text = st.text(max_size=40) | st.sampled_from(
    ["\x00", "x" * 10_000, "é" * 10_000, "\ud800", "٣٣٣", " \t\n", "-" * 500]
)
anything = st.fixed_dictionaries({}, optional=dict.fromkeys(DEMOGRAPHIC_FIELDS, any_text)).map(
    lambda values: Demographics(**values)
)


def prepared(d: Demographics) -> Prepared:
    return prepare(d, allow_test_numbers=True)[0]


@given(anything, anything)
def test_no_text_raises(one: Demographics, other: Demographics) -> None:
    first, problems = prepare(one, allow_test_numbers=False)
    assert all(p.problem in PROBLEMS and p.field in DEMOGRAPHIC_FIELDS for p in problems)
    keys = blocking_keys(first)
    assert len(keys) <= MAX_KEYS
    assert all(key.isprintable() and len(key) < 400 for key in keys)
    decide_pair(load_default(), first, prepared(other))


@given(anything)
def test_stored_values_come_back_as_they_were(one: Demographics) -> None:
    first = prepared(one)
    assert Prepared.from_json(first.to_json()) == first


@given(people, people)
def test_sides_do_not_matter(one: Demographics, other: Demographics) -> None:
    a, b = prepared(one), prepared(other)
    assert judge(load_default(), a, b) == judge(load_default(), b, a)
    assert decide_pair(load_default(), a, b) == decide_pair(load_default(), b, a)


@given(people)
def test_preparing_prepared_values_changes_nothing(one: Demographics) -> None:
    first = prepared(one)
    again = prepared(
        Demographics(
            family_name=first.family, given_name=first.given, middle_names=first.middle, birth_date=first.birth,
            sex=first.sex, postcode=first.postcode, address_line=first.address, phone=first.phone, email=first.email,
            other_identifier=first.other_id,
        )
    )  # fmt: skip
    for field in ("family", "given", "middle", "birth", "sex", "postcode", "address", "phone", "email", "other_id"):
        assert getattr(again, field) == getattr(first, field)


@given(people, people, st.sampled_from(["family", "given", "birth", "sex", "email", "nhs", "other_id", "middle"]))
def test_a_missing_value_never_counts_as_a_disagreement(one: Demographics, other: Demographics, field: str) -> None:
    a, b = prepared(one), prepared(other)
    gone = replace(a, **{field: None})
    names = {"family": "family_name", "given": "given_name", "birth": "birth_date", "nhs": "nhs_number",
             "other_id": "other_identifier", "middle": "middle_names"}  # fmt: skip
    found = {e.comparison: e for e in decide_pair(load_default(), gone, b).evidence}[names.get(field, field)]
    assert found.bits >= 0.0
    assert found.label != "different"


@given(people, people)
def test_two_verified_numbers_never_link(one: Demographics, other: Demographics) -> None:
    a = replace(prepared(one), nhs="9990000018", nhs_verified=True, nhs_usable=True)
    b = replace(prepared(other), nhs="9990000026", nhs_verified=True, nhs_usable=True)
    assert decide_pair(load_default(), a, b).outcome is not Outcome.LINK


@given(people, people)
def test_a_placeholder_person_never_links(one: Demographics, other: Demographics) -> None:
    a = replace(prepared(one), placeholder=True)
    assert decide_pair(load_default(), a, prepared(other)).outcome is Outcome.APART


@given(people)
def test_a_number_in_conflict_adds_nothing(one: Demographics) -> None:
    a = replace(prepared(one), nhs="9990000018", nhs_verified=False, nhs_usable=False)
    without = replace(a, nhs=None)
    assert judge(load_default(), a, a).weight == judge(load_default(), without, without).weight
