"""The columnar engine says of every pair what the pure functions say: levels, terms, facts, weights and decisions."""

import errno
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpi.domain.person import DEMOGRAPHIC_FIELDS, Demographics
from mpi.engines.base import Dataset
from mpi.engines.local import kernels
from mpi.engines.local.columns import Table
from mpi.engines.local.engine import Compared, LocalEngine
from mpi.engines.local.facts import PairFacts
from mpi.engines.local.keys import Candidates, candidates
from mpi.engines.local.levels import Chunk
from mpi.engines.local.room import Room
from mpi.engines.weigh_columns import (
    NO_RULE,
    OUTCOMES,
    RULES,
    asked,
    decide,
    pattern_codes,
    pattern_texts,
    patterns_of,
    weigh,
)
from mpi.matching import nicknames
from mpi.matching.block import BLOCK_LIMIT, blocking_keys
from mpi.matching.decide import decide_pair, zones_of
from mpi.matching.facts import facts_of
from mpi.matching.kinds import damerau_levenshtein, jaro_winkler, shares_word
from mpi.matching.model import Frequencies, LinkageModel, load_default
from mpi.matching.prepare import prepare
from mpi.matching.prepared import Prepared
from mpi.matching.shape import extra_comparison, starting_model
from mpi.matching.verdict import APART, verdict
from mpi.matching.weigh import judge
from mpi.synth.population import make
from tests.datasets import write_dataset
from tests.people import EXTRAS, people

ENGINE = LocalEngine(threads=2)


@cache
def models() -> dict[str, LinkageModel]:
    """The shipped model, and one with fields of a user's own and terms that no float holds exactly."""
    own = starting_model(EXTRAS)
    table = Frequencies(0.037, 0.0007, {"SMITH": 0.11, "JONES": 0.013, "ANN": 0.03, "MINER": 0.3})
    kinds = replace(
        extra_comparison("job", "string"),
        name="job again",
        levels=tuple(
            replace(level, when=({"kind": kind, "field": "extra.job", setting: value},))
            for level, (kind, setting, value) in zip(
                extra_comparison("job", "string").levels,
                (("token-overlap", "at_least", 0.5), ("damerau-levenshtein", "at_most", 2), ("nickname", "none", 0)),
                strict=False,
            )
        )
        + extra_comparison("job", "string").levels[-1:],
    )
    dates = replace(
        extra_comparison("seen", "date"),
        name="seen again",
        levels=(
            replace(
                extra_comparison("seen", "date").levels[0],
                when=({"kind": "days-apart", "field": "extra.seen", "at_most": 30},),
            ),
            extra_comparison("seen", "date").levels[-1],
        ),
    )
    comparisons = (*own.comparisons, kinds, dates)
    return {
        "shipped": load_default(),
        "own": replace(own, comparisons=comparisons, frequencies=dict.fromkeys(own.frequencies, table)),
    }


def same_as_python(
    data: Dataset, records: Sequence[Prepared], model: LinkageModel, pairs: Sequence[tuple[int, int]]
) -> None:
    table = Table(data)
    left = np.array([a for a, _ in pairs], dtype=np.int32)
    right = np.array([b for _, b in pairs], dtype=np.int32)
    levels = ENGINE.levels(table, model.comparisons, left, right)
    compared = Compared(Candidates(left, right, 0, 0), levels)
    terms = ENGINE.terms(table, model, compared)
    facts = PairFacts(Chunk(table, left, right, ENGINE.connection)).work_out()
    weighed = weigh(model, levels, terms)
    texts = pattern_texts(levels)
    for n, (a, b) in enumerate(pairs):
        one, other = records[a], records[b]
        judged = judge(model, one, other)
        assert texts[n] == judged.pattern, (one, other)
        assert weighed.weight[n] == judged.weight, (one, other)
        assert weighed.zones[n] == zones_of(model, judged), (one, other)
        assert facts[n] == facts_of(one, other), (one, other)
    sizes = [len(c.levels) for c in model.comparisons]
    assert patterns_of(pattern_codes(levels, sizes), sizes) == [
        judge(model, records[a], records[b]).levels for a, b in pairs
    ]


