"""The golden messages: each file of `adt/` is one message as people read it, with how it travels in its first lines.

`NAME.hl7` begins with comment lines: what it shows, and where they differ from UTF-8 and CR `# charset: ...`,
`# ends: LF` and `# bom`. `NAME.json` beside it is what must come of it. After a change that is meant, write them anew
with `python -m tests.golden.messages` and read the difference.
"""

import codecs
import dataclasses
import json
import re
from dataclasses import dataclass
from pathlib import Path

from mpi.config import Config, load
from mpi.domain.messages import AckCode, Command, Inbound, Outcome, Refused
from mpi.hl7 import ack, adt

FOLDER = Path(__file__).parent
_ENDS = {"CR": "\r", "LF": "\n", "CRLF": "\r\n"}


@dataclass(frozen=True)
class Golden:
    """One message: `raw` as it travels, `text` as people read it."""

    name: str
    shows: str
    text: str
    raw: bytes
    codec: str

    @property
    def expected_file(self) -> Path:
        """Where it stands what must come of this message."""
        return FOLDER / "adt" / f"{self.name}.json"


def config() -> Config:
    """The hospitals and feeds of the golden messages."""
    return load(FOLDER / "mpi.toml", database_url="sqlite://")


def messages() -> list[Golden]:
    """All golden messages, by name."""
    return [_read(file) for file in sorted((FOLDER / "adt").glob("*.hl7"))]


def _read(file: Path) -> Golden:
    head, text = re.fullmatch(r"((?:#[^\n]*\n)+)(.*)", file.read_text(encoding="utf-8"), re.DOTALL).groups()
    said = dict(line[2:].partition(": ")[::2] for line in head.splitlines()[1:])
    codec = said.get("charset", "utf-8")
    raw = text.replace("\n", _ENDS[said.get("ends", "CR")]).encode(codec)
    if "bom" in said:
        raw = codecs.BOM_UTF8 + raw
    return Golden(file.stem, head.splitlines()[0][2:], text, raw, codec)


def answer_without_an_index(inbound: Inbound) -> Outcome:
    """The outcome when nothing but the door has something against the message."""
    if isinstance(inbound.command, Refused):
        return Outcome(inbound.command.ack, inbound.command.errors)
    return Outcome(AckCode.ACCEPTED)


def result(message: Golden) -> dict[str, object]:
    """What comes of a message: what it asks the index, and the acknowledgement without its own time and number."""
    received = adt.receive(message.raw, "192.0.2.1:4000", config())
    answer = ack.acknowledge(received, answer_without_an_index(received.inbound))
    inbound = received.inbound
    return {
        "shows": message.shows,
        "sender": [inbound.application, inbound.facility, inbound.control_id, inbound.event],
        **_plain(inbound.command),
        "acknowledgement": without_time(answer.decode(received.codec)).split("\r")[:-1],
    }


def without_time(acknowledgement: str) -> str:
    """The acknowledgement with MSH-7 and MSH-10, which are its own each time, written as TIME and ID."""
    mark = acknowledgement[3]
    head, *rest = acknowledgement.split("\r")
    fields = head.split(mark)
    assert re.fullmatch(r"\d{14}[+-]\d{4}", fields[6])
    assert re.fullmatch(r"[0-9A-F]{20}", fields[9])
    fields[6], fields[9] = "TIME", "ID"
    return "\r".join([mark.join(fields), *rest])


def _plain(command: Command) -> dict[str, object]:
    said = {"command": type(command).__name__, **dataclasses.asdict(command)}
    record = said.get("record")
    if isinstance(record, dict):
        del record["extra"], record["complete"]
    return said


def main() -> None:
    """Write anew what must come of each message."""
    for message in messages():
        text = json.dumps(result(message), indent=2, ensure_ascii=False)
        message.expected_file.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
