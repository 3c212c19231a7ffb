"""Objects received by the node: kept whole before they are answered, once each, and nothing half-written."""

import errno
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
)

from mpi.config import DicomNode
from mpi.dicom.folder import Folder
from mpi.dicom.node import Node
from mpi.dicom.receive import Receiver
from mpi.domain.errors import Conflict
from mpi.domain.quarantine import ObjectState
from tests.dicom_objects import STUDY, an_object
from tests.dicom_world import LARGEST, NodeWorld, sender
from tests.gate_world import OTHER_STUDY

SYNTAXES = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    JPEGBaseline8Bit,
    JPEG2000Lossless,
    RLELossless,
)


@pytest.fixture
def here(migrated_url: str, tmp_path: Path) -> Iterator[NodeWorld]:
    """A node that has received nothing."""
    world = NodeWorld(migrated_url, tmp_path)
    yield world
    world.close()


def until(true: Any) -> None:
    """Wait for what happens after an association has ended."""
    for _ in range(200):
        if true():
            return
        time.sleep(0.02)
    pytest.fail("it did not happen")


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda uid: uid.name)
def test_an_object_is_kept_as_it_came_in_any_transfer_syntax(here: NodeWorld, syntax: str) -> None:
    made = an_object(syntax=syntax)
    assert here.send(made) == [0x0000]

    (file,) = here.files()
    kept = dcmread(file)
    assert kept.file_meta.TransferSyntaxUID == syntax
    assert (kept.SOPInstanceUID, kept.PixelData) == (made.SOPInstanceUID, made.PixelData)
    (stored,) = here.quarantine.objects(STUDY)
    assert (stored.transfer_syntax, stored.partner, stored.state) == (syntax, "REMOTE", ObjectState.KEPT)


def test_an_echo_is_answered(here: NodeWorld) -> None:
    with sender(here.port, []) as association:
        assert association.send_c_echo().Status == 0x0000


@pytest.mark.parametrize(
    ("title", "called"),
    [("STRANGER", "MPI"), ("REMOTE", "OTHER"), ("ELSEWHERE", "MPI")],
    ids=["a title nobody configured", "another node is called", "a partner from another address"],
)
def test_who_may_not_send_gets_no_association(here: NodeWorld, title: str, called: str) -> None:
    with sender(here.port, [an_object()], title, called) as association:
        assert association.is_rejected


def test_the_same_object_again_is_success_without_a_second_copy(here: NodeWorld) -> None:
    assert here.send(an_object(), an_object()) == [0, 0]
    assert here.send(an_object()) == [0]
    assert len(here.files()) == 1
    assert len(here.quarantine.objects(STUDY)) == 1


def test_other_bytes_under_a_known_uid_are_kept_beside_and_do_not_change_what_the_study_is(here: NodeWorld) -> None:
    assert here.send(an_object(), an_object(PatientName="HOLT^PETER")) == [0, 0]
    states = [one.state for one in here.quarantine.objects(STUDY)]
    assert states == [ObjectState.KEPT, ObjectState.DIFFERS]
    assert len(here.files()) == 2
    assert here.quarantine.groups(STUDY) == [1]


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"StudyInstanceUID": None}, 0xC000),
        ({"StudyInstanceUID": "1.02.3"}, 0xC000),
        ({"PatientID": "100\\101"}, 0xC000),
    ],
    ids=["no study", "no valid study UID", "two patient ids"],
)
def test_what_cannot_be_understood_is_turned_away_and_not_kept(
    here: NodeWorld, said: dict[str, Any], status: int
) -> None:
    assert here.send(an_object(**said)) == [status]
    assert here.files() == here.leftovers() == []


def test_an_object_that_is_not_the_one_announced_is_turned_away(here: NodeWorld, tmp_path: Path) -> None:
    made = an_object()
    made.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    path = tmp_path / "other.dcm"
    made.save_as(path, enforce_file_format=False)
    path.write_bytes(bytes(128) + b"DICM" + path.read_bytes())
    with sender(here.port, [made]) as association:
        assert association.send_c_store(path).Status == 0xA900
    assert here.files() == here.leftovers() == []


def test_a_full_disk_is_out_of_resources_and_leaves_nothing(here: NodeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "no space")

    with monkeypatch.context() as patched:
        patched.setattr("mpi.dicom.folder.os.fsync", full)
        assert here.send(an_object()) == [0xA700]
    assert here.files() == here.leftovers() == []
    assert here.send(an_object()) == [0]


