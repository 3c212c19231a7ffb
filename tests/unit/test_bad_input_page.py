"""The page on bad input names tests and cases that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs/reference/bad-input.md").read_text(encoding="utf-8")
HL7 = PAGE.partition("## HL7 messages")[2].partition("\n## ")[0]


def _named() -> list[str]:
    """What stands in backquotes in the last column of the HL7 table."""
    rows = [line for line in HL7.splitlines() if line.startswith("| ") and "---" not in line][1:]
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row.rsplit(" | ", 1)[1])]


def test_every_test_that_is_named_exists() -> None:
    tests = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("test_*.py"))
    names = [name for name in _named() if name.startswith("test_")]

    assert len(names) > 10
    assert [name for name in names if f"def {name}(" not in tests] == []


def test_every_case_that_is_named_exists() -> None:
    feed = (ROOT / "tests/flows/test_feed.py").read_text(encoding="utf-8")
    golden = {file.stem for file in (ROOT / "tests/golden/adt").glob("*.hl7")}
    cases = [name for name in _named() if not name.startswith(("test_", "tests/"))]

    assert len(cases) > 20
    assert [name for name in cases if name not in golden and f'id="{name}"' not in feed] == []


def test_every_kind_of_bad_input_that_is_tested_is_on_the_page() -> None:
    feed = (ROOT / "tests/flows/test_feed.py").read_text(encoding="utf-8")
    ids = re.findall(r'\bid="([^"]+)"', feed.partition("BAD_INPUT = [")[2].partition("\n]\n")[0])

    assert ids
    assert [name for name in ids if f"`{name}`" not in HL7] == []
