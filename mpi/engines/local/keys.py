"""Candidate pairs: the blocking keys of `mpi.matching.block` as integers, worked out from distinct values.

A key is packed without loss into 64 bits out of the codes of its parts, one kind of key at a time.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mpi.engines.local.columns import Column, Ints, Table
from mpi.engines.local.room import Room
from mpi.matching.block import BLOCK_LIMIT, MAX_EXTRA_KEYS, MAX_KEYS, halves, sound

_AT_ONCE = 1 << 21
"""Pairs taken apart at a time."""
_SLOT = 1 << 20
"""More than there are Soundex codes, days of the years 1 to 2100 in this packing, or years."""


@dataclass
class Candidates:
    """Pairs of records that share a key, each once, `left` < `right`, sorted by both."""

    left: NDArray[np.int32]
    right: NDArray[np.int32]
    skipped_keys: int
    skipped_records: int


def _names(table: Table) -> tuple[list[Ints], Ints, Ints]:
    """Sounds that may stand for each person, in order, each once (-1: none); those of family and given name."""
    family, given, previous = (table.column(name) for name in ("family", "given", "previous_family"))
    texts = {value: sound(value) for column in (family, given, previous) for value in column.values}
    for value in family.values:
        if " " in value:
            texts |= {word: sound(word) for word in value.split()}
    place = {text: n for n, text in enumerate(sorted(set(texts.values())))}

    def of(column: Column) -> Ints:
        return column.ints(lambda value: place[texts[value]])[column.codes]

    def word(which: int) -> Ints:
        own = family.ints(lambda value: place[texts[value.split()[which]]] if " " in value else -1)
        return own[family.codes]

    sounds = [of(family), of(given), of(previous), word(0), word(-1)]
    own_family, own_given = sounds[0].copy(), sounds[1].copy()
    for n, slot in enumerate(sounds):
        for earlier in sounds[:n]:
            slot[slot == earlier] = -1
    return sounds, own_family, own_given


def _packed(*parts: Ints | NDArray[np.int32]) -> Ints:
    """One number for the parts of a key, -1 where one is missing; parts but the first are less than 2**20."""
    code = parts[0].astype(np.int64)
    missing = code < 0
    for part in parts[1:]:
        missing |= part < 0
        code *= _SLOT
        code += part
    code[missing] = -1
    return code


def slots(table: Table) -> list[tuple[str, Ints]]:
    """The keys of all records in the order of `blocking_keys`: a kind and a column for each key a record can have."""
    names, family, given = _names(table)
    birth = table.column("birth")
    day, either, year, birthday = (part[birth.codes] for part in _days(birth))
    other = np.where(given == family, -1, given)
    low, high = np.minimum(family, given), np.maximum(family, given)
    postcode, address = table.column("postcode"), table.column("address")
    place = np.where(postcode.codes >= 0, postcode.codes * np.int64(2), address.codes * np.int64(2) + 1)
    place[(postcode.codes < 0) & (address.codes < 0)] = -1
    whole = _both_names(table)
    whole[(day >= 0) | (low < 0)] = -1
    partial = table.column("birth_partial")
    year = np.where(year >= 0, year, partial.ints(lambda value: int(value[:4]))[partial.codes])
    found: list[tuple[str, Ints]] = [
        ("n", table.column("nhs_number").codes.astype(np.int64)),
        ("o", table.column("other_id").codes.astype(np.int64)),
        ("y", _packed(low, high, year)),
        ("m", _packed(low, high, birthday)),
        ("b", _packed(postcode.codes, day)),
        ("t", table.column("phone").codes.astype(np.int64)),
        ("e", table.column("email").codes.astype(np.int64)),
        ("f", whole),
        *(("d", _packed(name, either)) for name in names),
        *(("p", _packed(place, name)) for name in names),
        *(("h", _packed(half, name)) for half in _halves(table.column("other_id")) for name in (family, other)),
    ]
    placeholder = table.flag("placeholder")
    own = [("x", key) for key in _of_extras(table, (family, other), day)]
    return _few(found, placeholder, MAX_KEYS) + _few(own, placeholder, MAX_EXTRA_KEYS)


def _of_extras(table: Table, names: Sequence[Ints], day: Ints) -> Iterator[Ints]:
    """Each of the user's own fields beside each name and beside the birth date, so that no two of these can meet."""
    for place, extra in enumerate(table.extras):
        field = table.column(extra).codes.astype(np.int64) * (2 * len(table.extras)) + 2 * place
        field[table.column(extra).codes < 0] = -1
        for name in names:
            yield _packed(field, name)
        yield _packed(np.where(field < 0, -1, field + 1), day)


def _days(birth: Column) -> tuple[Ints, Ints, Ints, Ints]:
    """Of each birth date a number for the day, for `mpi.matching.block.either_order` of it, its year and birthday."""
    year, month, day = birth.days
    exchanged = (day <= 12) & (day < month)
    first, last = np.where(exchanged, day, month), np.where(exchanged, month, day)
    found = (year * 13 + month) * 32 + day, (year * 13 + first) * 32 + last, year, month * 32 + day
    for part in found:
        part[-1] = -1
    return found


