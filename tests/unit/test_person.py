"""How an update changes what was recorded."""

import pytest

from mpi.domain.person import Demographics
from tests.builders import nhs_number

VERIFIED = Demographics(nhs_number=nhs_number(1), nhs_number_status="01", family_name="Ashworth", phone="0113 496 0101")


@pytest.mark.parametrize(
    ("changes", "after"),
    [
        pytest.param({}, VERIFIED.as_dict(), id="nothing said, nothing changed"),
        pytest.param(
            {"family_name": "Holt", "phone": ""},
            {"nhs_number": nhs_number(1), "nhs_number_status": "01", "family_name": "Holt"},
            id="said fields change and null erases",
        ),
        pytest.param(
            {"nhs_number": nhs_number(2)},
            {"nhs_number": nhs_number(2), "family_name": "Ashworth", "phone": "0113 496 0101"},
            id="another number is not verified by the old one's status",
        ),
        pytest.param(
            {"nhs_number": nhs_number(2), "nhs_number_status": "02"},
            {
                "nhs_number": nhs_number(2),
                "nhs_number_status": "02",
                "family_name": "Ashworth",
                "phone": "0113 496 0101",
            },
            id="another number with a status of its own",
        ),
        pytest.param(
            {"nhs_number": f"{nhs_number(1)[:3]} {nhs_number(1)[3:6]} {nhs_number(1)[6:]}"},
            VERIFIED.as_dict() | {"nhs_number": f"{nhs_number(1)[:3]} {nhs_number(1)[3:6]} {nhs_number(1)[6:]}"},
            id="the same number in other spelling keeps its status",
        ),
        pytest.param(
            {"nhs_number": ""},
            {"family_name": "Ashworth", "phone": "0113 496 0101"},
            id="a number that is erased takes its status along",
        ),
        pytest.param(
            {"nhs_number_status": "05"},
            VERIFIED.as_dict() | {"nhs_number_status": "05"},
            id="a status alone",
        ),
    ],
)
def test_update(changes: dict[str, str], after: dict[str, str]) -> None:
    assert VERIFIED.changed(changes).as_dict() == after


def test_unknown_field_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(KeyError):
        VERIFIED.changed({"shoe_size": "39"})
