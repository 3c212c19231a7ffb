"""A header's name, birth date and sex against every active record of the person it may belong to."""

from collections.abc import Iterable
from dataclasses import dataclass

from mpi.matching.gate_evidence import Evidence, KnownRecord
from mpi.matching.prepared import Prepared
from mpi.matching.same_name import (
    Agreement,
    compare_names,
    first_is_short_form,
    folds_whole,
    names_compatible,
    same_text,
)

_FORMS_OF_ADDRESS = frozenset({"MR", "MRS", "MISS", "MS", "MX", "DR"})
"""Titles that are nobody's name, unlike MAJOR or LORD."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One field of the header against all records: `agreement` is SAME only where no record says otherwise."""

    agreement: Agreement
    any_same: bool


def _together(found: Iterable[Agreement]) -> Comparison:
    every = list(found)
    if Agreement.NOT_IN_HEADER in every or not every:
        agreement = Agreement.NOT_IN_HEADER
    elif Agreement.DIFFERENT in every:
        agreement = Agreement.DIFFERENT
    else:
        agreement = Agreement.SAME if Agreement.SAME in every else Agreement.NOT_IN_INDEX
    return Comparison(agreement, Agreement.SAME in every)


def _records(evidence: Evidence) -> tuple[KnownRecord, ...]:
    return evidence.person.records if evidence.person else ()


def compare_births(evidence: Evidence) -> Comparison:
    """Whole dates must be equal; where a record knows only a year or month, that must not contradict."""
    birth = evidence.prepared.birth
    return _together(_birth(birth, record.prepared) for record in _records(evidence))


def _birth(birth: str | None, known: Prepared) -> Agreement:
    if birth is None:
        return Agreement.NOT_IN_HEADER
    if known.birth is not None:
        return Agreement.SAME if birth == known.birth else Agreement.DIFFERENT
    if known.birth_partial is not None and not birth.startswith(known.birth_partial):
        return Agreement.DIFFERENT
    return Agreement.NOT_IN_INDEX


def compare_families(evidence: Evidence, folding: str) -> Comparison:
    """The family name; a previous family name does not count."""
    return _together(
        compare_names(
            evidence.header.family_name,
            evidence.prepared.family,
            record.recorded.family_name,
            record.prepared.family,
            folding,
        )
        for record in _records(evidence)
    )


def compare_givens(evidence: Evidence, folding: str, *, short_forms: bool) -> Comparison:
    """The first given name, or a short form of it. With more than letters in it ("Twin 1") it must be written alike."""
    return _together(_given(evidence, record, folding, short_forms) for record in _records(evidence))


def _given(evidence: Evidence, record: KnownRecord, folding: str, short_forms: bool) -> Agreement:
    text, known_text = evidence.header.given_name, record.recorded.given_name
    mine, theirs = evidence.prepared, record.prepared
    if not text or mine.given is None:
        return Agreement.NOT_IN_HEADER
    if not known_text or theirs.given is None:
        return Agreement.NOT_IN_INDEX
    if not (folds_whole(text, mine.given) and folds_whole(known_text, theirs.given)):
        return Agreement.SAME if same_text(text, known_text) else Agreement.DIFFERENT
    if folding == "case":
        same = same_text(text.split()[0], known_text.split()[0])
    else:
        same = mine.given.split()[0] == theirs.given.split()[0]
    same = same or (short_forms and first_is_short_form(mine.given, theirs.given))
    return Agreement.SAME if same else Agreement.DIFFERENT


def compare_middles(evidence: Evidence) -> Comparison:
    """All given names but the first, in order."""
    mine = _further(evidence.prepared)
    if not mine:
        return _together([Agreement.NOT_IN_HEADER])
    found = []
    for record in _records(evidence):
        theirs = _further(record.prepared)
        if not theirs:
            found.append(Agreement.NOT_IN_INDEX)
        else:
            found.append(Agreement.SAME if names_compatible(mine, theirs) else Agreement.DIFFERENT)
    return _together(found)


def _further(prepared: Prepared) -> list[str]:
    """Middle names; a title in their place ("ASHWORTH^MARIA^MRS", "ASHWORTH^MARIA MRS") is none."""
    words = [*(prepared.given or "").split()[1:], *(prepared.middle or "").split()]
    return [word for word in words if word not in _FORMS_OF_ADDRESS]


def compare_sexes(evidence: Evidence) -> Comparison:
    """The sex; unknown says nothing on either side (PS3.3 C.7.1.1: M, F, O or empty)."""
    sex = evidence.prepared.sex
    if sex is None:
        return _together([Agreement.NOT_IN_HEADER])
    return _together(
        Agreement.NOT_IN_INDEX
        if record.prepared.sex is None
        else Agreement.SAME
        if record.prepared.sex == sex
        else Agreement.DIFFERENT
        for record in _records(evidence)
    )
