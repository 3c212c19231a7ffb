"""Personal names made comparable: markers, titles and placeholders out, letters folded."""

import re
from dataclasses import dataclass
from functools import lru_cache

from mpi.matching.fold import fold, words_of

TITLES = frozenset(
    "MR MRS MISS MS MX DR PROF PROFESSOR REV REVD REVEREND SIR DAME LADY LORD MASTER MSTR CAPT CAPTAIN MAJOR COL SGT "
    "CPL LT HON FR".split()
)
_NO_NAMES = frozenset("MR MRS MISS MS MX MASTER MSTR".split())
"""Titles that name nobody where a given name should stand: all boys of a birth are MASTER. HON and MAJOR are names."""
SUFFIXES = frozenset("JR JNR JUNIOR SR SNR SENIOR ESQ MBE OBE CBE PHD MD II III IV".split())

PLACEHOLDERS = frozenset(
    {
        "UNKNOWN", "UNK", "UNKNOWN UNKNOWN", "NOT KNOWN", "NOTKNOWN", "NK", "N K", "N A", "NONE", "NULL", "NIL",
        "BLANK",
        "ANON", "ANONYMOUS", "ANONYMISED", "UNNAMED", "NO NAME", "NONAME", "NOT GIVEN", "NOT STATED", "NOT NAMED",
        "NAME UNKNOWN", "NAME NOT KNOWN", "MALE", "FEMALE", "UNKNOWN MALE", "UNKNOWN FEMALE", "MAN", "WOMAN",
        "PATIENT", "TRAUMA", "UNIDENTIFIED", "MISSING", "TBC", "TBA", "NO SURNAME", "NO FORENAME", "NFN", "NMN", "NLN",
        "UNSPECIFIED", "NOT SPECIFIED", "NOT RECORDED", "NOT AVAILABLE", "DO NOT USE", "DECEASED", "BOY", "GIRL",
    }
)  # fmt: skip
_TEST = re.compile(r"^(?:[XZ]*TEST(?:ING|PATIENT|ER)?|DUMMY|DEMO|TRAINING)(?:\b.*)?$|.*\bTEST\b.*")
_REPEATED = re.compile(r"^([A-Z])\1+$")
_ALIAS = re.compile(r"\b(?:ALSO KNOWN AS|KNOWN AS|A\.?K\.?A\.?|PREFERS|PREFERRED NAME|CALLED)(?:\b|\s).*$")
_BRACKET = re.compile(r"[(\[{][^)\]}]*[)\]}]?")
_NEE = re.compile(r"\b(?:NEE|FORMERLY|PREVIOUSLY)\b\s*(.*)$")
_BABY = re.compile(
    r"\b(?:(?:NEW ?BORN|BABY|BABE|INFANT|NEONATE|F[OE]+TUS)(?: ?(?:BOY|GIRL|MALE|FEMALE|OF|INFANT))*"
    r"|(?:BOY|GIRL) OF|B O|BB|NB)(?: ?\d)?\b"
)
_BARE_BABY = re.compile(
    r"^(?:(?:B ?)?(?:BABY|INFANT|MALE|FEMALE|BOY|GIRL)(?: ?(?:BOY|GIRL|MALE|FEMALE|INFANT|BABY))*(?: ?(\d)| ([A-D]))?"
    r"|BABY([A-D])|[BMF] ?(\d)|(?:TW|TRIP|QUAD|QUADRUPLET) ?(\d|[A-D]))$"
)
"""A given name that says no more than "a child of this birth, the second": `BOY 2`, `BBOY`, `M1`, `TW2`, `BABYB`."""
_TWIN = re.compile(r"\b(?:TWIN|TRIPLET|TRIP)S? ?(ONE|TWO|THREE|1|2|3|I{1,3}|A|B|C)?\b")
_NUMBERED = re.compile(r"\b(?:BABY|INFANT|NEW ?BORN|BB|NB) ?(ONE|TWO|THREE|[123])\b")
_ORDER = {"ONE": "1", "TWO": "2", "THREE": "3", "I": "1", "II": "2", "III": "3", "A": "1", "B": "2", "C": "3", "D": "4"}
_PERHAPS_MORE = re.compile(
    r"B?(?:BAB|INFANT|NEW|NEO|MALE|FEMALE|BOY|GIRL)|F[OE]+TUS|TWIN|TRIP|TW[A-D]$|QUAD|BB|NB|AKA|PREFER|CALLED|NEE"
    r"|FORMERLY|PREVIOUSLY|[XZ]*TEST|DUMMY|DEMO|TRAINING"
)
"""What a word begins with that may be more than a part of a name: all the markers above begin so."""
_MARKS = TITLES | SUFFIXES | {"ALSO", "KNOWN", "B", "TW"}
_JOINERS = {ord(sign): None for sign in " -"}


