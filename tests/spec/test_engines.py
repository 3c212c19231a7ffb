"""Every engine gives what the pure functions give: on the tables of levels and decisions, and on random records.

The tables' pairs go through an engine together, so that pairs across cases are compared too.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mpi.cli.dedup import dedup
from mpi.cli.synth import synth
from mpi.engines.base import FLAGS, MISSING, TEXTS, Dataset, Engine, PairPatterns
from mpi.engines.estimate import estimate
from mpi.engines.local.train import estimate as estimate_columns
from mpi.engines.reference import ReferenceEngine
from mpi.engines.spark.engine import SparkEngine
from mpi.engines.spark.session import spark_session
from mpi.engines.splink_settings.templates import condition_sql as exported
from mpi.engines.weigh_columns import NO_RULE, OUTCOMES, RULES, decide
from mpi.matching.block import BLOCK_LIMIT, blocking_keys
from mpi.matching.decide import decide_pair
from mpi.matching.kinds import condition, damerau_levenshtein, jaro_winkler
from mpi.matching.model import LinkageModel, load_default
from mpi.matching.prepare import prepare
from mpi.matching.prepared import Prepared
from mpi.matching.shape import starting_model
from mpi.services.dedup_tools import engine_named
from tests.datasets import write_dataset
from tests.people import EXTRAS, random_people
from tests.spec.tables import person, rows
from tests.spec.test_decisions import TABLE as DECISIONS
from tests.spec.test_levels import TABLE as LEVELS
from tests.spec.test_levels import fields
from tests.splink_conditions import CONDITIONS

ENGINES = ("reference", "recordlinkage", "local", "spark")


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine in turn; one Spark session of two threads serves all tests."""
    if request.param == "spark":
        request.getfixturevalue("spark_session_for_tests")
        return SparkEngine()
    return engine_named(request.param)


@pytest.fixture(scope="module")
def spark_session_for_tests() -> Iterator[Any]:
    """A Spark session set for little data: planning and compiling would take far longer than the work."""
    session = spark_session(master="local[2]", partitions=2)
    session.conf.set("spark.sql.adaptive.enabled", "false")
    session.conf.set("spark.sql.codegen.wholeStage", "false")
    session.conf.set("spark.sql.codegen.factoryMode", "NO_CODEGEN")
    yield session
    session.stop()


@dataclass
class Asked:
    """A table's pairs as an engine saw them."""

    people: list[Prepared]
    pairs: PairPatterns
    model: LinkageModel

    def place(self, case: int) -> int | None:
        """Where the pair of a case stands, None where no key proposed it."""
        found = np.flatnonzero((self.pairs.left == 2 * case) & (self.pairs.right == 2 * case + 1))
        return int(found[0]) if len(found) else None


def ask(engine: Engine, folder: Path, model: LinkageModel, records: Sequence[Sequence[Prepared]]) -> Asked:
    """All cases at once; were a key to be shared by too many of them, pairs would be passed over."""
    own = [p for pair in records for p in pair]
    pairs = engine.pairs(write_dataset(folder, own), model)
    assert pairs.skipped_keys == 0
    return Asked(own, pairs, model)


def assert_equal(found: PairPatterns, expected: PairPatterns, model: LinkageModel) -> None:
    """Equal in pairs, levels, terms and skipped keys, and to the last bit in weights; equal in what is decided."""
    assert found.left.tolist() == expected.left.tolist()
    assert found.right.tolist() == expected.right.tolist()
    for c, mine, theirs in zip(model.comparisons, found.levels, expected.levels, strict=True):
        assert mine.tolist() == theirs.tolist(), c.name
    for place, c in enumerate(model.comparisons):
        mine, theirs = found.terms[place], expected.terms[place]
        assert (mine is None) == (theirs is None)
        if mine is not None and theirs is not None:
            # What a level takes no share of is nobody's business.
            taken = np.isin(expected.levels[place], [n for n, level in enumerate(c.levels) if level.frequency])
            assert mine[taken].tolist() == theirs[taken].tolist(), c.name
    assert (found.skipped_keys, found.skipped_records) == (expected.skipped_keys, expected.skipped_records)
    mine, theirs = decide(model, found), decide(model, expected)
    assert mine.weight.tolist() == theirs.weight.tolist()
    assert mine.outcome.tolist() == theirs.outcome.tolist()
    assert mine.rule.tolist() == theirs.rule.tolist()


