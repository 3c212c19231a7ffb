"""One header for a study out of those of its objects, and what they disagree on."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from mpi.domain.errors import BadInput
from mpi.domain.study import PatientId, StudyHeader
from mpi.matching.same_name import same_text

MUST_AGREE = ("family_name", "given_name", "middle_name", "birth_date", "sex")
"""What makes one patient, beside the patient id: two values of one of these are two patients."""
FIRST_COUNTS = ("modality", "institution", "source_ae")
"""What objects of one study may well differ in: the first value tells."""
TOLD = ("study_date", "accession_number", "accession_issuer", *FIRST_COUNTS)
FLAGS = ("identity_removed", "trial", "quality_control", "veterinary", "several_patients")


def joined(headers: Iterable[StudyHeader]) -> tuple[StudyHeader, ...]:
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
        self._original_ids: dict[PatientId, None] = {}

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
        self._original_ids.update(dict.fromkeys(header.original_patient_ids))

    def header(self) -> StudyHeader:
        """The study's header."""
        unsure = self._not_by_all | self._differ
        told: dict[str, Any] = {name: self._values.get(name) for name in FIRST_COUNTS}
        sure: dict[str, Any] = {
            name: None if name in unsure else self._values.get(name) for name in (*MUST_AGREE, *TOLD)
        }
        flags: dict[str, Any] = {name: name in self._flags for name in FLAGS}
        flags["several_patients"] |= not self._differ.isdisjoint({"patient_id", *MUST_AGREE})
        ids = {"other_patient_ids": tuple(self._other_ids), "original_patient_ids": tuple(self._original_ids)}
        return replace(self._first, **(ids | sure | told | flags))


def _key(patient_id: PatientId | None) -> tuple[str | None, ...] | None:
    return (patient_id.value, patient_id.issuer, patient_id.issuer_oid) if patient_id else None
