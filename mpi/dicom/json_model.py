"""Study headers out of the DICOM JSON model (PS3.18 annex F)."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from mpi.dicom.attributes import MOST_VALUES, Attributes, PersonName, Tag, clean, components
from mpi.domain.errors import BadInput


class JsonAttributes:
    """One data set object of the JSON model: tag -> {vr, Value}."""

    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data

    def _values(self, tag: Tag) -> list[Any]:
        element = self._data.get(f"{tag.number:08X}")
        if element is None:
            return []
        if not isinstance(element, dict):
            raise _wrong(tag, "must be an object with vr and Value")
        if element.get("vr") != tag.vr:
            raise _wrong(tag, f"must have the vr {tag.vr}")
        if "InlineBinary" in element or "BulkDataURI" in element:
            raise _wrong(tag, "must be given as Value")
        values = element.get("Value", [])
        if not isinstance(values, list):
            raise _wrong(tag, "must have a list as Value")
        if len(values) > MOST_VALUES:
            raise _wrong(tag, f"has more than {MOST_VALUES} values")
        return [value for value in values if value is not None]

    def texts(self, tag: Tag) -> tuple[str, ...]:
        """See `Attributes`."""
        found = []
        for value in self._values(tag):
            if not isinstance(value, str):
                raise _wrong(tag, "must have texts as Value")
            found.append(clean(tag, value))
        return tuple(text for text in found if text)

    def name(self, tag: Tag) -> PersonName:
        """See `Attributes`. Ideographic and phonetic groups are left out."""
        values = self._values(tag)
        if not values:
            return PersonName()
        if len(values) > 1:
            raise _wrong(tag, "has more than one value")
        groups = values[0]
        alphabetic = groups.get("Alphabetic", "") if isinstance(groups, dict) else None
        if not isinstance(alphabetic, str):
            raise _wrong(tag, "must be an object with the group Alphabetic")
        return components(tag, alphabetic.split("=")[0])

    def items(self, tag: Tag) -> Sequence[Attributes]:
        """See `Attributes`."""
        found = self._values(tag)
        if not all(isinstance(item, dict) for item in found):
            raise _wrong(tag, "must have objects as Value")
        return [JsonAttributes(_upper(item)) for item in found]


def read_objects(data: bytes) -> list[JsonAttributes]:
    """The data sets in a DICOM JSON document: one object, or a list of them. Raises `BadInput`."""
    try:
        document = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_no_duplicates)
    except BadInput:
        raise
    except (ValueError, RecursionError) as error:
        raise BadInput("the body is not JSON in UTF-8", code="json") from error
    objects = document if isinstance(document, list) else [document]
    if not objects or not all(isinstance(one, dict) for one in objects):
        raise BadInput("the body is no data set of the DICOM JSON model", code="json")
    return [JsonAttributes(_upper(one)) for one in objects]


def _no_duplicates(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; a name that stands twice leaves open which value counts."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise BadInput("a name stands twice in one JSON object", code="json")
        found[name] = value
    return found


def _upper(data: dict[str, Any]) -> dict[str, Any]:
    """The object with its tags in capitals, as the standard writes them."""
    return _no_duplicates((name.upper(), value) for name, value in data.items())


def _wrong(tag: Tag, problem: str) -> BadInput:
    return BadInput(f"{tag} {problem}", code="dicom-json", field=str(tag))