def assert_as_pure(asked: Asked) -> None:
    """Every pair decided as `decide_pair` decides the two records by themselves."""
    decided = decide(asked.model, asked.pairs)
    for place, (i, j) in enumerate(zip(asked.pairs.left.tolist(), asked.pairs.right.tolist(), strict=True)):
        pure = decide_pair(asked.model, asked.people[i], asked.people[j])
        rule = int(decided.rule[place])
        assert decided.weight[place] == pure.weight
        assert OUTCOMES[decided.outcome[place]] is pure.outcome
        assert (None if rule == NO_RULE else RULES[rule]) is pure.rule


# --- the tables ------------------------------------------------------------------------------------------------------


@pytest.mark.timeout(600)
def test_the_table_of_decisions(engine: Engine, tmp_path: Path) -> None:
    table = rows(DECISIONS)
    sides = ("left", "right")
    records = [[prepare(person(row[side]), allow_test_numbers=True)[0] for side in sides] for row in table]
    asked = ask(engine, tmp_path, load_default(), records)
    decided = decide(asked.model, asked.pairs)
    for number, row in enumerate(table):
        place = asked.place(number)
        if place is None:
            assert row["outcome"] == "apart", row["case"]
            continue
        rule = int(decided.rule[place])
        assert OUTCOMES[decided.outcome[place]].value == row["outcome"], row["case"]
        assert ("" if rule == NO_RULE else RULES[rule].value) == row["rule"], row["case"]
    assert_as_pure(asked)


@pytest.mark.timeout(600)
def test_the_table_of_levels(engine: Engine, tmp_path: Path) -> None:
    table, model = rows(LEVELS), load_default()
    names = [c.name for c in model.comparisons]
    records = []
    for number, row in enumerate(table):
        # A number of the case's own makes a pair of records that share nothing else be compared, placeholders too.
        shared = {"email": f"case{number}@example.org"} if row["comparison"] == "other_identifier" else {}
        shared = shared or {"other_id": f"CASE{number}X"}
        pair = (prepare(person("-", **fields(row[side])), allow_test_numbers=True)[0] for side in ("left", "right"))
        records.append([replace(p, placeholder=False, **shared) for p in pair])
    asked = ask(engine, tmp_path, model, records)
    for number, row in enumerate(table):
        place = asked.place(number)
        assert place is not None, row["case"]
        comparison = names.index(row["comparison"])
        level = int(asked.pairs.levels[comparison][place])
        labels = [entry.label for entry in model.comparisons[comparison].levels]
        assert ("missing" if level == MISSING else labels[level]) == row["level"], row["case"]
    assert_as_pure(asked)


# --- random records --------------------------------------------------------------------------------------------------


def random_data(folder: Path, seed: int, count: int) -> tuple[Dataset, list[Prepared]]:
    made = random_people(seed, count)
    files = random.Random(seed)
    return write_dataset(folder, made, sources=[files.randrange(2) for _ in made], extras=EXTRAS), made


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("between", "extras"), [(False, False), (True, True)], ids=["within and between", "between only, own fields"]
)
def test_random_records(engine: Engine, tmp_path: Path, between: bool, extras: bool) -> None:
    data, made = random_data(tmp_path, 20, 90)
    model = starting_model(EXTRAS) if extras else load_default()
    found = engine.pairs(data, model, between=between)
    assert_equal(found, ReferenceEngine().pairs(data, model, between=between), model)
    assert len(found) > 500
    assert_as_pure(Asked(made, found, model))


@pytest.mark.timeout(600)
def test_a_key_that_too_many_share_is_skipped_and_counted(engine: Engine, tmp_path: Path) -> None:
    crowd = [Prepared(family="SMITH", given="ANN", birth="1980-01-02", email="ann@example.org")] * (BLOCK_LIMIT + 1)
    pair = [Prepared(family="WAKEGRAVE", given="JON", birth="1951-06-30")] * 2
    data = write_dataset(tmp_path, [*crowd, *pair])
    found = engine.pairs(data, load_default())
    assert (found.left.tolist(), found.right.tolist()) == ([BLOCK_LIMIT + 1], [BLOCK_LIMIT + 2])
    assert found.skipped_keys == len(blocking_keys(crowd[0]))
    assert found.skipped_records == found.skipped_keys * len(crowd)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("count", [0, 1, 2], ids=["no records", "one record", "two strangers"])
