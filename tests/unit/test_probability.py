"""Probabilities reckon with relatives, alike for one pair and for columns."""

from dataclasses import replace

import numpy as np
import pytest

from mpi.engines.weigh_columns import probabilities
from mpi.matching.compare import MISSING
from mpi.matching.model import LinkageModel, Relatives, load_default, scaled
from mpi.matching.prepared import Prepared
from mpi.matching.probability import probability
from mpi.matching.weigh import Judged, judge

HOME = {"postcode": "OB11AA", "address": "1 HIGH STREET", "town": "OAKBRIDGE"}
ELLA = Prepared(family="HARGREAVES", given="ELLA", birth="1981-05-06", sex="F", **HOME)
MAUD = replace(ELLA, given="MAUD", birth="1983-11-30")
FAMILY = Relatives("household", ("family_name", "residence"), 1.5)


@pytest.fixture
def strangers_only() -> LinkageModel:
    return replace(load_default(), relatives=())


@pytest.fixture
def with_relatives() -> LinkageModel:
    return replace(load_default(), relatives=(FAMILY,))


def _of(model: LinkageModel, a: Prepared, b: Prepared) -> float:
    return probability(model, judge(model, a, b))


def test_without_relatives_it_is_the_weights_odds(strangers_only: LinkageModel) -> None:
    judged = judge(strangers_only, ELLA, MAUD)
    assert probability(strangers_only, judged) == pytest.approx(1 / (1 + 2**-judged.weight))


def test_a_sister_at_one_address_is_hardly_the_same_person(
    strangers_only: LinkageModel, with_relatives: LinkageModel
) -> None:
    assert _of(with_relatives, ELLA, MAUD) < min(_of(strangers_only, ELLA, MAUD), 0.05)


def test_who_agrees_on_all_stays_the_same_person(with_relatives: LinkageModel) -> None:
    assert _of(with_relatives, ELLA, ELLA) > 0.999


def test_no_weight_is_too_far_out(with_relatives: LinkageModel) -> None:
    n = len(with_relatives.comparisons)
    assert probability(with_relatives, Judged(-5000.0, "", (0,) * n, (-5000.0,) * n)) == pytest.approx(0.0)


def test_columns_give_the_same() -> None:
    model = load_default()
    pairs = [(ELLA, MAUD), (ELLA, ELLA), (MAUD, replace(MAUD, given=None)), (ELLA, replace(MAUD, birth=ELLA.birth))]
    judged = [judge(model, a, b) for a, b in pairs]
    levels, terms = [], []
    for place, c in enumerate(model.comparisons):
        own = [j.levels[place] for j in judged]
        levels.append(np.array([255 if level == MISSING else level for level in own], dtype=np.uint8))
        shares = [0.0 if level == MISSING else c.levels[level].frequency for level in own]
        plain = [0.0 if level == MISSING else c.levels[level].bits for level in own]
        bits = [j.bits[place] for j in judged]
        found = [(b - p) / s if s else 0.0 for b, p, s in zip(bits, plain, shares, strict=True)]
        terms.append(np.array(found) if c.table else None)
    weight = np.array([j.weight for j in judged])
    found_by_column = probabilities(model, levels, terms, weight, np.arange(len(pairs)))
    assert found_by_column.tolist() == pytest.approx([probability(model, j) for j in judged])


def test_strangers_grow_with_the_index_and_a_family_does_not() -> None:
    namesakes = Relatives("strangers-of-one-name", ("family_name", "given_name", "sex"), 2.0, grow=True)
    model = replace(load_default(), relatives=(FAMILY, namesakes))
    larger = scaled(model, 25)
    assert [r.per_match for r in larger.relatives] == [1.5, 50.0]
    assert larger.prior == model.prior / 25
    assert LinkageModel.from_json(larger.to_json()).relatives == larger.relatives


def test_one_name_and_nothing_else_says_less_than_the_weight_does(strangers_only: LinkageModel) -> None:
    namesakes = Relatives("strangers-of-one-name", ("family_name", "given_name", "sex"), 50.0, grow=True)
    near = replace(ELLA, birth="1981-05-07", postcode=None, address=None, town=None)
    assert _of(replace(strangers_only, relatives=(namesakes,)), ELLA, near) < _of(strangers_only, ELLA, near)
