"""Questions that other systems put to the index, and its answers: the words between the doors and the services."""

from dataclasses import dataclass, field
from enum import StrEnum

from mpi.domain.person import Demographics, Identifier


@dataclass(frozen=True, slots=True)
class Asker:
    """A system that asks. `domains` are the authorities whose numbers it may be told, by configuration.

    `own` are the authorities of its own site, by what it feeds and by its facility: it knows their numbers anyway.
    """

    application: str
    facility: str
    domains: frozenset[str]
    own: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """As the audit trail names it."""
        return f"{self.application}|{self.facility}"


@dataclass(frozen=True, slots=True)
class IdentifierQuery:
    """The question for a person's other numbers (IHE ITI-9). `wanted` are authorities that the asker may be told."""

    asker: Asker
    tag: str
    identifier: Identifier
    wanted: frozenset[str]


class Found(StrEnum):
    """Whether an identifier leads to a person."""

    ONE = "one"
    NOBODY = "nobody"
    SEVERAL = "several"
    """The number stands on more than one person: a reviewer must look before anybody is told."""


@dataclass(frozen=True, slots=True)
class IdentifierAnswer:
    """The person's other numbers in the wanted domains, grouped by domain; perhaps none."""

    found: Found
    identifiers: tuple[Identifier, ...] = ()


@dataclass(frozen=True, slots=True)
class PersonKeys:
    """What an asker knows of the person sought. A value that ends with `*` is the beginning of one.

    `birth_date` is ISO and may be a year or a year and month. `identifier` names the person outright.
    """

    identifier: Identifier | None = None
    said: Demographics = field(default_factory=Demographics)

    @property
    def empty(self) -> bool:
        """Whether nothing at all was said."""
        return self.identifier is None and not self.said.as_dict()


@dataclass(frozen=True, slots=True)
class PersonQuery:
    """The question who somebody may be (IHE ITI-21).

    `page` is how many people one answer may hold (None: all), `least` the confidence in percent below which nobody is
    named, `pointer` where an earlier answer said to go on, and `question` stands for the text of the query.
    """

    asker: Asker
    tag: str
    keys: PersonKeys
    wanted: frozenset[str]
    question: str
    page: int | None = None
    least: float = 0.0
    pointer: str | None = None


@dataclass(frozen=True, slots=True)
class PersonFound:
    """One candidate: numbers, what its best matching record says, and the confidence in percent (0 to 100)."""

    identifiers: tuple[Identifier, ...]
    recorded: Demographics
    confidence: float


@dataclass(frozen=True, slots=True)
class PersonAnswer:
    """A page of candidates, best first. `pointer` asks for the next page; None when this is the last."""

    persons: tuple[PersonFound, ...]
    total: int
    remaining: int = 0
    pointer: str | None = None


class QueryFault(StrEnum):
    """Why a question about people cannot be answered."""

    TOO_LITTLE = "too-little"
    TOO_MANY = "too-many"
    POINTER = "pointer"
    """The continuation pointer was never given to this asker for this question, or is too old."""
    UNUSABLE = "unusable"
    """A value cannot be read, so nobody can have it."""


@dataclass(frozen=True, slots=True)
class PersonRefusal:
    """The question has no answer. `field` is the demographic field at fault, where there is one."""

    fault: QueryFault
    field: str | None = None
