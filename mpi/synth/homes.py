"""Where people live: homes in streets, some fifteen households to a postcode."""

from dataclasses import dataclass
from random import Random

from mpi.synth.names import hash_of

_TOWNS = (
    ("OAKBRIDGE", "OB"), ("ASHCOMBE", "AC"), ("MARSTONBURY", "MB"), ("NORTHWICK", "NW"), ("ELMSTEAD", "EM"),
    ("STONEHAVEN VALE", "SV"), ("WESTERLEIGH", "WL"), ("KINGSMERE", "KM"), ("RAVENSWORTH", "RW"), ("THORNBY", "TB"),
    ("LOWER DENHAM", "LD"), ("PENRITH MOOR", "PM"),
)  # fmt: skip
STREETS = (
    "HIGH STATION CHURCH PARK VICTORIA GREEN MANOR KINGS QUEENS NEW GRANGE NORTH SOUTH SPRINGFIELD ALEXANDRA WINDSOR "
    "MILL ALBERT CEDAR OAK ELM MEADOW ORCHARD SCHOOL CHESTNUT BEECH WILLOW MAPLE LIME HAWTHORN ROWAN PRIORY ABBEY "
    "CASTLE BRIDGE RIVER LAKE HILL VALE FOREST HEATH MOOR STANLEY DERBY YORK LANCASTER"
).split()
_WAYS = ("ROAD", "STREET", "AVENUE", "LANE", "CLOSE", "DRIVE", "CRESCENT", "WAY", "GARDENS", "PLACE", "COURT", "GROVE")
_LETTERS = "ABDEFGHJLNPQRSTUWXYZ"


@dataclass(slots=True)
class Home:
    """Where a household lives; people of one postcode live in one street."""

    address: str
    town: str
    postcode: str
    landline: str
    practice: str


class Homes:
    """Draws homes: some fifteen households to a postcode, as in life."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._postcode = ""
        self._street = ""
        self._town = _TOWNS[0]
        self._left = 0

    def near(self, home: Home) -> Home:
        """Another home, in the same town more often than not."""
        if self._random.random() < 0.6:
            while self._town[0] != home.town:
                self._left = 0
                self.next()
        return self.next()

    def next(self) -> Home:
        """A home at a house number of its own, in the current postcode or the next."""
        random = self._random
        if self._left == 0:
            self._left = random.randint(5, 25)
            self._town = random.choice(_TOWNS)
            outward = f"{self._town[1]}{random.randint(1, 29)}"
            inward = f"{random.randint(0, 9)}{random.choice(_LETTERS)}{random.choice(_LETTERS)}"
            self._postcode = f"{outward} {inward}"
            self._street = f"{random.choice(STREETS)} {random.choice(_WAYS)}"
        self._left -= 1
        number = str(self._left * 2 + random.randint(1, 2))
        if random.random() < 0.12:
            number = f"FLAT {random.randint(1, 12)} {number}"
        landline = f"01{random.randint(200_000_000, 999_999_999)}" if random.random() < 0.7 else ""
        practice = f"{self._town[1][0]}8{hash_of(self._postcode[:4]) % 100:02}{random.randint(0, 20):02}"
        return Home(f"{number} {self._street}", self._town[0], self._postcode, landline, practice)
