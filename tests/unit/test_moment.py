"""Times as sources write them: in UTC, only as exact as they are, and compared only as far as that goes."""

import pytest

from mpi.domain.moment import ahead, latest, moment, older


@pytest.mark.parametrize(
    ("written", "read"),
    [
        pytest.param("20260115093000", "20260115093000", id="winter time of the United Kingdom"),
        pytest.param("20260715093000", "20260715083000", id="summer time of the United Kingdom"),
        pytest.param("20260715093000+0000", "20260715093000", id="with an offset"),
        pytest.param("202607150930.25+0530", "202607150400", id="to the minute, far away"),
        pytest.param("20261025013000", "20261025", id="an hour that comes twice"),
        pytest.param("20261025013000+0000", "20261025013000", id="an hour that comes twice, with an offset"),
        pytest.param("20260715", "20260715", id="a date"),
        pytest.param("202607", "202607", id="a month"),
        pytest.param("2026", "2026", id="a year"),
        pytest.param("20261315", None, id="month 13"),
        pytest.param("20260715250000", None, id="hour 25"),
        pytest.param("2026071", None, id="half a date"),
        pytest.param("00010101000000+1400", None, id="before all time"),
        pytest.param("yesterday", None, id="no time"),
        pytest.param("", None, id="nothing"),
        pytest.param(None, None, id="absent"),
    ],
)
def test_a_time_is_read_as_exactly_as_it_is_written(written: str | None, read: str | None) -> None:
    assert moment(written) == read


@pytest.mark.parametrize(
    ("one", "other", "is_older"),
    [
        pytest.param("20260715083000", "20260715083001", True, id="a second before"),
        pytest.param("20260715083000", "20260715083000", False, id="the same"),
        pytest.param("20260715", "20260715083000", False, id="perhaps before"),
        pytest.param("20260714", "20260715083000", True, id="a day before"),
        pytest.param("20260716", "20260715083000", False, id="a day after"),
        pytest.param(None, "20260715", False, id="unknown"),
        pytest.param("20260715", None, False, id="before nothing"),
    ],
)
def test_one_time_is_older_only_when_it_is_certain(one: str | None, other: str | None, is_older: bool) -> None:
    assert older(one, other) is is_older


def test_the_latest_of_two_is_kept_and_the_more_exact_in_doubt() -> None:
    assert latest("20260715083000", "20260714") == "20260715083000"
    assert latest("20260715083000", "20260715") == "20260715083000"
    assert latest("20260715", "20260715083000") == "20260715083000"
    assert latest("20260714", "20260715") == "20260715"
    assert latest("20260715", None) == "20260715"
    assert latest(None, "20260715") == "20260715"


def test_a_clock_may_be_a_day_wrong_and_no_more() -> None:
    now = "2026-11-21T10:00:00.000000Z"
    assert not ahead("20261122095900", now)
    assert ahead("20261122100100", now)
    assert not ahead("2026", now)
    assert ahead("2027", now)
