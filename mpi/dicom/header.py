"""Study headers for the gate, out of DICOM files, folders, discs, data sets and DICOM JSON."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from mpi.dicom.attributes import study_header
from mpi.dicom.datasets import DatasetAttributes, pydicom, read_object
from mpi.dicom.discs import headers_of_path, read_header
from mpi.dicom.json_model import read_objects
from mpi.domain.errors import BadInput
from mpi.domain.study import StudyHeader
from mpi.matching.joined_header import joined

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


def header_from_file(source: Path | str | bytes) -> StudyHeader:
    """The header of one DICOM file, given by its path or as its bytes.

    The pixel data are passed over, not read. Raises `BadInput` for what is no DICOM file, is cut off, is a DICOMDIR or
    has no valid Study Instance UID; `MissingExtra` without pydicom.
    """
    if isinstance(source, bytes):
        part, attributes = read_object(io.BytesIO(source))
        return study_header(attributes, part.source_ae)
    try:
        header = read_header(Path(source))
    except OSError as error:
        raise BadInput(f"the file cannot be read ({error.strerror})", code="dicom-file") from error
    if header is None:
        raise BadInput("a DICOMDIR is no study", code="dicom-file")
    return header


def header_from_path(path: Path | str) -> tuple[StudyHeader, ...]:
    """One header for each study in a file, a folder or a DICOMDIR's disc.

    `several_patients` is set where the objects of a study disagree on patient id, name, birth date or sex. Raises
    `BadInput` and `MissingExtra`.
    """
    return headers_of_path(Path(path))


def header_from_dataset(dataset: "Dataset", source_ae: str | None = None) -> StudyHeader:
    """The header out of a pydicom data set; `source_ae` is who sent it. Raises `BadInput`."""
    pydicom()
    return study_header(DatasetAttributes(dataset), source_ae)


def header_from_json(data: bytes) -> StudyHeader:
    """The header of the one study in a DICOM JSON document (PS3.18 annex F): one object, or a list of them.

    Needs no pydicom. Raises `BadInput`, naming the tag at fault, for anything else.
    """
    found = joined(study_header(attributes) for attributes in read_objects(data))
    if len(found) > 1:
        raise BadInput("the objects belong to more than one study", code="dicom-json")
    return found[0]