@settings(deadline=None, max_examples=60)
@given(st.lists(people, min_size=2, max_size=9), st.sampled_from(["shipped", "own"]), st.sampled_from([0, 64]))
def test_random_pairs_agree_with_python(records: list[Prepared], name: str, few: int) -> None:
    with TemporaryDirectory() as folder, patch.object(kernels, "FEW", few):
        data = write_dataset(Path(folder), records, EXTRAS)
        assert list(data.people()) == records
        same_as_python(data, records, models()[name], list(combinations(range(len(records)), 2)))


def synthetic(count: int, seed: int) -> list[Prepared]:
    rows = [row for row, _ in zip(make(count, seed), range(2 * count), strict=False)]
    said = [{field: row[field] for field in DEMOGRAPHIC_FIELDS if row[field]} for row in rows]
    return [prepare(Demographics(**one), allow_test_numbers=True)[0] for one in said]


def pairs_by_key(records: Sequence[Prepared]) -> list[tuple[int, int]]:
    blocks: dict[str, list[int]] = {}
    for place, person in enumerate(records):
        for key in blocking_keys(person):
            blocks.setdefault(key, []).append(place)
    return sorted({pair for own in blocks.values() if len(own) <= BLOCK_LIMIT for pair in combinations(own, 2)})


def test_a_synthetic_population_is_paired_weighed_and_decided_as_by_pairs(tmp_path: Path) -> None:
    records = synthetic(1_500, 5)
    data, model = write_dataset(tmp_path, records), load_default()
    found = ENGINE.pairs(data, model)
    pairs = list(zip(found.left.tolist(), found.right.tolist(), strict=True))
    assert pairs == pairs_by_key(records)
    decided = decide(model, found)
    for n, (a, b) in enumerate(pairs):
        alone = decide_pair(model, records[a], records[b])
        rule = None if decided.rule[n] == NO_RULE else RULES[decided.rule[n]]
        assert (OUTCOMES[decided.outcome[n]], rule, decided.weight[n]) == (alone.outcome, alone.rule, alone.weight)
    same_as_python(data, records, model, pairs)


@settings(deadline=None, max_examples=60)
@given(st.lists(people, min_size=2, max_size=9))
def test_keys_are_those_of_each_record(records: list[Prepared]) -> None:
    with TemporaryDirectory() as folder:
        found = candidates(Table(write_dataset(Path(folder), records, EXTRAS)))
        assert list(zip(found.left.tolist(), found.right.tolist(), strict=True)) == pairs_by_key(records)


@settings(deadline=None)
@given(people, people)
def test_nothing_can_be_said_of_pairs_that_are_not_asked_about(one: Prepared, other: Prepared) -> None:
    a, b = replace(one, placeholder=False), replace(other, placeholder=False)
    model = load_default()
    zones = zones_of(model, judge(model, a, b))
    same = [
        np.array([x is not None and x == y]) for x, y in ((a.nhs, b.nhs), (a.other_id, b.other_id), (a.birth, b.birth))
    ]
    if not asked(np.array([zones], dtype=np.uint8), *same)[0]:
        assert verdict(facts_of(a, b), zones) == verdict(0, zones) == APART


def test_a_block_of_very_many_records_is_skipped_and_counted(tmp_path: Path) -> None:
    crowd = [Prepared(family="SMITH", given="ANN", birth="1980-01-02")] * 5_000
    found = ENGINE.pairs(
        write_dataset(tmp_path, [*crowd, Prepared(email="a@b.cd"), Prepared(email="a@b.cd")]), load_default()
    )
    assert list(zip(found.left, found.right, strict=True)) == [(5_000, 5_001)]
    assert found.skipped_keys > 0 and found.skipped_records >= 5_000 * found.skipped_keys


def test_between_files_only_pairs_of_two_files_count(tmp_path: Path) -> None:
    data = write_dataset(tmp_path, [Prepared(email="a@b.cd")] * 4, sources=[0, 0, 1, 1])
    found = ENGINE.pairs(data, load_default(), between=True)
    assert list(zip(found.left, found.right, strict=True)) == [(0, 2), (0, 3), (1, 2), (1, 3)]


