"""Which value is shown first, and why: one small table of records for each rule."""

from pathlib import Path

import pytest

from mpi.config import GOLDEN_CRITERIA, GOLDEN_FIELDS, InvalidConfiguration, parse
from mpi.domain import survivorship as s
from mpi.domain.person import DEMOGRAPHIC_FIELDS, Demographics
from mpi.domain.survivorship import Criterion, Rules, Said, golden

OLD, NEW = "2026-01-01T00:00:00.000000Z", "2026-06-01T00:00:00.000000Z"


def said(
    record_id: int, authority: str = "RXX", *, verified: bool = False, since: str = OLD, bad: str = "", **recorded: str
) -> Said:
    times = dict.fromkeys(DEMOGRAPHIC_FIELDS, since)
    return Said(record_id, authority, Demographics(**recorded), verified, times, frozenset(bad.split()))


def chosen(records: list[Said], rules: Rules | None = None) -> dict[str, tuple[str, int, str]]:
    found = golden(records, rules or Rules())
    return {one.field: (one.value, one.record_id, one.because) for one in found}


CASES = [
    pytest.param(
        [said(1, given_name="Ann"), said(2)], Rules(), "given_name", ("Ann", 1, s.ONLY), id="only one says anything"
    ),
    pytest.param(
        [said(1, given_name="ANN"), said(2, given_name="Ann")],
        Rules(),
        "given_name",
        ("ANN", 1, s.ALL_AGREE),
        id="case makes no other name",
    ),
    pytest.param(
        [said(1, birth_date="1980-01-02"), said(2, birth_date="1980-02-01", verified=True)],
        Rules(),
        "birth_date",
        ("1980-02-01", 2, s._WHY[Criterion.VERIFIED]),
        id="who has proved who this is goes first",
    ),
    pytest.param(
        [said(1, "RXX", sex="male"), said(2, "RYY", sex="female")],
        Rules(("RYY", "RXX")),
        "sex",
        ("female", 2, s._WHY[Criterion.SOURCE]),
        id="the trusted source goes first",
    ),
    pytest.param(
        [said(1, given_name="Ann"), said(2, given_name="Anne"), said(3, given_name="Anne")],
        Rules(),
        "given_name",
        ("Anne", 2, s._WHY[Criterion.AGREEMENT]),
        id="most say so",
    ),
    pytest.param(
        [said(1, verified=True, phone="1"), said(2, phone="2", since=NEW)],
        Rules(),
        "phone",
        ("2", 2, s._WHY[Criterion.RECENCY]),
        id="a phone number is what was said last",
    ),
    pytest.param(
        [said(1, verified=True, phone="1"), said(2, phone="2", since=NEW)],
        Rules((), {"phone": (Criterion.VERIFIED,)}),
        "phone",
        ("1", 1, s._WHY[Criterion.VERIFIED]),
        id="unless the installation says otherwise",
    ),
    pytest.param(
        [said(1, birth_date="32 May", verified=True, bad="birth_date"), said(2, birth_date="1980-02-01")],
        Rules(),
        "birth_date",
        ("1980-02-01", 2, s.READABLE),
        id="what cannot be read comes last",
    ),
    pytest.param(
        [said(1, sex="male"), said(2, sex="female")], Rules(), "sex", ("male", 1, s.FIRST_KNOWN), id="nothing decides"
    ),
]


@pytest.mark.parametrize(("records", "rules", "field", "expected"), CASES)
def test_one_value_and_why(records: list[Said], rules: Rules, field: str, expected: tuple[str, int, str]) -> None:
    assert chosen(records, rules)[field] == expected


def test_an_address_is_never_put_together_from_two() -> None:
    first = said(1, address_line="1 Old Road", town="Leeds", postcode="LS1 1AA")
    last = said(2, address_line="2 New Road", since=NEW)
    found = chosen([first, last])
    assert found["address_line"][:2] == ("2 New Road", 2) and not {"town", "postcode"} & found.keys()


def test_what_others_say_is_never_hidden() -> None:
    records = [said(1, given_name="Ann"), said(2, given_name="Bea", verified=True), said(3, given_name="Cleo")]
    [one] = golden(records, Rules())
    assert (one.value, one.others) == ("Bea", ((1, "Ann"), (3, "Cleo")))


def test_every_field_has_a_rule_and_the_configuration_knows_it() -> None:
    assert tuple(s.DEFAULT_RULES) == GOLDEN_FIELDS
    assert {field for lead in s.DEFAULT_RULES for field in s.GROUPS.get(lead, (lead,))} == set(DEMOGRAPHIC_FIELDS)
    assert tuple(one.value for one in Criterion) == GOLDEN_CRITERIA


AUTHORITIES = '[[authorities]]\ncode = "RXX"\n[[authorities]]\ncode = "RYY"\n'


def test_the_configuration_says_whom_to_trust() -> None:
    text = AUTHORITIES + '[golden]\nsources = ["ryy", "RXX"]\n[golden.rules]\nphone = ["source", "recency"]\n'
    found = parse(text, Path("mpi.toml"))
    assert (found.golden_sources, found.golden_rules) == (("RYY", "RXX"), {"phone": ("source", "recency")})


@pytest.mark.parametrize(
    ("golden", "line"),
    [
        pytest.param('[golden]\nsources = ["QQQ"]\n', 6, id="an authority that is not there"),
        pytest.param('[golden]\n[golden.rules]\nshoe_size = ["source"]\n', 7, id="a field that is not there"),
        pytest.param('[golden]\n[golden.rules]\nphone = ["loudest"]\n', 7, id="a criterion that is not there"),
        pytest.param("[golden]\n[golden.rules]\nphone = []\n", 7, id="no criterion"),
        pytest.param('[golden]\n[golden.rules]\npostcode = ["source"]\n', 7, id="a field that follows another"),
    ],
)
def test_a_rule_that_means_nothing_is_refused_with_its_line(golden: str, line: int) -> None:
    with pytest.raises(InvalidConfiguration, match=f"^mpi.toml:{line}:"):
        parse(AUTHORITIES + golden, Path("mpi.toml"))
