"""The linkage model: read, checked, written, hashed; and estimated from counts of patterns."""

import json
from dataclasses import replace
from itertools import product
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner

from mpi.cli.train import train
from mpi.domain.errors import BadInput
from mpi.domain.person import DEMOGRAPHIC_FIELDS, Demographics
from mpi.engines.estimate import estimate
from mpi.matching.kinds import RECORD_KINDS, VALUE_KINDS
from mpi.matching.model import Comparison, Level, LinkageModel, load, load_default
from mpi.matching.prepare import prepare
from mpi.matching.prepared import Prepared
from mpi.matching.shape import starting_model
from mpi.matching.train import Pattern, fit, frequencies
from mpi.matching.weigh import judge
from mpi.synth.population import make
from mpi.synth.write import write


def test_a_model_written_and_read_is_the_same_model():
    model = load_default()
    again = LinkageModel.from_json(model.to_json())
    assert again.hash == model.hash
    assert len(model.hash) == 64


def test_any_change_changes_the_hash():
    model = load_default()
    assert replace(model, prior=model.prior * 2).hash != model.hash


def test_the_shipped_model_links_people_and_is_not_empty():
    model = load_default()
    assert model.trained["records"] > 30_000
    assert model.thresholds.review <= model.thresholds.keep <= model.thresholds.link
    for comparison in model.comparisons:
        assert comparison.levels[0].bits > 0 > comparison.levels[-1].bits
        assert all(level.bits >= comparison.levels[-1].bits for level in comparison.levels)
    assert len(model.frequencies["family"].values) > 300


def test_a_rare_name_weighs_more_than_a_common_one():
    def weight(family: str) -> float:
        p, _ = prepare(Demographics(family_name=family, given_name="Ann"), allow_test_numbers=True)
        return judge(load_default(), p, p).weight

    assert weight("Vandersloot") > weight("Fletcher") > weight("Smith") + 1


BROKEN = {
    "no JSON": lambda d: None,
    "another format": lambda d: d | {"format": 99},
    "no prior": lambda d: {k: v for k, v in d.items() if k != "prior"},
    "a prior of 1": lambda d: d | {"prior": 1.0},
    "thresholds out of order": lambda d: d | {"thresholds": {"link": 1, "keep": 5, "review": 0}},
    "no comparisons": lambda d: d | {"comparisons": []},
    "an unknown kind": lambda d: _with_level(d, {"when": [{"kind": "guess", "field": "family"}]}),
    "an unknown field": lambda d: _with_level(d, {"when": [{"kind": "exact", "field": "shoe_size"}]}),
    "a parameter missing": lambda d: _with_level(d, {"when": [{"kind": "jaro-winkler", "field": "family"}]}),
    "u of 0": lambda d: _with_level(d, {"u": 0}),
    "m of text": lambda d: _with_level(d, {"m": "much"}),
    "a last level with conditions": lambda d: _with_level(d, {"when": [{"kind": "exact", "field": "sex"}]}, place=-1),
    "an unknown table": lambda d: d | {"frequencies": {}},
}


def _with_level(document: dict, change: dict, place: int = 0) -> dict:
    document["comparisons"][0]["levels"][place] |= change
    return document


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_model_is_refused_with_a_reason(name: str, tmp_path: Path):
    changed = BROKEN[name](json.loads(load_default().to_json()))
    path = tmp_path / "model.json"
    path.write_text("{" if changed is None else json.dumps(changed), encoding="utf-8")
    with pytest.raises(BadInput, match="linkage model"):
        load(path)


def test_a_model_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(BadInput, match="cannot be read"):
        load(tmp_path / "none.json")


def test_every_kind_of_the_vocabulary_says_what_it_means():
    assert all(kind.meaning for kind in VALUE_KINDS.values())
    assert all(meaning for meaning, _ in RECORD_KINDS.values())
    used = {w["kind"] for c in load_default().comparisons for level in c.levels for w in level.when}
    assert used <= set(VALUE_KINDS) | set(RECORD_KINDS)