def test_threads_change_nothing(tmp_path: Path) -> None:
    data = write_dataset(tmp_path, synthetic(800, 6))
    one, two = (LocalEngine(threads=n).pairs(data, load_default()) for n in (1, 2))
    assert np.array_equal(one.facts, two.facts) and np.array_equal(one.left, two.left)
    assert all(np.array_equal(a, b) for a, b in zip(one.levels, two.levels, strict=True))


def test_pairs_in_files_are_the_pairs_in_memory(tmp_path: Path) -> None:
    data = write_dataset(tmp_path, synthetic(800, 6))
    there, here = LocalEngine(column_limit=1000), LocalEngine()
    one, other = (engine.pairs(data, load_default()) for engine in (there, here))
    assert isinstance(one.left, np.memmap) and not isinstance(other.left, np.memmap)
    for a, b in [(one.left, other.left), (one.right, other.right), (one.facts, other.facts)]:
        assert np.array_equal(a, b)
    assert all(np.array_equal(a, b) for a, b in zip(one.levels, other.levels, strict=True))
    decided = [decide(load_default(), pairs) for pairs in (one, other)]
    assert np.array_equal(decided[0].weight, decided[1].weight)
    assert np.array_equal(decided[0].outcome, decided[1].outcome)
    assert not [path.name for path in tmp_path.iterdir() if path.suffix not in (".parquet", ".json")]


def test_no_disk_for_a_column_is_said_before_it_is_used(tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    with patch.object(os, "posix_fallocate", side_effect=full), pytest.raises(OSError, match="No space left"):
        Room(tmp_path, limit=100).empty(1000, np.int64)


def test_no_records_and_no_pairs(tmp_path: Path) -> None:
    for records in ([], [Prepared(family="SMITH")], [Prepared(email="a@b.cd"), Prepared(email="c@d.ef")]):
        found = ENGINE.pairs(write_dataset(tmp_path, records), load_default())
        assert len(found) == 0
        assert len(decide(load_default(), found).weight) == 0


def test_similarity_by_query_is_similarity_by_the_one_function() -> None:
    texts = sorted(
        {"", " ", "A", "AB", "BA", "ABC", "MARTHA", "MARHTA", "DIXON", "DICKSONX", "A" * 100, "AB" * 50, "HIGH ST"}
    )
    column = kernels.Column(np.empty(0, dtype=np.int32), pa.array(texts, pa.string()))
    x, y = (side.ravel() for side in np.meshgrid(np.arange(len(texts)), np.arange(len(texts)), indexing="ij"))
    x, y = x[x <= y], y[x <= y]
    with patch.object(kernels, "FEW", 0):
        queried = kernels.jaro_winkler(column, x, y, ENGINE.connection)
    assert queried == pytest.approx([jaro_winkler(texts[a], texts[b]) for a, b in zip(x, y, strict=True)], abs=1e-12)


WORDS = st.text(alphabet="ABC 1", max_size=9) | st.text(alphabet="AB", min_size=7, max_size=18) | st.text(max_size=4)


@given(
    st.sets(
        WORDS | st.sampled_from(["WILLIAM", "BILL", "LIAM", "A B C D E F G AB", "AB CD EF GH IJ KL MN"]), max_size=9
    )
)
def test_kinds_over_columns_are_the_one_functions(texts: set[str]) -> None:
    values = sorted(text for text in texts if text.encode("utf-8", "ignore").decode() == text)
    column = kernels.Column(np.empty(0, dtype=np.int32), pa.array(values, pa.string()))
    x, y = (side.ravel() for side in np.meshgrid(np.arange(len(values)), np.arange(len(values)), indexing="ij"))
    pairs = [(values[a], values[b]) for a, b in zip(x, y, strict=True)]
    assert kernels.one_edit(column, x, y).tolist() == [damerau_levenshtein(a, b) <= 1 for a, b in pairs]
    assert kernels.shares_word(column, x, y).tolist() == [shares_word(a, b) for a, b in pairs]
    assert kernels.nicknames(column, x, y).tolist() == [nicknames.are_nicknames(a, b) for a, b in pairs]
