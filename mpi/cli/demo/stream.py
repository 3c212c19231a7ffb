"""The messages of the demonstration: two hundred, as four hospitals would send them on one day."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from mpi.domain.messages import MergePair
from mpi.domain.person import DEMOGRAPHIC_FIELDS, Identifier, SourceRecord
from mpi.hl7 import writer
from mpi.matching.nhs_number import check_digit
from mpi.synth.population import make

Row = dict[str, str]

MESSAGES = 200
_UPDATES = 60
_SEED = 200
_MORNING = datetime(2026, 11, 2, 8, tzinfo=UTC)
APPLICATION = "PAS"
"""MSH-3 of every message; MSH-4 is the hospital that sends it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One message to send: what it shows, and the acknowledgement code that is expected (MSA-1)."""

    kind: str
    raw: bytes
    expected: str = "AA"
    repeat: bool = False
    """The same bytes as the message before: the same answer is expected."""


def read_people(file: Path) -> list[Row]:
    """The rows of the population's CSV file."""
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def plain_people(rows: list[Row]) -> list[Row]:
    """People with one record, which has no fault and a verified number, and nothing that makes them hard to tell."""
    records: dict[str, int] = {}
    for row in rows:
        records[row["true_person"]] = records.get(row["true_person"], 0) + 1
    return [
        row
        for row in rows
        if records[row["true_person"]] == 1
        and not row["faults"]
        and not row["traits"]
        and row["nhs_number_status"] == "01"
        and all(row[name] for name in ("nhs_number", "birth_date", "given_name", "postcode", "sex"))
    ]


class Stream:
    """The steps in order, and the merge among them."""

    def __init__(self, rows: list[Row]) -> None:
        self._random = Random(_SEED)  # noqa: S311 - invented people, no secret
        self._plain = plain_people(rows)
        self._rows = rows
        self._count = 0
        twin = self._plain[0]
        surviving = Identifier(twin["authority"], twin["record_id"])
        self.merged = MergePair(surviving, Identifier(twin["authority"], "M" + twin["record_id"]))
        special = list(self._special(twin))
        usual = list(self._usual(MESSAGES - len(special)))
        half = len(usual) // 2
        self.steps: tuple[Step, ...] = (*usual[:half], *special, *usual[half:])

    def _sent(self, row: Row, event: str) -> bytes:
        changes = {name: row[name] for name in DEMOGRAPHIC_FIELDS if row[name]}
        record = SourceRecord(row["authority"], row["record_id"], changes)
        number, at = self._next()
        return writer.registration(
            record, number, application=APPLICATION, facility=row["authority"], event=event, at=at
        )

    def _merge(self) -> bytes:
        number, at = self._next()
        facility = self.merged.surviving.authority
        return writer.merge(self.merged, number, application=APPLICATION, facility=facility, at=at)

    def _next(self) -> tuple[str, datetime]:
        """The next control id, and its time of sending."""
        self._count += 1
        return f"DEMO{self._count:05}", _MORNING + timedelta(minutes=self._count)

    def _usual(self, count: int) -> Iterator[Step]:
        """New people, and people who have moved or have another telephone."""
        updates = [Step("update", self._sent(row, "A08")) for row in self._changed(_UPDATES)]
        new = [Step("new registration", self._sent(row, "A28")) for row in _new_rows(count - len(updates))]
        steps = updates + new
        self._random.shuffle(steps)
        yield from steps

    def _changed(self, count: int) -> list[Row]:
        known = self._random.sample(self._plain[20:], count)
        homes = self._random.sample(self._rows, count)
        changed = []
        for number, (row, home) in enumerate(zip(known, homes, strict=True)):
            if number % 2:
                changed.append(row | {name: home[name] for name in ("address_line", "town", "postcode")})
            else:
                changed.append(row | {"phone": f"07700 900{number:03}"})
        return changed

    def _special(self, twin: Row) -> Iterator[Step]:
        """A duplicate registration that is merged, a repeat, a control id used twice, and broken messages."""
        again = twin | {"record_id": self.merged.subsumed.value}
        yield Step("registered twice by mistake", self._sent(again, "A28"))
        yield Step("merge", self._merge())
        known = self._sent(self._plain[1], "A31")
        yield Step("update", known)
        yield Step("the same message again", known, repeat=True)
        clash = known.replace(self._plain[1]["record_id"].encode(), b"C" + self._plain[1]["record_id"].encode())
        yield Step("a control id used again", clash, "AE")
        unreadable = self._plain[2] | {"birth_date": "1968-13-24"}
        yield Step("month 13", self._sent(unreadable, "A31"))
        yield Step("broken: no PID", self._sent(self._plain[3], "A28").replace(b"\rPID|", b"\rZZZ|"), "AE")
        yield Step("broken: torn segment", self._sent(self._plain[4], "A28").replace(b"\rEVN|", b"\rE\x00?"), "AE")


def _new_rows(count: int) -> list[Row]:
    """Records of people whom the population does not have: numbers of their own, NHS numbers of another block."""
    renumbered: dict[str, str] = {}
    numbers = _numbers()
    rows: list[Row] = []
    for row in make(count, _SEED):
        number = row["nhs_number"]
        if number and number not in renumbered:
            renumbered[number] = next(numbers)
        rows.append(row | {"nhs_number": renumbered.get(number, ""), "record_id": "N" + row["record_id"]})
    return rows[:count]


def _numbers() -> Iterator[str]:
    """NHS numbers of the last never-issued block, which the population does not reach."""
    for rest in range(1_000_000):
        nine = f"900{rest:06}"
        digit = check_digit(nine)
        if digit is not None:
            yield f"{nine}{digit}"
