"""Studies in a folder or on a disc: one header for each, with what its objects disagree on."""

import os
from collections.abc import Iterator
from pathlib import Path

from mpi.dicom.attributes import SOP_CLASS, one, study_header
from mpi.dicom.datasets import pydicom, read_object
from mpi.dicom.part10 import DIRECTORY_STORAGE, looks_like_dicom
from mpi.domain.errors import BadInput
from mpi.domain.study import StudyHeader
from mpi.matching.joined_header import joined


def read_header(path: Path) -> StudyHeader | None:
    """The header of one file; None for a DICOMDIR. Raises `BadInput`."""
    with path.open("rb") as file:
        part, attributes = read_object(file)
    if DIRECTORY_STORAGE in (part.media_class, one(attributes, SOP_CLASS)):
        return None
    return study_header(attributes, part.source_ae)


def headers_of_path(path: Path) -> tuple[StudyHeader, ...]:
    """One header for each study in a file, in a folder with all below it, or on the disc of a DICOMDIR.

    In a folder, files that are not DICOM at all are passed over; one that is DICOM and damaged raises `BadInput`
    naming it, and so does a path without any study.
    """
    try:
        if path.is_dir():
            return joined(_named(path, _dicom_files(path)))
        header = read_header(path)
        return (header,) if header else joined(_named(path.parent, _listed(path)))
    except OSError as error:
        name = _printable(Path(error.filename or path))
        raise BadInput(f"{name} cannot be read ({error.strerror})", code="dicom-file") from error


def _named(root: Path, files: Iterator[Path]) -> Iterator[StudyHeader]:
    for file in files:
        try:
            header = read_header(file)
        except BadInput as error:
            name = _printable(file.relative_to(root))
            raise BadInput(f"{name}: {error}", code=error.code, field=error.field) from error
        if header is not None:
            yield header


def _printable(path: Path) -> str:
    """A file's name without what would steer a terminal or is no text: whoever wrote the disc chose it."""
    return "".join(c if c.isprintable() else "?" for c in str(path))


def _dicom_files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            file = Path(parent, name)
            if not file.is_file():
                continue
            with file.open("rb") as opened:
                if looks_like_dicom(opened.read(132)):
                    yield file


def _listed(directory: Path) -> Iterator[Path]:
    """The files that a DICOMDIR refers to (PS3.10 section 8), which must all be there and below its folder."""
    root = directory.parent.resolve()
    try:
        records = pydicom().dcmread(directory).DirectoryRecordSequence
        references = [record.get("ReferencedFileID") for record in records]
    except Exception as error:
        raise BadInput(f"the DICOMDIR cannot be read ({type(error).__name__})", code="dicom-file") from None
    for reference in references:
        if not reference:
            continue
        parts = [reference] if isinstance(reference, str) else [str(part) for part in reference]
        file = _find(root, parts)
        if file is None or not file.resolve().is_relative_to(root):
            raise BadInput("the DICOMDIR refers to a file that is not on the disc", code="dicom-file")
        yield file


def _find(root: Path, parts: list[str]) -> Path | None:
    """The file of a reference, whatever capitals the disc's file system made of it; None when it is not there."""
    found = root
    for part in parts:
        if not found.is_dir():
            return None
        exact = found / part
        if not exact.exists():
            others = [entry for entry in sorted(found.iterdir()) if entry.name.casefold() == part.casefold()]
            if not others:
                return None
            exact = others[0]
        found = exact
    return found if found.is_file() else None
