"""The part of the page on bad input that is about person files names tests and cases that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PART = (ROOT / "docs/reference/bad-input.md").read_text(encoding="utf-8").partition("## Person files")[2]
LOAD = (ROOT / "tests/integration/test_load.py").read_text(encoding="utf-8")


def named() -> list[str]:
    rows = [line for line in PART.splitlines() if line.startswith("| ") and "---" not in line][1:]
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row.rsplit(" | ", 1)[1])]


def test_every_test_and_case_that_is_named_exists() -> None:
    tests = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("test_*.py"))
    names = [name for name in named() if not name.startswith("tests/")]
    assert len(names) > 20
    assert [name for name in names if f"def {name}(" not in tests and f'id="{name}"' not in LOAD] == []


def test_every_kind_of_file_that_is_refused_is_on_the_page() -> None:
    cases = re.findall(r'\bid="([^"]+)"', LOAD.partition("REFUSED = [")[2].partition("\n]\n")[0])
    assert cases
    assert [case for case in cases if f"`{case}`" not in PART] == []
