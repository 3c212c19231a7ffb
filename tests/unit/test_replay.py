"""Who is one person by what was said: the fold on its own, statement by statement, and with some left out."""

import pytest

from mpi.domain.replay import Birth, Change, Kind, State, Statement, replay

A, B, C, D = 1, 2, 3, 4
K = Kind


def told(
    *said: Statement, out: tuple[int, ...] = (), births: int = 4, own: dict[int, tuple[int, ...]] | None = None
) -> State:
    """Records 1, 2, ... with the persons 11, 12, ... made for them, and statements in order; `out` are taken back."""
    born = [Birth("0", record, record + 10) for record in range(1, births + 1)]
    changes = [Change(n, f"{n}", (one,), n not in out) for n, one in enumerate(said, 1)]
    return replay(born, changes, own or {record: (record + 10,) for record in range(1, births + 1)})


def groups(state: State) -> set[frozenset[int]]:
    persons = set(state.person_of.values())
    return {frozenset(state.members(person)) for person in persons}


def sets(*found: str) -> set[frozenset[int]]:
    return {frozenset("ABCD".index(letter) + 1 for letter in group) for group in found}


JOIN_AB, JOIN_BC = Statement(K.JOIN, A, B, 11), Statement(K.JOIN, B, C, 11)
CASES = [
    pytest.param(told(JOIN_AB, JOIN_BC), sets("ABC", "D"), id="two joins"),
    pytest.param(told(JOIN_AB, JOIN_BC, out=(1,)), sets("A", "BC", "D"), id="the first one left out"),
    pytest.param(told(JOIN_AB, JOIN_BC, out=(2,)), sets("AB", "C", "D"), id="the second one left out"),
    pytest.param(told(JOIN_AB, Statement(K.APART, A, B, 15)), sets("A", "B", "C", "D"), id="joined and told apart"),
    pytest.param(told(JOIN_AB, Statement(K.APART, A, B, 15), out=(2,)), sets("AB", "C", "D"), id="not told apart"),
    pytest.param(told(Statement(K.LINK, A, B)), sets("AB", "C", "D"), id="a link"),
    pytest.param(told(Statement(K.MERGE, A, B)), sets("B", "C", "D"), id="a number merged into another"),
    pytest.param(told(JOIN_AB, Statement(K.MERGE, A, C)), sets("B", "C", "D"), id="a merge takes the number alone"),
    pytest.param(told(JOIN_AB, Statement(K.PUT, A, D, 14)), sets("AD", "B", "C"), id="moved to the person of another"),
    pytest.param(
        told(JOIN_BC, Statement(K.PUT, A, C, 12), out=(1,)), sets("AC", "B", "D"), id="a move follows its record"
    ),
]


@pytest.mark.parametrize(("state", "expected"), CASES)
def test_who_is_one_person(state: State, expected: set[frozenset[int]]) -> None:
    assert groups(state) == expected and state.refused == []


REFUSED = [
    pytest.param((Statement(K.APART, A, B), JOIN_AB), "different people", id="joined against a decision"),
    pytest.param((Statement(K.APART, A, B), Statement(K.LINK, A, B)), "different people", id="linked against it"),
    pytest.param((Statement(K.APART, A, B), Statement(K.PUT, A, B)), "different people", id="moved against it"),
    pytest.param((Statement(K.APART, A, B), Statement(K.MERGE, A, B)), "different people", id="merged against it"),
    pytest.param((Statement(K.MERGE, A, B), Statement(K.MERGE, B, A)), "circle", id="a merge in a circle"),
    pytest.param((Statement(K.MERGE, A, B), Statement(K.MERGE, A, C)), "another number", id="merged twice"),
    pytest.param((Statement(K.MERGE, A, B), Statement(K.APART, A, B)), "one number", id="told apart from itself"),
    pytest.param((JOIN_AB, Statement(K.LINK, A, C)), "other records", id="linked alone, but not alone"),
]


@pytest.mark.parametrize(("said", "why"), REFUSED)
def test_what_cannot_be_done_is_refused_and_changes_nothing(said: tuple[Statement, ...], why: str) -> None:
    state = told(*said)
    assert [why in refused.why for refused in state.refused] == [True]
    assert groups(state) == groups(told(said[0]))


def test_what_stood_against_it_no_longer_does_when_it_is_left_out() -> None:
    assert groups(told(Statement(K.APART, A, B), JOIN_AB, out=(1,))) == sets("AB", "C", "D")


def test_a_chain_of_a_hundred_merges_leads_to_its_end_and_one_link_less_to_two() -> None:
    chain = [Statement(K.MERGE, n, n + 1) for n in range(1, 101)]
    state = told(*chain, births=101)
    assert {state.survivor(n) for n in range(1, 101)} == {101} and groups(state) == {frozenset({101})}
    state = told(*chain, births=101, out=(50,))
    assert (state.survivor(1), state.survivor(51), groups(state)) == (50, 101, {frozenset({50}), frozenset({101})})


def test_what_was_told_of_a_merged_number_holds_for_its_survivor() -> None:
    state = told(Statement(K.APART, A, C), Statement(K.MERGE, A, B), Statement(K.JOIN, B, C))
    assert (2, 3) in state.apart and len(state.refused) == 1


def test_a_number_that_was_never_renamed_keeps_what_was_said_under_the_new_one() -> None:
    born = [Birth("0", A, 11), Birth("0", B, 12)]
    changes = [Change(1, "1", (Statement(K.RENAME, A, 9),), False), Change(2, "2", (Statement(K.JOIN, 9, B, 11),))]
    state = replay(born, changes, {})
    assert groups(state) == sets("AB") and state.merged == {9: (A, True)}


def test_persons_are_used_again_before_new_ones_are_made() -> None:
    apart = told(JOIN_AB, Statement(K.APART, B, A), own={A: (11,), B: (12,)})
    assert apart.person_of[B] == 12 and apart.fresh == {}
    joined_later = replay([Birth("0", A, 11), Birth("1", B, None)], [], {A: (11,)})
    assert joined_later.person_of[B] < 0 and joined_later.fresh == {joined_later.person_of[B]: B}
