"""When the rules against relatives may rest: only where the records of the very data hold next to no relatives."""

from dataclasses import replace

import pytest

from mpi.domain.decision import HardRule, Outcome
from mpi.matching.decide import decide_pair
from mpi.matching.model import LinkageModel, load_default
from mpi.matching.prepared import Prepared
from mpi.matching.relatives import has_families, is_own

HOME = {"postcode": "OB11AA", "address": "1 HIGH STREET", "town": "OAKBRIDGE"}
ELLA = Prepared(family="HARGREAVES", given="ELLA", birth="1981-05-06", other_id="INS778812", **HOME)
THOMAS = replace(ELLA, given="THOMAS")
FATHER = replace(ELLA, given="GEORGE", birth="1950-11-30")


@pytest.fixture
def with_families() -> LinkageModel:
    return replace(load_default(), families=True, own_identifier=False)


@pytest.fixture
def without_families(with_families: LinkageModel) -> LinkageModel:
    return replace(with_families, families=False)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(THOMAS, id="a twin with the family's insurance number"),
        pytest.param(replace(THOMAS, other_id=None), id="a twin without a number"),
        pytest.param(FATHER, id="the father with the family's insurance number"),
        pytest.param(replace(FATHER, given="ELLA"), id="of one name with the father, the family's insurance number"),
    ],
)
def test_a_relative_is_never_linked_where_there_are_families(with_families: LinkageModel, other: Prepared) -> None:
    found = decide_pair(with_families, ELLA, replace(other, sex="M"))
    assert found.outcome is not Outcome.LINK


def test_a_slip_in_the_birth_date_makes_no_one_child_of_two_that_moved_apart(with_families: LinkageModel) -> None:
    nisha = Prepared(family="WAKEGRAVE", given="NISHA", middle="ROSE", birth="2018-02-28", postcode="LS64QB")
    found = decide_pair(with_families, nisha, replace(nisha, given="AISHA", birth="2018-02-27", postcode="LS68ZZ"))
    assert found.weight >= with_families.thresholds.link
    assert (found.outcome, found.rule) == (Outcome.REVIEW, HardRule.TWINS)


def test_another_given_name_is_a_slip_where_there_are_no_families(without_families: LinkageModel) -> None:
    assert decide_pair(without_families, ELLA, THOMAS).outcome is Outcome.LINK


@pytest.mark.parametrize(
    ("a", "b", "rule"),
    [
        pytest.param(
            replace(ELLA, birth_order="1"), replace(THOMAS, birth_order="2"), HardRule.TWINS, id="two places in a birth"
        ),
        pytest.param(
            replace(ELLA, nhs="9990000018", nhs_usable=True),
            replace(ELLA, nhs="9990000026", nhs_usable=True),
            HardRule.VALID_NHS_DIFFER,
            id="two NHS numbers",
        ),
        pytest.param(
            replace(ELLA, nhs="9990000018", nhs_usable=True),
            replace(THOMAS, nhs="9990000018", nhs_usable=True),
            HardRule.SAME_NHS_PERSON_DIFFERS,
            id="one NHS number, another given name",
        ),
        pytest.param(replace(ELLA, given=None, newborn=True), ELLA, HardRule.NEWBORN, id="a baby without a name"),
    ],
)
def test_what_the_records_say_themselves_still_holds(
    without_families: LinkageModel, a: Prepared, b: Prepared, rule: HardRule
) -> None:
    found = decide_pair(without_families, a, b)
    assert found.outcome is not Outcome.LINK
    assert found.rule is rule


@pytest.mark.parametrize(
    ("relatives", "matches", "expected"),
    [
        pytest.param(0, 100, False, id="less than one link would be false"),
        pytest.param(5, 100, True, id="few records and some relatives"),
        pytest.param(0, 5_000, False, id="many people and no relative among them"),
        pytest.param(20, 5_000, False, id="some relatives, of whom few can pass for one person"),
        pytest.param(60, 5_000, True, id="relatives of whom as many can pass for one person as links may be false"),
        pytest.param(5_000, 5_000, True, id="a register of families"),
    ],
)
def test_relatives_must_be_too_few_to_matter(relatives: float, matches: float, expected: bool) -> None:
    assert has_families(relatives, matches, target=0.001) is expected


def test_a_model_for_another_index_keeps_the_rules() -> None:
    assert load_default().families
    assert has_families(0, 1e9, target=0.0)


def test_the_property_is_part_of_the_document_and_its_hash(with_families: LinkageModel) -> None:
    other = replace(with_families, families=False)
    assert not LinkageModel.from_json(other.to_json()).families
    assert other.hash != with_families.hash


NAMES = ["given_name", "birth_date", "other_identifier"]
LAST = [3, 2, 1]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        pytest.param({(0, 0, 0): 900, (3, 0, 0): 60, (0, 2, 0): 38, (3, 2, 0): 2}, True, id="slips one by one"),
        pytest.param({(0, 0, 0): 400, (3, 0, 0): 20, (3, 2, 0): 580}, False, id="a family's number"),
        pytest.param({(0, 0, 0): 900, (3, 0, 0): 20, (3, 2, 0): 80}, False, id="a family's number now and then"),
        pytest.param({(0, 0, 0): 20}, False, id="too few pairs to know"),
        pytest.param({(0, 0, 1): 5000}, False, id="nobody shares one"),
        pytest.param({(-1, 0, 0): 5000}, False, id="no given names to tell by"),
    ],
)
def test_an_identifier_is_own_only_where_the_data_show_it(counts: dict[tuple[int, ...], float], expected: bool) -> None:
    assert is_own(NAMES, LAST, counts) is expected


def test_an_own_identifier_counts_like_a_number_of_the_persons_own(with_families: LinkageModel) -> None:
    renamed = replace(ELLA, given="MILLICENT", birth="1981-05-07")
    own = replace(with_families, own_identifier=True)
    unnamed = replace(ELLA, given=None)
    assert decide_pair(own, ELLA, unnamed).outcome is Outcome.LINK
    assert decide_pair(with_families, ELLA, renamed).outcome is not Outcome.LINK
