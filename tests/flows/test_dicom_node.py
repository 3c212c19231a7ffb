"""`mpi dicom listen` between real peers: dcmtk sends, Orthanc or a test's archive takes; killed at each step."""

import io
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from mpi.domain.quarantine import ObjectState
from mpi.store import schema
from tests.dicom_objects import STUDY, an_object, write
from tests.dicom_world import Archive, sender
from tests.effort import SOAK
from tests.flows.dicom_child import PLACES
from tests.flows.dicom_peers import Listening, configuration, free_port, orthanc, run, serving, until
from tests.gate_world import MARIA, OTHER_STUDY, World

CHOSEN = list(PLACES) if SOAK else list(PLACES)[2::3]
"""All places under `make soak`; else some."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """The index of the gate's tests, where the archive knows Maria as RYY L77."""
    url = f"sqlite:///{tmp_path / 'mpi.db'}"
    schema.migrate(url)
    world = World(url)
    world.record(world.maria, "RYY", "L77", MARIA)
    yield world
    world.close()


def states(world: World) -> list[str]:
    with world.store.reading() as unit:
        return [one.state.value for one in unit.quarantine.of_study(STUDY)]


def done(world: World, count: int) -> bool:
    return states(world) == [ObjectState.FORWARDED.value] * count


def test_from_dcmtk_through_the_node_to_orthanc_with_commitment(world: World, tmp_path: Path) -> None:
    syntaxes = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless, RLELossless)
    objects = [an_object(number, syntax=syntax) for number, syntax in enumerate(syntaxes, 1)]
    files = write(tmp_path / "sent", *objects)
    port = free_port()
    with orthanc(tmp_path / "orthanc", port) as archive:
        config = configuration(
            tmp_path, world.store.database.url.render_as_string(), archive.dicom, forward="commitment = true"
        )
        node = Listening(config, port)
        echo = run("echoscu", "-aet", "REMOTE", "-aec", "MPI", "127.0.0.1", port)
        assert echo.returncode == 0, echo.stderr
        for option, chosen in (("-xe", files[0]), ("-xi", files[1]), ("-xv", files[2]), ("-xr", files[3])):
            sent = run("storescu", option, "-aet", "REMOTE", "-aec", "MPI", "127.0.0.1", port, chosen)
            assert sent.returncode == 0, sent.stderr
        until(lambda: done(world, 4), "the archive did not commit")

        assert {one["PatientID"] for one in archive.instances()} == {"L77"}
        for made in objects:
            kept = dcmread(io.BytesIO(archive.file(made.SOPInstanceUID)))
            assert (kept.file_meta.TransferSyntaxUID, kept.PixelData) == (
                made.file_meta.TransferSyntaxUID,
                made.PixelData,
            )
            old = kept.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]
            assert (old.PatientID, old.IssuerOfPatientID) == ("100", "RXX")
        assert list((tmp_path / "quarantine" / "objects").glob("*/*.dcm")) == []
        assert node.stop() == 0
    # Nothing of the patient in what the node wrote.
    log = (tmp_path / "node.log").read_text(encoding="utf-8")
    assert "listening for DICOM" in log
    assert not any(value in log for value in ("ASHWORTH", "Ashworth", "MARIA", "19680324", "L77"))


def test_dcmtk_over_tls_with_certificates_on_both_sides(world: World, tmp_path: Path) -> None:
    authority = trustme.CA(key_type=trustme.KeyType.RSA)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    for name in ("node", "partner"):
        issued = authority.issue_cert("localhost", "127.0.0.1", key_type=trustme.KeyType.RSA)
        issued.cert_chain_pems[0].write_to_path(str(tmp_path / f"{name}.pem"))
        issued.private_key_pem.write_to_path(str(tmp_path / f"{name}.key"))
    port = free_port()
    config = configuration(tmp_path, world.store.database.url.render_as_string(), free_port())
    own = (
        "--tls-cert",
        tmp_path / "node.pem",
        "--tls-key",
        tmp_path / "node.key",
        "--tls-client-ca",
        tmp_path / "ca.pem",
    )
    node = Listening(config, port, *own)
    (file,) = write(tmp_path / "sent", an_object())
    who = ("-aet", "REMOTE", "-aec", "MPI")
    theirs = ("+tls", tmp_path / "partner.key", tmp_path / "partner.pem", "+cf", tmp_path / "ca.pem")
    try:
        refused = [
            run("storescu", "-to", 3, *who, "127.0.0.1", port, file),
            run("storescu", "-to", 3, "+tla", "+cf", tmp_path / "ca.pem", *who, "127.0.0.1", port, file),
        ]
        sent = run("storescu", *theirs, *who, "127.0.0.1", port, file)
    except subprocess.TimeoutExpired:
        node.kill()
        raise
    assert [one.returncode != 0 for one in refused] == [True, True]
    assert sent.returncode == 0, sent.stderr
    until(lambda: states(world) == ["kept"], "the object did not come")
    assert node.stop() == 0


def test_what_the_archive_does_not_take_holds_up_nothing_else(world: World, tmp_path: Path) -> None:
    port, archive = free_port(), free_port()
    (tmp_path / "archive").mkdir()
    config = configuration(tmp_path, world.store.database.url.render_as_string(), archive)
    with serving("storescp", "-aet", "PACS", "-od", tmp_path / "archive", archive, port=archive):
        node = Listening(config, port)
        wanted, unwanted = an_object(study=OTHER_STUDY), an_object(syntax=JPEG2000Lossless)
        for made in (unwanted, wanted):
            with sender(port, [made]) as association:
                assert association.send_c_store(made).Status == 0
        until(lambda: list((tmp_path / "archive").iterdir()), "the other study did not go on")
        until(lambda: states(world) == ["kept"], "it is still being sent")
        with world.store.reading() as unit:
            (left,) = unit.quarantine.of_study(STUDY)
        assert left.problem == "the archive does not take this kind of object"
        assert node.stop() == 0


@pytest.mark.parametrize("place", CHOSEN)
def test_a_node_that_is_killed_loses_nothing_and_forwards_each_object_once(
    world: World, tmp_path: Path, place: str
) -> None:
    archive = Archive()
    port = free_port()
    config = configuration(tmp_path, world.store.database.url.render_as_string(), archive.port)
    objects = [an_object(number) for number in (1, 2, 3)]
    killed = Listening(config, port, place=place)
    with sender(port, objects) as association:
        answered = [
            association.send_c_store(made).get("Status") if association.is_established else None for made in objects
        ]
    killed.process.wait(60)
    killed.log.close()

    node = Listening(config, port)
    left = [made for made, status in zip(objects, answered, strict=True) if status != 0]
    if left:
        with sender(port, left) as association:
            assert [association.send_c_store(made).Status for made in left] == [0] * len(left)
    until(lambda: done(world, 3), "not everything was forwarded")
    assert node.stop() == 0
    archive.close()

    assert sorted(set(archive.instances)) == [made.SOPInstanceUID for made in objects]
    assert {str(one.PatientID) for one in archive.received} == {"L77"}
    # What the archive had taken before the kill comes again, the very same; nothing else comes twice.
    twice = [one for one in set(archive.instances) if archive.instances.count(one) > 1]
    assert (twice != []) == (place == "taken by the archive, not written down")
    for uid in twice:
        first, second = (one for one in archive.received if uid == one.SOPInstanceUID)
        assert first == second
    assert list((tmp_path / "quarantine" / "objects").glob("*/*.dcm")) == []
    assert [one for name in ("incoming", "outgoing") for one in (tmp_path / "quarantine" / name).iterdir()] == []
