"""Every golden query through a real socket, on both databases, byte for byte; and hl7apy reads and writes the same."""

import contextlib
import shutil
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpi.bootstrap import App
from mpi.config import Config, load
from mpi.domain.person import Demographics, Identifier
from mpi.domain.queries import Found, IdentifierAnswer, PersonFound
from mpi.hl7 import query_answer, reader
from mpi.hl7.query import Asked
from mpi.hl7.query_persons import person_segments
from tests.fixtures.databases import BOTH
from tests.flows.mllp_client import Sender, listening
from tests.golden import hl7apy_answers, queries
from tests.invariants import check_index

CASES = [
    pytest.param(file.stem, place, case, id=f"{file.stem}: {case.name}")
    for file in queries.files()
    for place, case in enumerate(queries.cases(file))
]


@pytest.fixture(scope="module", params=BOTH)
def answered(request: pytest.FixtureRequest) -> Iterator[dict[tuple[str, int], list[bytes]]]:
    """The answers to all cases, asked in their order through a listener."""
    with _world(request) as app, _asking(app) as sender:
        answers, pointer = {}, b""
        for file in queries.files():
            for place, case in enumerate(queries.cases(file)):
                sender.write(b"\x0b" + case.raw.replace(b"POINTER", pointer) + b"\x1c\r")
                given = [sender.answer().text.encode("latin-1") for _ in range(case.answers.count("==\n") + 1)]
                pointer = (queries.pointer_of(given[-1]) or pointer.decode()).encode()
                answers[file.stem, place] = [one.replace(pointer, b"POINTER") if pointer else one for one in given]
        yield answers


@pytest.mark.parametrize(("file", "place", "case"), CASES)
def test_query_is_answered(answered: dict, file: str, place: int, case: queries.Case) -> None:
    assert "==\n".join(queries.shown(one) for one in answered[file, place]) == case.answers


@pytest.mark.parametrize(("file", "place", "case"), CASES)
def test_hl7apy_reads_the_answer(file: str, place: int, case: queries.Case) -> None:
    for answer in case.answers.replace("PERCENT", "50.00").replace("|TIME|", "|20261101|").split("==\n"):
        text = answer.strip().replace("\n", "\r") + "\r"
        codec = "utf-8" if "UTF-8" in text.split("\r")[0] else "latin-1"
        ours, theirs = reader.read(text.encode(codec)), _parse(text)

        assert [segment.name for segment in ours.segments] == [segment.name for segment in theirs.children]
        assert theirs.msa.msa_2.to_er7() == ours.segments[1].text(2)
        for mine, segment in zip(ours.all("PID"), [s for s in theirs.children if s.name == "PID"], strict=True):
            listed = [(one.filled(1), one.filled(4)) for one in mine.repeats(3)]
            assert [(cx.cx_1.to_er7(), cx.cx_4.hd_1.to_er7()) for cx in segment.pid_3] == listed


values = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=12)
numbers = st.builds(Identifier, st.sampled_from(["RXX", "RYY", "RZZ", "NHS"]), values)
marks = st.sampled_from([reader.Delimiters(), reader.Delimiters("#", "$", "!", "*", "%")])
demographics = st.builds(
    Demographics,
    family_name=values | st.none(),
    given_name=values | st.none(),
    middle_names=values | st.none(),
    birth_date=st.sampled_from(["1968-03-24", "1968-03", "1968", "24.3.68", None]),
    sex=st.sampled_from(["male", "female", "other", "unknown", "X", None]),
    address_line=values | st.none(),
    town=values | st.none(),
    postcode=values | st.none(),
    phone=values | st.none(),
    email=values | st.none(),
    multiple_birth_order=st.sampled_from(["2", None]),
    death_date=st.sampled_from(["2020-01-01", None]),
)


@given(st.lists(numbers, min_size=1, max_size=4), marks)
def test_pix_person_is_written_as_hl7apy_writes_it(identifiers: list[Identifier], marks: reader.Delimiters) -> None:
    head = f"MSH{marks.field}{marks.msh_2}{marks.field}PACS{marks.field}RXX"
    asked = Asked(reader.Segment(head, 1, marks, "utf-8"), "utf-8", "Q23")
    answer = query_answer.identifiers(asked, IdentifierAnswer(Found.ONE, tuple(identifiers)), _config())

    assert answer.decode().split("\r")[-2] == hl7apy_answers.pix_person(identifiers, _config(), marks)


@settings(max_examples=50)
@given(st.lists(numbers, max_size=3), demographics, marks)
def test_pdq_person_is_written_as_hl7apy_writes_it(
    identifiers: list[Identifier], said: Demographics, marks: reader.Delimiters
) -> None:
    found = PersonFound(tuple(identifiers), said, 12.345)

    assert person_segments([found], _config(), marks) == hl7apy_answers.person(1, found, _config(), marks)


def _config() -> Config:
    return load(queries.FOLDER / "mpi.toml", database_url="sqlite://")


def _parse(text: str):
    """The message as hl7apy reads it: tolerant, without groups and without its validation, which refuses PDQ."""
    from hl7apy.consts import VALIDATION_LEVEL
    from hl7apy.parser import parse_message

    return parse_message(text, validation_level=VALIDATION_LEVEL.TOLERANT, find_groups=False)


@contextlib.contextmanager
def _world(request: pytest.FixtureRequest) -> Iterator[App]:
    """The index of the golden queries on a database of its own; its invariants are checked at the end."""
    if request.param == "sqlite":
        file = request.getfixturevalue("tmp_path_factory").mktemp("queries") / "mpi.db"
        shutil.copyfile(request.getfixturevalue("_migrated_file"), file)
        url = f"sqlite:///{file}"
    else:
        server = request.getfixturevalue("postgres")
        url = server.url(server.create_database(template=request.getfixturevalue("_migrated_database")))
    app = queries.open_world(url)
    yield app
    check_index(app.store)
    app.close()


@contextlib.contextmanager
def _asking(app: App) -> Iterator[Sender]:
    """A connection to a listener of the index."""
    with (
        listening(app.inbox.process, config=app.config, desk=lambda: queries.desk_of(app)) as running,
        running.sender() as sender,
    ):
        yield sender
