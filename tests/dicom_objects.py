"""Invented DICOM objects for tests: small, made when needed, in any transfer syntax without a codec."""

import io
from pathlib import Path
from typing import Any

from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

ROOT = "1.2.826.0.1.3680043.10"
STUDY = f"{ROOT}.1"


def an_object(number: int = 1, *, study: str = STUDY, syntax: str = ExplicitVRLittleEndian, **said: Any) -> Dataset:
    """One image of Maria's right study (`tests.gate_world`), changed by what the test says; None leaves it out.

    `pixels` are the bytes of its pixel data; in an encapsulated syntax they are one frame.
    """
    pixels = said.pop("pixels", bytes(range(256)) * 2)
    values: dict[str, Any] = {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": f"{study}.1.{number}",
        "StudyInstanceUID": study,
        "SeriesInstanceUID": f"{study}.1",
        "Modality": "CT",
        "StudyDate": "20240110",
        "PatientName": "ASHWORTH^MARIA",
        "PatientID": "100",
        "IssuerOfPatientID": "RXX",
        "PatientBirthDate": "19680324",
        "PatientSex": "F",
        "InstanceNumber": number,
        "Rows": 16,
        "Columns": 16,
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 0,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
    } | said
    made = Dataset()
    for name, value in values.items():
        if value is not None:
            setattr(made, name, value)
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = UID(syntax)
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    encapsulated = UID(syntax).is_encapsulated
    made.PixelData = encapsulate([pixels]) if encapsulated else pixels
    made["PixelData"].VR = "OB" if encapsulated else "OW"
    made["PixelData"].is_undefined_length = encapsulated
    return made


def as_bytes(made: Dataset) -> bytes:
    """The object as a file."""
    out = io.BytesIO()
    dcmwrite(out, made, enforce_file_format=True)
    return out.getvalue()


def write(folder: Path, *objects: Dataset) -> list[Path]:
    """The objects as files in `folder`."""
    folder.mkdir(exist_ok=True)
    paths = []
    for made in objects:
        path = folder / f"{made.SOPInstanceUID}.dcm"
        path.write_bytes(as_bytes(made))
        paths.append(path)
    return paths
