"""Study headers out of real DICOM files: written by pydicom here, and those that come with it."""

import io
import logging
import os
import struct
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    generate_uid,
)

from mpi.dicom import datasets, discs, part10
from mpi.dicom.header import header_from_dataset, header_from_file, header_from_path
from mpi.domain.errors import BadInput, MissingExtra
from mpi.domain.study import PatientId, StudyHeader
from mpi.matching import joined_header

UID = "1.2.826.0.1.3680043.10.1"
BUNDLED = Path(pydicom.__file__).parent / "data" / "test_files"


def item(**values: Any) -> Dataset:
    """A data set with these attributes."""
    data = Dataset()
    for keyword, value in values.items():
        setattr(data, keyword, value)
    return data


def an_object(**values: Any) -> Dataset:
    """A small CT object of Maria's."""
    data = item(
        SOPClassUID=CTImageStorage,
        SOPInstanceUID=generate_uid(),
        StudyInstanceUID=UID,
        StudyDate="20240110",
        Modality="CT",
        PatientName="Ashworth^Maria^Jane",
        PatientID="100",
        IssuerOfPatientID="RXX",
        PatientBirthDate="19680324",
        PatientSex="F",
    )
    for keyword, value in values.items():
        if value is None:
            delattr(data, keyword)
        else:
            setattr(data, keyword, value)
    return data


def as_bytes(data: Dataset, syntax: str = ExplicitVRLittleEndian, source: str | None = None) -> bytes:
    """The object as a DICOM file."""
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = syntax
    data.file_meta.MediaStorageSOPClassUID = data.get("SOPClassUID", CTImageStorage)
    data.file_meta.MediaStorageSOPInstanceUID = data.get("SOPInstanceUID", "1.2.3")
    if source:
        data.file_meta.SourceApplicationEntityTitle = source
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, data, enforce_file_format=True)
    return buffer.getvalue()


def with_pixels(data: Dataset, size: int = 64) -> Dataset:
    """The object with pixel data behind it."""
    data.Rows = data.Columns = 8
    data.BitsAllocated, data.BitsStored, data.HighBit, data.SamplesPerPixel, data.PixelRepresentation = 8, 8, 7, 1, 0
    data.PhotometricInterpretation = "MONOCHROME2"
    data.PixelData = b"\0" * size
    return data


SYNTAXES = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda uid: uid.name)
def test_a_file_in_each_encoding(syntax: str) -> None:
    data = with_pixels(an_object(OtherPatientIDsSequence=Sequence([item(PatientID="900", IssuerOfPatientID="RYY")])))
    assert header_from_file(as_bytes(data, syntax, "CTROOM2")) == StudyHeader(
        study_uid=UID,
        patient_id=PatientId("100", "RXX"),
        other_patient_ids=(PatientId("900", "RYY"),),
        family_name="Ashworth",
        given_name="Maria",
        middle_name="Jane",
        birth_date="19680324",
        sex="F",
        study_date="20240110",
        modality="CT",
        source_ae="CTROOM2",
    )


def test_issuer_qualifiers_and_the_retired_list_of_other_ids() -> None:
    qualifiers = item(UniversalEntityID="2.999.1", UniversalEntityIDType="ISO", IdentifierTypeCode="MR")
    data = an_object(IssuerOfPatientIDQualifiersSequence=Sequence([qualifiers]))
    data.add_new(0x00101000, "LO", ["X1", "X2"])
    found = header_from_file(as_bytes(data))
    assert found.patient_id == PatientId("100", "RXX", "2.999.1", "MR")
    assert found.other_patient_ids == (PatientId("X1"), PatientId("X2"))


@pytest.mark.parametrize(
    ("charset", "encoding"),
    [("ISO_IR 100", "latin-1"), ("ISO_IR 192", "utf-8"), ("GB18030", "gb18030")],
    ids=["latin 1", "utf-8", "gb18030"],
)
def test_names_are_decoded_by_the_files_character_set(charset: str, encoding: str) -> None:
    data = an_object(SpecificCharacterSet=charset)
    data.add_new(0x00100010, "PN", "Müller^René".encode(encoding))
    found = header_from_file(as_bytes(data))
    assert (found.family_name, found.given_name) == ("Müller", "René")


