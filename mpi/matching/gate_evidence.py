"""What the gate's rules are judged on: a study header, where its numbers lead, and what the index knows of the person.

Gathered by `mpi.services.gate.evidence`, so that the rules themselves are pure functions.
"""

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from mpi.domain.person import NHS, Demographics, ValueProblem
from mpi.domain.study import NO_ARRIVAL, Arrival, PatientId, StudyHeader
from mpi.matching.prepare import prepare
from mpi.matching.prepared import Prepared
from mpi.matching.rules import Standing, birth, family, given


class NumberState(StrEnum):
    """How far a patient id in a header could be followed."""

    FOUND = "found"
    """Its issuer is configured, and records in the index carry it."""
    NOT_IN_INDEX = "not-in-index"
    """Its issuer is configured, and no record carries it."""
    UNREADABLE = "unreadable"
    """Its issuer is configured, and it is no number of that issuer (an NHS number with a wrong check digit)."""
    PLACEHOLDER = "placeholder"
    """It stands for "no number"."""
    NOT_A_PERSONS = "not-a-persons"
    """Its type says that it is the number of a visit or an account: it says nothing of persons."""
    UNCLEAR_ISSUER = "unclear-issuer"
    """What is said of its issuer leads to two authorities, or only in part to one."""
    UNKNOWN_ISSUER = "unknown-issuer"
    """Its issuer is not configured: it says nothing by itself. `persons` then holds whose NHS number it would be."""
    NO_ISSUER = "no-issuer"
    """It has none: it says nothing by itself. `persons` as for an unknown issuer."""


@dataclass(frozen=True, slots=True)
class Number:
    """One patient id of a header, followed as far as it leads."""

    state: NumberState
    authority: str | None = None
    trustworthy: bool = False
    """The authority is a hospital or national (and not an insurer, say)."""
    value: str | None = None
    """The NHS number as ten digits; None for all others."""
    persons: frozenset[int] = frozenset()
    record_id: int | None = None
    """The record in the index that stands for it now (merges followed), where there is just one person."""


@dataclass(frozen=True, slots=True)
class KnownRecord:
    """An active record of the person the numbers lead to."""

    record_id: int
    authority: str
    recorded: Demographics
    prepared: Prepared
    problems: tuple[ValueProblem, ...] = ()


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """The person the numbers lead to, as the index knows them now."""

    person_id: int
    records: tuple[KnownRecord, ...]
    restricted: bool = False
    open_tasks: int = 0
    kept_apart: bool = False
    used_again: bool = False
    """A record of theirs described somebody else before: its number was used again, or updated with another's data."""

    @property
    def verified_nhs(self) -> frozenset[str]:
        """NHS numbers that are verified on an active record; one on a merged record may be superseded."""
        return frozenset(r.prepared.nhs for r in self.records if r.prepared.nhs and r.prepared.nhs_verified)


def describe_two_people(earlier: Prepared, later: Prepared) -> bool:
    """Whether two versions of one record speak of two people: the birth date and a name differ, each clearly.

    One of them alone may have been mended.
    """
    if birth(earlier, later) is not Standing.DIFFERENT:
        return False
    return Standing.DIFFERENT in (given(earlier, later), family(earlier, later))


class OwnSign(StrEnum):
    """What says that a study was made here, the strongest first; the last two alone are hints."""

    HELD_HERE = "held-here"
    """A site of ours has told of this very study."""
    ORIGINAL_NUMBER = "original-number"
    """Its original patient id, before a system on the way changed it, is a number of ours."""
    OUR_NUMBER = "our-number"
    OUR_ACCESSION = "our-accession"
    HINT = "hint"
    """The beginning of its UID or the institution is ours."""


def _demographics(header: StudyHeader) -> Demographics:
    return Demographics(
        family_name=header.family_name,
        given_name=header.given_name,
        middle_names=header.middle_name,
        birth_date=header.birth_date,
        sex=header.sex,
    )


def _contradict(one: StudyHeader, other: StudyHeader) -> bool:
    """Whether two headers of one study cannot be of one patient; a value that only one of them has says nothing."""
    mine, theirs = (prepare(_demographics(header), allow_test_numbers=False)[0] for header in (one, other))
    values = ((mine.birth, theirs.birth), (mine.sex, theirs.sex), (mine.family, theirs.family))
    if any(left and right and left != right for left, right in values):
        return True
    if Standing.DIFFERENT in (given(mine, theirs), family(mine, theirs)):
        return True
    numbers, others = ({(i.issuer, i.issuer_oid): i.value.strip() for i in _numbers(h)} for h in (one, other))
    return any(numbers[issuer] != others[issuer] for issuer in numbers.keys() & others.keys())


def _numbers(header: StudyHeader) -> list[PatientId]:
    return [header.patient_id] if header.patient_id and header.patient_id.value.strip() else []


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything the rules may look at."""

    header: StudyHeader
    numbers: tuple[Number, ...]
    person: KnownPerson | None
    """None when the numbers lead to nobody, or to several of whom none is common to all."""
    study_person: int | None
    """The person this study is attached to already."""
    earlier_persons: frozenset[int]
    """The persons that earlier checks of this study led to."""
    today: date
    earlier_headers: tuple[StudyHeader, ...] = ()
    """What other objects of this study said in earlier checks, each once."""
    set_aside: bool = False
    """A human has refused the study or taken it from somebody, or its objects speak of different patients."""
    arrival: Arrival = NO_ARRIVAL
    own_sign: OwnSign | None = None
    """What says that it is a study of ours that comes back; the strongest counts."""
    own_persons: frozenset[int] = frozenset()
    """Of whom it was made, where a site of ours has told of this study."""
    chosen: bool = False
    """A human says that it is `person`: the numbers need not lead there, but none may lead elsewhere."""
    prepared: Prepared = field(init=False)
    """The header's demographics, prepared as the index prepares its own."""
    problems: tuple[ValueProblem, ...] = field(init=False)

    def __post_init__(self) -> None:
        prepared, problems = prepare(_demographics(self.header), allow_test_numbers=False)
        object.__setattr__(self, "prepared", prepared)
        object.__setattr__(self, "problems", problems)

    @property
    def says_otherwise(self) -> bool:
        """Whether an earlier object of the study named its patient in another way: a usable value that contradicts."""
        return any(_contradict(self.header, other) for other in self.earlier_headers)

    @property
    def leads(self) -> list[frozenset[int]]:
        """Where each number that was found leads."""
        return [number.persons for number in self.numbers if number.state is NumberState.FOUND and number.persons]

    @property
    def person_nhs(self) -> frozenset[str]:
        """The valid NHS numbers on the person's active records, verified or not."""
        records = self.person.records if self.person else ()
        return frozenset(record.prepared.nhs for record in records if record.prepared.nhs)

    @property
    def identifying(self) -> list[Number]:
        """The numbers that lead to this person alone; an NHS number only where the index holds it verified."""
        if self.person is None:
            return []
        alone = frozenset({self.person.person_id})
        return [
            number
            for number in self.numbers
            if number.state is NumberState.FOUND
            and number.persons == alone
            and number.trustworthy
            and (number.authority != NHS or number.value in self.person.verified_nhs)
        ]
