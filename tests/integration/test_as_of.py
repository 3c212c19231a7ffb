"""The crosswalk as of a moment of the past: the person, links, merges and numbers of then."""

from datetime import UTC, datetime, timedelta

import pytest

from mpi.bootstrap import App
from mpi.domain.errors import BadInput, NotFound
from mpi.store.clock import now
from tests.builders import nhs_number
from tests.index import MACHINE, merge, persons_of, register

N1, N2 = nhs_number(31), nhs_number(32)
LITTLE = dict.fromkeys(("birth_date", "address_line", "postcode", "town", "sex"))


def seen(app: App, value: str, at: str | None = None, authority: str = "RXX") -> tuple[str, set[tuple[str, str, str]]]:
    found = app.people.crosswalk(MACHINE, authority, value, at=at)
    return found.enterprise_id, {(e.authority, e.value, e.status) for e in found.identifiers}


def test_before_and_after_a_merge(app: App) -> None:
    register(app, "RXX", "1", **LITTLE)
    register(app, "RXX", "2")
    before = now()
    then = {v: seen(app, v) for v in ("1", "2")}
    assert then["1"][0] != then["2"][0]
    merge(app, "1", "2")
    assert {v: seen(app, v, before) for v in ("1", "2")} == then
    assert seen(app, "1", now()) == seen(app, "1") == seen(app, "2")
    assert ("RXX", "1", "merged") in seen(app, "2", now())[1]


def test_a_number_that_was_changed_leads_to_the_person_of_its_time(app: App) -> None:
    register(app, "RXX", "1", nhs_number=N1)
    before = now()
    register(app, "RXX", "1", nhs_number=N2)
    assert seen(app, N1, before, "NHS") == seen(app, "1", before)
    assert ("NHS", N1, "active") in seen(app, "1", before)[1]
    assert ("NHS", N2, "active") in seen(app, "1")[1]
    with pytest.raises(NotFound):
        seen(app, N1, None, "NHS")
    with pytest.raises(NotFound):
        seen(app, N2, before, "NHS")


def test_a_renamed_number_was_not_known_before(app: App) -> None:
    register(app, "RXX", "1")
    before = now()
    merge(app, "1", "2")
    assert seen(app, "1", before)[1] == {("RXX", "1", "active")}
    assert seen(app, "1")[1] == {("RXX", "1", "merged"), ("RXX", "2", "active")}
    with pytest.raises(NotFound):
        seen(app, "2", before)


def test_before_the_record_nothing_is_found(app: App) -> None:
    before = now()
    register(app, "RXX", "1")
    with pytest.raises(NotFound):
        seen(app, "1", before)


@pytest.mark.parametrize(
    ("at", "code"),
    [
        pytest.param("2999-01-01", "in-the-future", id="a date to come"),
        pytest.param("2999-01-01T00:00:00Z", "in-the-future", id="a time to come"),
        pytest.param("2026-01-01T10:00:00", "no-zone", id="a time without a zone"),
        pytest.param("yesterday", "unreadable-time", id="a word"),
        pytest.param("2026-02-30", "unreadable-time", id="a day that does not exist"),
        pytest.param("", "unreadable-time", id="nothing"),
        pytest.param("9999-12-31T23:59:59-23:59", "unreadable-time", id="beyond all time"),
    ],
)
def test_moments_that_are_none(app: App, at: str, code: str) -> None:
    with pytest.raises(BadInput) as refused:
        seen(app, "1", at)
    assert (refused.value.field, refused.value.code) == ("at", code)


def test_a_date_is_its_end_and_today_is_now(app: App) -> None:
    register(app, "RXX", "1")
    today = datetime.now(UTC).date()
    assert seen(app, "1", today.isoformat())[0] == persons_of(app, ("RXX", "1"))[0]
    with pytest.raises(NotFound):
        seen(app, "1", (today - timedelta(days=3)).isoformat())
