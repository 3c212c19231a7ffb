"""A model estimated over columns is the model estimated from the records one by one."""

from pathlib import Path

import numpy as np
import pytest

from mpi.domain.errors import BadInput
from mpi.domain.person import DEMOGRAPHIC_FIELDS, Demographics
from mpi.engines import pairs
from mpi.engines.estimate import estimate as from_records
from mpi.engines.local.engine import LocalEngine
from mpi.engines.local.train import estimate
from mpi.engines.weigh_columns import counted_patterns, fit_in_one
from mpi.matching.prepare import prepare
from mpi.matching.prepared import Prepared
from mpi.synth.population import make
from tests.datasets import write_dataset
from tests.people import EXTRAS


def population() -> list[Prepared]:
    rows = [row for row, _ in zip(make(700, 11), range(1_300), strict=False)]
    said = [{field: row[field] for field in DEMOGRAPHIC_FIELDS if row[field]} for row in rows]
    extra = [{"job": "Miner" if n % 3 else "Baker", "age": str(n % 50)} for n in range(len(rows))]
    return [
        prepare(Demographics(**one), allow_test_numbers=True, extra=own, extra_kinds=EXTRAS)[0]
        for one, own in zip(said, extra, strict=True)
    ] + [Prepared(family="X", placeholder=True)] * 3


@pytest.mark.parametrize("sample", [2_000, 200_000], ids=["samples of the rest", "all pairs sharing a value"])
def test_columns_and_records_give_one_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample: int) -> None:
    monkeypatch.setattr(pairs, "SAMPLE", sample)
    records = population()
    data = write_dataset(tmp_path, [records[-1], *records], EXTRAS)
    alone = from_records([records[-1], *records], seed=3, extras=EXTRAS)
    found = [estimate(data, LocalEngine(threads=threads), seed=3) for threads in (1, 2)]
    assert [model.to_json() for model in found] == [alone.to_json()] * 2


def test_one_record_is_too_few(tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        estimate(write_dataset(tmp_path, [Prepared(family="SMITH")]), seed=1)


def test_records_without_any_value_make_a_model_of_sorts(tmp_path: Path) -> None:
    estimate(write_dataset(tmp_path, [Prepared()] * 5), seed=1)


def test_patterns_of_very_many_comparisons_are_counted_too() -> None:
    levels = [np.array([0, 1, 0, 255], dtype=np.uint8) for _ in range(40)]
    assert not fit_in_one([9] * 40)
    assert counted_patterns(levels, [9] * 40) == {(-1,) * 40: 1, (0,) * 40: 2, (1,) * 40: 1}
