"""Which level each comparison of the shipped model reaches: two values in, plain English out."""

import pytest

from mpi.matching.model import load_default
from mpi.matching.prepare import prepare
from mpi.matching.weigh import evidence, judge
from tests.spec.tables import SHORT, cases, person

TABLE = """
| case | comparison | left | right | level |
|---|---|---|---|---|
| the same family name | family_name | family_name=Smith | family_name=SMITH | same |
| accents do not matter | family_name | family_name=Müller | family_name=MULLER | same |
| an apostrophe does not matter | family_name | family_name=O'Brien | family_name=OBRIEN | same |
| a former family name | family_name | family_name=Smith | family_name=Jones,previous=Smith | same as a previous name |
| nee is a former family name | family_name | family_name=Smith | family_name=Jones nee Smith | same as a previous name |
| names exchanged | family_name | family_name=Smith,given_name=Ann | family_name=Ann,given_name=Smith | exchanged with the given name |
| letters exchanged in a family name | family_name | family_name=WAKEGRAVE | family_name=WAKGERAVE | nearly the same spelling |
| one part of a double name | family_name | family_name=Smith-Jones | family_name=Jones | one part of the name the same |
| the same sound | family_name | family_name=Lee | family_name=Lowe | same sound |
| another family name | family_name | family_name=Smith | family_name=Patel | different |
| no family name on one side | family_name | family_name=Smith | given_name=Ann | missing |
| an unknown name is missing, not different | family_name | family_name=Smith | family_name=UNKNOWN | missing |
| a short form | given_name | given_name=William | given_name=Bill | a short form of the same name |
| two short forms | given_name | given_name=Bob | given_name=Robbie | a short form of the same name |
| an initial | given_name | given_name=David | given_name=D | same initial, the other only an initial |
| a given name exchanged counts once | given_name | family_name=Smith,given_name=Ann | family_name=Ann,given_name=Smith | exchanged with the family name |
| known by the middle name | given_name | given_name=Mark,middle=David | given_name=David | same as the middle name |
| a baby without a name | given_name | given_name=BABY OF SARAH | given_name=Ann | missing |
| the same birth date in two forms | birth_date | birth_date=19800102 | birth_date=1980-01-02 | same |
| day and month exchanged | birth_date | birth_date=1980-01-02 | birth_date=1980-02-01 | day and month exchanged |
| one digit of a date | birth_date | birth_date=1980-01-02 | birth_date=1980-01-12 | one digit different |
| digits of a year exchanged | birth_date | birth_date=1958-01-02 | birth_date=1985-01-02 | one digit different |
| only the year is known | birth_date | birth_date=1980-01-02 | birth_date=1980 | known in part, and that fits |
| another day of the same month | birth_date | birth_date=1980-01-02 | birth_date=1980-01-31 | two parts of three the same |
| another birth date | birth_date | birth_date=1980-01-02 | birth_date=1951-12-30 | different |
| a filler date is missing | birth_date | birth_date=1980-01-02 | birth_date=1900-01-01 | missing |
| an impossible date is missing | birth_date | birth_date=1980-01-02 | birth_date=1980-13-02 | missing |
| the same sex in two codes | sex | sex=1 | sex=male | same |
| another sex | sex | sex=1 | sex=F | different |
| an unknown sex is missing | sex | sex=1 | sex=0 | missing |
| all of a household | residence | postcode=LS6 4QB,address=14 Quarry Bank,phone=01632 960001 | postcode=LS64QB,address=14 QUARRY BANK,phone=+441632960001 | same address and telephone |
| the same address | residence | postcode=LS6 4QB,address=14 High Street | postcode=LS6 4QB,address=14 High St | same address |
| the house next door | residence | postcode=LS6 4QB,address=14 High Street | postcode=LS6 4QB,address=16 High Street | same postcode |
| zero for O in a postcode | residence | postcode=SO14 0AA | postcode=S014 OAA | same postcode |
| the same telephone elsewhere | residence | postcode=LS6 4QB,phone=01632 960001 | postcode=EX4 9ZZ,phone=01632960001 | same telephone |
| a slip in the postcode | residence | postcode=LS6 4QB | postcode=LS6 4QD | postcode one character different |
| the same sector | residence | postcode=LS6 4QB | postcode=LS6 4AX | same postcode sector |
| the same town | residence | postcode=LS6 4QB,town=Leeds | postcode=LS1 1AX,town=LEEDS | same town |
| the same outward code | residence | postcode=LS6 4QB | postcode=LS6 9AX | same outward postcode |
| another place | residence | postcode=LS6 4QB | postcode=EX4 9ZZ | different |
| a pseudo postcode is missing | residence | postcode=ZZ99 3VZ | postcode=ZZ99 3VZ | missing |
| another telephone alone says nothing | residence | phone=01632 960001 | phone=01632 960777 | missing |
| a postcode of another country as written | residence | postcode=75008 | postcode=75 008 | same postcode |
| the same number | nhs_number | nhs=999 000 0018 | nhs=9990000018 | same |
| another number | nhs_number | nhs=9990000018 | nhs=9990012342 | different |
| status 04 leaves the number out | nhs_number | nhs=9990000018,status=04 | nhs=9990000018,status=01 | missing |
| a wrong check digit leaves the number out | nhs_number | nhs=9990000019 | nhs=9990000018 | missing |
| another identifier, one character off | other_identifier | other=EX4711022 | other=EX4711023 | one character different |
| the same e-mail | email | email=A.Smith@example.org | email=a.smith@EXAMPLE.org | same |
| a placeholder e-mail is missing | email | email=none@nhs.net | email=none@nhs.net | missing |
"""  # noqa: E501 - one case a line


def fields(text: str) -> dict[str, str]:
    return {SHORT[name]: value for name, _, value in (part.partition("=") for part in text.split(","))}


@pytest.mark.parametrize("row", cases(TABLE))
def test_level_of(row: dict[str, str]) -> None:
    left, _ = prepare(person("-", **fields(row["left"])), allow_test_numbers=True)
    right, _ = prepare(person("-", **fields(row["right"])), allow_test_numbers=True)
    model = load_default()
    for a, b in ((left, right), (right, left)):
        found = {e.comparison: e for e in evidence(model, judge(model, a, b))}
        assert found[row["comparison"]].label == row["level"]
        if row["level"] == "missing":
            assert found[row["comparison"]].bits == 0.0
