"""The packed facts of `mpi.matching.facts` over columns.

What the rules say of values is asked of the rules themselves, once for each distinct case; here stands only on which
fields a fact depends, and when equal values settle it.
"""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from mpi.engines.local import kernels, standings
from mpi.engines.local.kernels import Bools
from mpi.engines.local.levels import Chunk, addresses_alike, by_records
from mpi.matching import rules
from mpi.matching.facts import CODES, FLAGS, SHIFT
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
            "of_several": self._either("birth_order"),
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
        values = self.chunk.values("given")
        rule = partial(standings.given, connection=self.chunk.connection)
        standing[asked] = values.ask("given names", rule, asked, x[asked], y[asked])
        different = asked[standing[asked] == _DIFFERENT]
        standing[different[self._middle_names(different)]] = _CLOSE
        short = values.ask("short forms", standings.first_is_short_form, asked, x[asked], y[asked])
        two[asked] |= ~short | (self._sex()[asked] == _DIFFERENT) | self._either("birth_order")[asked]
        return standing, two

    def _middle_names(self, pairs: Ints) -> Bools:
        """Of which of these pairs one side's given name is a middle name of the other."""
        (x, y), (mx, my) = ((side[pairs] for side in self.chunk.sides(field)) for field in ("given", "middle"))
        words = self.chunk.table.column("middle").members("words", lambda value: frozenset(value.split()))
        own = self.chunk.table.column("given").ints(lambda value: words.place.get(value, -3))
        found = np.zeros(len(pairs), dtype=bool)
        for middle, there, other in ((mx, mx >= 0, own[y]), (my, my >= 0, own[x])):
            for place in range(words.table.shape[1]):
                found |= there & (words.table[:, place][middle] == other)
        rest = np.flatnonzero(((mx >= 0) & words.many[mx]) | ((my >= 0) & words.many[my]))
        fields = ("given", "middle")
        found[rest] = by_records(self.chunk, fields, pairs[rest], lambda a, b: rules.given(a, b) is Standing.CLOSE)
        return found

    def _family(self, exchanged: Bools) -> Ints:
        both = self.chunk.both("family")
        standing = np.where(both, _SAME, _UNKNOWN).astype(np.int64)
        x, y = self.chunk.sides("family")
        across = self.chunk.table.across("family", "previous_family")
        before_x, before_y = self.chunk.sides("previous_family")
        known = exchanged | (across[x] == before_y) | (across[y] == before_x)
        asked = np.flatnonzero(both & (x != y) & ~known)
        rule = partial(standings.family, connection=self.chunk.connection)
        standing[asked] = self.chunk.values("family").ask("family names", rule, asked, x[asked], y[asked])
        return standing

    def _birth(self) -> Ints:
        x, y = self.chunk.sides("birth")
        standing = np.full(self.count, _SAME, dtype=np.int64)
        whole = (x >= 0) & (y >= 0)
        asked = np.flatnonzero(whole & (x != y))
        standing[asked] = standings.birth(self.chunk.table.column("birth"), x[asked], y[asked])
        part_x, part_y = self.chunk.sides("birth_partial")
        standing[~whole] = _UNKNOWN
        in_part = np.flatnonzero(~whole & ((x >= 0) | (part_x >= 0)) & ((y >= 0) | (part_y >= 0)))
        fields = ("birth", "birth_partial")
        standing[in_part] = by_records(self.chunk, fields, in_part, lambda a, b: CODES[rules.birth(a, b)])
        return standing

    def _sex(self) -> Ints:
        # Not the codes of values: "other" speaks for nothing, as if it were missing.
        kind = self.chunk.table.column("sex").ints(lambda value: {"M": 0, "F": 1}.get(value, -1))
        x, y = (kind[side] for side in self.chunk.sides("sex"))
        found = np.where(x == y, _SAME, _DIFFERENT)
        found[(x < 0) | (y < 0)] = _UNKNOWN
        return found

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
            "other_id_slips": self._other_id_slips(),
        }
        for name in ("nhs_usable", "nhs_verified"):
            own = self.chunk.table.flag(name)
            found[name] = own[self.chunk.left] & own[self.chunk.right]
        return found

    def _other_id_slips(self) -> Bools:
        """As `rules.other_id_slips`."""
        column = self.chunk.table.column("other_id")
        found = self._differ("other_id")
        x, y = (side[found] for side in self.chunk.sides("other_id"))
        ends = column.numbered(lambda value: value[-1:])[0]
        found[found] = (ends[x] == ends[y]) & kernels.one_edit(column, x, y)
        return found

    def _share_home(self) -> Bools:
        """As `rules.share_home` puts it together; only addresses need more than equality."""
        chunk = self.chunk
        found = np.zeros(self.count, dtype=bool)
        for field in rules.HOME_FIELDS:
            found |= self._equal(field)
        asked = np.flatnonzero(~found & chunk.both("address"))
        x, y = (side[asked] for side in chunk.sides("address"))
        found[asked] = addresses_alike(chunk.table.column("address"), rules.NAME_CLOSE, x, y, chunk.connection)
        return found
