"""Text of any script's Latin letters folded to ASCII capitals, so that every engine compares the same bytes."""

import unicodedata
from functools import lru_cache

LONGEST = 100
"""Characters of a value that take part in matching; edit distances grow with the square of the length."""

_SPECIAL = str.maketrans(
    {
        "ß": "SS", "ẞ": "SS", "æ": "AE", "Æ": "AE", "œ": "OE", "Œ": "OE", "ø": "O", "Ø": "O", "ł": "L", "Ł": "L",
        "đ": "D", "Đ": "D", "ð": "D", "Ð": "D", "þ": "TH", "Þ": "TH", "ħ": "H", "Ħ": "H", "ŧ": "T", "Ŧ": "T",
        "ı": "I", "ĸ": "K", "ŋ": "N", "Ŋ": "N", "ə": "E", "Ə": "E", "’": "'", "‘": "'", "ʼ": "'", "`": "'",
        "´": "'", "′": "'", "ʹ": "'", "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "−": "-",
    }
)  # fmt: skip


@lru_cache(maxsize=65536)
def fold(text: str) -> str:
    """`text` in ASCII capitals: accents gone, ligatures opened, whatever has no ASCII form left out.

    Control characters and runs of white space become one space. At most `LONGEST` characters come back.
    """
    if not text.isascii():
        opened = text[: 4 * LONGEST].translate(_SPECIAL)
        text = unicodedata.normalize("NFKD", opened).encode("ascii", "ignore").decode("ascii")
    text = text[: 4 * LONGEST].upper()
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(text.split())[:LONGEST].rstrip()


_SIGNS = {code: " " for code in range(128) if not chr(code).isalnum()}


def words_of(folded: str) -> str:
    """The words of folded text, apostrophes left out and every other sign taken for a space."""
    if folded.isalnum():
        return folded
    return " ".join(folded.replace("'", "").translate(_SIGNS).split())


def letters_and_digits(text: str) -> str:
    """`text` folded, with everything but ASCII capitals and digits left out."""
    folded = fold(text)
    return folded if folded.isalnum() else "".join(filter(str.isalnum, folded))
