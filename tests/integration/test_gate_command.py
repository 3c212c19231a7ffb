"""`mpi gate` and the gate among the real services: registered by the feed, merged, held for review."""

import io
import json
from pathlib import Path
from typing import Any

import pydicom
import pytest
from click.testing import CliRunner
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from mpi.bootstrap import App
from mpi.cli.gate import gate
from mpi.dicom.header import header_from_dataset
from mpi.domain.audit import Actor
from mpi.domain.errors import BadInput
from mpi.domain.messages import AckCode
from mpi.domain.study import GateAnswer, GateDecision, RuleResult
from tests.builders import nhs_number
from tests.index import config_for, merge, open_index, persons_of, register

OPERATOR = Actor("gate operator", "gate-operator")
N1, N2 = nhs_number(41), nhs_number(42)
UIDS = iter(f"1.2.826.0.1.3680043.10.{n}" for n in range(1, 1000))


def an_object(**values: str) -> Dataset:
    """A CT object of the invented person of `tests.builders`."""
    data = Dataset()
    values = {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": "1.2.3.4",
        "StudyInstanceUID": next(UIDS),
        "StudyDate": "20240110",
        "PatientName": "ASHWORTH^MARIA",
        "PatientID": "1",
        "IssuerOfPatientID": "RXX",
        "PatientBirthDate": "19680324",
        "PatientSex": "F",
    } | values
    for keyword, value in values.items():
        setattr(data, keyword, value)
    return data


def check(app: App, **values: str) -> GateAnswer:
    """The gate's answer to such an object."""
    return app.gate.check(OPERATOR, header_from_dataset(an_object(**values)))


def failed(answer: GateAnswer) -> list[str]:
    """The rules that failed."""
    return [outcome.rule for outcome in answer.rules if outcome.result is RuleResult.FAILED]


def test_a_person_the_feed_has_registered(app: App) -> None:
    register(app, "RXX", "1", nhs_number=N1, nhs_number_status="01")
    register(app, "RYY", "77", nhs_number=N1, nhs_number_status="01")
    (person,) = set(persons_of(app, ("RXX", "1"), ("RYY", "77")))
    by_local, by_nhs = check(app), check(app, PatientID=N1, IssuerOfPatientID="NHS")
    assert (by_local.decision, by_local.person) == (GateDecision.ATTACH, person)
    assert (by_nhs.decision, by_nhs.person) == (GateDecision.ATTACH, person)


def test_a_number_merged_by_the_feed_leads_to_the_survivor(app: App) -> None:
    register(app, "RXX", "1")
    register(app, "RXX", "2")
    assert merge(app, "2", "1").ack is AckCode.ACCEPTED
    answer = check(app, PatientID="2")
    assert (answer.decision, answer.person) == (GateDecision.ATTACH, persons_of(app, ("RXX", "1"))[0])


def test_a_review_task_holds(app: App) -> None:
    register(app, "RXX", "1", nhs_number=N1)
    register(app, "RYY", "77", nhs_number=N2)
    answer = check(app)
    assert (answer.decision, failed(answer)) == (GateDecision.HOLD, ["no-open-review"])


def test_an_update_of_the_feed_is_seen_at_once(app: App) -> None:
    register(app, "RXX", "1")
    assert check(app, PatientName="HOLT^MARIA").decision is GateDecision.HOLD
    register(app, "RXX", "1", family_name="Holt")
    assert check(app, PatientName="HOLT^MARIA").decision is GateDecision.ATTACH
    assert check(app).decision is GateDecision.HOLD


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def options(migrated_sqlite_url: str, tmp_path: Path) -> list[str]:
    """Options that lead to an index in which RXX knows the person as 1."""
    app = open_index(migrated_sqlite_url)
    register(app, "RXX", "1", nhs_number=N1, nhs_number_status="01")
    app.close()
    lines = []
    for authority in config_for("").authorities:
        if authority.code != "NHS":
            lines += ["[[authorities]]", f'code = "{authority.code}"', f"test = {str(authority.test).lower()}"]
    config = tmp_path / "mpi.toml"
    config.write_text("\n".join(lines), encoding="utf-8")
    return ["--database", migrated_sqlite_url, "--config", str(config)]


def put(folder: Path, name: str, **values: str) -> Path:
    """Write an object as a DICOM file."""
    data = an_object(**values)
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID, data.file_meta.MediaStorageSOPInstanceUID = CTImageStorage, "1.2.3.4"
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, data, enforce_file_format=True)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_bytes(buffer.getvalue())
    return file


@pytest.mark.parametrize(
    ("values", "exit_code", "words"),
    [
        pytest.param({}, 0, ["attach", "yes  birth-date"], id="attach"),
        pytest.param({"PatientBirthDate": ""}, 10, ["hold", "NO  birth-date", "[hold]", "it could be P"], id="hold"),
        pytest.param({"QualityControlSubject": "YES"}, 11, ["refuse", "NO  not-quality-control"], id="refuse"),
    ],
)  # fmt: skip
def test_the_command_says_it_in_words_and_by_its_exit_code(
    values: dict[str, str], exit_code: int, words: list[str], options: list[str], tmp_path: Path
) -> None:
    result = CliRunner().invoke(gate, [str(put(tmp_path, "a.dcm", **values)), *options])
    assert result.exit_code == exit_code, result.output
    for word in words:
        assert word in result.output
    assert "ASHWORTH" not in result.output


def test_of_several_studies_the_worst_decision_gives_the_exit_code(options: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "disc"
    put(folder, "1")
    put(folder, "2", PatientIdentityRemoved="YES")
    put(folder, "3", PatientBirthDate="")
    result = CliRunner().invoke(gate, [str(folder), "--json", *options])
    answers: list[dict[str, Any]] = json.loads(result.output)
    assert [answer["decision"] for answer in answers] == ["attach", "refuse", "hold"]
    assert answers[0]["person"]
    assert answers[1]["rules"][0].keys() == {"rule", "result", "on_failure", "reason"}
    assert result.exit_code == 11


def test_a_file_that_is_no_dicom_ends_the_command(options: list[str], tmp_path: Path) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("no study")
    result = CliRunner().invoke(gate, [str(file), *options])
    assert isinstance(result.exception, BadInput)
    assert result.exception.exit_code == 4


def test_a_file_that_is_cut_off_ends_the_command(options: list[str], tmp_path: Path) -> None:
    file = put(tmp_path, "a.dcm")
    file.write_bytes(file.read_bytes()[:-3])
    result = CliRunner().invoke(gate, [str(file), *options])
    assert isinstance(result.exception, BadInput)
    assert "cut off" in str(result.exception)
