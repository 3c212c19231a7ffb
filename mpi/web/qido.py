"""Known studies as QIDO-RS answers them: the DICOM JSON model (PS3.18 annex F) with the attributes of 10.6.3.3."""

from collections.abc import Mapping
from typing import Any

from mpi.domain.known_study import KnownStudies, KnownStudy, StudyState

DICOM_JSON = "application/dicom+json"
RETRIEVE_NOT = "UNAVAILABLE"
_NOT_TOLD = (("00080030", "TM"), ("00080090", "PN"), ("00100010", "PN"), ("00100030", "DA"), ("00100040", "CS"),
             ("00200010", "SH"))  # fmt: skip
"""Attributes that an answer must have and that are not told here: who asks has named the patient already."""

Attribute = dict[str, Any]


def data_sets(found: KnownStudies, names: Mapping[str, str]) -> list[dict[str, Attribute]]:
    """One data set for each study, tags in their order. `names` gives a site's name by its code."""
    return [_data_set(one, names) for one in found.studies]


def warning(found: KnownStudies) -> str | None:
    """The Warning header (RFC 7234 5.5, PS3.18 8.3) of an answer that leaves something out; None: it is whole."""
    said = []
    if found.withheld:
        said.append(f"{found.withheld} studies are withheld: it is in doubt whose they are")
    if found.restricted:
        said.append("a restricted person: studies of other sites are withheld")
    return f'299 mpi "{"; ".join(said)}"' if said else None


def _data_set(one: KnownStudy, names: Mapping[str, str]) -> dict[str, Attribute]:
    said: dict[str, Attribute] = {
        "00080005": _value("CS", "ISO_IR 192"),
        "00080020": _value("DA", one.study_date),
        "00080050": _value("SH", one.accession_number),
        "00080061": _value("CS", one.modality),
        "00080080": _value("LO", names.get(one.site, one.site)),
        "00081030": _value("LO", one.description),
        "00100020": _value("LO", one.local_id),
        "00100021": _value("LO", one.site),
        "0020000D": _value("UI", one.study_uid),
    }
    if one.state is StudyState.SCHEDULED:
        said["00080056"] = _value("CS", RETRIEVE_NOT)
    if one.accession_issuer:
        said["00080051"] = {"vr": "SQ", "Value": [{"00400031": _value("UT", one.accession_issuer)}]}
    said |= {tag: {"vr": vr} for tag, vr in _NOT_TOLD}
    return dict(sorted(said.items()))


def _value(vr: str, value: str | None) -> Attribute:
    """An attribute with its value; one without a value has none (PS3.18 F.2.5)."""
    return {"vr": vr, "Value": [value]} if value else {"vr": vr}
