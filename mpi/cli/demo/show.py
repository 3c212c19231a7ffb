"""How the demonstration looks: headings, tables and ticks on the terminal, plain text in a pipe."""

from collections.abc import Iterable, Mapping

from rich.console import Console
from rich.table import Table

_LINKS = {
    "new": "first record of a new person",
    "automatic": "joined by matching",
    "manual": "joined by a person",
    "feed": "moved by a hospital",
}
_TASKS = {
    "possible-duplicate": "possible duplicates",
    "nhs-number-on-two-persons": "one NHS number on two people",
    "two-nhs-numbers-on-one-person": "two NHS numbers on one person",
    "broken-cluster": "a record that fits no longer",
    "held-merge": "merges held",
    "held-link": "links held",
    "held-move": "moves of numbers held",
    "possible-overlay": "updates that describe somebody else",
    "reused-number": "merged numbers used again",
    "deleted-number": "numbers deleted",
}
_ANSWERS = {"AA": "accepted", "AE": "refused: content", "AR": "not taken", "conflict": "kept: control id used again"}


class Screen:
    """Where the demonstration speaks."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, soft_wrap=True)
        self.missed: list[str] = []

    def heading(self, text: str) -> None:
        """The beginning of a part."""
        self.console.print(f"\n[bold]{text}[/bold]")

    def line(self, text: str) -> None:
        """One line of a part."""
        self.console.print(f"  {text}")

    def check(self, holds: bool, text: str) -> None:
        """Something that was expected to happen; what did not happen fails the demonstration."""
        self.console.print(f"  [green]✓[/green] {text}" if holds else f"  [red]✗ {text}[/red]")
        if not holds:
            self.missed.append(text)

    def table(self, headers: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
        """A table; numbers stand right."""
        cells = [list(row) for row in rows]
        table = Table(box=None, padding=(0, 2), show_edge=False, header_style="dim")
        for place, header in enumerate(headers):
            number = all(isinstance(row[place], int) for row in cells)
            table.add_column(header, justify="right" if number else "left")
        for row in cells:
            table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
        self.console.print(table)


def named(counts: Mapping[str, int], names: Mapping[str, str]) -> list[list[object]]:
    """Rows of a table: plain English and how many."""
    return [[names.get(key, key), n] for key, n in sorted(counts.items(), key=lambda one: -one[1])]


def links(counts: Mapping[str, int]) -> list[list[object]]:
    """Links by how they came to be."""
    return named(counts, _LINKS)


def tasks(counts: Mapping[str, int]) -> list[list[object]]:
    """Open questions by type."""
    return named(counts, _TASKS)


def messages(counts: Mapping[str, int]) -> list[list[object]]:
    """Messages by outcome."""
    return named(counts, _ANSWERS)
