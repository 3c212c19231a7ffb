"""From quarantine to the archive: only what the gate attaches, once, in the local patient's name; nothing lost."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless, MRImageStorage

from mpi.config import DicomForward
from mpi.domain.audit import Actor
from mpi.domain.errors import NotAllowed
from mpi.domain.quarantine import ObjectState
from tests.dicom_objects import STUDY, an_object
from tests.dicom_world import Archive, NodeWorld
from tests.gate_world import MARIA, MARIA_NHS, OPERATOR, OTHER_STUDY, PETER, a_header, rxx

KEPT, FORWARDED, SENDING = ObjectState.KEPT, ObjectState.FORWARDED, ObjectState.SENDING
PETERS = {
    "PatientID": "200",
    "PatientName": "HOLT^PETER",
    "PatientBirthDate": "19511102",
    "PatientSex": "M",
}


@pytest.fixture
def archive() -> Iterator[Archive]:
    """The local PACS."""
    archive = Archive()
    yield archive
    archive.close()


def node(url: str, folder: Path, archive: Archive, **said: Any) -> NodeWorld:
    forward = {"ae_title": "PACS", "host": "127.0.0.1", "port": archive.port, "authority": "RYY", "timeout": 10.0}
    world = NodeWorld(url, folder, DicomForward(**(forward | said)))
    world.world.record(world.world.maria, "RYY", "L77", MARIA)
    return world


@pytest.fixture
def here(migrated_url: str, tmp_path: Path, archive: Archive) -> Iterator[NodeWorld]:
    """A node before an archive that knows Maria as RYY L77."""
    world = node(migrated_url, tmp_path, archive)
    yield world
    world.close()


def again(here: NodeWorld) -> None:
    """Let all studies and objects be looked at now, as after their pause."""
    here.forwarder._not_before = 0.0
    with here.world.store.writing(identities=False) as unit:
        for table in ("dicom_study", "dicom_object"):
            unit.connection._plain(f"UPDATE {table} SET not_before = NULL")  # noqa: S608 - two names of ours
    here.work()


def test_a_right_study_goes_on_in_the_name_of_the_local_patient(here: NodeWorld, archive: Archive) -> None:
    syntaxes = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless)
    objects = [an_object(n, syntax=syntax) for n, syntax in enumerate(syntaxes, 1)]
    objects.append(an_object(4, SOPClassUID=MRImageStorage))
    assert here.send(*objects[:2]) == here.send(*objects[2:]) == [0, 0]
    here.work()

    assert {str(one.PatientID) for one in archive.received} == {"L77"}
    assert {str(one.PatientName) for one in archive.received} == {"Ashworth^Maria^Jane"}
    assert [one.PatientID for one in archive.received[0].OtherPatientIDsSequence] == [MARIA_NHS, "100"]
    came = [(one.SOPInstanceUID, one.file_meta.TransferSyntaxUID, one.PixelData) for one in archive.received]
    assert came == [(one.SOPInstanceUID, one.file_meta.TransferSyntaxUID, one.PixelData) for one in objects]
    assert here.states(STUDY) == [FORWARDED] * 4
    assert here.files() == here.leftovers() == []


def test_what_came_and_went_is_success_when_it_comes_again_and_is_not_sent_twice(
    here: NodeWorld, archive: Archive
) -> None:
    for _ in range(2):
        assert here.send(an_object()) == [0]
        here.work()
    assert len(archive.received) == 1
    assert here.files() == []


def test_a_late_object_of_an_attached_study_goes_on_without_another_check(here: NodeWorld, archive: Archive) -> None:
    here.send(an_object())
    here.work()
    here.send(an_object(2))
    here.forwarder.step()
    assert len(archive.received) == 2


def test_a_study_with_two_patients_goes_nowhere(here: NodeWorld, archive: Archive) -> None:
    here.send(an_object(1), an_object(2, **PETERS))
    here.work()
    assert archive.received == []
    assert here.states(STUDY) == [KEPT, KEPT]
    assert here.quarantine.groups(STUDY) == [1, 1]
    assert here.send(an_object(3)) == [0x0124]


def test_an_object_of_another_patient_stops_the_study_that_went_on(here: NodeWorld, archive: Archive) -> None:
    here.send(an_object(1))
    here.work()
    here.send(an_object(2, **PETERS), an_object(3))
    here.work()
    again(here)
    assert [str(one.PatientID) for one in archive.received] == ["L77"]
    assert here.states(STUDY) == [FORWARDED, KEPT, KEPT]


def test_other_bytes_under_a_known_uid_never_go_on(here: NodeWorld, archive: Archive) -> None:
    here.send(an_object(), an_object(pixels=bytes(512)), an_object(PatientName="HOLT^PETER"))
    here.work()
    again(here)
    assert len(archive.received) == 1
    assert here.states(STUDY) == [FORWARDED, ObjectState.DIFFERS, ObjectState.DIFFERS]


def test_a_held_study_waits_and_goes_on_by_itself_when_it_is_released(here: NodeWorld, archive: Archive) -> None:
    here.send(an_object(IssuerOfPatientID=None))
    here.work()
    assert archive.received == []
    here.send(an_object(2, IssuerOfPatientID=None))
    here.forwarder.step()
    assert archive.received == []

    with here.world.store.reading() as unit:
        held = unit.studies.get(STUDY)
        assert held is not None
        assert held.person_id is None
    here.world.check(a_header(patient_id=rxx("100")))
    here.work()
    assert [str(one.PatientID) for one in archive.received] == ["L77", "L77"]


def test_a_detached_study_sends_no_more(here: NodeWorld, archive: Archive) -> None:
    here.send(an_object())
    here.work()
    here.decisions.detach(OPERATOR, STUDY, "it is somebody else's")
    assert here.send(an_object(2)) in ([0], [0x0124])
    here.work()
    again(here)
    assert len(archive.received) == 1


def test_a_person_without_a_number_at_the_archive_waits_for_one(here: NodeWorld, archive: Archive) -> None:
    here.send(an_object(study=OTHER_STUDY, **PETERS))
    here.work()
    assert archive.received == []
    here.world.record(here.world.peter, "RYY", "L78", PETER)
    again(here)
    assert [str(one.PatientID) for one in archive.received] == ["L78"]


# The library leaves the socket of a connection that was refused to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_archive_that_is_down_gets_everything_once_when_it_is_back(
    migrated_url: str, tmp_path: Path, archive: Archive
) -> None:
    here = node(migrated_url, tmp_path, archive)
    archive.close()
    here.send(*(an_object(number) for number in range(1, 6)))
    here.work()
    assert here.states(STUDY) == [KEPT] * 5
    back = Archive(archive.port)
    again(here)
    assert sorted(back.instances) == sorted({f"{STUDY}.1.{number}" for number in range(1, 6)})
    assert here.states(STUDY) == [FORWARDED] * 5
    back.close()
    here.close()


@pytest.mark.parametrize(
    ("status", "first"),
    [(0xA700, KEPT), (0xC001, KEPT), (0xB000, FORWARDED)],
    ids=["out of resources", "cannot understand", "a warning"],
)
def test_an_object_goes_on_as_the_archive_answers(
    here: NodeWorld, archive: Archive, status: int, first: ObjectState
) -> None:
    archive.statuses = [status]
    here.send(an_object())
    here.work()
    assert here.states(STUDY) == [first]
    again(here)
    assert here.states(STUDY) == [FORWARDED]


def test_an_object_that_is_refused_again_and_again_is_given_up_and_kept(here: NodeWorld, archive: Archive) -> None:
    archive.refuses = {f"{STUDY}.1.1"}
    here.send(an_object(), an_object(2))
    here.work()
    for _ in range(8):
        again(here)
    assert here.states(STUDY) == [ObjectState.GIVEN_UP, FORWARDED]
    assert len(here.files()) == 1


def test_what_was_given_up_is_sent_again_or_discarded_by_who_may(here: NodeWorld, archive: Archive) -> None:
    here.send(an_object(), an_object(2))
    for file in here.files():
        file.rename(file.with_suffix(".away"))
    here.work()
    assert here.states(STUDY) == [ObjectState.GIVEN_UP] * 2
    with pytest.raises(NotAllowed):
        here.quarantine.retry(OPERATOR, STUDY)
    with pytest.raises(NotAllowed):
        here.quarantine.discard(OPERATOR, STUDY, "not wanted")
    for file in (here.settings.quarantine / "objects").glob("*/*.away"):
        file.rename(file.with_suffix(".dcm"))
        break
    administrator = Actor("anna", "administrator")
    assert here.quarantine.retry(administrator, STUDY) == 2
    here.work()
    assert sorted(here.states(STUDY)) == [FORWARDED, ObjectState.GIVEN_UP]
    assert here.quarantine.discard(administrator, STUDY, "lost with its disk") == 1
    assert sorted(here.states(STUDY)) == [ObjectState.DISCARDED, FORWARDED]
    assert here.quarantine.studies() == {}


def test_an_object_whose_file_is_gone_is_told_and_the_others_go_on(here: NodeWorld, archive: Archive) -> None:
    here.send(an_object(), an_object(2))
    here.files()[0].unlink()
    here.work()
    assert len(archive.received) == 1
    assert sorted(here.states(STUDY)) == [FORWARDED, ObjectState.GIVEN_UP]


def test_what_was_on_its_way_in_a_crash_is_sent_again_to_the_byte(
    here: NodeWorld, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.send(an_object())
    here.judge.step()
    with monkeypatch.context() as patched:
        patched.setattr(here.forwarding, "settle", lambda *_: None)
        patched.setattr(here.forwarder, "_remove", lambda *_: None)
        here.forwarder.step()
    assert here.states(STUDY) == [SENDING]
    here.work()
    assert here.states(STUDY) == [FORWARDED]
    first, second = archive.received
    assert first == second


def test_files_are_kept_until_the_archive_has_given_its_word(
    migrated_url: str, tmp_path: Path, archive: Archive
) -> None:
    here = node(migrated_url, tmp_path, archive, commitment=True)
    here.send(an_object(), an_object(2))
    here.work()
    assert here.states(STUDY) == [ObjectState.ACCEPTED] * 2
    assert len(here.files()) == 2
    (asked,) = archive.asked

    assert archive.report(here.port, asked, title="REMOTE") == 0x0124
    assert len(here.files()) == 2
    assert archive.report(here.port, asked, failed=[f"{STUDY}.1.2"]) == 0
    assert here.states(STUDY) == [FORWARDED, KEPT]
    assert len(here.files()) == 1

    again(here)
    assert archive.instances.count(f"{STUDY}.1.2") == 2
    assert archive.report(here.port, archive.asked[-1]) == 0
    assert here.states(STUDY) == [FORWARDED, FORWARDED]
    assert here.files() == []
    here.close()
