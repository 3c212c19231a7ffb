"""Enterprise ids: opaque names of persons that survive being read over a telephone.

`P`, eleven random digits of Crockford's base 32 (no I, L, O, U) and a check character (ISO/IEC 7064, MOD 37,36).
They say nothing about the person and nothing about how many there are, and two processes need no shared counter.
"""

from collections.abc import Callable

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CHECK = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LENGTH = 13


def new_enterprise_id(randbits: Callable[[int], int]) -> str:
    """A new id out of 55 random bits; `randbits` is `secrets.randbits` but in tests."""
    bits = randbits(55)
    body = "P" + "".join(_DIGITS[bits >> shift & 31] for shift in range(50, -1, -5))
    return body + _check_character(body)


def is_enterprise_id(text: str) -> bool:
    """Whether `text` is a well-formed enterprise id (any mistyped single character is noticed)."""
    return (
        len(text) == LENGTH
        and text[0] == "P"
        and all(c in _DIGITS for c in text[1:-1])
        and _check_character(text[:-1]) == text[-1]
    )


def _check_character(body: str) -> str:
    product = 36
    for character in body:
        total = (product + _CHECK.index(character)) % 36 or 36
        product = total * 2 % 37
    return _CHECK[(37 - product) % 36]
