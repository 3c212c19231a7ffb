"""What is made of a model for Spark, and what is said when Spark is not there; the engine itself: tests/spec."""

import sys

import pytest

from mpi.domain.errors import MissingExtra, TemporaryFailure
from mpi.engines.spark.levels import Masks, column, condition_sql, level_sql
from mpi.engines.spark.session import spark_session
from mpi.matching.model import Comparison, Level, load_default


def test_without_pyspark_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with pytest.raises(MissingExtra, match=r"mpi\[spark\]"):
        spark_session()


def test_a_start_that_fails_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from pyspark.sql import SparkSession

    def fail(self: object) -> None:
        raise RuntimeError(
            "An error occurred while calling None.Spark.\n: java.lang.Bad: no master\n\tat a.b(C.java:1)"
        )

    monkeypatch.setattr(SparkSession.Builder, "getOrCreate", fail)
    with pytest.raises(TemporaryFailure) as found:
        spark_session(master="spark://127.0.0.1:1")
    assert str(found.value) == "Spark does not start: java.lang.Bad: no master"


def test_equality_needs_no_python():
    masks = Masks()
    assert condition_sql({"kind": "exact", "field": "family"}, masks) == "coalesce(l_family = r_family, false)"
    assert masks.conditions == {}


def test_one_condition_takes_one_bit_however_often_it_stands():
    masks = Masks()
    alike = {"kind": "jaro-winkler", "field": "family", "at_least": 0.9}
    less = alike | {"at_least": 0.8}
    assert condition_sql(alike, masks) == "coalesce(m_family & 1L, 0L) <> 0L"
    assert condition_sql(less, masks) == "coalesce(m_family & 2L, 0L) <> 0L"
    assert condition_sql(alike, masks) == "coalesce(m_family & 1L, 0L) <> 0L"
    assert masks.conditions == {"family": [alike, less]}


def test_more_conditions_than_a_mask_holds_are_refused():
    masks = Masks()
    for place in range(63):
        condition_sql({"kind": "jaro-winkler", "field": "family", "at_least": place / 100}, masks)
    with pytest.raises(ValueError, match="more than 63"):
        condition_sql({"kind": "phonetic", "field": "family"}, masks)


def test_a_field_that_no_kind_knows_is_refused():
    with pytest.raises(KeyError):
        condition_sql({"kind": "telepathy", "field": "family"}, Masks())


def test_a_number_that_does_not_count_is_not_compared():
    comparison = Comparison(
        "n", ("nhs",), (Level("same", ({"kind": "exact", "field": "nhs"},), 0.9, 0.1), Level("", (), 0.1, 0.9))
    )
    sql = level_sql(comparison, Masks())
    assert "l_nhs_counted = r_nhs_counted" in sql
    assert "l_nhs " not in sql


def test_fields_of_the_users_own_do_not_meet_in_one_column():
    assert len({column(name) for name in ("extra.a b", "extra.a_b", "extra.a.b", "extra.a-b", "extra.aéb")}) == 5


def test_the_default_model_has_all_its_comparisons():
    masks = Masks()
    for comparison in load_default().comparisons:
        sql = level_sql(comparison, masks)
        assert sql.count("WHEN") == len(comparison.levels)
