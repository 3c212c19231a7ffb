"""Study headers out of pydicom data sets, and out of files by way of them."""

import io
import logging
import warnings
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from mpi.dicom.attributes import MOST_VALUES, TOP_LEVEL, Attributes, PersonName, Tag, clean, components
from mpi.dicom.part10 import Part10, read_part10
from mpi.domain.errors import BadInput, MissingExtra

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_T = TypeVar("_T")


def pydicom() -> ModuleType:
    """The library, told to be silent: its warnings quote the values of a header. Raises `MissingExtra`."""
    try:
        import pydicom as library
        from pydicom import config
    except ImportError as error:
        raise MissingExtra("DICOM files need the extra: pip install 'mpi[dicom]'") from error
    config.settings.reading_validation_mode = config.IGNORE
    logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
    warnings.filterwarnings("ignore", module=r"pydicom(\..*)?$")
    return library


class DatasetAttributes:
    """One pydicom data set."""

    def __init__(self, dataset: "Dataset") -> None:
        self._dataset = dataset

    def texts(self, tag: Tag) -> tuple[str, ...]:
        """See `Attributes`."""
        found = self._values(tag)
        if not all(isinstance(value, str) for value in found):
            # Of another representation than the standard's: a number has lost its leading zeros, an item is no text.
            raise BadInput(f"{tag} is not text", field=str(tag))
        values = [clean(tag, value) for value in found]
        return tuple(value for value in values if value)

    def _values(self, tag: Tag) -> list[Any]:
        value: Any = _guarded(tag, lambda: self._dataset[tag.number].value if tag.number in self._dataset else None)
        if value is None:
            return []
        if isinstance(value, bytes):
            raise BadInput(f"{tag} cannot be read", field=str(tag))
        several = (
            list(value) if not isinstance(value, str) and hasattr(value, "__iter__") and tag.vr != "PN" else [value]
        )
        if len(several) > MOST_VALUES:
            raise BadInput(f"{tag} has more than {MOST_VALUES} values", field=str(tag))
        return several

    def name(self, tag: Tag) -> PersonName:
        """See `Attributes`. Decoded by the data set's character set; ideographic and phonetic groups are left out."""
        values = self._values(tag)
        if not values:
            return PersonName()
        text = _guarded(tag, lambda: str(values[0].decode()) if hasattr(values[0], "decode") else str(values[0]))
        if type(values[0]).__name__ == "MultiValue" or "\\" in text:
            raise BadInput(f"{tag} has more than one value", field=str(tag))
        return components(tag, text.split("=")[0])

    def items(self, tag: Tag) -> Sequence[Attributes]:
        """See `Attributes`."""
        found = self._values(tag)
        if not all(hasattr(item, "get") for item in found):
            raise BadInput(f"{tag} is no sequence", field=str(tag))
        return [DatasetAttributes(item) for item in found]


def _guarded(tag: Tag, read: Callable[[], _T]) -> _T:
    """What `read` gives; whatever a damaged value makes the library raise becomes `BadInput`."""
    try:
        return read()
    except Exception as error:
        # Its text may quote the value, so the cause is named by its type only.
        raise BadInput(f"{tag} cannot be read ({type(error).__name__})", field=str(tag)) from None


def read_object(file: BinaryIO) -> tuple[Part10, Attributes]:
    """The attributes that the gate needs of one file, and what the file says of itself. Raises `BadInput`."""
    library = pydicom()
    part = read_part10(file, TOP_LEVEL)
    try:
        dataset = library.filereader.read_dataset(
            io.BytesIO(part.elements), part.implicit, part.little_endian, bytelength=len(part.elements)
        )
    except Exception as error:
        raise BadInput(f"the file cannot be read as DICOM ({type(error).__name__})", code="dicom-file") from None
    return part, DatasetAttributes(dataset)
