"""The builders give what they promise: numbers nobody has, and people of their own."""

import nhs_number as reference

from tests.builders import a_record, demographics, nhs_number, with_wrong_check_digit


def test_numbers_are_valid_and_of_the_range_that_is_never_issued() -> None:
    numbers = [nhs_number(n) for n in range(50)]
    assert len(set(numbers)) == 50
    assert all(number.startswith("999") and reference.is_valid(number) for number in numbers)


def test_a_wrong_check_digit_is_wrong() -> None:
    assert not any(reference.is_valid(with_wrong_check_digit(nhs_number(n))) for n in range(50))


def test_a_record_says_only_what_was_recorded() -> None:
    record = a_record(postcode=None, given_name="Aoife")
    assert record.changes["given_name"] == "Aoife"
    assert "postcode" not in record.changes


def test_records_have_local_numbers_of_their_own() -> None:
    assert a_record().local_id != a_record().local_id


def test_a_person_is_the_same_each_time() -> None:
    assert demographics() == demographics()
