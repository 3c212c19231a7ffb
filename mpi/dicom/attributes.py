"""From the attributes of one object to the header of its study, whatever they were read from (PS3.3 C.7.1, C.7.2)."""

import re
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from mpi.domain.errors import BadInput
from mpi.domain.study import PatientId, StudyHeader

LONGEST_VALUE = 1024
"""Characters of one value; the longest that the standard allows here is a name of three groups of 64."""
MOST_VALUES = 100
_UID = re.compile(r"(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*))+", re.ASCII)


class Tag(NamedTuple):
    """An attribute that the gate reads: number, name and value representation (PS3.6)."""

    number: int
    name: str
    vr: str

    def __str__(self) -> str:
        return f"({self.number >> 16:04X},{self.number & 0xFFFF:04X}) {self.name}"


class PersonName(NamedTuple):
    """The alphabetic group of a person name; None for a component that is empty (PS3.5 section 6.2)."""

    family: str | None = None
    given: str | None = None
    middle: str | None = None


class Attributes(Protocol):
    """One data set. All methods raise `BadInput` naming the tag for a value that breaks the standard's shape."""

    def texts(self, tag: Tag) -> tuple[str, ...]:
        """The values of an attribute without padding; empty ones are left out."""

    def name(self, tag: Tag) -> PersonName:
        """A person name."""

    def items(self, tag: Tag) -> Sequence["Attributes"]:
        """The items of a sequence."""


SOP_CLASS = Tag(0x00080016, "SOP Class UID", "UI")
SOP_INSTANCE = Tag(0x00080018, "SOP Instance UID", "UI")
STUDY_DATE = Tag(0x00080020, "Study Date", "DA")
ACCESSION = Tag(0x00080050, "Accession Number", "SH")
ACCESSION_ISSUER = Tag(0x00080051, "Issuer of Accession Number Sequence", "SQ")
RETRIEVE_AE = Tag(0x00080054, "Retrieve AE Title", "AE")
MODALITY = Tag(0x00080060, "Modality", "CS")
INSTITUTION = Tag(0x00080080, "Institution Name", "LO")
CODE_VALUE = Tag(0x00080100, "Code Value", "SH")
LONG_CODE_VALUE = Tag(0x00080119, "Long Code Value", "UC")
PATIENT_NAME = Tag(0x00100010, "Patient's Name", "PN")
PATIENT_ID = Tag(0x00100020, "Patient ID", "LO")
ISSUER = Tag(0x00100021, "Issuer of Patient ID", "LO")
ISSUER_QUALIFIERS = Tag(0x00100024, "Issuer of Patient ID Qualifiers Sequence", "SQ")
BIRTH_DATE = Tag(0x00100030, "Patient's Birth Date", "DA")
SEX = Tag(0x00100040, "Patient's Sex", "CS")
QUALITY_CONTROL = Tag(0x00100200, "Quality Control Subject", "CS")
OTHER_IDS_FLAT = Tag(0x00101000, "Other Patient IDs", "LO")
OTHER_IDS = Tag(0x00101002, "Other Patient IDs Sequence", "SQ")
SPECIES = Tag(0x00102201, "Patient Species Description", "LO")
SPECIES_CODE = Tag(0x00102202, "Patient Species Code Sequence", "SQ")
NEUTERED = Tag(0x00102203, "Patient's Sex Neutered", "CS")
BREED = Tag(0x00102292, "Patient Breed Description", "LO")
BREED_CODE = Tag(0x00102293, "Patient Breed Code Sequence", "SQ")
RESPONSIBLE_ROLE = Tag(0x00102298, "Responsible Person Role", "CS")
TRIAL_TAGS = (
    Tag(0x00120010, "Clinical Trial Sponsor Name", "LO"),
    Tag(0x00120020, "Clinical Trial Protocol ID", "LO"),
    Tag(0x00120030, "Clinical Trial Site ID", "LO"),
    Tag(0x00120040, "Clinical Trial Subject ID", "LO"),
    Tag(0x00120042, "Clinical Trial Subject Reading ID", "LO"),
)
IDENTITY_REMOVED = Tag(0x00120062, "Patient Identity Removed", "CS")
METHOD = Tag(0x00120063, "De-identification Method", "LO")
METHOD_CODE = Tag(0x00120064, "De-identification Method Code Sequence", "SQ")
STUDY_UID = Tag(0x0020000D, "Study Instance UID", "UI")
UNIVERSAL_ID = Tag(0x00400032, "Universal Entity ID", "UT")
LOCAL_ENTITY = Tag(0x00400031, "Local Namespace Entity ID", "UT")
ORIGINAL = Tag(0x04000561, "Original Attributes Sequence", "SQ")
MODIFIED = Tag(0x04000550, "Modified Attributes Sequence", "SQ")
ID_TYPE = Tag(0x00400035, "Identifier Type Code", "CS")

