"""Logging as one JSON object a line, without patient values.

Nothing that names a patient may be passed to a logger: messages carry internal ids, counts and codes. Callers pass
facts as `extra={"facts": {...}}`.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import IO


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON with an UTC time."""

    def format(self, record: logging.LogRecord) -> str:
        """The record's line. An exception is named by its type and place only: its text may quote values."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        facts = getattr(record, "facts", None)
        if facts:
            line.update(facts)
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = record.exc_info[0].__name__
            trace = record.exc_info[2]
            places = []
            while trace is not None:
                places.append(f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}")
                trace = trace.tb_next
            line["places"] = places[-8:]
        return json.dumps(line, ensure_ascii=False, default=str)


def configure(level: str = "info", stream: IO[str] | None = None) -> None:
    """Send all logs to `stream` (standard error by default) as JSON lines at `level` and above."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