def test_nothing_to_compare(engine: Engine, tmp_path: Path, count: int) -> None:
    strangers = [
        Prepared(family="SMITH", given="ANN", birth="1980-01-02"),
        Prepared(family="WAKEGRAVE", given="JON", birth="1951-06-30"),
    ]
    model = load_default()
    found = engine.pairs(write_dataset(tmp_path, strangers[:count]), model)
    assert len(found) == 0
    assert [len(level) for level in found.levels] == [0] * len(model.comparisons)
    assert len(decide(model, found).weight) == 0


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["recordlinkage", "local"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(2, 40), between=st.booleans(), extras=st.booleans())
def test_any_small_data_set(
    name: str, seed: int, count: int, between: bool, extras: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data, _ = random_data(tmp_path_factory.mktemp("data"), seed, count)
    model = starting_model(EXTRAS) if extras else load_default()
    found = engine_named(name).pairs(data, model, between=between)
    assert_equal(found, ReferenceEngine().pairs(data, model, between=between), model)


# --- training --------------------------------------------------------------------------------------------------------


@pytest.mark.timeout(600)
@pytest.mark.parametrize("engine", ["local", "spark"], indirect=True)
def test_training_on_an_engine_gives_the_very_model_of_the_pure_functions(engine: Any, tmp_path: Path) -> None:
    data, made = random_data(tmp_path, 7, 60)
    found = estimate_columns(data, engine, seed=3)
    assert found.hash == estimate(made, seed=3, extras=EXTRAS).hash


# --- the whole way on Spark ------------------------------------------------------------------------------------------


@pytest.mark.timeout(600)
def test_a_run_on_spark_writes_what_a_run_on_one_machine_writes(spark_session_for_tests: Any, tmp_path: Path) -> None:
    assert spark_session_for_tests.version
    run, people = CliRunner(), tmp_path / "people.csv"
    run.invoke(synth, ["--persons", "120", "--seed", "5", "--out", str(people)], catch_exceptions=False)
    for name in ("local", "spark"):
        arguments = [str(people), "--out", str(tmp_path / name), "--engine", name]
        found = run.invoke(dedup, arguments, catch_exceptions=False)
        assert found.exit_code == 0, found.output
    for file in ("pairs.parquet", "clusters.csv", "review.csv", "model.json"):
        assert (tmp_path / "spark" / file).read_bytes() == (tmp_path / "local" / file).read_bytes(), file
    assert len(pq.read_table(tmp_path / "spark" / "pairs.parquet")) > 50


@pytest.mark.timeout(600)
def test_the_sql_exported_for_splink_on_spark_means_what_the_kinds_mean(spark_session_for_tests: Any) -> None:
    session = spark_session_for_tests
    # Splink brings these two in a Java archive of its own; here they are ours, so that all else can be looked at.
    session.udf.register("jaro_winkler", lambda x, y: None if x is None or y is None else jaro_winkler(x, y), "double")
    session.udf.register(
        "damerau_levenshtein", lambda x, y: None if x is None or y is None else damerau_levenshtein(x, y), "int"
    )
    made = random_people(9, 40)
    pairs = [(a, b) for place, a in enumerate(made) for b in made[:place]]
    columns = {}
    for field in (*TEXTS, *FLAGS):
        for side, name in enumerate(("l", "r")):
            columns[f"{field}_{name}"] = pa.array([getattr(pair[side], field) for pair in pairs])
    for side, name in enumerate(("l", "r")):
        columns[f"extra_age_{name}"] = pa.array([dict(pair[side].extra).get("age") for pair in pairs])
    columns["place"] = pa.array(range(len(pairs)))
    frame = session.createDataFrame(pa.table(columns))
    asked = [f"coalesce({exported(spec, 'spark')}, false) AS c{n}" for n, spec in enumerate(CONDITIONS)]
    found = frame.selectExpr("place", *asked).toArrow().sort_by("place")
    for number, spec in enumerate(CONDITIONS):
        holds = condition(spec)
        assert found.column(f"c{number}").to_pylist() == [holds(a, b) for a, b in pairs], spec
