"""Recorded values made comparable: one table for each kind of value."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpi.domain.person import Demographics, ValueProblem
from mpi.matching import names, nhs_number
from mpi.matching.block import MAX_KEYS, blocking_keys
from mpi.matching.fold import fold
from mpi.matching.prepare import PROBLEMS, prepare, prepare_extra
from mpi.matching.prepared import Prepared


def read(field: str, text: str, *, tests: bool = True) -> tuple[Prepared, tuple[ValueProblem, ...]]:
    return prepare(Demographics(**{field: text}), allow_test_numbers=tests)


FAMILY = [
    ("capitals", "Smith", "SMITH"),
    ("an apostrophe", "O'Brien", "OBRIEN"),
    ("a typographic apostrophe", "O’Brien", "OBRIEN"),
    ("a hyphen", "Smith-Jones", "SMITH JONES"),
    ("an umlaut", "Müller", "MULLER"),
    ("a sharp s", "Strauß", "STRAUSS"),
    ("a Polish l", "Łukasik", "LUKASIK"),
    ("a Danish o", "Jørgensen", "JORGENSEN"),
    ("an ash", "Æthelstan", "AETHELSTAN"),
    ("a title", "Mrs Smith", "SMITH"),
    ("a title alone is a name", "Lord", "LORD"),
    ("a suffix", "Smith Jnr", "SMITH"),
    ("baby in brackets", "SMITH (BABY)", "SMITH"),
    ("baby of", "BABY OF SMITH", "SMITH"),
    ("nee", "Smith née Jones", "SMITH"),
    ("known as", "Smith known as Jones", "SMITH"),
    ("a control character", "SMI\x00TH", "SMI TH"),
    ("a name that begins like a marker", "Babington", "BABINGTON"),
    ("a name that begins like a test", "Testa", "TESTA"),
    ("another alphabet", "Смирнов", None),
    ("unknown", "Unknown", None),
    ("not known", "NOT KNOWN", None),
    ("a test entry", "ZZZTEST", None),
    ("a row of one letter", "XXXX", None),
    ("digits", "123", None),
]


@pytest.mark.parametrize(("text", "expected"), [c[1:] for c in FAMILY], ids=[c[0] for c in FAMILY])
def test_family_name(text: str, expected: str | None) -> None:
    assert read("family_name", text)[0].family == expected


GIVEN = [
    ("a title", "Dr. Ann", "ANN", False, None),
    ("two names", "Mary-Ann", "MARY ANN", False, None),
    ("known as in brackets", "Elizabeth (Liz)", "ELIZABETH", False, None),
    ("known as", "Elizabeth KNOWN AS Liz", "ELIZABETH", False, None),
    ("baby of", "Baby of Sarah", None, True, None),
    ("baby", "BABY", None, True, None),
    ("baby with sex", "Baby Girl", None, True, None),
    ("a numbered baby", "BABY 2", None, True, "2"),
    ("baby and sex run together", "BABYBOY", None, True, None),
    ("baby and sex, shortened", "BGIRL", None, True, None),
    ("baby and number run together", "BABY2", None, True, "2"),
    ("baby and letter run together", "BABYB", None, True, "2"),
    ("newborn and number run together", "NEWBORN1", None, True, "1"),
    ("boy and letter", "BOY A", None, True, "1"),
    ("girl and number", "GIRL2", None, True, "2"),
    ("sex and number", "M1", None, True, "1"),
    ("twin shortened", "TW2", None, True, "2"),
    ("one of four", "QUAD 3", None, True, "3"),
    ("NB", "NB", None, True, None),
    ("a name that begins like boy", "BOYD", "BOYD", False, None),
    ("a name of two letters", "MA", "MA", False, None),
    ("a shortened Mohammed", "MD", "MD", False, None),
    ("a title alone", "MASTER", None, False, None),
    ("a title that is a name", "MAJOR", "MAJOR", False, None),
    ("twin one", "Twin One", None, True, "1"),
    ("a triplet", "TRIPLET III", None, True, "3"),
    ("a named twin", "EMMA TWIN 2", "EMMA", False, "2"),
    ("male", "MALE", None, False, None),
    ("not known", "not known", None, False, None),
    ("n/a", "N/A", None, False, None),
    ("an initial", "J", "J", False, None),
]


@pytest.mark.parametrize(("text", "name", "newborn", "order"), [c[1:] for c in GIVEN], ids=[c[0] for c in GIVEN])
def test_given_name(text: str, name: str | None, newborn: bool, order: str | None) -> None:
    found, _ = read("given_name", text)
    assert (found.given, found.newborn, found.birth_order) == (name, newborn, order)


def test_nee_names_a_previous_family_name():
    assert read("family_name", "Smith nee Jones")[0].previous_family == "JONES"


PLACEHOLDERS = [
    ("an unknown family name", "UNKNOWN", "David", True),
    ("a test family name", "ZZZTEST", "David", True),
    ("a test given name", "Smith", "TEST", True),
    ("nothing but an unknown given name", None, "Unknown", True),
    ("an unknown given name of a known family", "Smith", "UNKNOWN", False),
    ("a stock name", "DOE", "John", True),
    ("somebody", "Smith", "David", False),
    ("nothing at all", None, None, False),
]


@pytest.mark.parametrize(
    ("family", "given", "expected"), [c[1:] for c in PLACEHOLDERS], ids=[c[0] for c in PLACEHOLDERS]
)
def test_placeholder_person(family: str | None, given: str | None, expected: bool) -> None:
    prepared, _ = prepare(Demographics(family_name=family, given_name=given), allow_test_numbers=True)
    assert prepared.placeholder is expected
    assert blocking_keys(replace(prepared, phone="01632960001"))[:1] == (() if expected else ("t|01632960001",))


BIRTHS = [
    ("ISO", "1980-01-02", "1980-01-02", None, None),
    ("HL7", "19800102", "1980-01-02", None, None),
    ("HL7 with a time", "198001021530", "1980-01-02", None, None),
    ("HL7 with seconds and zone", "19800102153000+0100", "1980-01-02", None, None),
    ("ISO with a time", "1980-01-02T15:30:00Z", "1980-01-02", None, None),
    ("another century", "1723-04-05", "1723-04-05", None, None),
    ("a leap day", "2000-02-29", "2000-02-29", None, None),
    ("a year", "1980", None, "1980", None),
    ("a year and month", "198005", None, "1980-05", None),
    ("an unknown day", "1980-05-00", None, "1980-05", None),
    ("an unknown day and month", "19800000", None, "1980", None),
    ("month 13", "1980-13-01", None, None, "impossible-date"),
    ("30 February", "19800230", None, None, "impossible-date"),
    ("no leap day", "1900-02-29", None, None, "impossible-date"),
    ("a filler", "1900-01-01", None, None, "placeholder"),
    ("zeros", "00000000", None, None, "placeholder"),
    ("nines", "99991231", None, None, "placeholder"),
    ("day first is not guessed at", "02/01/1980", None, None, "unreadable"),
    ("words", "unknown", None, None, "unreadable"),
    ("Arabic-Indic digits", "١٩٨٠٠١٠٢", None, None, "unreadable"),
]


@pytest.mark.parametrize(("text", "whole", "part", "problem"), [c[1:] for c in BIRTHS], ids=[c[0] for c in BIRTHS])
def test_birth_date(text: str, whole: str | None, part: str | None, problem: str | None) -> None:
    found, problems = read("birth_date", text)
    assert (found.birth, found.birth_partial) == (whole, part)
    assert [p.problem for p in problems] == ([problem] if problem else [])


POSTCODES = [
    ("spaces", "ls6  4qb", "LS64QB", None),
    ("O for zero in the inward part", "LS6 OAA", "LS60AA", None),
    ("zero for O in the area", "0X1 2JD", "OX12JD", None),
    ("I for 1", "LSI 4QB", "LS14QB", None),
    ("a London code", "sw1a 1aa", "SW1A1AA", None),
    ("Girobank", "GIR 0AA", "GIR0AA", None),
    ("a pseudo postcode", "ZZ99 3VZ", None, "placeholder"),
    ("a row of X", "XXX", None, "placeholder"),
    ("not known", "NOT KNOWN", None, "placeholder"),
    ("a French one", "75 008", "75008", None),
    ("a Dutch one", "1234 ab", "1234AB", None),
    ("an Irish one", "D02 X285", "D02X285", None),
    ("punctuation", "--", None, "unreadable"),
]


@pytest.mark.parametrize(("text", "expected", "problem"), [c[1:] for c in POSTCODES], ids=[c[0] for c in POSTCODES])
def test_postcode(text: str, expected: str | None, problem: str | None) -> None:
    found, problems = read("postcode", text)
    assert (found.postcode, [p.problem for p in problems]) == (expected, [problem] if problem else [])


NUMBERS = [
    ("ten digits", "9990000018", True, "9990000018", None),
    ("spaces", "999 000 0018", True, "9990000018", None),
    ("hyphens", "999-000-0018", True, "9990000018", None),
    ("a test number in a live feed", "9990000018", False, None, "test-range"),
    ("a wrong check digit", "9990000019", True, None, "check-digit"),
    ("a number that cannot exist", "9991234560", True, None, "check-digit"),
    ("zeros", "0000000000", True, None, "placeholder"),
    ("threes", "3333333333", True, None, "placeholder"),
    ("nines", "9999999999", True, None, "placeholder"),
    ("letters", "SWCB1234", True, None, "old-style"),
    ("words", "not known yet", True, None, "unreadable"),
    ("eight digits", "99900000", True, None, "unreadable"),
    ("eleven digits", "99900000181", True, None, "unreadable"),
    ("Arabic-Indic digits", "٩٩٩٠٠٠٠٠١٨", True, None, "unreadable"),
]


@pytest.mark.parametrize(
    ("text", "tests", "expected", "problem"), [c[1:] for c in NUMBERS], ids=[c[0] for c in NUMBERS]
)
def test_nhs_number(text: str, tests: bool, expected: str | None, problem: str | None) -> None:
    found, problems = read("nhs_number", text, tests=tests)
    assert (found.nhs, [p.problem for p in problems]) == (expected, [problem] if problem else [])


def test_nine_digits_that_lost_their_zero_are_flagged_and_not_repaired():
    assert nhs_number.read("0101010109", allow_test_numbers=True).number == "0101010109"
    assert nhs_number.read("101010109", allow_test_numbers=True) == nhs_number.Read(None, "lost-leading-zero")


STATUSES = [("01", True, True), ("1", True, True), ("NSTS01", True, True), ("02", False, True), ("04", False, False),
            ("NSTS05", False, False), ("08", False, True), ("99", False, True), ("", False, True)]  # fmt: skip


@pytest.mark.parametrize(("status", "verified", "usable"), STATUSES, ids=[c[0] or "none" for c in STATUSES])
def test_nhs_number_status(status: str, verified: bool, usable: bool) -> None:
    said = Demographics(nhs_number="9990000018", nhs_number_status=status)
    found, problems = prepare(said, allow_test_numbers=True)
    assert (found.nhs_verified, found.nhs_usable) == (verified, usable)
    assert [p.problem for p in problems] == (["unknown-code"] if status == "99" else [])


RANGES = [("0101010109", "Scotland"), ("3200000000", "Northern"), ("4000000000", "England"), ("5000000005", "internal"),
          ("7000000000", "England"), ("8120000008", "Ireland"), ("8600000000", "spare"), ("9000000009", "test"),
          ("0000000001", "not in use")]  # fmt: skip


@pytest.mark.parametrize(("number", "label"), RANGES, ids=[r[1] + " " + r[0][:3] for r in RANGES])
def test_range_of_a_number(number: str, label: str) -> None:
    assert label in nhs_number.range_of(number).value


def test_a_number_is_shown_3_3_4():
    assert nhs_number.display("9990000018") == "999 000 0018"


SEXES = [("1", "M"), ("M", "M"), ("male", "M"), ("2", "F"), ("f", "F"), ("Female", "F"), ("9", "O"), ("O", "O"),
         ("other", "O"), ("0", None), ("X", None), ("U", None), ("unknown", None)]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), SEXES, ids=[f"sex {s[0]}" for s in SEXES])
def test_sex(text: str, expected: str | None) -> None:
    found, problems = read("sex", text)
    assert (found.sex, problems) == (expected, ())


PHONES = [
    ("spaces", "01632 960 001", "01632960001"),
    ("+44", "+44 1632 960001", "01632960001"),
    ("+44 (0)", "+44 (0)1632 960001", "01632960001"),
    ("0044", "0044 1632 960001", "01632960001"),
    ("a mobile", "07700-900123", "07700900123"),
    ("another country", "+33 1 23 45 67 89", "+33123456789"),
    ("an extension", "01632 960001 ext 12", "01632960001"),
    ("all the same digit", "00000000000", None),
    ("a filler", "07777777777", None),
    ("too short", "999", None),
    ("words", "none", None),
]


@pytest.mark.parametrize(("text", "expected"), [c[1:] for c in PHONES], ids=[c[0] for c in PHONES])
def test_phone(text: str, expected: str | None) -> None:
    found, problems = read("phone", text)
    assert found.phone == expected
    assert bool(problems) is (expected is None)


OTHERS = [
    ("an e-mail", "email", "mailto:A.B@Example.ORG", "email", "a.b@example.org"),
    ("no e-mail", "email", "noemail@nhs.net", "email", None),
    ("no address at all", "address_line", "No Fixed Abode", "address", None),
    ("an address", "address_line", "Flat 2, 14 High Street", "address", "FLAT 2 14 HIGH ST"),
    ("no practice", "gp_practice", "V81999", "gp", None),
    ("a practice", "gp_practice", "a81001", "gp", "A81001"),
    ("an identifier", "other_identifier", "ex 47-11", "other_id", "EX4711"),
    ("an identifier of one repeated digit", "other_identifier", "0000000", "other_id", None),
    ("a birth order", "multiple_birth_order", "02", "birth_order", "2"),
    ("an impossible birth order", "multiple_birth_order", "twenty", "birth_order", None),
    ("a death date", "death_date", "20240229", "death", "2024-02-29"),
]


@pytest.mark.parametrize(("field", "text", "into", "expected"), [c[1:] for c in OTHERS], ids=[c[0] for c in OTHERS])
def test_other_value(field: str, text: str, into: str, expected: str | None) -> None:
    found, problems = read(field, text)
    assert getattr(found, into) == expected
    assert bool(problems) is (expected is None)
    assert all(problem.problem in PROBLEMS and problem.field == field for problem in problems)


EXTRAS = [("string", " Léon ", "LEON"), ("exact", "b-12", "B-12"), ("date", "19800102", "1980-01-02"),
          ("date", "soon", None), ("number", "1,200.5", "1200.5"), ("number", "nan", None),
          ("number", "x", None)]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "expected"), EXTRAS, ids=[f"{e[0]} {e[1]}" for e in EXTRAS])
def test_a_field_of_the_users_own(kind: str, text: str, expected: str | None) -> None:
    assert prepare_extra(text, kind) == expected


def test_a_missing_part_skips_its_keys():
    whole = Demographics(family_name="Smith", given_name="Ann", birth_date="19800102", postcode="LS6 4QB")
    prepared, _ = prepare(whole, allow_test_numbers=True)
    kinds = {key.split("|")[0] for key in blocking_keys(prepared)}
    assert kinds == {"y", "m", "b", "d", "p"}
    without, _ = prepare(Demographics(family_name="Smith"), allow_test_numbers=True)
    assert blocking_keys(without) == ()


def test_exchanged_names_and_dates_still_meet():
    one, _ = prepare(
        Demographics(family_name="Ann", given_name="Smith", birth_date="19800201"), allow_test_numbers=True
    )
    two, _ = prepare(
        Demographics(family_name="Smith", given_name="Ann", birth_date="19800102"), allow_test_numbers=True
    )
    assert set(blocking_keys(one)) & set(blocking_keys(two))


def test_no_record_has_more_keys_than_it_may():
    everything = Demographics(
        nhs_number="9990000018", family_name="Smith-Jones-Brown", given_name="Ann", previous_family_name="Patel",
        birth_date="19800102", postcode="LS6 4QB", phone="01632960001", email="a@example.org",
        other_identifier="EX4711",
    )  # fmt: skip
    keys = blocking_keys(prepare(everything, allow_test_numbers=True)[0])
    assert len(keys) == MAX_KEYS
    assert len(set(keys)) == MAX_KEYS


MARKERS = st.sampled_from(
    "BABY BABE NEWBORN INFANT NEONATE FETUS FOETUS TWIN TRIPLET TRIP TWA QUADA BB NB ONE TWO AKA PREFERS CALLED NEE "
    "FORMERLY PREVIOUSLY TEST X Z TESTER PATIENT DUMMY DEMO TRAINING MR MASTER UNKNOWN BOY GIRL MALE FEMALE OF A B D M "
    "JR II DR SMITH ANON MAN ALSO KNOWN AS NAME PREFERRED NEW BORN TW O NO NOT".split()
)


PARTS = st.lists(MARKERS | st.sampled_from(" -'1("), min_size=1, max_size=6).map("".join)
NAMES = PARTS | st.lists(MARKERS, max_size=4).map(" ".join) | st.text("ABEFNORTWXY '-", max_size=8)


@given(NAMES.map(fold), st.booleans())
@settings(max_examples=1000)
def test_a_plain_name_is_read_quickly_as_it_would_be_slowly(name: str, given_name: bool) -> None:
    assert names.read_name(name, given=given_name) == names._read_marked(name, given_name)


@given(st.integers(0, 10**10 - 1).map("{:010}".format))
def test_the_test_range_is_known_by_its_first_digit(number: str) -> None:
    assert number.startswith(nhs_number.FIRST_OF_TEST_RANGE) == (nhs_number.range_of(number) is nhs_number.Range.TEST)
