"""How pairs of different names and birth dates stand, as `mpi.matching.rules` says it of two records, over columns.

Each function is given the codes of values that no other field of the records makes one: no exchanged names, no
previous name.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi.engines.local import kernels
from mpi.engines.local.columns import Column
from mpi.engines.local.kernels import Bools
from mpi.matching import same_name
from mpi.matching.facts import CODES
from mpi.matching.kinds import damerau_levenshtein
from mpi.matching.nicknames import groups_of
from mpi.matching.rules import GENERATION, NAME_CLOSE, Standing

Ints = NDArray[np.int64]
_SAME, _CLOSE, _DIFFERENT = CODES[Standing.SAME], CODES[Standing.CLOSE], CODES[Standing.DIFFERENT]


def _alike(column: Column, x: Any, y: Any, connection: Any) -> Bools:
    """As `rules._alike`: a slip of the pen or the ear lies between two spellings, or a word shared."""
    similar = kernels.jaro_winkler(column, x, y, connection)
    found = kernels.at_least(similar, NAME_CLOSE, column, x, y)
    found |= kernels.one_edit(column, x, y)
    joined = column.without_spaces
    found |= (joined[x] == joined[y]) | kernels.shares_word(column, x, y)
    return found


def given(column: Column, x: Any, y: Any, *, connection: Any) -> Ints:
    """The standing of given names, but for what middle names say."""
    found = np.where(kernels.initial(column, x, y) | _alike(column, x, y, connection), _CLOSE, _DIFFERENT)
    sounds = column.sounds[0]
    same_sound = np.flatnonzero((found == _DIFFERENT) & (sounds[x] == sounds[y]))
    near = kernels.one_by_one(column, x[same_sound], y[same_sound], lambda a, b: damerau_levenshtein(a, b) <= 2)
    found[same_sound[near]] = _CLOSE
    found[kernels.nicknames(column, x, y)] = _SAME
    return found


def first_is_short_form(column: Column, x: Any, y: Any) -> Bools:
    """Whether one given name begins with a listed short form of the name that the other begins with."""
    listed = column.ints(lambda value: bool(groups_of(value.split()[0]))) > 0
    found = np.zeros(len(x), dtype=bool)
    asked = np.flatnonzero(listed[x] & listed[y])
    found[asked] = kernels.one_by_one(column, x[asked], y[asked], same_name.only_short_form)
    return found


def family(column: Column, x: Any, y: Any, *, connection: Any) -> Ints:
    """The standing of family names."""
    sounds = column.sounds[0]
    close = _alike(column, x, y, connection) | (sounds[x] == sounds[y])
    return np.where(close, _CLOSE, _DIFFERENT)


def birth(column: Column, x: Any, y: Any) -> Ints:
    """The standing of whole birth dates."""
    close = kernels.day_month_swapped(column, x, y) | kernels.one_edit(column, x, y)
    year = column.days[0]
    close |= (kernels.date_parts(column, x, y) >= 2) & (np.abs(year[x] - year[y]) < GENERATION)
    return np.where(close, _CLOSE, _DIFFERENT)