def test_ideographic_and_phonetic_groups_are_left_out() -> None:
    data = an_object(SpecificCharacterSet="ISO_IR 192", PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう")
    found = header_from_file(as_bytes(data))
    assert (found.family_name, found.given_name, found.middle_name) == ("Yamada", "Tarou", None)


def test_a_name_without_an_alphabetic_group_is_no_name() -> None:
    found = header_from_file(as_bytes(an_object(SpecificCharacterSet="ISO_IR 192", PatientName="=山田^太郎")))
    assert (found.family_name, found.given_name) == (None, None)


def test_prefix_and_suffix_come_last_and_are_not_taken_for_names() -> None:
    found = header_from_file(as_bytes(an_object(PatientName="Ashworth^Maria^^Dr^MBE")))
    assert (found.family_name, found.given_name, found.middle_name) == ("Ashworth", "Maria", None)


def test_illegal_dates_are_kept_as_recorded() -> None:
    data = an_object()
    data.add_new(0x00100030, "DA", b"1968")
    assert header_from_file(as_bytes(data)).birth_date == "1968"


def test_two_names_are_bad_input() -> None:
    data = an_object()
    data.add_new(0x00100010, "PN", b"Ashworth^Maria\\Holt^Peter")
    with pytest.raises(BadInput, match=r"\(0010,0010\)"):
        header_from_file(as_bytes(data))


def test_a_data_set_from_the_network() -> None:
    assert header_from_dataset(an_object(), "CTROOM2") == header_from_file(as_bytes(an_object(), source="CTROOM2"))


def test_a_file_without_preamble_and_meta_information() -> None:
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, an_object(), implicit_vr=True, little_endian=True)
    assert header_from_file(buffer.getvalue()).patient_id == PatientId("100", "RXX")


# --- what cannot be read ---------------------------------------------------------------------------------------------

datasets.pydicom()  # its complaints about odd values are silenced before any are written
WHOLE = as_bytes(with_pixels(an_object()))


def _no_uid() -> bytes:
    return as_bytes(an_object(StudyInstanceUID=None))


def _wrong_uid() -> bytes:
    data = an_object()
    data.add_new(0x0020000D, "UI", "1.2.x")
    return as_bytes(data)


def _huge_name() -> bytes:
    data = an_object()
    data.add_new(0x00104000, "LT", "x")
    data.add_new(0x00100010, "PN", b"A" * 60_000)
    return as_bytes(data)


def _twice(group: int, element: int, vr: bytes, value: bytes) -> bytes:
    """A good file with one more element at its end."""
    return WHOLE + struct.pack("<HH2sH", group, element, vr, len(value)) + value


_ELSEWHERE = struct.pack("<HH2sH", 0x10, 0x20, b"LO", 4) + b"555 "


def _in_an_item(elements: bytes) -> bytes:
    """A good file with other patient ids at its end, in one item."""
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(elements)) + elements
    return WHOLE + struct.pack("<HH2sHI", 0x10, 0x1002, b"SQ", 0, len(item)) + item


def test_two_items_of_the_other_ids_may_have_the_same_attributes() -> None:
    data = an_object(OtherPatientIDsSequence=Sequence([item(PatientID="1"), item(PatientID="2")]))
    data["OtherPatientIDsSequence"].is_undefined_length = True
    assert header_from_file(as_bytes(data)).other_patient_ids == (PatientId("1"), PatientId("2"))
    assert header_from_file(_in_an_item(_ELSEWHERE)).other_patient_ids == (PatientId("555"),)


def _with(number: int, vr: str, value: Any) -> bytes:
    """An object with one attribute in another representation than the standard's."""
    data = an_object()
    data.add_new(number, vr, value)
    return as_bytes(data)


