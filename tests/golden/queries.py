"""The golden queries: `queries/*.txt` hold what is asked of one small index and what is answered, byte for byte.

A case is `# its name`, the segments of the query, a line `--`, and the segments of the answers (a line `==` between
two), with TIME and ID for MSH-7 and MSH-10, POINTER for a continuation pointer, PERCENT for a confidence. After a
change that is meant, write the answers anew with `python -m tests.golden.queries` and read the difference.
"""

import asyncio
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mpi.bootstrap import App, build
from mpi.config import load
from mpi.hl7.desk import Desk
from tests.builders import nhs_number
from tests.index import merge, register

FOLDER = Path(__file__).parent / "queries"
NUMBER, RESTRICTED_NUMBER, SHARED_NUMBER = (nhs_number(n) for n in (40, 41, 42))
_POINTER = re.compile(r"^DSC\|([0-9a-f]{24}-\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Case:
    """One query and its answers, as people read them."""

    name: str
    query: str
    answers: str

    @property
    def raw(self) -> bytes:
        """The query as it travels."""
        return self.query.replace("\n", "\r").encode("latin-1")


def files() -> list[Path]:
    """The files of cases."""
    return sorted(FOLDER.glob("*.txt"))


def cases(file: Path) -> Iterator[Case]:
    """The cases of a file, in their order: a page is asked for after the one before it."""
    for text in re.split(r"^# ", file.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        name, _, rest = text.partition("\n")
        query, _, answers = rest.partition("--\n")
        yield Case(name.strip(), query.strip() + "\n", answers.strip() + "\n")


def open_world(url: str) -> App:
    """The index that is asked, on a database that has the schema."""
    app = build(load(FOLDER / "mpi.toml", database_url=url))
    everybody(app)
    return app


def everybody(app: App) -> None:
    """One person known to two hospitals, one to one, one restricted, a number on two people, a family."""
    maria = {"nhs_number": NUMBER, "phone": "01632 960001"}
    for authority, number in (("RXX", "1001"), ("RXX", "1002"), ("RYY", "2001"), ("RYY", "2002"), ("RZZ", "9001")):
        register(app, authority, number, **maria)
    merge(app, "1002", "1001")
    alone = {"family_name": "Wren", "given_name": "Ada", "birth_date": "1931-11-05", "postcode": "EX1 1AA"}
    register(app, "RXX", "1003", **alone, address_line="1 Alone Lane")
    hidden = {"family_name": "Veil", "given_name": "Nora", "birth_date": "1975-05-05", "nhs_number": RESTRICTED_NUMBER}
    home = {"address_line": "7 Secret Way", "postcode": "EX2 2BB", "phone": "01632 960777"}
    for authority, number in (("RXX", "1004"), ("RYY", "2004")):
        register(app, authority, number, **hidden, **home)
    restrict(app, "1004")
    register(
        app, "RXX", "1005", family_name="Crow", given_name="Tom", birth_date="1950-01-01", nhs_number=SHARED_NUMBER
    )
    register(
        app, "RYY", "2005", family_name="Daw", given_name="Jill", birth_date="1999-09-09", sex="male",
        nhs_number=SHARED_NUMBER, postcode="EX9 9ZZ", address_line="9 Far Road",
    )  # fmt: skip
    for number, given in enumerate(("Chidi", "Ngozi", "Emeka", "Amara", "Obinna"), 1):
        own = {"address_line": f"{number} Palm Grove", "postcode": f"EX3 {number}CC"}
        register(
            app, "RXX", f"300{number}", family_name="Okafor", given_name=given, birth_date=f"1980-0{number}-11", **own
        )
    register(
        app,
        "RXX",
        "1006",
        family_name="Müller-Šimon",
        given_name="Zoë",
        birth_date="1972-02-02",
        address_line="2 Rue é",
    )
    register(app, "RXX", "1007", family_name="Müller", given_name="Jörg", birth_date="1942-02-02", postcode="EX8 8AA")
    register(app, "RZZ", "9009", family_name="Elsewhere", given_name="Only", birth_date="1960-06-06")


def restrict(app: App, number: str) -> None:
    """Mark a record of RXX as restricted."""
    from mpi.domain.audit import Action, Actor, AuditEvent

    with app.store.writing() as unit:
        record = unit.records.find("RXX", number)
        unit.records.restrict(record, event=AuditEvent(Actor("test", "feed"), Action.RECORD_UPDATED))


def desk_of(app: App) -> Desk:
    """What answers queries to the index."""
    return Desk(app.config, app.identifier_queries.answer, app.person_queries.answer, app.person_queries.forget)


def shown(answer: bytes) -> str:
    """An answer as people read it: without its own time, number and pointer."""
    text = answer.decode("utf-8" if b"UTF-8" in answer.split(b"\r")[0] else "latin-1")
    head, *rest = text.split("\r")
    fields = head.split(head[3])
    assert re.fullmatch(r"\d{14}[+-]\d{4}", fields[6])
    assert re.fullmatch(r"[0-9A-F]{20}", fields[9])
    fields[6], fields[9] = "TIME", "ID"
    text = _POINTER.sub("DSC|POINTER", "\n".join([head[3].join(fields), *rest]))
    return re.sub(r"^(QRI.)\d{1,3}\.\d\d$", r"\1PERCENT", text, flags=re.MULTILINE)


def pointer_of(answer: bytes) -> str | None:
    """The continuation pointer that an answer gives."""
    found = _POINTER.search(answer.decode("latin-1").replace("\r", "\n"))
    return found[1] if found else None


async def _answers(app: App) -> None:
    desk = desk_of(app)
    desk.start()
    for file in files():
        written, pointer = [], ""
        for case in cases(file):
            answers = await desk.answer(case.raw.replace(b"POINTER", pointer.encode()), "")
            pointer = pointer_of(answers[-1]) or pointer
            text = "==\n".join(shown(answer) for answer in answers)
            if pointer:
                text = text.replace(pointer, "POINTER")
            written.append(f"# {case.name}\n{case.query}--\n{text}")
        file.write_text("\n".join(written), encoding="utf-8")
    await desk.stop()


def main() -> None:
    """Write the answers of all cases anew."""
    from mpi.store.schema import migrate

    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/mpi.db"
        migrate(url)
        app = open_world(url)
        asyncio.run(_answers(app))
        app.close()


if __name__ == "__main__":
    main()
