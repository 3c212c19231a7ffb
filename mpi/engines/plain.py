"""Values as most of them are written, read by whole columns: for these the one function's answer is plain.

Each rule takes only texts of which it can say for sure what `mpi.matching.prepare.READERS` and `nhs_number.read` give;
all others are left to them.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi.matching import nhs_number
from mpi.matching.contacts import NO_MAIL, NO_NUMBER, TYPED_PHONES
from mpi.matching.places import BRITISH, NO_ADDRESS, SHORT

_Rule = Callable[[Any, bool], tuple[Any, Any]]
"""Given distinct texts (Arrow), and whether test numbers count: what they read as, and of which texts that is sure."""

_TEN_DIGITS = r"^[0-9]{10}$"
_PHONE = r"^(?:0|\+44 ?(?:\(0\) ?)?)[1-9][0-9 ]{8,18}$"
_COUNTRY = r"^\+44 ?(?:\(0\))?"
_LONG_PHONE = r"^[0-9]{10,11}$"
_SAME_SEVEN = "(?:" + "|".join(f"{digit}{{7}}" for digit in "0123456789") + ")$"
_MAIL = r"^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,60}(?:\.[A-Za-z0-9-]{1,30}){1,3}$"
_POSTCODE = r"^[A-Za-z0-9]{2,4} ?[A-Za-z0-9]{3}$"
_ADDRESS = r"^[A-Za-z0-9 ,.'/&-]{1,100}$"
_IDENTIFIER = r"^[A-Za-z0-9]{3,40}$"
_ONE_SIGN = "^(?:" + "|".join(f"{sign}+" for sign in "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") + ")$"


def read_plain(column: str, texts: Any, allow_test_numbers: bool) -> tuple[Any, NDArray[np.bool_]] | None:
    """What the texts read as (Arrow strings, null where they do not say), and which texts must be asked one by one.

    None where there is no rule for the column.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if column not in _RULES:
        return None
    read, sure = _RULES[column](texts, allow_test_numbers)
    found = pc.if_else(sure, read, pa.scalar(None, pa.string()))
    return found, ~sure.to_numpy(zero_copy_only=False)


def _but(sure: Any, *not_these: Any) -> Any:
    import pyarrow.compute as pc

    for other in not_these:
        sure = pc.and_(sure, pc.invert(other))
    return sure


def _among(texts: Any, words: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.is_in(texts, pa.array(sorted(words), pa.string()))


def _nhs_number(texts: Any, allow_test_numbers: bool) -> tuple[Any, Any]:
    import pyarrow as pa
    import pyarrow.compute as pc

    ten = pc.match_substring_regex(texts, _TEN_DIGITS)
    number = pc.cast(pc.if_else(ten, texts, "0"), pa.int64()).to_numpy(zero_copy_only=False)
    right = nhs_number.readable(number, allow_test_numbers=allow_test_numbers)
    return texts, _but(pc.and_(ten, pa.array(right)), _among(texts, nhs_number.PLACEHOLDERS))


def _phone(texts: Any, _: bool) -> tuple[Any, Any]:
    import pyarrow.compute as pc

    digits = pc.replace_substring(pc.replace_substring_regex(texts, _COUNTRY, "0"), " ", "")
    sure = pc.and_(pc.match_substring_regex(texts, _PHONE), pc.match_substring_regex(digits, _LONG_PHONE))
    return digits, _but(sure, pc.match_substring_regex(digits, _SAME_SEVEN), _among(digits, TYPED_PHONES))


def _email(texts: Any, _: bool) -> tuple[Any, Any]:
    import pyarrow.compute as pc

    mail = pc.ascii_lower(texts)
    nobody = pc.match_substring_regex(mail, "^(?:" + "|".join(map(_quoted, sorted(NO_MAIL))) + ")@")
    return mail, _but(pc.match_substring_regex(texts, _MAIL), nobody)


def _quoted(text: str) -> str:
    return "".join(c if c.isalnum() else f"\\{c}" for c in text)


def _postcode(texts: Any, _: bool) -> tuple[Any, Any]:
    import pyarrow.compute as pc

    written = pc.ascii_upper(pc.replace_substring(texts, " ", ""))
    sure = pc.and_(pc.match_substring_regex(texts, _POSTCODE), pc.match_substring_regex(written, BRITISH))
    return written, _but(sure, pc.starts_with(written, "ZZ99"))


def _other_identifier(texts: Any, _: bool) -> tuple[Any, Any]:
    import pyarrow.compute as pc

    number = pc.ascii_upper(texts)
    sure = pc.match_substring_regex(texts, _IDENTIFIER)
    return number, _but(sure, pc.match_substring_regex(number, _ONE_SIGN), _among(number, NO_NUMBER))


def _address(texts: Any, _: bool) -> tuple[Any, Any]:
    import pyarrow as pa
    import pyarrow.compute as pc

    written = pc.replace_substring(pc.ascii_upper(texts), "'", "")
    words = pc.ascii_trim_whitespace(pc.replace_substring_regex(written, "[^A-Z0-9]+", " "))
    sure = _but(pc.match_substring_regex(texts, _ADDRESS), _among(words, NO_ADDRESS), pc.equal(words, ""))
    # Each word is looked up once for the whole column.
    split = pc.split_pattern(words, " ")
    coded = split.values.dictionary_encode()
    short = pa.array([SHORT.get(word, word) for word in coded.dictionary.to_pylist()], pa.string())
    shortened = pa.ListArray.from_arrays(split.offsets, short.take(coded.indices))
    return pc.binary_join(shortened, " "), sure


_RULES: dict[str, _Rule] = {
    "address_line": _address,
    "nhs_number": _nhs_number,
    "phone": _phone,
    "email": _email,
    "postcode": _postcode,
    "other_identifier": _other_identifier,
}
