"""The hazard log keeps its promises: whatever a control names is there, and no score is out of its scale."""

import ast
import importlib
from pathlib import Path
from typing import Any

import pytest

from tools import safety_page

ROOT = Path(__file__).parent.parent.parent
KEYS = {
    "id", "name", "causes", "effect", "severity", "likelihood", "residual_severity", "residual_likelihood",
    "residual", "control",
}  # fmt: skip
HAZARDS = [pytest.param(one, id=one["id"]) for one in safety_page.hazards()]
MUST_BE_THERE = (
    "overlay", "split", "wrong merge", "late", "restricted address", "study is attached to the wrong patient",
    "study is not attached in time", "superseded", "backlog", "consistent header",
)  # fmt: skip


@pytest.mark.parametrize("hazard", HAZARDS)
def test_a_hazard_says_all_that_the_form_asks_for(hazard: dict[str, Any]) -> None:
    assert set(hazard) - {"outside_the_count"} == KEYS
    assert all(hazard[key] for key in KEYS)
    scores = [hazard[key] for key in KEYS if key.endswith(("severity", "likelihood"))]
    assert all(score in range(1, 6) for score in scores)
    initial = safety_page.risk(hazard["severity"], hazard["likelihood"])
    assert safety_page.risk(hazard["residual_severity"], hazard["residual_likelihood"]) <= initial
    for control in hazard["control"]:
        assert set(control) == {"what", "code", "tests"}
        assert bool(control["code"]) == bool(control["tests"]), "a control in the code is shown by a test"


@pytest.mark.parametrize("hazard", HAZARDS)
def test_the_code_that_a_control_names_is_there(hazard: dict[str, Any]) -> None:
    places = [place for control in hazard["control"] for place in control["code"]]
    assert [place for place in places if not is_there(place)] == []


@pytest.mark.parametrize("hazard", HAZARDS)
def test_the_tests_that_a_control_names_are_there(hazard: dict[str, Any]) -> None:
    names = [name for control in hazard["control"] for name in control["tests"]]
    assert [name for name in names if not is_a_test(name)] == []


def test_a_place_or_a_test_that_is_gone_is_noticed() -> None:
    assert is_there("mpi.matching.exact:decide")
    assert not is_there("mpi.matching.exact:was_renamed")
    assert not is_there("mpi.matching.nowhere:decide")
    assert is_a_test("tests/unit/test_safety_file.py::test_a_place_or_a_test_that_is_gone_is_noticed")
    assert not is_a_test("tests/unit/test_safety_file.py::test_that_was_removed")
    assert not is_a_test("tests/unit/test_nowhere.py")
    assert not is_a_test("tests/effort.py")


def test_the_log_begins_with_what_every_person_index_must_fear_and_has_each_number_once() -> None:
    every = safety_page.hazards()
    names = " / ".join(one["name"].lower() for one in every)
    assert [part for part in MUST_BE_THERE if part not in names] == []
    assert [one["id"] for one in every] == [f"H{number:02d}" for number in range(1, len(every) + 1)]
    assert [one["id"] for one in every if one.get("outside_the_count")] == ["H18"]


def test_the_matrix_grows_in_both_directions() -> None:
    rows = safety_page.MATRIX
    assert all(list(row) == sorted(row) for row in (*rows, *zip(*rows, strict=True)))


def is_there(place: str) -> bool:
    """Whether `module:name.name` (or a module alone) can be imported."""
    module, _, names = place.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for name in filter(None, names.split(".")):
            found = getattr(found, name)
    except (ImportError, AttributeError):
        return False
    return True


def is_a_test(name: str) -> bool:
    """Whether `file::function` is a test of ours; a file alone must hold some."""
    path, _, function = name.partition("::")
    file = ROOT / path
    if not file.is_file():
        return False
    tree = ast.parse(file.read_text(encoding="utf-8"))
    tests = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    tests = {one for one in tests if one.startswith("test_")}
    return function in tests if function else bool(tests)