TOP_LEVEL = frozenset(
    tag.number
    for tag in (
        SOP_CLASS, SOP_INSTANCE, STUDY_DATE, ACCESSION, ACCESSION_ISSUER, RETRIEVE_AE, ORIGINAL, MODALITY, INSTITUTION,
        PATIENT_NAME, PATIENT_ID,
        ISSUER, ISSUER_QUALIFIERS, BIRTH_DATE, SEX, QUALITY_CONTROL, OTHER_IDS_FLAT, OTHER_IDS, SPECIES, SPECIES_CODE,
        NEUTERED,
        BREED, BREED_CODE, RESPONSIBLE_ROLE, *TRIAL_TAGS, IDENTITY_REMOVED, METHOD, METHOD_CODE, STUDY_UID,
    )
)  # fmt: skip
"""The attributes read of an object, all others are passed over."""

_HUMAN_WORDS = frozenset({"homo sapiens", "homo sapiens sapiens", "human", "human being"})
_HUMAN_CODES = frozenset({"L-85B00", "337915000"})
"""Homo sapiens in SNOMED RT style and in SNOMED CT (PS3.16 CID 7454)."""
_ANIMAL_ROLES = frozenset({"OWNER", "VETERINARIAN"})


def study_header(attributes: Attributes, source_ae: str | None = None) -> StudyHeader:
    """The header of the study that the object belongs to; raises `BadInput` naming the tag.

    `source_ae` is the AE title that sent the object, where the reader knows it.
    """
    uid = one(attributes, STUDY_UID)
    if uid is None:
        raise BadInput(f"{STUDY_UID} is missing", field=str(STUDY_UID))
    if len(uid) > 64 or not _UID.fullmatch(uid):
        raise BadInput(f"{STUDY_UID} is not a valid UID", field=str(STUDY_UID))
    name = attributes.name(PATIENT_NAME)
    return StudyHeader(
        study_uid=uid,
        patient_id=_patient_id(attributes),
        other_patient_ids=_other_ids(attributes),
        family_name=name.family,
        given_name=name.given,
        middle_name=name.middle,
        birth_date=one(attributes, BIRTH_DATE),
        sex=one(attributes, SEX),
        study_date=one(attributes, STUDY_DATE),
        accession_number=one(attributes, ACCESSION),
        modality=one(attributes, MODALITY),
        institution=one(attributes, INSTITUTION),
        source_ae=source_ae or one(attributes, RETRIEVE_AE, several=True),
        identity_removed=_identity_removed(attributes),
        trial=any(attributes.texts(tag) for tag in TRIAL_TAGS),
        quality_control=(one(attributes, QUALITY_CONTROL) or "NO").upper() != "NO",
        veterinary=_veterinary(attributes),
        original_patient_ids=_original_ids(attributes),
        accession_issuer=_accession_issuer(attributes),
    )


def one(attributes: Attributes, tag: Tag, *, several: bool = False) -> str | None:
    """The only value of an attribute, None when it is absent or empty; with `several` the first of them."""
    values = attributes.texts(tag)
    if len(values) > 1 and not several:
        raise BadInput(f"{tag} has more than one value", field=str(tag))
    return values[0] if values else None


