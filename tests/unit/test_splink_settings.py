"""Models to Splink settings and back: the same levels, the same weights, and Splink itself agrees."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from click.testing import CliRunner

from mpi.cli.model import model as model_command
from mpi.domain.errors import BadInput
from mpi.engines.splink_settings.conditions import read_conditions
from mpi.engines.splink_settings.export import complete_term_frequencies, term_frequencies, to_splink
from mpi.engines.splink_settings.read import from_splink
from mpi.engines.splink_settings.templates import DIALECTS, condition_sql
from mpi.matching.kinds import RECORD_KINDS, VALUE_KINDS
from mpi.matching.model import Comparison, Level, LinkageModel, check, load, load_default
from mpi.matching.prepared import Prepared
from mpi.matching.shape import starting_model
from mpi.matching.weigh import judge
from tests.datasets import write_dataset
from tests.people import EXTRAS, random_people
from tests.splink_conditions import CONDITIONS


def one_of_each() -> LinkageModel:
    """A model with a comparison of two levels for each condition, and term frequencies."""
    comparisons = [
        Comparison(
            f"c{place}",
            (spec["field"],),
            (Level("holds", (spec,), 0.6 + place / 100, 0.02), Level("else", (), 0.4, 0.9)),
        )
        for place, spec in enumerate(CONDITIONS)
    ]
    start = starting_model(EXTRAS)
    made = replace(start, comparisons=(*start.comparisons, *comparisons))
    check(made)
    return made


MODELS = {"default": load_default(), "of the user's own fields": starting_model(EXTRAS), "of each kind": one_of_each()}


def test_each_kind_of_the_vocabulary_is_tried():
    assert {spec["kind"] for spec in CONDITIONS} == {*VALUE_KINDS, *RECORD_KINDS}


# --- there and back --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("spec", CONDITIONS, ids=lambda spec: spec["kind"] + spec.get("part", ""))
def test_a_condition_is_read_as_what_it_was_written_from(spec: Mapping[str, Any], dialect: str) -> None:
    assert read_conditions(condition_sql(spec, dialect), dialect) == ([dict(spec)], [])


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", MODELS)
def test_a_model_comes_back_as_it_went(name: str, dialect: str) -> None:
    model = MODELS[name]
    settings = json.loads(json.dumps(to_splink(model, dialect=dialect)))
    found = from_splink(settings, name=model.name, like=model, tables=term_frequencies(model))
    assert found.notes == []
    again = found.model
    assert again.prior == model.prior
    assert again.thresholds == model.thresholds
    assert (again.relatives, again.families) == (model.relatives, model.families)
    for mine, theirs in zip(model.comparisons, again.comparisons, strict=True):
        assert (mine.name, mine.needs) == (theirs.name, theirs.needs)
        for level, other in zip(mine.levels, theirs.levels, strict=True):
            assert (level.label, level.frequency) == (other.label, other.frequency)
            assert [dict(w) for w in level.when] == [dict(w) for w in other.when]
            assert level.bits == pytest.approx(other.bits, abs=1e-9)
    made = random_people(5, 40)
    for place, a in enumerate(made):
        for b in made[:place]:
            assert judge(again, a, b).weight == pytest.approx(judge(model, a, b).weight, abs=1e-9)


# --- Splink on DuckDB ------------------------------------------------------------------------------------------------


def splink_weights(folder: Path, model: LinkageModel, people: list[Prepared]) -> dict[tuple[int, int], float]:
    """The weight that Splink, loaded with the exported settings, gives each pair."""
    from splink import DuckDBAPI, Linker, SettingsCreator

    data = write_dataset(folder, people, extras=EXTRAS)
    connection = duckdb.connect()
    extras = ", ".join(f'"extra.{name}" AS extra_{name}' for name in EXTRAS)
    source = f"SELECT row_number() OVER () - 1 AS rid, *, {extras} FROM read_parquet('{data.prepared}')"  # noqa: S608
    connection.execute(f"CREATE TABLE people AS {source}")
    settings = to_splink(model)
    settings["blocking_rules_to_generate_predictions"] = [{"blocking_rule": "1=1"}]
    api = DuckDBAPI(connection)
    linker = Linker(api.register("people"), SettingsCreator.from_path_or_dict(settings))
    for column in term_frequencies(model):
        there = connection.execute(f'SELECT DISTINCT "{column}" FROM people WHERE "{column}" IS NOT NULL').fetchall()  # noqa: S608
        table = pa.table(complete_term_frequencies(model, column, (row[0] for row in there)))
        linker.table_management.register_term_frequency_lookup(api.register(table), column)
    found = linker.inference.predict().as_record_list()
    return {(row["rid_l"], row["rid_r"]): row["match_weight"] for row in found}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", MODELS)
def test_splink_gives_the_same_weights(name: str, tmp_path: Path) -> None:
    people = random_people(3, 50)
    found = splink_weights(tmp_path, MODELS[name], people)
    assert len(found) == 50 * 49 // 2
    for (i, j), weight in found.items():
        assert weight == pytest.approx(judge(MODELS[name], people[i], people[j]).weight, abs=1e-9)


# --- settings that Splink made ---------------------------------------------------------------------------------------


def trained(comparison: Any, dialect: str = "duckdb") -> dict[str, Any]:
    """Settings with one comparison out of Splink's library, with some m and u."""
    entry = comparison.get_comparison(dialect).as_dict()
    levels = [level for level in entry["comparison_levels"] if not level.get("is_null_level")]
    for place, level in enumerate(levels):
        level |= {"m_probability": 0.8 / 2**place, "u_probability": 0.01 * 2**place}
    return {"probability_two_random_records_match": 0.001, "comparisons": [entry]}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_comparisons_of_splinks_library_are_understood(dialect: str) -> None:
    import splink.comparison_library as cl

    made = {
        "given": cl.NameComparison("first_name"),
        "birth": cl.DateOfBirthComparison("dob", input_is_string=True),
        "postcode": cl.PostcodeComparison("postcode"),
        "family": cl.ForenameSurnameComparison("first_name", "surname"),
        "sex": cl.ExactMatch("gender"),
        "other_id": cl.DamerauLevenshteinAtThresholds("soc_sec_id", [1, 2]),
    }
    kinds = {}
    for field, comparison in made.items():
        found = from_splink(trained(comparison, dialect), name="theirs")
        read = found.model.comparisons[0]
        assert field in read.needs
        kinds[field] = [[w["kind"] for w in level.when] for level in read.levels]
    assert kinds == {
        "given": [["exact"], ["jaro-winkler"], ["jaro-winkler"], ["jaro-winkler"], []],
        "birth": [["exact"], ["damerau-levenshtein"], ["days-apart"], ["days-apart"], ["days-apart"], []],
        "postcode": [["exact"], ["postcode-part"], ["postcode-part"], ["postcode-part"], []],
        "family": [
            ["exact", "exact"],
            ["swapped"],
            ["jaro-winkler"] * 2,
            ["jaro-winkler"] * 2,
            ["exact"],
            ["exact"],
            [],
        ],
        "sex": [["exact"], []],
        "other_id": [["exact"], ["damerau-levenshtein"], ["damerau-levenshtein"], []],
    }


