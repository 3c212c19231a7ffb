"""Studies in a folder or on a disc: one header for each, with what its objects disagree on."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from mpi.dicom.attributes import SOP_CLASS, one, study_header
from mpi.dicom.datasets import pydicom, read_object
from mpi.dicom.part10 import DIRECTORY_STORAGE, looks_like_dicom
from mpi.domain.errors import BadInput
from mpi.domain.study import PatientId, StudyHeader
from mpi.matching.same_name import same_text

MUST_AGREE = ("family_name", "given_name", "middle_name", "birth_date", "sex")
"""What makes one patient, beside the patient id: two values of one of these are two patients."""
FIRST_COUNTS = ("modality", "institution", "source_ae")
"""What objects of one study may well differ in: the first value tells."""
TOLD = ("study_date", "accession_number", *FIRST_COUNTS)
FLAGS = ("identity_removed", "trial", "quality_control", "veterinary", "several_patients")


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


def joined(headers: Iterator[StudyHeader]) -> tuple[StudyHeader, ...]:
    """One header for each study out of those of its objects, in order of appearance; raises `BadInput` for none.

    Two patient ids, or two values for name, birth date or sex, are two patients. What only some objects say is taken
    as not said, so that no header is put together that stands in no object.
    """
    studies: dict[str, _Study] = {}
    for header in headers:
        studies.setdefault(header.study_uid, _Study(header)).add(header)
    if not studies:
        raise BadInput("there is no DICOM study", code="dicom-file")
    return tuple(study.header() for study in studies.values())


class _Study:
    """The objects of one study seen so far. Memory does not grow with their number."""

    def __init__(self, first: StudyHeader) -> None:
        self._first = first
        self._values: dict[str, str] = {}
        self._not_by_all: set[str] = set()
        self._differ: set[str] = set()
        self._flags: set[str] = set()
        self._other_ids: dict[PatientId, None] = {}

    def add(self, header: StudyHeader) -> None:
        """Take one more object into account."""
        for name in (*MUST_AGREE, *TOLD):
            value = getattr(header, name)
            if value is None:
                self._not_by_all.add(name)
            elif not same_text(self._values.setdefault(name, value), value):
                self._differ.add(name)
        if _key(header.patient_id) != _key(self._first.patient_id):
            self._differ.add("patient_id")
        self._flags |= {name for name in FLAGS if getattr(header, name)}
        self._other_ids.update(dict.fromkeys(header.other_patient_ids))

    def header(self) -> StudyHeader:
        """The study's header."""
        unsure = self._not_by_all | self._differ
        told: dict[str, Any] = {name: self._values.get(name) for name in FIRST_COUNTS}
        sure: dict[str, Any] = {
            name: None if name in unsure else self._values.get(name) for name in (*MUST_AGREE, *TOLD)
        }
        flags: dict[str, Any] = {name: name in self._flags for name in FLAGS}
        flags["several_patients"] |= not self._differ.isdisjoint({"patient_id", *MUST_AGREE})
        return replace(self._first, other_patient_ids=tuple(self._other_ids), **(sure | told | flags))


def _key(patient_id: PatientId | None) -> tuple[str | None, ...] | None:
    return (patient_id.value, patient_id.issuer, patient_id.issuer_oid) if patient_id else None