@dataclass(frozen=True, slots=True)
class ReadName:
    """One recorded name read. `name` None: nothing comparable stands in it; `problem` says why."""

    name: str | None = None
    newborn: bool = False
    placeholder: bool = False
    test: bool = False
    order: str | None = None
    """The number behind "twin" or "triplet"."""
    previous: str | None = None
    """What stood behind "nee"."""
    problem: str | None = None


def _is_placeholder(words: str) -> bool:
    return words in PLACEHOLDERS or (len(words) > 1 and _REPEATED.match(words) is not None)


def _strip_titles(words: list[str]) -> list[str]:
    while len(words) > 1 and words[0] in TITLES:
        words = words[1:]
    while len(words) > 1 and words[-1] in SUFFIXES:
        words = words[:-1]
    return words


@lru_cache(maxsize=65536)
def read_name(text: str, *, given: bool) -> ReadName:
    """Read a family name (`given=False`) or a given name.

    What follows "baby of" in a given name is the mother's name and is dropped; in a family name the rest is the
    family's. A title or suffix is dropped where something else remains.
    """
    folded = fold(text)
    return _read_plain(folded) or _read_marked(folded, given)


def _read_plain(folded: str) -> ReadName | None:
    """The reading of a name in which no word can be anything but a part of it; None where one may be."""
    words = words_of(folded).split()
    if not words or not folded.translate(_JOINERS).isalpha():
        return None
    for word in words:
        if _PERHAPS_MORE.match(word) or word in _MARKS:
            return None
    name = " ".join(words)
    return None if _is_placeholder(name) else ReadName(name)


def _read_marked(folded: str, given: bool) -> ReadName:
    """A folded name that may hold markers, aliases or several words."""
    outside = _ALIAS.sub("", _BRACKET.sub(" ", folded)).strip() or _BRACKET.sub(" ", folded).strip() or folded
    nee = _NEE.search(outside)
    previous = _plain(nee.group(1)) if nee else None
    if nee and nee.start() > 0:
        outside = outside[: nee.start()]
    words, whole = words_of(outside), words_of(folded)
    if given and (bare := _bare_baby(words)):
        return bare
    baby, twin = _BABY.search(whole), _TWIN.search(whole)
    order = _ORDER.get(twin.group(1), twin.group(1)) if twin and twin.group(1) else None
    numbered = _NUMBERED.search(whole)
    if order is None and numbered:
        order = _ORDER.get(numbered.group(1), numbered.group(1))
    rest = _TWIN.sub(" ", words) if twin else words
    if baby:
        rest = "" if given else _BABY.sub(" ", _NUMBERED.sub(" ", rest))
    name = _plain(rest)
    if given and name in _NO_NAMES:
        return ReadName(placeholder=True, newborn=baby is not None, order=order, problem="placeholder")
    newborn = baby is not None or (twin is not None and name is None and given)
    if name is None:
        problem = None if newborn or order else "unreadable"
        return ReadName(newborn=newborn, order=order, previous=previous, problem=problem)
    if _TEST.match(name):
        return ReadName(placeholder=True, test=True, problem="placeholder")
    if _is_placeholder(name):
        return ReadName(placeholder=True, newborn=newborn, order=order, problem="placeholder")
    return ReadName(name, newborn=newborn, order=order, previous=previous)


def _bare_baby(words: str) -> ReadName | None:
    """The reading of a given name that is none, but the place of a child in its birth; None where it may be a name."""
    found = _BARE_BABY.match(words)
    if found is None or words in PLACEHOLDERS:
        return None
    order = next((group for group in found.groups() if group), None)
    return ReadName(newborn=True, order=_ORDER.get(order, order) if order else None)


def _plain(text: str) -> str | None:
    words = words_of(text).split()
    titled = _strip_titles(words)
    kept = [letters for word in titled if (letters := word if word.isalpha() else "".join(filter(str.isalpha, word)))]
    return " ".join(kept) or None


@lru_cache(maxsize=65536)
def read_middle(text: str) -> str | None:
    """Middle names folded; None where only placeholders stand."""
    name = _plain(fold(text))
    return None if name is None or _is_placeholder(name) or _TEST.match(name) else name
