"""What `make check` refuses to have committed."""

from pathlib import Path

import pytest

from tests.builders import nhs_number
from tools import check_tree

# Put together here, so that the check does not find this file.
FOUND = {
    "a home folder": "see /" + "home/ada/mpi",
    "root's folder": "cd /" + "root/mpi",
    "a registry": "https://pypi." + "org/simple",
    "an index option": "pip install --" + "index-url X",
    "a number that may be somebody's": "number 400000000" + "4",
}
LEFT_ALONE = {
    "a web address with such a part": "https://example.org/home/page",
    "a system path": "/usr/bin/env and /tmp/x",
    "a number of the test range": f"number {nhs_number(3)}",
    "ten equal digits": "placeholder 4444444444",
    "a wrong check digit": "number 4000000005",
}


@pytest.mark.parametrize("text", FOUND.values(), ids=FOUND.keys())
def test_it_finds(text: str) -> None:
    assert len(list(check_tree.in_text(Path("a.md"), text))) == 1


@pytest.mark.parametrize("text", LEFT_ALONE.values(), ids=LEFT_ALONE.keys())
def test_it_leaves_alone(text: str) -> None:
    assert list(check_tree.in_text(Path("a.md"), text)) == []


def test_it_finds_an_issued_number_in_a_person_file(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("record_id,nhs_number\n1," + "400 000 000" + "4\n2,\n", encoding="utf-8")
    assert [finding.split(":")[1] for finding in check_tree.in_person_file(file)] == ["2"]


@pytest.mark.parametrize(("lines", "findings"), [(60, 0), (61, 1)], ids=["as long as allowed", "one line too long"])
def test_it_counts_the_lines_of_functions(lines: int, findings: int) -> None:
    text = "def f():\n" + "    x = 1\n" * (lines - 1)
    assert len(list(check_tree.in_python(Path("a.py"), text))) == findings


def test_it_refuses_lock_files(tmp_path: Path) -> None:
    file = tmp_path / "uv.lock"
    file.write_text("")
    assert len(list(check_tree.findings(file))) == 1