def test_an_object_beyond_the_limit_is_turned_away_without_being_kept(migrated_url: str, tmp_path: Path) -> None:
    here = NodeWorld(migrated_url, tmp_path)
    here.folder._most = 2000
    try:
        assert here.send(an_object(pixels=bytes(4000)), an_object(2, pixels=bytes(100))) == [0xA700, 0]
        assert len(here.files()) == 1
        assert here.leftovers() == []
    finally:
        here.close()


def test_a_database_that_is_gone_is_out_of_resources_and_a_repeat_succeeds(
    here: NodeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    with here.world.store.database.begin(identities=True):
        monkeypatch.setattr(here.world.store.database, "lock_wait", 0.05)
        if here.world.store.database.dialect == "sqlite":
            assert here.send(an_object()) == [0xA700]
    assert here.send(an_object()) == [0]
    assert len(here.files()) == len(here.quarantine.objects(STUDY)) == 1


def test_an_association_torn_in_an_object_leaves_nothing(here: NodeWorld) -> None:
    made = an_object(pixels=bytes(3_000_000))
    with sender(here.port, [made]) as association:
        threading.Thread(target=lambda: association.send_c_store(made), daemon=True).start()
        until(here.leftovers)
        association.abort()
    until(lambda: not here.leftovers())
    assert here.send(an_object(2)) == [0]


def test_files_left_by_a_kill_are_removed_at_the_next_start_and_kept_ones_stay(
    here: NodeWorld, migrated_url: str, tmp_path: Path
) -> None:
    here.send(an_object())
    (kept,) = here.files()
    orphan = here.folder.place("00" * 32)
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_bytes(b"kept, never acknowledged")
    (here.settings.quarantine / "incoming" / "half.dcm").write_bytes(b"half")
    here.folder.close()

    again = Folder(here.settings.quarantine, LARGEST)
    assert again.sweep(lambda digests: here.quarantine.needed(again.node, digests), 0) == 1
    assert here.files() == [kept]
    assert here.leftovers() == []
    here.folder = again


def test_one_folder_belongs_to_one_node_at_a_time(here: NodeWorld) -> None:
    with pytest.raises(Conflict, match="another node"):
        Folder(here.settings.quarantine, LARGEST)


def test_a_node_for_nobody_does_not_start(here: NodeWorld) -> None:
    with pytest.raises(Conflict, match="nobody may send"):
        Node(DicomNode(), here.folder, Receiver(here.folder, here.quarantine))


def test_two_nodes_that_receive_the_same_object_keep_it_once(
    here: NodeWorld, migrated_url: str, tmp_path: Path
) -> None:
    other_folder = Folder(tmp_path / "second", LARGEST)
    other = Node(here.settings, other_folder, Receiver(other_folder, here.quarantine))
    port = other.start("127.0.0.1", 0)
    objects = [an_object(number) for number in range(1, 9)]
    statuses: list[int] = []

    def to(target: int) -> None:
        with sender(target, objects) as association:
            statuses.extend(association.send_c_store(one).Status for one in objects)

    threads = [threading.Thread(target=to, args=(target,)) for target in (here.port, port)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.stop()
    other_folder.close()

    assert statuses == [0] * 16
    stored = here.quarantine.objects(STUDY)
    assert len(stored) == 8
    places = [here.folder if one.node == here.folder.node else other_folder for one in stored]
    assert all(place.place(one.digest).is_file() for place, one in zip(places, stored, strict=True))
    assert len(here.files()) + len(list((tmp_path / "second" / "objects").glob("*/*.dcm"))) == 8


def test_a_number_without_issuer_is_of_the_authority_that_the_partner_is_configured_for(here: NodeWorld) -> None:
    here.send(an_object(IssuerOfPatientID=None), title="RYY")
    here.send(an_object(1, study=OTHER_STUDY, IssuerOfPatientID=None), title="REMOTE")
    with here.world.store.reading() as unit:
        issuers = [unit.quarantine.headers(uid)[0][0].patient_id.issuer for uid in (STUDY, OTHER_STUDY)]  # type: ignore[union-attr]
    assert issuers == ["RYY", None]


def test_deflated_objects_are_kept_too(here: NodeWorld) -> None:
    assert here.send(an_object(syntax=DeflatedExplicitVRLittleEndian)) == [0]
    assert os.path.getsize(here.files()[0]) > 0
