"""Headers of person files: our own, other tools', and a user's map."""

import pytest

from mpi.domain.columns import ColumnMap
from mpi.domain.errors import BadInput

FEBRL = ["rec_id", "given_name", "surname", "street_number", "address_1", "address_2", "suburb", "postcode", "state",
         "date_of_birth", "soc_sec_id"]  # fmt: skip
SPLINK = ["unique_id", "first_name", "surname", "dob", "city", "email", "cluster"]
OWN = ["record_id", "authority", "family_name", "birth_date", "true_person"]

MAP = """
birth_date_format = "%d/%m/%Y"
[columns]
family_name = "Nachname"
address_line = ["Strasse", "Nr"]
other_identifier = "soc_sec_id"
[extra.trade]
column = "occupation"
compare = "string"
"""


def test_our_own_headers_are_read_and_nothing_is_guessed():
    found = ColumnMap().resolve(OWN)
    assert set(found.sources) == {"record_id", "authority", "family_name", "birth_date"}
    assert found.recognised == {}


def test_truth_is_never_read():
    assert "true_person" not in ColumnMap().resolve(OWN).sources
    assert all("cluster" not in headers for headers in ColumnMap().resolve(SPLINK).sources.values())


def test_febrl_headers_are_recognised_but_its_number_needs_a_map():
    found = ColumnMap().resolve(FEBRL)
    assert found.sources["record_id"] == ("rec_id",)
    assert found.sources["address_line"] == ("street_number", "address_1")
    assert found.recognised["date_of_birth"] == "birth_date"
    assert "other_identifier" not in found.sources


def test_splink_headers_are_recognised():
    found = ColumnMap().resolve(SPLINK)
    assert found.recognised == {
        "unique_id": "record_id", "surname": "family_name", "first_name": "given_name", "dob": "birth_date",
        "city": "town",
    }  # fmt: skip


def test_spelling_of_headers_does_not_matter():
    assert ColumnMap().resolve(["Record ID", "Family-Name"]).sources == {
        "record_id": ("Record ID",),
        "family_name": ("Family-Name",),
    }


def test_a_map_goes_first_and_what_it_names_in_vain_is_reported():
    found = ColumnMap.parse(MAP).resolve(["Nachname", "surname", "Strasse", "Nr", "birth_date", "occupation"])
    assert found.sources["family_name"] == ("Nachname",)
    assert "surname" not in found.recognised
    assert found.absent == ("soc_sec_id",)
    row = {
        "Nachname": " Ashworth ",
        "Strasse": "Quarry Bank",
        "Nr": "14",
        "birth_date": "24/03/1968",
        "occupation": "x",
    }
    assert found.values(row) == {
        "family_name": "Ashworth",
        "address_line": "Quarry Bank 14",
        "birth_date": "1968-03-24",
    }
    assert found.extra_values(row) == {"trade": "x"}
    assert found.extra_kinds == {"trade": "string"}


def test_a_date_that_does_not_fit_stays_as_it_was_recorded():
    found = ColumnMap.parse(MAP).resolve(["birth_date"])
    assert found.values({"birth_date": "31/31/1968"}) == {"birth_date": "31/31/1968"}


BROKEN = {
    "no TOML": "columns = [",
    "an unknown column": '[columns]\nshoe_size = "x"',
    "an unknown entry": 'colums = "x"',
    "a header that is a number": "[columns]\nfamily_name = 3",
    "an empty list of headers": "[columns]\nfamily_name = []",
    "an extra without a column": '[extra.trade]\ncompare = "exact"',
    "an extra compared in an unknown way": '[extra.trade]\ncolumn = "x"\ncompare = "roughly"',
    "a date form that is no text": "birth_date_format = 1",
    "columns that are no table": 'columns = "x"',
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_map_is_refused_with_a_reason(name: str):
    with pytest.raises(BadInput, match="column map"):
        ColumnMap.parse(BROKEN[name])
