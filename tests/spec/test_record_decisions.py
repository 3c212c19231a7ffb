"""A record against the index: whom it joins, and whom a human must look at."""

from mpi.domain.decision import HardRule, Outcome, RecordDecision
from mpi.matching.decide import Candidate, PersonFacts, decide_record
from mpi.matching.model import load_default
from mpi.matching.prepare import prepare
from mpi.matching.prepared import Prepared
from tests.spec.tables import person

DAVID = "WAKEGRAVE, DAVID, 1980-01-17, M, LS6 4QB"


def prepared(text: str) -> Prepared:
    return prepare(person(text), allow_test_numbers=True)[0]


def decide(incoming: str, *stored: tuple[int, str], facts: dict[int, PersonFacts] | None = None) -> RecordDecision:
    candidates = [Candidate(place, who, prepared(text)) for place, (who, text) in enumerate(stored)]
    return decide_record(load_default(), prepared(incoming), candidates, facts or {})


def rules(decision: RecordDecision) -> list[tuple[int, HardRule | None]]:
    return [(review.person_id, review.pair.rule) for review in decision.reviews]


def test_a_record_joins_the_one_person_it_fits():
    found = decide(DAVID, (1, DAVID), (2, "PATEL, NISHA, 1991-09-02, F, EX4 9ZZ"))
    assert found.link_to is not None
    assert (found.link_to.person_id, found.link_to.record_id, found.link_to.pair.outcome) == (1, 0, Outcome.LINK)
    assert found.reviews == ()
    assert found.compared == 2


def test_nobody_in_the_index_means_nobody_joined():
    assert decide(DAVID) == RecordDecision(None, (), 0)


def test_the_best_record_of_a_person_speaks_for_it():
    found = decide(DAVID, (1, "WAKEGRAVE, D, 1980-01-17, M, -"), (1, DAVID))
    assert found.link_to is not None
    assert found.link_to.record_id == 1


def test_a_record_that_fits_two_persons_joins_neither():
    found = decide(DAVID, (1, DAVID), (2, DAVID))
    assert found.link_to is None
    assert rules(found) == [(1, HardRule.TWO_PERSONS), (2, HardRule.TWO_PERSONS)]
    assert {review.pair.outcome for review in found.reviews} == {Outcome.REVIEW}


def test_a_do_not_link_keeps_a_person_out_of_sight():
    found = decide(DAVID, (1, DAVID), facts={1: PersonFacts(kept_apart=True)})
    assert found.link_to is None
    assert found.reviews == ()


def test_a_do_not_link_with_one_of_two_leaves_the_other():
    found = decide(DAVID, (1, DAVID), (2, DAVID), facts={1: PersonFacts(kept_apart=True)})
    assert found.link_to is not None
    assert found.link_to.person_id == 2


def test_another_record_of_the_person_has_another_verified_number():
    facts = {1: PersonFacts(verified_nhs=frozenset({"9990000026"}), valid_nhs=frozenset({"9990000026"}))}
    found = decide(DAVID + ", nhs=9990000018, status=01", (1, DAVID), facts=facts)
    assert found.link_to is None
    assert rules(found) == [(1, HardRule.VERIFIED_NHS_DIFFER)]


def test_another_record_of_the_person_has_another_valid_number():
    facts = {1: PersonFacts(valid_nhs=frozenset({"9990000026"}))}
    found = decide(DAVID + ", nhs=9990000018, status=01", (1, DAVID), facts=facts)
    assert found.link_to is None
    assert rules(found) == [(1, HardRule.VALID_NHS_DIFFER)]


def test_a_number_of_status_05_may_count_against_a_link():
    facts = {1: PersonFacts(verified_nhs=frozenset({"9990000026"}), valid_nhs=frozenset({"9990000026"}))}
    found = decide(DAVID + ", nhs=9990000018, status=05", (1, DAVID), facts=facts)
    assert found.link_to is None
    assert rules(found) == [(1, HardRule.VALID_NHS_DIFFER)]


def test_a_twin_among_the_persons_records_holds_the_link():
    twin = "WAKEGRAVE, THOMAS, 1980-01-17, M, LS6 4QB"
    found = decide(DAVID, (1, DAVID), (1, twin))
    assert found.link_to is None
    assert rules(found) == [(1, HardRule.TWINS)]


def test_a_record_between_two_people_makes_no_one_person_of_them():
    brother = "WAKEGRAVE, MICHAEL, 1980-01-17, M, EX4 9ZZ"
    found = decide(DAVID, (1, DAVID), (1, brother))
    assert found.link_to is None
    assert rules(found) == [(1, HardRule.OTHER_RECORD_DIFFERS)]


def test_a_number_of_ones_own_outweighs_a_record_that_differs():
    number = ", nhs=9990000018, status=01"
    found = decide(DAVID + number, (1, DAVID + number), (1, "WAKEGRAVE, MICHAEL, 1980-01-17, M, EX4 9ZZ"))
    assert found.link_to is not None


def test_an_initial_among_the_persons_records_holds_nothing_back():
    found = decide(DAVID, (1, DAVID), (1, "WAKEGRAVE, D, 1980-01-17, M, -"))
    assert found.link_to is not None


def test_reviews_come_best_first_beside_a_link():
    twin = "WAKEGRAVE, THOMAS, 1980-01-17, M, LS6 4QB, address=14 Quarry Bank"
    found = decide(DAVID + ", address=14 Quarry Bank", (1, DAVID), (2, twin))
    assert found.link_to is not None
    assert found.link_to.person_id == 1
    assert rules(found) == [(2, HardRule.TWINS)]
