"""Whether two recorded names are the same name, exactly: what folding leaves out must not make two names one."""

import unicodedata
from collections.abc import Sequence
from enum import StrEnum

from mpi.matching.fold import LONGEST, fold
from mpi.matching.names import SUFFIXES, TITLES
from mpi.matching.nicknames import groups_of, short_forms

_LONGEST_FOLDED = LONGEST // 2
"""Characters that folding surely keeps all of: no letter becomes more than two."""


class Agreement(StrEnum):
    """What a value in a header and a value in the index say of each other."""

    SAME = "same"
    DIFFERENT = "different"
    NOT_IN_HEADER = "not-in-header"
    NOT_IN_INDEX = "not-in-index"


def same_text(one: str, other: str) -> bool:
    """Whether two texts are equal but for capitals, spacing and Unicode's ways of writing one letter."""
    return _plain_text(one) == _plain_text(other)


def _plain_text(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def folds_whole(text: str, prepared: str) -> bool:
    """Whether `prepared` is all that `text` says: no foreign letter, digit, sign or alias was dropped, no end cut off.

    Signs that belong into a name are hyphen, apostrophe and full stop; any other may join two names ("MARIA & MARTA").
    """
    composed = unicodedata.normalize("NFC", text).strip()
    if len(composed) > _LONGEST_FOLDED or any(not c.isascii() and not c.isspace() and not fold(c) for c in composed):
        return False
    folded = fold(composed)
    if not composed.isprintable() or any(not c.isalnum() and c not in " -'." for c in folded):
        return False
    words = "".join(c if c.isalnum() else " " for c in folded.replace("'", "")).split()
    ignored = TITLES | SUFFIXES
    return [w for w in words if w not in ignored] == [w for w in prepared.split() if w not in ignored]


def compare_names(
    header: str | None, header_prepared: str | None, index: str | None, index_prepared: str | None, folding: str
) -> Agreement:
    """How a whole name in a header agrees with one in the index.

    A placeholder ("UNKNOWN") has no prepared form and counts as no name. With `folding` "case" the recorded texts must
    be equal but for capitals and spaces; with "matching" their prepared forms must, where nothing was dropped from
    either, else the texts.
    """
    if not header or header_prepared is None:
        return Agreement.NOT_IN_HEADER
    if not index or index_prepared is None:
        return Agreement.NOT_IN_INDEX
    if folding == "matching" and folds_whole(header, header_prepared) and folds_whole(index, index_prepared):
        same = header_prepared == index_prepared
    else:
        same = same_text(header, index)
    return Agreement.SAME if same else Agreement.DIFFERENT


def first_is_short_form(one: str, other: str) -> bool:
    """Whether one prepared given name begins with a listed short form of the name that the other begins with.

    Two short forms of one name (LISA, BETTY) do not stand for each other: twins are called so.
    """
    a, b = one.split()[0], other.split()[0]
    return a in short_forms(b) or b in short_forms(a)


def only_short_form(one: str, other: str) -> bool:
    """Whether `first_is_short_form`, and what is short stands for no other listed name (CHRIS, EMMIE, ALEX do)."""
    a, b = one.split()[0], other.split()[0]
    return (a in short_forms(b) and len(groups_of(a)) == 1) or (b in short_forms(a) and len(groups_of(b)) == 1)


def names_compatible(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two lists of further names could be one person's: an initial stands for a name, a missing one for any."""
    return all(a == b or (min(len(a), len(b)) == 1 and a[0] == b[0]) for a, b in zip(one, other, strict=False))
