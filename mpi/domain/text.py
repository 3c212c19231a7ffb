"""Text that came from outside, made fit to be looked up and stored."""

import re

_NOWHERE_STORED = re.compile(r"[\x00\ud800-\udfff]")


def storable(text: str) -> str:
    """`text` as every database takes it: PostgreSQL stores no NUL, and no encoding has half a surrogate pair.

    They become U+FFFD, which stands in no number and no name, so that a look-up finds nothing instead of failing.
    """
    return _NOWHERE_STORED.sub("\ufffd", text)
