"""The documentation keeps its promises: links lead somewhere, and what the code has is written down."""

import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import click
import pytest

from mpi import config
from mpi.domain.decision import Outcome
from mpi.domain.errors import MpiError
from mpi.domain.review import TaskState, Verdict
from mpi.domain.study import GateDecision
from tools import generate_docs

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def pages_with_names() -> list[object]:
    return [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES]


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", without_code(text), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", pages_with_names())
def test_every_link_inside_the_project_leads_somewhere(page: Path) -> None:
    broken = []
    for target in LINK.findall(without_code(page.read_text(encoding="utf-8"))):
        if target.startswith(("http:", "https:")):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (anchor and anchor not in anchors(file.read_text(encoding="utf-8"))):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("name", generate_docs.PAGES)
def test_generated_pages_say_what_the_code_says(name: str) -> None:
    written = (generate_docs.REFERENCE / name).read_text(encoding="utf-8")
    assert written == generate_docs.PAGES[name](), "run: make docs"


def test_every_command_shows_an_example_in_its_help() -> None:
    leaves = [c for c in generate_docs.commands() if not isinstance(c.command, click.Group)]
    assert [c.command_path for c in leaves if "Example" not in c.command.get_help(c)] == []


def test_every_key_of_the_configuration_is_described() -> None:
    sections = (ROOT / "docs/reference/configuration.md").read_text(encoding="utf-8").split("\n## ")
    missing = []
    for table, keys in config._KEYS.items():
        section = next((s for s in sections if s.startswith((f"`[{table}]`", f"`[[{table}]]`"))), "")
        missing += [f"{table}.{key}" for key in keys if f"`{key}`" not in section]
    assert missing == []


def errors(base: type[MpiError] = MpiError) -> Iterator[type[MpiError]]:
    yield base
    for child in base.__subclasses__():
        yield from errors(child)


def test_every_exit_code_is_described() -> None:
    page = (ROOT / "docs/reference/exit-codes.md").read_text(encoding="utf-8")
    assert [e.__name__ for e in errors() if f"| {e.exit_code} |" not in page] == []


def test_every_decision_record_is_listed_and_has_its_three_parts() -> None:
    folder = ROOT / "docs/decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    records = sorted(folder.glob("[0-9]*.md"))
    assert [r.name[:4] for r in records] == [f"{n:04d}" for n in range(1, len(records) + 1)]
    for record in records:
        text = record.read_text(encoding="utf-8")
        assert f"({record.name})" in index
        assert all(f"\n## {part}" in text for part in ("Context", "Decision", "Consequences"))


@pytest.mark.parametrize("words", [Outcome, Verdict, GateDecision, TaskState], ids=lambda words: words.__name__)
def test_every_answer_that_people_meet_is_in_the_glossary(words: type[StrEnum]) -> None:
    glossary = (ROOT / "GLOSSARY.md").read_text(encoding="utf-8").lower()
    assert [word.value for word in words if word.value.replace("-", " ") not in glossary] == []
