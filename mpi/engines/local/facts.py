"""The packed facts of `mpi.matching.facts` over columns.

What the rules say of values is asked of the rules themselves, once for each distinct case; here stands only on which
fields a fact depends, and when equal values settle it.
"""

import numpy as np
from numpy.typing import NDArray

from mpi.engines.local.kernels import Bools
from mpi.engines.local.levels import Chunk, addresses_alike, by_records, distinct_pairs
from mpi.matching import rules
from mpi.matching.facts import CODES, FLAGS, SHIFT, could_be_two
from mpi.matching.rules import Standing

Ints = NDArray[np.int64]
_SAME, _CLOSE, _DIFFERENT, _UNKNOWN = (
    CODES[standing] for standing in (Standing.SAME, Standing.CLOSE, Standing.DIFFERENT, Standing.UNKNOWN)
)


class PairFacts:
    """The facts of all pairs of a chunk."""

    def __init__(self, chunk: Chunk) -> None:
        self.chunk = chunk
        self.count = len(chunk.left)
        self.packed = np.zeros(self.count, dtype=np.int64)

    def work_out(self) -> Ints:
        """The packed facts of each pair."""
        exchanged = self._exchanged()
        given, two = self._given(exchanged)
        family, birth, sex = self._family(exchanged), self._birth(), self._sex()
        for name, codes in (("given", given), ("family", family), ("birth", birth), ("sex", sex)):
            self.packed |= codes << SHIFT[name]
        orders, home = self._differ("birth_order"), self._share_home()
        flags = {
            "could_be_two": two,
            "orders_differ": orders,
            "clearly_another": self._clearly_another(given, family, birth, sex, orders),
            "share_home": home,
            "postcode_missing": ~self.chunk.both("postcode"),
            "perhaps_one_home": self._perhaps_one_home(given, sex),
            "only_a_year": self._only_a_year(),
            **self._numbers(),
        }
        for name in ("placeholder", "newborn"):
            own = self.chunk.table.flag(name)
            flags[name] = own[self.chunk.left] | own[self.chunk.right]
        for name in FLAGS:
            self.packed |= flags[name].astype(np.int64) << SHIFT[name]
        return self.packed

    def _equal(self, field: str) -> Bools:
        x, y = self.chunk.sides(field)
        found: Bools = (x == y) & (x >= 0)
        return found

    def _either(self, field: str) -> Bools:
        x, y = self.chunk.sides(field)
        found: Bools = (x >= 0) | (y >= 0)
        return found

    def _differ(self, field: str) -> Bools:
        x, y = self.chunk.sides(field)
        found: Bools = (x != y) & (x >= 0) & (y >= 0)
        return found

    def _exchanged(self) -> Bools:
        across = self.chunk.table.across("family", "given")
        (fx, fy), (gx, gy) = self.chunk.sides("family"), self.chunk.sides("given")
        found: Bools = (fx >= 0) & (fy >= 0) & (across[fx] == gy) & (across[fy] == gx)
        return found

    def _given(self, exchanged: Bools) -> tuple[Ints, Bools]:
        """How given names stand, and whether two children of one birth may bear them."""
        both = self.chunk.both("given")
        standing = np.where(both, _SAME, _UNKNOWN).astype(np.int64)
        x, y = self.chunk.sides("given")
        lengths = self.chunk.table.column("given").lengths
        two = ~both | (lengths[x] == 1) | (lengths[y] == 1)
        asked = np.flatnonzero(both & (x != y) & ~exchanged)
        standing[asked] = by_records(self.chunk, ("given",), asked, lambda a, b: CODES[rules.given(a, b)])
        # A middle name can only make a different name a close one.
        again = asked[(standing[asked] == _DIFFERENT) & self._either("middle")[asked]]
        standing[again] = by_records(self.chunk, ("given", "middle"), again, lambda a, b: CODES[rules.given(a, b)])
        # Where the names are equal, sex cannot matter.
        two[asked] = by_records(self.chunk, ("given", "sex"), asked, could_be_two) > 0
        return standing, two

    def _family(self, exchanged: Bools) -> Ints:
        both = self.chunk.both("family")
        standing = np.where(both, _SAME, _UNKNOWN).astype(np.int64)
        x, y = self.chunk.sides("family")
        asked = np.flatnonzero(both & (x != y) & ~exchanged)
        standing[asked] = by_records(self.chunk, ("family",), asked, lambda a, b: CODES[rules.family(a, b)])
        # A previous name can only make another name the same one.
        again = asked[(standing[asked] != _SAME) & self._either("previous_family")[asked]]
        fields = ("family", "previous_family")
        standing[again] = by_records(self.chunk, fields, again, lambda a, b: CODES[rules.family(a, b)])
        return standing

    def _birth(self) -> Ints:
        standing = np.full(self.count, _SAME, dtype=np.int64)
        asked = np.flatnonzero(~self._equal("birth"))
        fields = ("birth", "birth_partial")
        standing[asked] = by_records(self.chunk, fields, asked, lambda a, b: CODES[rules.birth(a, b)])
        return standing

    def _sex(self) -> Ints:
        everybody = np.arange(self.count)
        return by_records(self.chunk, ("sex",), everybody, lambda a, b: CODES[rules.sex(a, b)])

    def _clearly_another(self, given: Ints, family: Ints, birth: Ints, sex: Ints, orders: Bools) -> Bools:
        """As `rules.clearly_another` puts it together."""
        another = (birth == _DIFFERENT) | (sex == _DIFFERENT) | (given == _DIFFERENT) | orders
        males = [n for n, value in enumerate(self.chunk.table.column("sex").values) if value == "M"]
        x, y = self.chunk.sides("sex")
        male = np.isin(x, males) | np.isin(y, males)
        changed = (given == _SAME) & (birth == _SAME) & ~male
        found: Bools = another | ((family == _DIFFERENT) & ~changed)
        return found

    def _perhaps_one_home(self, given: Ints, sex: Ints) -> Bools:
        """As `facts.perhaps_one_home` puts it together."""
        column = self.chunk.table.column("given")
        x, y = self.chunk.sides("given")
        sounds = column.sounds[0]
        close = (given == _CLOSE) & (column.lengths[x] > 1) & (column.lengths[y] > 1)
        known = np.zeros(self.count, dtype=bool)
        for field in (*rules.HOME_FIELDS, "address"):
            known |= self.chunk.both(field)
        found: Bools = close & ((sex == _DIFFERENT) | ((sounds[x] != sounds[y]) & ~known))
        return found

    def _only_a_year(self) -> Bools:
        first = self.chunk.table.column("birth").ints(lambda value: value.endswith("-01-01")) > 0
        found: Bools = self._equal("birth") & first[self.chunk.sides("birth")[0]]
        return found

    def _numbers(self) -> dict[str, Bools]:
        found = {
            "same_nhs": self._equal("nhs_number"),
            "nhs_differ": self._differ("nhs_number"),
            "same_other_id": self._equal("other_id"),
        }
        for name in ("nhs_usable", "nhs_verified"):
            own = self.chunk.table.flag(name)
            found[name] = own[self.chunk.left] & own[self.chunk.right]
        return found

    def _share_home(self) -> Bools:
        """As `rules.share_home` puts it together; only addresses need more than equality."""
        chunk = self.chunk
        found = np.zeros(self.count, dtype=bool)
        for field in rules.HOME_FIELDS:
            found |= self._equal(field)
        asked = np.flatnonzero(~found & chunk.both("address"))
        x, y = (side[asked] for side in chunk.sides("address"))
        column = chunk.table.column("address")
        one, other, place = distinct_pairs(column, x, y)
        found[asked] = addresses_alike(column, rules.NAME_CLOSE, one, other, chunk.connection)[place]
        return found