def _toy(m: tuple[float, ...], u: tuple[float, ...]) -> LinkageModel:
    fields = ("email", "other_id", "sex", "middle")
    comparisons = tuple(
        Comparison(
            f, (f,), (Level("same", ({"kind": "exact", "field": f},), mm, uu), Level("different", (), 1 - mm, 1 - uu))
        )
        for f, mm, uu in zip(fields, m, u, strict=True)
    )
    return replace(starting_model(), comparisons=comparisons, frequencies={}, prior=0.001)


def test_em_finds_the_rates_that_made_the_counts():
    true_m, true_u, share, pairs = (0.95, 0.9, 0.98, 0.8), (0.02, 0.05, 0.5, 0.1), 0.01, 1_000_000
    counts: dict[Pattern, float] = {}
    for pattern in product((0, 1), repeat=4):
        match, stranger = share, 1 - share
        for level, m, u in zip(pattern, true_m, true_u, strict=True):
            match *= m if level == 0 else 1 - m
            stranger *= u if level == 0 else 1 - u
        counts[pattern] = pairs * (match + stranger)
    found = fit(_toy((0.7, 0.7, 0.7, 0.7), (0.1, 0.1, 0.4, 0.2)), counts, {}, looked_at=pairs)
    assert found.model.prior == pytest.approx(share, rel=0.1)
    for comparison, m, u in zip(found.model.comparisons, true_m, true_u, strict=True):
        assert comparison.levels[0].m == pytest.approx(m, abs=0.02)
        assert comparison.levels[0].u == pytest.approx(u, abs=0.01)


def test_the_order_of_counts_does_not_matter():
    counts = {(0, 0, 0, 0): 50.0, (1, 1, 1, 1): 9000.0, (0, 1, 0, 1): 300.0, (1, 0, 1, 1): 200.0}
    start = _toy((0.9, 0.9, 0.9, 0.9), (0.1, 0.1, 0.5, 0.1))
    shuffled = list(counts.items())
    Random(5).shuffle(shuffled)
    one, other = fit(start, counts, {}, looked_at=9550), fit(start, dict(shuffled), {}, looked_at=9550)
    assert one.model.hash == other.model.hash


def test_frequencies_give_no_rare_name_away():
    table = frequencies({"SMITH": 90, "WAKEGRAVE": 4, "ZIMBALIST": 1})
    assert set(table.values) == {"SMITH"}
    assert table.bits("SMITH") < table.bits("ZIMBALIST")


@pytest.fixture(scope="module")
def people() -> list[Prepared]:
    rows = make(600, 21)
    return [
        prepare(Demographics(**{f: row[f] or None for f in DEMOGRAPHIC_FIELDS}), allow_test_numbers=True)[0]
        for row in rows
    ]


def test_the_same_records_and_seed_give_the_same_model(people: list[Prepared]):
    assert estimate(people, seed=4).hash == estimate(people, seed=4).hash


def test_records_without_any_duplicate_still_give_a_model(people: list[Prepared]):
    alone = list({p.nhs: p for p in people if p.nhs}.values())
    model = estimate(alone, seed=1)
    assert model.comparisons[0].levels[0].bits > 3


def test_a_field_of_the_users_own_takes_part(tmp_path: Path):
    rows = list(make(500, 31))
    trades = ["BAKER", "MASON", "CLERK", "NURSE", "SMITH", "MINER"]
    path, out = tmp_path / "people.csv", tmp_path / "model.json"
    for row in rows:
        row["traits"] = trades[int(row["true_person"]) % len(trades)]
    write(rows, path)
    (tmp_path / "map.toml").write_text('[extra.trade]\ncolumn = "traits"\ncompare = "string"\n', encoding="utf-8")
    done = CliRunner().invoke(train, [str(path), "--out", str(out), "--columns", str(tmp_path / "map.toml"), "--json"])
    assert done.exit_code == 0, done.output
    trade = load(out).comparisons[-1]
    assert trade.name == "extra.trade"
    assert trade.levels[0].m > 0.9
    assert 1.5 < trade.levels[0].bits < 4


def test_one_record_is_too_few(people: list[Prepared]):
    with pytest.raises(BadInput, match="two records"):
        estimate(people[:1], seed=1)
