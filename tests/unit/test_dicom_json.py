"""Study headers out of DICOM JSON: what is read, what is refused and by which tag, and that nothing else is raised."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpi.dicom import attributes
from mpi.dicom.header import header_from_json
from mpi.domain.errors import BadInput
from mpi.domain.study import PatientId, StudyHeader
from mpi.matching import joined_header

UID = "1.2.826.0.1.3680043.10.1"


def text(vr: str, *values: Any) -> dict[str, Any]:
    """An element of the JSON model."""
    return {"vr": vr, "Value": list(values)}


def name(alphabetic: str, **groups: str) -> dict[str, Any]:
    """A person name of the JSON model."""
    return text("PN", {"Alphabetic": alphabetic, **groups})


def study(**elements: Any) -> dict[str, Any]:
    """A data set with a study UID; keys are tags with a leading `t`."""
    return {"0020000D": text("UI", UID)} | {key[1:]: value for key, value in elements.items()}


def read(data: Any) -> StudyHeader:
    """The header of a document."""
    return header_from_json(json.dumps(data).encode())


def test_a_whole_header() -> None:
    qualifiers = {"00400032": text("UT", "2.999.1"), "00400033": text("CS", "ISO"), "00400035": text("CS", "MR")}
    found = read(
        study(
            t00080020=text("DA", "20240110"),
            t00080050=text("SH", "A1"),
            t00080060=text("CS", "CT"),
            t00080080=text("LO", "Royal Example"),
            t00100010=name("Ashworth^Maria^Jane^Dr^MBE", Ideographic="X^Y"),
            t00100020=text("LO", "100 "),
            t00100021=text("LO", "RXX"),
            t00100024=text("SQ", qualifiers),
            t00100030=text("DA", "19680324"),
            t00100040=text("CS", "F"),
            t00101000=text("LO", "X1", "X2"),
            t00101002=text("SQ", {"00100020": text("LO", "900"), "00100021": text("LO", "RYY")}, {}),
        )
    )
    assert found == StudyHeader(
        study_uid=UID,
        patient_id=PatientId("100", "RXX", "2.999.1", "MR"),
        other_patient_ids=(PatientId("900", "RYY"), PatientId("X1"), PatientId("X2")),
        family_name="Ashworth",
        given_name="Maria",
        middle_name="Jane",
        birth_date="19680324",
        sex="F",
        study_date="20240110",
        accession_number="A1",
        modality="CT",
        institution="Royal Example",
    )


def test_absent_empty_and_null_are_alike() -> None:
    empty = study(t00100010=text("PN"), t00100020={"vr": "LO"}, t00100030=text("DA", None), t00100040=text("CS", " "))
    assert read(empty) == read(study()) == StudyHeader(study_uid=UID)


def test_dates_are_kept_as_recorded() -> None:
    assert read(study(t00100030=text("DA", "1968"))).birth_date == "1968"


def test_a_byte_order_mark_is_passed_over() -> None:
    assert header_from_json(b"\xef\xbb\xbf" + json.dumps(study()).encode()).study_uid == UID


HUMAN, DOG = (text("SQ", {"00080100": text("SH", code)}) for code in ("337915000", "448771007"))
FLAGS = [
    ("identity removed", {"t00120062": text("CS", "YES")}, "identity_removed"),
    ("identity not removed", {"t00120062": text("CS", "NO"), "t00120063": text("LO", "X")}, ""),
    ("a method of removal and no word of it", {"t00120063": text("LO", "BASIC")}, "identity_removed"),
    ("a coded method of removal", {"t00120064": text("SQ", {"00080100": text("SH", "113100")})}, "identity_removed"),
    ("neither yes nor no", {"t00120062": text("CS", "MAYBE")}, "identity_removed"),
    ("a trial's protocol", {"t00120020": text("LO", "P1")}, "trial"),
    ("an empty trial attribute", {"t00120020": text("LO", "")}, ""),
    ("a phantom", {"t00100200": text("CS", "YES")}, "quality_control"),
    ("not a phantom", {"t00100200": text("CS", "NO")}, ""),
    ("a species", {"t00102201": text("LO", "Canis lupus familiaris")}, "veterinary"),
    ("the human species", {"t00102201": text("LO", "Homo Sapiens")}, ""),
    ("the human species as a code", {"t00102202": HUMAN}, ""),
    ("a species as a code", {"t00102202": DOG}, "veterinary"),
    ("a breed", {"t00102292": text("LO", "Collie")}, "veterinary"),
    ("neutered", {"t00102203": text("CS", "ALTERED")}, "veterinary"),
    ("an owner", {"t00102298": text("CS", "OWNER")}, "veterinary"),
    ("a child's parent", {"t00102297": name("Ashworth^Eve"), "t00102298": text("CS", "PARENT")}, ""),
]  # fmt: skip


@pytest.mark.parametrize(("elements", "flag"), [pytest.param(e, f, id=i) for i, e, f in FLAGS])
def test_what_the_object_says_of_itself(elements: dict[str, Any], flag: str) -> None:
    found = read(study(**elements))
    assert [name for name in joined_header.FLAGS if getattr(found, name)] == ([flag] if flag else [])


REFUSED = [
    ("not JSON", b"{", ""),
    ("not UTF-8", b'{"a": "\xff"}', ""),
    ("nested without end", b"[" * 100_000, ""),
    ("a number of 10,000 digits", b"1" * 10_000, ""),
    ("a text", b'"study"', ""),
    ("an empty list", b"[]", ""),
    ("a list of numbers", b"[1]", ""),
    ("no study UID", b"{}", "(0020,000D)"),
    ("an invalid study UID", study(t0020000D=text("UI", "1.02")), "(0020,000D)"),
    ("a study UID with a path", study(t0020000D=text("UI", "1.2/../3")), "(0020,000D)"),
    ("a study UID of 65 characters", study(t0020000D=text("UI", "1." + "2" * 63)), "(0020,000D)"),
    ("two study UIDs", study(t0020000D=text("UI", "1.2", "1.3")), "(0020,000D)"),
    ("a wrong vr", study(t00100020=text("DA", "H4711")), "(0010,0020)"),
    ("no vr", study(t00100020={"Value": ["H4711"]}), "(0010,0020)"),
    ("an element that is a text", study(t00100020="H4711"), "(0010,0020)"),
    ("a value that is no list", study(t00100020={"vr": "LO", "Value": "H4711"}), "(0010,0020)"),
    ("a number where text is wanted", study(t00100020=text("LO", 4711)), "(0010,0020)"),
    ("two patient ids", study(t00100020=text("LO", "H4711", "101")), "(0010,0020)"),
    ("binary data", study(t00100020={"vr": "LO", "InlineBinary": "SDQ3MTE="}), "(0010,0020)"),
    ("a reference to data elsewhere", study(t00100020={"vr": "LO", "BulkDataURI": "http://a"}), "(0010,0020)"),
    ("a value of 2,000 characters", study(t00100020=text("LO", "1" * 2000)), "(0010,0020)"),
    ("half a character", study(t00100020=text("LO", "\ud800")), "(0010,0020)"),
    ("a name as text", study(t00100010=text("PN", "Ashworth^Maria")), "(0010,0010)"),
    ("a name whose group is a number", study(t00100010=text("PN", {"Alphabetic": 3})), "(0010,0010)"),
    ("two names", study(t00100010=text("PN", {"Alphabetic": "A"}, {"Alphabetic": "B"})), "(0010,0010)"),
    ("two names in one text", study(t00100010=name("Ashworth^Maria\\Holt^Peter")), "(0010,0010)"),
    ("two patient ids in one text", study(t00100020=text("LO", "H4711\\101")), "(0010,0020)"),
    ("two other ids in one text", study(t00101000=text("LO", "H4711\\101")), "(0010,1000)"),
    ("a sequence of texts", study(t00101002=text("SQ", "H4711")), "(0010,1002)"),
    ("two issuers' qualifiers", study(t00100020=text("LO", "1"), t00100024=text("SQ", {}, {})), "(0010,0024)"),
    ("thousands of other ids", study(t00101000=text("LO", *["1"] * 5000)), "(0010,1000)"),
    ("a tag twice in capitals and not", study() | {"0020000d": text("UI", "1.2.3")}, ""),
    ("a tag twice", b'{"0020000D": {"vr": "UI", "Value": ["1.2"]}, "0020000D": {"vr": "UI", "Value": ["1.3"]}}', ""),
    ("two studies", [study(), study(t0020000D=text("UI", "1.2.3"))], ""),
]  # fmt: skip


@pytest.mark.parametrize(("document", "tag"), [pytest.param(d, t, id=i) for i, d, t in REFUSED])
def test_what_is_refused_names_the_tag_and_no_value(document: Any, tag: str) -> None:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    with pytest.raises(BadInput) as caught:
        header_from_json(data)
    assert (caught.value.field or "").startswith(tag)
    assert tag in str(caught.value)
    assert "4711" not in str(caught.value)


def test_objects_of_one_study_make_one_header() -> None:
    one = study(t00100020=text("LO", "100"), t00100010=name("Ashworth^Maria"))
    assert read([one, one]) == read(one)
    assert read([one, study(t00100020=text("LO", "101"), t00100010=name("Ashworth^Maria"))]).several_patients


_known = st.sampled_from([f"{number:08X}" for number in sorted(attributes.TOP_LEVEL)])
_plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
_any_json = st.recursive(
    _plain,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | _known, inner, max_size=4),
    max_leaves=20,
)
_element = st.fixed_dictionaries(
    {"vr": st.sampled_from(["LO", "PN", "SQ", "UI", "CS", "DA", "SH", "UN"])},
    optional={"Value": st.lists(_any_json, max_size=3) | _any_json},
)
_near = st.dictionaries(_known, _element | _any_json, max_size=8).map(lambda d: study() | d)


@given(document=_any_json | _near | st.lists(_near, max_size=3))
def test_any_json_gives_a_header_or_bad_input(document: Any) -> None:
    _header_or_bad_input(json.dumps(document).encode())


@given(data=st.binary(max_size=200))
def test_any_bytes_give_a_header_or_bad_input(data: bytes) -> None:
    _header_or_bad_input(data)


def _header_or_bad_input(data: bytes) -> None:
    try:
        found = header_from_json(data)
    except BadInput:
        return
    assert found.study_uid
