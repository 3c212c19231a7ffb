"""Blocking keys: two records that share one are compared. A missing part skips the key, never widens it."""

from functools import lru_cache

import jellyfish

from mpi.matching.prepared import Prepared

BLOCK_LIMIT = 100
"""A key that more records than this carry is skipped by the caller, and counted: it tells nobody apart."""

MAX_KEYS = 12
"""Of one record, those of the user's own fields not counted."""
MAX_EXTRA_KEYS = 12
_LEAST_HALF = 3
"""Characters."""

KEY_KINDS: dict[str, str] = {
    "n": "NHS number",
    "o": "other identifier",
    "d": "sound of a name, birth date (day and month in either order)",
    "y": "sounds of both names, birth year",
    "m": "sounds of both names, birthday without year",
    "b": "postcode, birth date",
    "p": "postcode, sound of a name",
    "t": "telephone",
    "e": "e-mail",
    "a": "address line, sound of a name (where there is no postcode)",
    "f": "both names (where there is no birth date)",
    "h": "either half of another identifier, sound of the family or the given name",
    "x": "a field of the user's own, sound of the family or the given name, or birth date",
}
"""First part of a key -> what the key is made of."""


@lru_cache(maxsize=65536)
def sound(name: str) -> str:
    """The Soundex code of a name without its spaces."""
    return jellyfish.soundex(name.replace(" ", ""))


def either_order(birth: str) -> str:
    """The date with day and month in ascending order, so that a swapped date meets its right form."""
    year, month, day = birth.split("-")
    return f"{year}-{day}-{month}" if int(day) <= 12 and day < month else birth


def _names(p: Prepared) -> list[str]:
    """Sounds that may stand for this person: a swapped, married or double-barrelled name meets one of them."""
    names = [p.family, p.given, p.previous_family]
    if p.family and " " in p.family:
        words = p.family.split()
        names += [words[0], words[-1]]
    return list(dict.fromkeys(sound(name) for name in names if name))


def blocking_keys(p: Prepared) -> tuple[str, ...]:
    """The keys of one record, strongest first, at most `MAX_KEYS`, then of extras. A placeholder person has none."""
    if p.placeholder:
        return ()
    keys: list[str] = []
    if p.nhs:
        keys.append(f"n|{p.nhs}")
    if p.other_id:
        keys.append(f"o|{p.other_id}")
    family = sound(p.family) if p.family else None
    given = sound(p.given) if p.given else None
    both = "|".join(sorted((family, given))) if family and given else None
    year = p.birth or p.birth_partial
    if year and both:
        keys.append(f"y|{both}|{year[:4]}")
    if p.birth and both:
        keys.append(f"m|{both}|{p.birth[5:]}")
    if p.birth and p.postcode:
        keys.append(f"b|{p.postcode}|{p.birth}")
    if p.phone:
        keys.append(f"t|{p.phone}")
    if p.email:
        keys.append(f"e|{p.email}")
    if not p.birth and both:
        keys.append(f"f|{p.family}|{p.given}")
    keys += _name_keys(p)
    if p.other_id:
        keys += [f"h|{half}|{name}" for half in halves(p.other_id) for name in (family, given) if name]
    found = tuple(dict.fromkeys(keys))[:MAX_KEYS]
    return (*found, *_extra_keys(p, family, given)) if p.extra else found


def _extra_keys(p: Prepared, family: str | None, given: str | None) -> tuple[str, ...]:
    beside = [part for part in (family, given, p.birth) if part]
    keys = [f"x|{field}|{value}|{part}" for field, value in p.extra for part in beside]
    return tuple(dict.fromkeys(keys))[:MAX_EXTRA_KEYS]


def halves(identifier: str) -> tuple[str, ...]:
    """Both halves of an identifier, told apart: a slip in one leaves the other. None of a short one."""
    middle = len(identifier) // 2
    return (f"1{identifier[:middle]}", f"2{identifier[middle:]}") if middle >= _LEAST_HALF else ()


def _name_keys(p: Prepared) -> list[str]:
    names = _names(p)
    keys: list[str] = []
    if p.birth:
        day = either_order(p.birth)
        keys += [f"d|{name}|{day}" for name in names]
    place = f"p|{p.postcode}" if p.postcode else f"a|{p.address}" if p.address else None
    if place:
        keys += [f"{place}|{name}" for name in names]
    return keys