UNREADABLE: list[tuple[str, Callable[[], bytes], str]] = [
    ("nothing", lambda: b"", "no DICOM file"),
    ("a text", lambda: b"no study at all" * 30, "no DICOM file"),
    ("a preamble and nothing else", lambda: b"\0" * 128 + b"DICM", r"\(0020,000D\)"),
    ("cut off in the pixel data", lambda: WHOLE[:-10], "cut off"),
    ("cut off in the middle of an element", lambda: WHOLE[:250], "cut off"),
    ("cut off in the meta information", lambda: WHOLE[:150], "cut off"),
    ("noise behind a good beginning", lambda: WHOLE + b"\xff" * 40, "cut off"),
    ("a deflated file cut off", lambda: as_bytes(an_object(), DeflatedExplicitVRLittleEndian)[:-20], "cut off"),
    ("no study UID", _no_uid, r"\(0020,000D\) Study Instance UID is missing"),
    ("a study UID that is none", _wrong_uid, r"\(0020,000D\) Study Instance UID is not a valid UID"),
    ("two names, each in an element", lambda: _twice(0x10, 0x10, b"PN", b"Holt^Peter"), "twice"),
    ("two patient ids, each in an element", lambda: _twice(0x10, 0x20, b"LO", b"200 "), "twice"),
    ("two numbers in one item of the other ids", lambda: _in_an_item(_ELSEWHERE + _ELSEWHERE), "twice"),
    ("a patient id as a number", lambda: _with(0x00100020, "US", 100), r"\(0010,0020\)"),
    ("other patient ids as items", lambda: _with(0x00101000, "SQ", [item(PatientID="200")]), r"\(0010,1000\)"),
    ("two other ids in one long text", lambda: _with(0x00101000, "LT", "X1\\X2"), r"\(0010,1000\)"),
    ("a name of 60,000 characters", _huge_name, r"\(0010,0010\)"),
]


