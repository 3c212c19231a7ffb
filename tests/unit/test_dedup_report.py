"""The report page: one file, no script, no request, no value of a patient, whatever figures there are."""

import re
from pathlib import Path

import pytest

from mpi.matching.model import load_default
from mpi.reports.dedup import page, write
from mpi.services.dedup_report import model_figures


@pytest.fixture(scope="module")
def figures() -> dict[str, object]:
    return {
        "title": "Duplicates <found>",
        "inputs": ["a & b.csv"],
        "counts": {"records": 1234, "links": 5, "rows": [1000, 234]},
        "reviews_by_rule": {"twins": 3},
        "histogram": {"edges": [-10.0, 0.0, 10.0], "apart": [9, 0], "review": [1, 1], "link": [0, 5]},
        "along": {"weight": [10.0, 5.0], "precision": [1.0, 0.9], "recall": [0.5, 1.0]},
        "cluster_sizes": {1: 10, 2: 5},
        "bridges": [{"left": "A1", "right": "B1", "weight": 7.0, "probability": 0.9, "decision": "review"}],
        "examples": [
            {
                "why": "the surest link", "left": "A1", "right": "B2", "weight": 12.5, "decision": "link", "rule": None,
                "parts": [("prior", "before anything is compared", -5.0), ("sex", "same", 1.0)],
            }
        ],
        "evaluation": {
            "links": {"precision": 1.0, "recall": 0.9, "f1": 0.95},
            "clusters": {"precision": 1.0, "recall": None, "f1": 0.95},
            "faults": {"moved": {"recall_links": 0.9, "sent_to_review": None}},
            "reliability": [
                {"from": 0.0, "pairs": 10, "said": 0.1, "true": 0.1},
                {"from": 0.9, "pairs": 20, "said": 0.9, "true": 0.95},
            ],
        },
        "profile": {"a & b.csv": {"family": 1.0, "nhs": 0.88}},
        "problems": [{"source": "a & b.csv", "field": "phone", "problem": "placeholder", "count": 7}],
        "values": [{"field": "family", "value": "<SMITH>", "records": 9, "share": 0.1, "oddity": "a default?"}],
        "seconds": {"reading": 1.5},
        "model": model_figures(load_default()),
    }  # fmt: skip


@pytest.fixture(scope="module")
def html(figures: dict[str, object]) -> str:
    return page(figures)


def test_it_runs_no_script_and_asks_nobody(html: str) -> None:
    assert "<script" not in html
    assert "default-src 'none'" in html
    assert not re.search(r"(?:src|href)=\"(?!#)", html)
    hosts = set(re.findall(r"https?://[^\"' <>)]+", html))
    assert hosts <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("1,234", id="counts"),
        pytest.param("1000, 234", id="counts of each file"),
        pytest.param("the surest link: A1 and B2, 12.5 bits, link", id="a pair explained"),
        pytest.param("before anything is compared", id="its waterfall"),
        pytest.param("precision expected", id="what the model expects"),
        pytest.param("records in a cluster", id="cluster sizes"),
        pytest.param("B1", id="a bridge"),
        pytest.param("88.0%", id="values that are there"),
        pytest.param("placeholder", id="default values"),
        pytest.param("a default?", id="odd frequencies"),
        pytest.param("sent to review", id="recall by fault"),
        pytest.param("share true", id="reliability"),
        pytest.param("m: one person", id="m and u"),
        pytest.param("nhs number: one digit different", id="what each level adds"),
    ],
)
def test_it_shows(html: str, text: str) -> None:
    assert text in html


def test_text_of_the_input_is_no_markup(html: str) -> None:
    assert "<found>" not in html
    assert "<SMITH>" not in html
    assert "a &amp; b.csv" in html


def test_without_pairs_there_is_still_a_page(figures: dict[str, object], tmp_path: Path) -> None:
    write(tmp_path / "report.html", {"counts": {"records": 1}, "model": figures["model"], "histogram": None})
    assert "What was found" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_same_figures_give_the_same_page(figures: dict[str, object], html: str) -> None:
    assert page(figures) == html