def test_what_is_not_quite_the_same_is_said():
    import splink.comparison_library as cl

    found = from_splink(trained(cl.DateOfBirthComparison("dob", input_is_string=True)), name="theirs")
    assert any("Levenshtein became Damerau-Levenshtein" in note for note in found.notes)
    assert any("thresholds" in note for note in found.notes)


def test_weights_of_imported_term_frequencies_are_splinks():
    import splink.comparison_library as cl

    settings = trained(cl.ExactMatch("surname").configure(term_frequency_adjustments=True))
    found = from_splink(settings, name="theirs", tables={"surname": {"SMITH": 0.02}}).model
    smith = Prepared(family="SMITH")
    # Splink: log2(m / u) + log2(u / tf) + log2(prior odds)
    assert judge(found, smith, smith).weight == pytest.approx(found.prior_bits + 5.321928094887363, abs=1e-9)


def test_settings_without_probabilities_are_refused():
    import splink.comparison_library as cl

    settings = trained(cl.ExactMatch("surname"))
    del settings["comparisons"][0]["comparison_levels"][1]["m_probability"]
    with pytest.raises(BadInput, match=r"surname.*not trained"):
        from_splink(settings, name="theirs")


def test_a_level_that_we_cannot_say_is_refused_by_name():
    import splink.comparison_library as cl

    with pytest.raises(BadInput, match=r"email.*username.*no level of ours says"):
        from_splink(trained(cl.EmailComparison("email")), name="theirs")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"comparisons": 3}', '{"comparisons": [{}]}'])
def test_what_is_no_settings_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text(text, encoding="utf-8")
    result = CliRunner().invoke(model_command, ["import", str(file), "--from", "splink", "--out", str(tmp_path / "m")])
    assert isinstance(result.exception, BadInput)


# --- the commands ----------------------------------------------------------------------------------------------------


def test_the_commands_take_a_model_there_and_back(tmp_path: Path) -> None:
    settings, again = tmp_path / "s.json", tmp_path / "again.json"
    run = CliRunner()
    out = run.invoke(model_command, ["export", str(settings), "--to", "splink", "--json"], catch_exceptions=False)
    assert [Path(p).name for p in json.loads(out.stdout)["term_frequencies"]] == ["s.tf_family.csv", "s.tf_given.csv"]
    arguments = ["import", str(settings), "--from", "splink", "--out", str(again), "--like", "default", "--json"]
    back = run.invoke(model_command, arguments, catch_exceptions=False)
    assert json.loads(back.stdout)["notes"] == []
    a, b = random_people(1, 2)
    assert judge(load(again), a, b).weight == pytest.approx(judge(load_default(), a, b).weight, abs=1e-9)
    assert load(again).frequencies["family"].values == load_default().frequencies["family"].values


def test_without_the_files_beside_it_every_value_counts_alike(tmp_path: Path) -> None:
    found = from_splink(to_splink(load_default()), name="bare")
    assert any("no term frequencies" in note for note in found.notes)
    assert found.model.frequencies["family"].bits("SMITH") == 0.0
