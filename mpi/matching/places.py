"""Postcodes, addresses and towns made comparable."""

import re
from functools import lru_cache

from mpi.matching.fold import fold, letters_and_digits, words_of

BRITISH = r"^(?:GIR0AA|([A-Z]{1,2})([0-9][A-Z0-9]?)([0-9])([A-Z]{2}))$"
"""The shape of a British postcode without its space, as a regular expression."""
_BRITISH = re.compile(BRITISH)
_TO_DIGIT = str.maketrans("OI", "01")
_TO_LETTER = str.maketrans("01", "OI")
_AREAS = frozenset(
    "AB AL B BA BB BD BF BH BL BN BR BS BT BX CA CB CF CH CM CO CR CT CV CW DA DD DE DG DH DL DN DT DY E "
    "EC EH EN EX FK FY G GL GU GY HA HD HG HP HR HS HU HX IG IM IP IV JE KA KT KW KY L LA LD LE LL LN LS "
    "LU M ME MK ML N NE NG NN NP NR NW OL OX PA PE PH PL PO PR RG RH RM S SA SE SG SK SL SM SN SO SP SR "
    "SS ST SW SY TA TD TF TN TQ TR TS TW UB W WA WC WD WF WN WR WS WV YO ZE".split()
)
"""Postcode areas: a value is only put right into one of them, or a Dutch `1234AB` would become British."""
_OUTWARD_SHAPES = {2: ("A9",), 3: ("A99", "AA9", "A9A"), 4: ("AA99", "AA9A")}
_PLACEHOLDER = re.compile(r"^(?:0+|9+|X+|Z+|UNKNOWN|UNK|NK|NA|NONE|NULL|NFA|NOTKNOWN|NOTSTATED|NOFIXEDABODE|TEST)$")
NO_ADDRESS = frozenset(
    {"UNKNOWN", "NOT KNOWN", "NK", "NFA", "NO FIXED ABODE", "NONE", "N A", "NOT STATED", "ADDRESS UNKNOWN", "TEST",
     "NO FIXED ADDRESS", "NULL", "NOT GIVEN", "X", "XX", "XXX"}
)  # fmt: skip
"""Words that stand where there is no address or town."""
SHORT = {
    "STREET": "ST", "ROAD": "RD", "AVENUE": "AVE", "LANE": "LN", "DRIVE": "DR", "CLOSE": "CL", "COURT": "CT",
    "CRESCENT": "CRES", "PLACE": "PL", "SQUARE": "SQ", "GARDENS": "GDNS", "GARDEN": "GDN", "TERRACE": "TER",
    "APARTMENT": "FLAT", "APT": "FLAT", "UNIT": "FLAT", "SAINT": "ST", "BOULEVARD": "BLVD", "CIRCUIT": "CCT",
    "GROVE": "GR", "PARADE": "PDE", "HIGHWAY": "HWY", "MOUNT": "MT", "NORTH": "N", "SOUTH": "S", "EAST": "E",
    "WEST": "W",
}  # fmt: skip
"""Usual words of addresses and how they are shortened."""


def _shaped(text: str, shape: str) -> str:
    pairs = zip(text, shape, strict=True)
    return "".join(c.translate(_TO_LETTER if kind == "A" else _TO_DIGIT) for c, kind in pairs)


@lru_cache(maxsize=65536)
def read_postcode(text: str) -> tuple[str | None, str | None]:
    """The postcode without spaces and its problem, one of them None.

    A British one has zero and O, 1 and I put right by position; another country's is kept as written, without
    spaces. Pseudo postcodes (ZZ99 and its like) and placeholders are taken out: they name no home.
    """
    written = letters_and_digits(text)
    if not written:
        return None, "unreadable"
    if written.startswith("ZZ99") or _PLACEHOLDER.match(written):
        return None, "placeholder"
    if _BRITISH.match(written):
        return written, None
    for shape in _OUTWARD_SHAPES.get(len(written) - 3, ()):
        candidate = _shaped(written, shape + "9AA")
        found = _BRITISH.match(candidate)
        if found and found.group(1) in _AREAS:
            return candidate, None
    return written[:12], None


def is_british(postcode: str) -> bool:
    """Whether a prepared postcode has a British shape, so that its sector, outward code and area mean something."""
    return _BRITISH.match(postcode) is not None


def postcode_part(postcode: str, part: str) -> str | None:
    """The `sector` (outward code and a digit), `outward` code or `area` (letters) of a British postcode, else None."""
    if not is_british(postcode):
        return None
    if part == "sector":
        return postcode[:-2]
    if part == "outward":
        return postcode[:-3]
    return postcode[: 2 if postcode[1].isalpha() else 1]


@lru_cache(maxsize=65536)
def read_address(text: str) -> tuple[str | None, str | None]:
    """The address line in folded words, with usual words shortened, and its problem, one of them None."""
    words = words_of(fold(text))
    if not words:
        return None, "unreadable"
    if words in NO_ADDRESS:
        return None, "placeholder"
    return " ".join(SHORT.get(word, word) for word in words.split()), None


@lru_cache(maxsize=65536)
def read_town(text: str) -> tuple[str | None, str | None]:
    """The town in folded words and its problem, one of them None."""
    words = words_of(fold(text))
    if not words:
        return None, "unreadable"
    return (None, "placeholder") if words in NO_ADDRESS else (words, None)