@pytest.mark.parametrize(("make", "says"), [pytest.param(m, s, id=i) for i, m, s in UNREADABLE])
def test_what_cannot_be_read_is_bad_input(make: Callable[[], bytes], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        header_from_file(make())


@given(cut=st.integers(0, len(WHOLE) - 1), place=st.integers(0, len(WHOLE) - 1), byte=st.integers(0, 255))
def test_a_damaged_file_gives_a_header_or_bad_input(cut: int, place: int, byte: int) -> None:
    damaged = WHOLE[:place] + bytes([byte]) + WHOLE[place + 1 :]
    for data in (WHOLE[:cut], damaged, damaged[:cut]):
        try:
            found = header_from_file(data)
        except BadInput:
            continue
        assert found.study_uid


def test_a_cut_off_file_never_gives_half_a_header() -> None:
    """A cut exactly between two elements cannot be seen; then everything that the gate reads was before it."""
    whole, seen = header_from_file(WHOLE), 0
    for cut in range(len(WHOLE)):
        try:
            found = header_from_file(WHOLE[:cut])
        except BadInput:
            continue
        seen += 1
        assert found == whole
    assert seen < 40


def test_a_missing_library_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pydicom", None)
    with pytest.raises(MissingExtra, match=r"pip install 'mpi\[dicom\]'"):
        header_from_file(WHOLE)


def test_warnings_about_values_reach_no_log(caplog: pytest.LogCaptureFixture) -> None:
    data = an_object(SpecificCharacterSet="ISO_IR 100")
    data.add_new(0x00100030, "DA", b"ASHWORTH-BORN-1968")
    written = as_bytes(data).replace(b"ISO_IR 100", b"NO_SUCHSET")
    caplog.clear()  # what the library says of the writing is this test's own
    with caplog.at_level(logging.DEBUG):
        assert header_from_file(written).birth_date == "ASHWORTH-BORN-1968"
    assert "ASHWORTH" not in caplog.text


# --- large files -----------------------------------------------------------------------------------------------------


class _Counting(io.FileIO):
    """A file that counts the bytes read of it."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:  # type: ignore[override]
        found = super().read(size)
        assert found is not None
        self.taken += len(found)
        return found


def _sparse(tmp_path: Path, gap: bytes) -> Path:
    """A file of 1 GB, most of it a hole: `gap` is the element that the hole is the value of."""
    file = tmp_path / "large.dcm"
    with file.open("wb") as out:
        out.write(gap)
        out.seek(1 << 30, os.SEEK_CUR)
        out.truncate()
    return file


@pytest.mark.parametrize(
    "element",
    [b"\xe0\x7f\x10\x00OW\0\0", b"\x21\x00\x10\x10OB\0\0"],
    ids=["pixel data", "a private element"],
)
def test_of_a_file_of_one_gigabyte_only_the_header_is_read(tmp_path: Path, element: bytes) -> None:
    file = _sparse(tmp_path, as_bytes(an_object()) + element + (1 << 30).to_bytes(4, "little"))
    with _Counting(file, "rb") as opened:
        _, attributes = datasets.read_object(opened)
        assert discs.study_header(attributes).patient_id == PatientId("100", "RXX")
        assert opened.taken < 10_000


def test_a_deflated_bomb_is_not_inflated_whole() -> None:
    data = an_object()
    data.add_new(0x00211010, "OB", b"\0" * (20 * part10.MOST_INFLATED))
    assert header_from_file(as_bytes(data, DeflatedExplicitVRLittleEndian)).patient_id == PatientId("100", "RXX")


def test_a_patient_attribute_of_megabytes_is_bad_input() -> None:
    big = Sequence([item(PatientID="1" * 60) for _ in range(3000)])
    with pytest.raises(BadInput, match="too long"):
        header_from_file(as_bytes(an_object(OtherPatientIDsSequence=big)))


# --- folders and discs -----------------------------------------------------------------------------------------------


def put(folder: Path, name: str, **values: Any) -> Path:
    """Write an object into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_bytes(as_bytes(an_object(**values)))
    return file


def test_every_field_of_a_header_has_a_way_of_being_joined() -> None:
    own = {"study_uid", "patient_id", "other_patient_ids", "original_patient_ids"}
    assert {f.name for f in fields(StudyHeader)} == own | {
        *joined_header.MUST_AGREE,
        *joined_header.TOLD,
        *joined_header.FLAGS,
    }


def test_a_folder_of_one_study_gives_one_header(tmp_path: Path) -> None:
    put(tmp_path / "a", "1")
    put(tmp_path / "b", "2", Modality="SR", PatientName="ASHWORTH^MARIA^JANE")
    (tmp_path / "AUTORUN.INF").write_text("a viewer")
    (found,) = header_from_path(tmp_path)
    assert found == header_from_file(tmp_path / "a" / "1")
    assert not found.several_patients


def test_a_folder_of_two_studies_gives_two_headers(tmp_path: Path) -> None:
    put(tmp_path, "1")
    put(tmp_path, "2", StudyInstanceUID="1.2.3")
    assert [header.study_uid for header in header_from_path(tmp_path)] == [UID, "1.2.3"]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"PatientID": "101"}, id="another patient id"),
        pytest.param({"PatientID": None}, id="no patient id in one object"),
        pytest.param({"IssuerOfPatientID": "RYY"}, id="another issuer"),
        pytest.param({"PatientName": "Ashworth^Marta"}, id="another given name"),
        pytest.param({"PatientBirthDate": "19680325"}, id="another birth date"),
        pytest.param({"PatientSex": "M"}, id="another sex"),
    ],
)
def test_objects_that_disagree_are_several_patients(tmp_path: Path, other: dict[str, Any]) -> None:
    put(tmp_path, "1")
    put(tmp_path, "2", PatientBirthDate="")
    put(tmp_path, "3", **other)
    (found,) = header_from_path(tmp_path)
    assert found.several_patients


def test_what_one_object_does_not_say_is_not_said_of_the_study(tmp_path: Path) -> None:
    put(tmp_path, "1", OtherPatientIDsSequence=Sequence([item(PatientID="9", IssuerOfPatientID="RYY")]))
    put(tmp_path, "2", PatientBirthDate="", StudyDate="20240111", PatientIdentityRemoved="YES")
    (found,) = header_from_path(tmp_path)
    assert (found.birth_date, found.study_date, found.several_patients) == (None, None, False)
    assert found.other_patient_ids == (PatientId("9", "RYY"),)
    assert found.identity_removed


def test_a_damaged_object_in_a_folder_is_named(tmp_path: Path) -> None:
    put(tmp_path / "series", "1")
    (tmp_path / "series" / "2").write_bytes(WHOLE[:-10])
    with pytest.raises(BadInput, match=r"^series/2: the file is cut off"):
        header_from_path(tmp_path)


def test_the_name_of_a_damaged_object_steers_no_terminal(tmp_path: Path) -> None:
    (tmp_path / "\x1b[2J\udcff.dcm").write_bytes(WHOLE[:-10])
    with pytest.raises(BadInput, match=r"^\?\[2J\?\.dcm: ") as caught:
        header_from_path(tmp_path)
    assert str(caught.value).isprintable()


