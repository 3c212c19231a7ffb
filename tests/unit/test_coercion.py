"""An object given the local identity: what changes, what is kept of before, and what stays as it is to the byte."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from mpi.dicom.coerce import Coercion, coerce
from mpi.domain.errors import BadInput
from mpi.domain.quarantine import Identity, LocalNumber
from tests.builders import nhs_number
from tests.dicom_objects import an_object, as_bytes

IDENTITY = Identity(
    LocalNumber("L77", "RYY", "2.999.2"),
    (LocalNumber(nhs_number(0), "NHS"), LocalNumber("100", "RXX")),
    "Ashworth",
    "Maria",
    "Jane",
    "19680324",
    "F",
)
COERCION = Coercion("20261127120000.000000+0000", "MPI", "REMOTE")
SYNTAXES = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)
TOUCHED = {0x00080015, 0x00100010, 0x00100020, 0x00100021, 0x00100024, 0x00101002, 0x04000561}


def coerced(tmp_path: Path, made: Dataset, identity: Identity = IDENTITY) -> Dataset:
    source, target = tmp_path / "source.dcm", tmp_path / "target.dcm"
    source.write_bytes(as_bytes(made))
    coerce(source, target, identity, COERCION)
    return dcmread(io.BytesIO(target.read_bytes()))


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda uid: uid.name)
def test_the_local_patient_is_named_and_all_else_stays(tmp_path: Path, syntax: str) -> None:
    made = an_object(syntax=syntax, InstitutionName="Elsewhere", SeriesDescription="after", ImageComments="kept")
    before = dcmread(io.BytesIO(as_bytes(made)))
    after = coerced(tmp_path, made)

    assert (after.PatientID, after.IssuerOfPatientID, str(after.PatientName)) == ("L77", "RYY", "Ashworth^Maria^Jane")
    (qualifier,) = after.IssuerOfPatientIDQualifiersSequence
    assert (qualifier.UniversalEntityID, qualifier.UniversalEntityIDType) == ("2.999.2", "ISO")
    assert [(one.PatientID, one.IssuerOfPatientID) for one in after.OtherPatientIDsSequence] == [
        (nhs_number(0), "NHS"),
        ("100", "RXX"),
    ]
    assert after.file_meta == before.file_meta
    assert after.PixelData == before.PixelData
    assert {e.tag for e in after} - {e.tag for e in before} <= TOUCHED
    assert all(after[e.tag] == e for e in before if e.tag not in TOUCHED)


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda uid: uid.name)
def test_what_was_said_before_is_kept_in_one_new_item(tmp_path: Path, syntax: str) -> None:
    after = coerced(tmp_path, an_object(syntax=syntax))
    (item,) = after.OriginalAttributesSequence
    assert (item.ModifyingSystem, item.SourceOfPreviousValues) == ("MPI", "REMOTE")
    assert (item.ReasonForTheAttributeModification, item.AttributeModificationDateTime) == ("COERCE", COERCION.at)
    assert after.InstanceCoercionDateTime == COERCION.at
    (old,) = item.ModifiedAttributesSequence
    assert (old.PatientID, old.IssuerOfPatientID, str(old.PatientName)) == ("100", "RXX", "ASHWORTH^MARIA")
    assert (old.IssuerOfPatientIDQualifiersSequence, old.OtherPatientIDsSequence) == (Sequence(), Sequence())
    assert "PatientBirthDate" not in old
    assert "PatientSex" not in old


def test_the_issuer_is_listed_with_the_patient_id_though_it_did_not_change(tmp_path: Path) -> None:
    after = coerced(tmp_path, an_object(), replace(IDENTITY, number=LocalNumber("L77", "RXX")))
    old = after.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]
    assert (old.PatientID, old.IssuerOfPatientID) == ("100", "RXX")


@pytest.mark.parametrize("undefined", [True, False], ids=["of undefined length", "of defined length"])
@pytest.mark.parametrize("syntax", SYNTAXES[:4], ids=lambda uid: uid.name)
def test_items_of_earlier_changes_stay_before_ours(tmp_path: Path, syntax: str, undefined: bool) -> None:
    earlier = Dataset()
    earlier.ModifiedAttributesSequence = [Dataset()]
    earlier.ModifiedAttributesSequence[0].PatientID = "OLDER"
    earlier.ModifyingSystem = "BEFORE"
    earlier.ReasonForTheAttributeModification = "CORRECT"
    made = an_object(syntax=syntax, OriginalAttributesSequence=[earlier])
    made["OriginalAttributesSequence"].is_undefined_length = undefined
    after = coerced(tmp_path, made)
    assert [one.ModifyingSystem for one in after.OriginalAttributesSequence] == ["BEFORE", "MPI"]
    assert after.OriginalAttributesSequence[0] == earlier
    assert "OriginalAttributesSequence" not in after.OriginalAttributesSequence[1].ModifiedAttributesSequence[0]


def test_a_changed_sequence_is_kept_whole(tmp_path: Path) -> None:
    other = Dataset()
    other.PatientID, other.IssuerOfPatientID, other.TypeOfPatientID = "X1", "ELSE", "TEXT"
    old = coerced(tmp_path, an_object(OtherPatientIDsSequence=[other])).OriginalAttributesSequence[0]
    assert old.ModifiedAttributesSequence[0].OtherPatientIDsSequence == Sequence([other])


def test_the_same_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    source = tmp_path / "source.dcm"
    source.write_bytes(as_bytes(an_object()))
    for name in ("one", "two"):
        coerce(source, tmp_path / name, IDENTITY, COERCION)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_an_object_that_names_the_local_patient_already_is_copied_to_the_byte(tmp_path: Path) -> None:
    made = an_object(PatientName="Ashworth^Maria")
    source, target = tmp_path / "source.dcm", tmp_path / "target.dcm"
    source.write_bytes(as_bytes(made))
    same = replace(IDENTITY, number=LocalNumber("100", "RXX"), others=(), middle="")
    coerce(source, target, same, COERCION)
    assert target.read_bytes() == source.read_bytes()


@pytest.mark.parametrize(
    ("character_set", "given", "written"),
    [
        (None, "Zoë", "Ashworth^ZOE^Jane"),
        ("ISO_IR 100", "Zoë", "Ashworth^Zoë^Jane"),
        ("ISO_IR 192", "Łucja", "Ashworth^Łucja^Jane"),
        ("ISO_IR 100", "Łucja", "ASHWORTH^LUCJA^JANE"),
        (None, "O’Neill^=\\x", "ASHWORTH^O'NEILL X^JANE"),
    ],
    ids=["no character set", "Latin 1", "UTF-8", "beyond Latin 1", "signs that part components"],
)
def test_a_name_is_written_in_the_character_set_of_the_object(
    tmp_path: Path, character_set: str | None, given: str, written: str
) -> None:
    after = coerced(tmp_path, an_object(SpecificCharacterSet=character_set), replace(IDENTITY, given=given))
    assert str(after.PatientName).upper() == written.upper()
    assert after.get("SpecificCharacterSet") == character_set


def test_an_identity_that_is_not_verified_is_marked(tmp_path: Path) -> None:
    after = coerced(tmp_path, an_object(PatientComments="theirs"), replace(IDENTITY, verified=False))
    assert after.PatientComments == "IDENTITY NOT VERIFIED"
    assert after.OriginalAttributesSequence[0].ModifiedAttributesSequence[0].PatientComments == "theirs"


@pytest.mark.parametrize(
    ("said", "change"),
    [({}, {"number": LocalNumber("1" * 65, "RYY")}), ({}, {"number": LocalNumber("a\\b", "RYY")})],
    ids=["a number too long", "a number of two values"],
)
def test_what_cannot_be_written_is_refused(tmp_path: Path, said: dict[str, Any], change: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        coerced(tmp_path, an_object(**said), replace(IDENTITY, **change))


def test_a_cut_off_object_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "source.dcm"
    whole = as_bytes(an_object())
    source.write_bytes(whole[: whole.index(b"ASHWORTH") + 3])
    with pytest.raises(BadInput):
        coerce(source, tmp_path / "target.dcm", IDENTITY, COERCION)
