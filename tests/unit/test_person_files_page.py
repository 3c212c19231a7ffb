"""The page on person files names every column and every header that is recognised."""

from pathlib import Path

from mpi.domain.columns import TARGETS, USUAL_HEADERS

PAGE = (Path(__file__).parent.parent.parent / "docs/reference/person-files.md").read_text(encoding="utf-8")


def test_every_column_is_described() -> None:
    assert [name for name in TARGETS if f"`{name}`" not in PAGE] == []


def test_every_recognised_header_stands_beside_its_column() -> None:
    recognised = PAGE.partition("## Headers that are recognised")[2]
    rows = {line.split("`")[1]: line for line in recognised.splitlines() if line.startswith("| `")}
    missing = [
        (column, header)
        for column, usual in USUAL_HEADERS.items()
        for headers in usual
        for header in headers
        if f"`{header}`" not in rows.get(column, "")
    ]
    assert missing == []
