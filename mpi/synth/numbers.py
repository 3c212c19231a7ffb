"""NHS numbers of the never-issued range 900 000 000n to 999 999 999n, given out as a registration office would."""

from collections.abc import Iterator
from random import Random

from mpi.matching.nhs_number import check_digit


def nhs_numbers() -> Iterator[str]:
    """NHS numbers of the never-issued range, 999 000 000n first, then 998 and down to 900."""
    for block in range(999, 899, -1):
        for rest in range(1_000_000):
            nine = f"{block}{rest:06}"
            digit = check_digit(nine)
            if digit is not None and len(set(nine)) > 1:
                yield f"{nine}{digit}"


class Numbers:
    """NHS numbers in no order for most, and one after the other for children of one birth."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._source = nhs_numbers()
        self._pool: list[str] = []

    def any(self) -> str:
        """A number in no order."""
        if not self._pool:
            self._pool = [next(self._source) for _ in range(5000)]
            self._random.shuffle(self._pool)
        return self._pool.pop()

    def following(self) -> str:
        """The number after the one that was given out last."""
        return next(self._source)