def test_a_folder_without_dicom_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "readme").write_text("nothing")
    with pytest.raises(BadInput, match="no DICOM study"):
        header_from_path(tmp_path)


def _disc(tmp_path: Path) -> Path:
    from pydicom.fileset import FileSet

    files = FileSet()
    for number in range(2):
        data = with_pixels(an_object(StudyTime="101010", StudyID="1", AccessionNumber=""))
        data.SeriesInstanceUID, data.SeriesNumber, data.InstanceNumber = "1.2.9", 1, number
        files.add(pydicom.dcmread(io.BytesIO(as_bytes(data))))
    files.write(tmp_path / "disc")
    files._stage["t"].cleanup()  # else its folder is found left over by a later test
    return tmp_path / "disc" / "DICOMDIR"


def test_a_disc_by_its_dicomdir_and_as_a_folder(tmp_path: Path) -> None:
    directory = _disc(tmp_path)
    (found,) = header_from_path(directory)
    assert found.patient_id == PatientId("100", "RXX")
    assert header_from_path(directory.parent) == (found,)
    with pytest.raises(BadInput, match="DICOMDIR"):
        header_from_file(directory)


def test_a_disc_with_small_letters(tmp_path: Path) -> None:
    directory = _disc(tmp_path)
    for file in sorted(directory.parent.rglob("*"), reverse=True):
        if file != directory:
            file.rename(file.with_name(file.name.lower()))
    assert len(header_from_path(directory)) == 1


def test_a_disc_that_lacks_a_file_is_bad_input(tmp_path: Path) -> None:
    directory = _disc(tmp_path)
    next(file for file in directory.parent.rglob("*") if file.is_file() and file != directory).unlink()
    with pytest.raises(BadInput, match="not on the disc"):
        header_from_path(directory)


def test_a_dicomdir_that_points_outside_its_disc_is_bad_input(tmp_path: Path) -> None:
    directory = _disc(tmp_path)
    put(tmp_path, "secret")
    data = pydicom.dcmread(directory)
    for record in data.DirectoryRecordSequence:
        if "ReferencedFileID" in record:
            record.ReferencedFileID = ["..", "secret"]
    data.save_as(directory)
    with pytest.raises(BadInput, match="not on the disc"):
        header_from_path(directory)


def test_a_disc_with_a_link_to_outside_is_bad_input(tmp_path: Path) -> None:
    directory = _disc(tmp_path)
    file = next(file for file in directory.parent.rglob("*") if file.is_file() and file != directory)
    file.unlink()
    file.symlink_to(put(tmp_path, "secret"))
    with pytest.raises(BadInput, match="not on the disc"):
        header_from_path(directory)


# --- files of others -------------------------------------------------------------------------------------------------

FILES = sorted(file for file in BUNDLED.rglob("*") if file.is_file())
CUT_OFF = {"MR_truncated.dcm", "rtplan_truncated.dcm"}


def _read(file: Path) -> tuple[tuple[StudyHeader, ...], str]:
    """The headers of a file, and why there are none."""
    try:
        return header_from_path(file), ""
    except BadInput as error:
        return (), str(error)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(BUNDLED)))
def test_bundled_files_are_read_as_pydicom_reads_them(file: Path) -> None:
    headers, problem = _read(file)
    assert ("cut off" in problem) == (file.name in CUT_OFF)
    if "Study Instance UID" in problem:
        assert not pydicom.dcmread(file, force=True).get("StudyInstanceUID")
    if problem:
        return
    if file.name.startswith("DICOMDIR"):
        return
    data = pydicom.dcmread(file, force=True, stop_before_pixels=True)
    (found,) = headers
    family, given_name = (found.family_name or "", found.given_name or "")
    name = data.get("PatientName", "")
    assert (found.study_uid, found.sex or "") == (data.StudyInstanceUID, data.get("PatientSex") or "")
    assert (family, given_name) == (str(name.family_name), str(name.given_name)) if name else ("", "")
    assert (found.patient_id.value if found.patient_id else "") == (data.get("PatientID") or "").strip()


def test_most_bundled_files_have_a_header() -> None:
    """So that the test above cannot pass by refusing everything."""
    assert sum(1 for file in FILES if _read(file)[0]) >= 150