def _patient_id(attributes: Attributes) -> PatientId | None:
    value = one(attributes, PATIENT_ID)
    if value is None:
        return None
    qualifiers = attributes.items(ISSUER_QUALIFIERS)
    if len(qualifiers) > 1:
        raise BadInput(f"{ISSUER_QUALIFIERS} has more than one item", field=str(ISSUER_QUALIFIERS))
    return PatientId(
        value,
        issuer=one(attributes, ISSUER),
        # Whatever its type says (ISO, DNS, UUID): a universal id that is not configured makes the issuer unclear.
        issuer_oid=one(qualifiers[0], UNIVERSAL_ID) if qualifiers else None,
        type_code=one(qualifiers[0], ID_TYPE) if qualifiers else None,
    )


def _other_ids(attributes: Attributes) -> tuple[PatientId, ...]:
    found = [_patient_id(item) for item in attributes.items(OTHER_IDS)]
    found += [PatientId(value) for value in attributes.texts(OTHER_IDS_FLAT)]
    return tuple(dict.fromkeys(value for value in found if value is not None))


def _original_ids(attributes: Attributes) -> tuple[PatientId, ...]:
    """The patient ids that the object had before; who changed it may have noted the id and left its issuer out."""
    changes = [inner for item in attributes.items(ORIGINAL) for inner in item.items(MODIFIED)]
    found = [_patient_id(one) for one in changes]
    return tuple(dict.fromkeys(value for value in found if value is not None))


def _accession_issuer(attributes: Attributes) -> str | None:
    items = attributes.items(ACCESSION_ISSUER)
    return (one(items[0], UNIVERSAL_ID) or one(items[0], LOCAL_ENTITY)) if items else None


def _identity_removed(attributes: Attributes) -> bool:
    """Said outright, or a method is named and nothing denies it. What is neither YES nor NO counts as YES."""
    said = one(attributes, IDENTITY_REMOVED)
    if said is not None:
        return said.upper() != "NO"
    return bool(attributes.texts(METHOD) or attributes.items(METHOD_CODE))


def _veterinary(attributes: Attributes) -> bool:
    """A species that is not human, or what only animals have. A parent or guardian is no sign of an animal."""
    species = [text.casefold() for text in attributes.texts(SPECIES)]
    codes = [code for item in attributes.items(SPECIES_CODE) for code in _codes(item)]
    if any(text not in _HUMAN_WORDS for text in species) or any(code not in _HUMAN_CODES for code in codes):
        return True
    roles = {text.upper() for text in attributes.texts(RESPONSIBLE_ROLE)}
    breed = attributes.texts(BREED) or attributes.items(BREED_CODE) or attributes.texts(NEUTERED)
    return bool(breed) or not roles.isdisjoint(_ANIMAL_ROLES)


def _codes(item: Attributes) -> tuple[str, ...]:
    return item.texts(CODE_VALUE) + item.texts(LONG_CODE_VALUE)


def clean(tag: Tag, text: str) -> str:
    """`text` without padding; raises `BadInput` for what no database could hold and no person would write.

    A backslash parts values (PS3.5 section 6.4): in one value it shows that several were joined on the way here.
    """
    stripped = text.strip(" \0")
    if "\\" in stripped and tag.vr != "UT":
        raise BadInput(f"{tag} has more than one value", field=str(tag))
    if len(stripped) > LONGEST_VALUE:
        raise BadInput(f"{tag} is longer than {LONGEST_VALUE} characters", field=str(tag))
    if any("\ud800" <= c <= "\udfff" for c in stripped):
        raise BadInput(f"{tag} is not text", field=str(tag))
    return stripped


def components(tag: Tag, alphabetic: str) -> PersonName:
    """The first three components of a name's alphabetic group: family, given, middle (then prefix and suffix)."""
    parts = [clean(tag, part) or None for part in alphabetic.split("^")] + [None] * 3
    return PersonName(*parts[:3])
