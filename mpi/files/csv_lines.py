"""Records of a CSV text (RFC 4180), each with its line, where one torn line costs one record and not the rest.

A quotation mark that is never closed makes a usual reader swallow everything up to the next one. Here a record may
run over several lines only when it ends with as many fields as the header has; else its first line is set aside, and
reading goes on with the next.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

LONGEST_LINE = 1 << 20
"""Characters; a longer line is set aside."""
MOST_LINES = 50
"""A quoted value may run over so many lines."""
DELIMITERS = ",;\t|"


@dataclass(frozen=True, slots=True)
class Split:
    """One record split into fields, or the fault that stands in their place."""

    line: int
    raw: str
    fields: list[str]
    fault: str | None = None


class CsvLines:
    """Reads a text stream. `header` and `delimiter` are there at once, the records come by `records`."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._line = 0
        self._waiting: list[str] = []
        first = self._next_line()
        while first is not None and not first.strip():
            first = self._next_line()
        self.delimiter = max(DELIMITERS, key=(first or "").count)
        self.header = self._split([first]) or [] if first else []

    def _next_line(self) -> str | None:
        """The next line without its end; None at the end of the text."""
        if self._waiting:
            self._line += 1
            return self._waiting.pop(0)
        text = self._stream.readline(LONGEST_LINE + 1)
        if not text:
            return None
        self._line += 1
        if len(text) > LONGEST_LINE:
            while (more := self._stream.readline(LONGEST_LINE)) and not more.endswith("\n"):
                pass
            return text
        return text.rstrip("\n")

    def _split(self, lines: list[str]) -> list[str] | None:
        """The fields of one record; None when a quotation mark is still open at its end."""
        if len(lines) == 1 and '"' not in lines[0]:
            return lines[0].split(self.delimiter)
        try:
            with_ends = [line + "\n" for line in lines[:-1]] + [lines[-1]]
            return next(csv.reader(with_ends, delimiter=self.delimiter, strict=True))
        except csv.Error:
            return None

    def records(self) -> Iterator[Split]:
        """The records after the header; empty lines are no records."""
        width = len(self.header)
        while (text := self._next_line()) is not None:
            if not text.strip():
                continue
            start = self._line
            if len(text) > LONGEST_LINE:
                yield Split(start, text[:1000], [], f"the line is longer than {LONGEST_LINE} characters")
                continue
            fields = self._split([text])
            if fields is None:
                yield self._over_lines(start, text)
            elif len(fields) == width:
                yield Split(start, text, fields)
            else:
                fault = f"the line has {len(fields)} fields where the header has {width}"
                yield Split(start, text, fields, fault)

    def _over_lines(self, start: int, text: str) -> Split:
        lines = [text]
        while len(lines) < MOST_LINES and (more := self._next_line()) is not None:
            lines.append(more)
            if '"' not in more:
                continue
            fields = self._split(lines)
            if fields is not None and len(fields) == len(self.header):
                return Split(start, "\n".join(lines), fields)
        self._waiting = lines[1:] + self._waiting
        self._line = start
        return Split(start, text, [], "a quotation mark is opened and not closed")