def _halves(column: Column) -> list[Ints]:
    """The first halves and the second ones of an identifier, as codes that do not meet."""
    parts = [halves(value) for value in column.values]
    place = {half: n for n, half in enumerate(sorted({half for own in parts for half in own}))}
    found = []
    for which in (0, 1):
        of_value = np.array([place[own[which]] if own else -1 for own in parts] + [-1], dtype=np.int64)
        found.append(of_value[column.codes])
    return found


def _both_names(table: Table) -> Ints:
    family, given = table.column("family"), table.column("given")
    code = family.codes.astype(np.int64) * (len(given.values) + 1) + given.codes
    code[(family.codes < 0) | (given.codes < 0)] = -1
    return code


def _few(found: list[tuple[str, Ints]], placeholder: NDArray[np.bool_], most: int) -> list[tuple[str, Ints]]:
    """No keys for a placeholder person, and only the first `most` of a record."""
    had = np.zeros(len(placeholder), dtype=np.int8)
    for _, key in found:
        key[placeholder] = -1
        key[had >= most] = -1
        had += key >= 0
    return found


def _kinds(found: list[tuple[str, Ints]]) -> Iterator[tuple[str, list[Ints]]]:
    for kind in dict.fromkeys(kind for kind, _ in found):
        yield kind, [key for own, key in found if own == kind]


@dataclass
class Blocks:
    """Keys of one kind in order, the record of each, and where each block of equal keys begins and how large it is."""

    keys: Ints
    rids: Ints
    starts: Ints
    sizes: Ints

    @property
    def large(self) -> NDArray[np.bool_]:
        """Which blocks are too large to tell anybody apart."""
        found: NDArray[np.bool_] = self.sizes > BLOCK_LIMIT
        return found


def _blocks(keys: Sequence[Ints]) -> Blocks:
    rids = np.concatenate([np.flatnonzero(key >= 0) for key in keys])
    own = np.concatenate([key[key >= 0] for key in keys])
    order = np.argsort(own)  # in which order records of one key come does not matter
    own, rids = own[order], rids[order]
    starts = np.flatnonzero(np.append(len(own) > 0, own[1:] != own[:-1])[: len(own)])
    return Blocks(own, rids, starts, np.diff(np.append(starts, len(own))))


def kept_keys(table: Table) -> list[tuple[Ints, Ints]]:
    """For each kind of key the records that have one and the keys, without those of blocks that are skipped."""
    found = []
    for _, keys in _kinds(slots(table)):
        blocks = _blocks(keys)
        kept = np.repeat(~blocks.large, blocks.sizes)
        found.append((blocks.rids[kept], blocks.keys[kept]))
    return found


@dataclass
class _Found:
    codes: Ints
    skipped_keys: int
    skipped_records: int


def _pairs_of_kind(keys: Sequence[Ints], n: int, room: Room) -> _Found:
    """All pairs under one kind of key, as left * n + right; each key's own pairs once."""
    blocks = _blocks(keys)
    rids, starts, sizes, large = blocks.rids, blocks.starts, blocks.sizes, blocks.large
    # How many records of the same block stand behind each, none where the block is too large.
    ends = np.repeat(np.where(large, starts, starts + sizes), sizes)
    behind = np.maximum(ends - np.arange(len(rids)) - 1, 0)
    places = np.flatnonzero(behind)
    codes = room.empty(int(behind.sum()), np.int64)
    at, step = 0, 1
    while len(places):
        one, other = rids[places], rids[places + step]
        codes[at : at + len(places)] = np.minimum(one, other) * n + np.maximum(one, other)
        at, step = at + len(places), step + 1
        places = places[behind[places] >= step]
    return _Found(codes, int(large.sum()), int(sizes[large].sum()))


def _distinct(parts: Sequence[Ints], n: int, room: Room) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The sides of all pairs of the parts, each once, in order."""
    codes = room.empty(sum(map(len, parts)), np.int64)
    at = 0
    for part in parts:
        codes[at : at + len(part)] = part
        at += len(part)
    codes.sort()
    first = np.append(len(codes) > 0, codes[1:] != codes[:-1])[: len(codes)]
    count = int(first.sum())
    left, right = room.empty(count, np.int32), room.empty(count, np.int32)
    at = 0
    for start in range(0, len(codes), _AT_ONCE):
        own = codes[start : start + _AT_ONCE][first[start : start + _AT_ONCE]]
        end = at + len(own)
        left[at:end] = own // n
        right[at:end] = own - left[at:end] * np.int64(n)
        at = end
    return left, right


def candidates(
    table: Table,
    *,
    between: bool = False,
    threads: int = 2,
    kinds: Sequence[str] | None = None,
    room: Room | None = None,
) -> Candidates:
    """All pairs of records that share a blocking key of at most `BLOCK_LIMIT` records.

    With `between`, only pairs from two files. `kinds` takes only these of `mpi.matching.block.KEY_KINDS`; none: all.
    """
    n, room = table.records, room or table.room
    wanted = [keys for kind, keys in _kinds(slots(table)) if kinds is None or kind in kinds]
    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(lambda keys: _pairs_of_kind(keys, n, room), wanted))
    left, right = _distinct([part.codes for part in parts], n, room)
    if between:
        source = table.source
        apart = source[left] != source[right]
        left, right = left[apart], right[apart]
    return Candidates(left, right, sum(p.skipped_keys for p in parts), sum(p.skipped_records for p in parts))
