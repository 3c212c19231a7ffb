"""What a PDQ query asks of a record: exact values, beginnings of values, and where in the index to look for them."""

from dataclasses import dataclass, field, replace

from mpi.domain.person import Demographics
from mpi.domain.queries import PersonKeys, PersonRefusal, QueryFault
from mpi.matching.block import either_order, sound
from mpi.matching.fold import fold
from mpi.matching.prepare import prepare
from mpi.matching.prepared import Prepared
from mpi.services.views import without_home
from mpi.store.unit_of_work import UnitOfWork

MOST_RECORDS = 5000
"""Records looked at for one question; more means that it says too little about the person."""
LEAST_BEGINNING = 2
"""Letters that the beginning of a name must have."""

_PREPARED = {"family_name": "family", "given_name": "given", "address_line": "address"}
_HOME = ("address", "town", "postcode", "phone", "email")
_EXACT = ("given", "sex", "postcode", "address", "town", "phone", "email", "birth")


class Refused(Exception):
    """The question cannot be answered."""

    def __init__(self, refusal: PersonRefusal) -> None:
        super().__init__(refusal.fault.value)
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class Criteria:
    """Every record that is sought has `exact` values and values that begin as `beginnings` say (prepared form)."""

    exact: Prepared
    beginnings: dict[str, str] = field(default_factory=dict)

    @property
    def asks_home(self) -> bool:
        """Whether where the person lives is part of the question."""
        return without_home(self.exact) != self.exact or any(name in _HOME for name in self.beginnings)

    @property
    def bare(self) -> "Criteria":
        """The question without where the person lives."""
        beginnings = {name: text for name, text in self.beginnings.items() if name not in _HOME}
        return replace(self, exact=without_home(self.exact), beginnings=beginnings)

    @property
    def empty(self) -> bool:
        """Whether it asks for nothing."""
        return self.exact == Prepared() and not self.beginnings

    def begins(self, p: Prepared) -> bool:
        """Whether the record's values begin as they must."""
        return all(
            any(value is not None and value.startswith(text) for value in _values(p, name))
            for name, text in self.beginnings.items()
        )

    def matches(self, p: Prepared) -> bool:
        """Whether the record has all that is asked for. A previous family name is a family name."""
        asked = self.exact
        if asked.family is not None and asked.family not in (p.family, p.previous_family):
            return False
        for name in _EXACT:
            wanted = getattr(asked, name)
            if wanted is not None and wanted != getattr(p, name):
                return False
        if asked.birth_partial and not (p.birth or p.birth_partial or "").startswith(asked.birth_partial):
            return False
        return self.begins(p)

    def where(self, unit: UnitOfWork) -> set[int]:
        """Ids of at most `MOST_RECORDS` records, among them those that match. Raises `Refused`.

        Left out is who can be found by nothing that is asked: a record without a birth date by its given name alone,
        or by a previous family name.
        """
        found: set[int] = set()
        for beginning, end in self._keys():
            if end is None:
                ids, skipped = unit.records.block([beginning], MOST_RECORDS)
                if skipped:
                    raise Refused(PersonRefusal(QueryFault.TOO_MANY))
            else:
                ids = unit.crosswalks.with_beginning(beginning, end, MOST_RECORDS + 1)
            found.update(ids)
            if len(found) > MOST_RECORDS:
                raise Refused(PersonRefusal(QueryFault.TOO_MANY))
        return found

    def _keys(self) -> list[tuple[str, str | None]]:
        """Blocking keys, or beginnings and ends of them (`mpi.matching.block`), that all matching records have.

        One property is enough, since all must hold: the one that fewest records share goes first.
        """
        p = self.exact
        if p.phone:
            return [(f"t|{p.phone}", None)]
        if p.email:
            return [(f"e|{p.email}", None)]
        if p.birth and p.postcode:
            return [(f"b|{p.postcode}|{p.birth}", None)]
        return self._name_keys() or self._place_keys()

    def _name_keys(self) -> list[tuple[str, str | None]]:
        p = self.exact
        name, text = p.family or p.given, self.beginnings.get("family") or self.beginnings.get("given")
        known = sound(name) if name else _sound_beginning(text) if text else None
        end = None if name else ""
        if known is None:
            return []
        if p.birth:
            day = either_order(p.birth)
            return [(f"d|{known}|{day}", None) if name else (f"d|{known}", f"|{day}")]
        if p.postcode:
            return [(f"p|{p.postcode}|{known}", end)]
        return self._dated(known if name else None) + self._undated()

    def _dated(self, name: str | None) -> list[tuple[str, str | None]]:
        """Keys of records with a whole birth date, when none was asked for; `name` is the sound of one, where known."""
        p = self.exact
        year = (p.birth_partial or "")[:4]
        if p.family and p.given:
            both = "|".join(sorted((sound(p.family), sound(p.given))))
            return [(f"y|{both}|{year}", None if year else "")]
        if name:
            return [(f"d|{name}|{year}", "")]
        return [(f"d|{_sound_beginning(self.beginnings.get('family') or self.beginnings['given'])}", "")]

    def _undated(self) -> list[tuple[str, str | None]]:
        """Keys of records without a whole birth date: they stand by both names, the family name first."""
        p = self.exact
        if p.family:
            return [(f"f|{p.family}|{p.given}", None) if p.given else (f"f|{p.family}|", "")]
        return [(f"f|{self.beginnings['family']}", "")] if "family" in self.beginnings else []

    def _place_keys(self) -> list[tuple[str, str | None]]:
        postcode = self.exact.postcode
        if postcode:
            return [(f"b|{postcode}|", ""), (f"p|{postcode}|", "")]
        if text := self.beginnings.get("postcode"):
            return [(f"b|{text}", ""), (f"p|{text}", "")]
        raise Refused(PersonRefusal(QueryFault.TOO_LITTLE))


def criteria_of(keys: PersonKeys) -> Criteria:
    """What the keys ask for, in prepared form. Raises `Refused` for a value that nobody can have."""
    said = keys.said.as_dict()
    wild = {name: text.rstrip("*") for name, text in said.items() if text.endswith("*")}
    exact, problems = prepare(
        Demographics(**{name: text for name, text in said.items() if name not in wild}), allow_test_numbers=True
    )
    if problems:
        raise Refused(PersonRefusal(QueryFault.UNUSABLE, problems[0].field))
    beginnings = {}
    for name, text in wild.items():
        beginning = _beginning(name, text)
        if len(beginning) < LEAST_BEGINNING:
            raise Refused(PersonRefusal(QueryFault.TOO_LITTLE, name))
        beginnings[_PREPARED.get(name, name)] = beginning
    # A stock name is nobody's in matching; who asks for it means the name.
    return Criteria(replace(exact, placeholder=False), beginnings)


def _beginning(name: str, text: str) -> str:
    """The beginning of a value in prepared form."""
    folded = fold(text)
    if name in ("family_name", "given_name"):
        letters = (c if c.isalpha() else " " for c in folded.replace("'", ""))
        return " ".join("".join(letters).split())
    return folded.replace(" ", "") if name == "postcode" else folded


def _sound_beginning(text: str) -> str:
    """How the Soundex code of every name begins that begins with `text`: its own, without the padding."""
    return sound(text).rstrip("0")


def _values(p: Prepared, name: str) -> tuple[str | None, ...]:
    return (p.family, p.previous_family) if name == "family" else (getattr(p, name),)
