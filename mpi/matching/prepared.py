"""Prepared values: what matching compares, stored with each record and read for each candidate."""

import json
from dataclasses import dataclass
from operator import attrgetter

FORMAT = 1
"""Version of the stored form; a change of meaning takes a new number and a re-preparation of the index."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything matching may compare; None or `()` is absent or taken out of matching. Names are ASCII capitals."""

    family: str | None = None
    given: str | None = None
    middle: str | None = None
    previous_family: str | None = None
    birth: str | None = None
    """Whole birth date, `YYYY-MM-DD`."""
    birth_partial: str | None = None
    """`YYYY` or `YYYY-MM` where no more is known; None beside a whole date."""
    sex: str | None = None
    """`M`, `F` or `O` (other); None is unknown."""
    postcode: str | None = None
    address: str | None = None
    town: str | None = None
    phone: str | None = None
    email: str | None = None
    gp: str | None = None
    nhs: str | None = None
    """Ten valid digits."""
    nhs_verified: bool = False
    nhs_usable: bool = False
    """False with status 04 or 05: the number never counts for a link."""
    other_id: str | None = None
    birth_order: str | None = None
    death: str | None = None
    newborn: bool = False
    placeholder: bool = False
    extra: tuple[tuple[str, str], ...] = ()
    """Fields of the user's own, sorted by name."""

    def to_json(self) -> str:
        """A compact JSON array in field order, with its format number first."""
        return json.dumps([FORMAT, *_VALUES(self)], separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> "Prepared":
        """The prepared values `to_json` wrote; raises ValueError for another format."""
        version, *values = json.loads(text)
        if version != FORMAT:
            raise ValueError(f"prepared values of format {version}, this software reads {FORMAT}")
        if values[-1]:
            values[-1] = tuple((name, value) for name, value in values[-1])
        else:
            values[-1] = ()
        return Prepared(*values)


PREPARED_FIELDS: tuple[str, ...] = Prepared.__slots__
_VALUES = attrgetter(*PREPARED_FIELDS)
