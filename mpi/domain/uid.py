"""Unique identifiers of DICOM."""

import re

LONGEST = 64
_UID = re.compile(r"(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*))+", re.ASCII)


def is_uid(text: str) -> bool:
    """Whether `text` is a unique identifier of DICOM (PS3.5 section 9.1)."""
    return len(text) <= LONGEST and _UID.fullmatch(text) is not None
