"""Random messages, trace answers, merges and hidings over few people and numbers: what must hold, holds after each."""

import random
from collections.abc import Callable
from contextlib import suppress

import pytest
from sqlalchemy import select

from mpi.bootstrap import App
from mpi.domain.audit import SYSTEM, Actor
from mpi.domain.errors import MpiError
from mpi.domain.messages import Delete
from mpi.domain.person import NHS, Identifier
from mpi.domain.review import Verdict
from mpi.domain.roles import Role
from mpi.domain.trace import TraceOutcome
from mpi.services.trace_import import TraceRow
from mpi.store.tables import identifier, source_record
from tests.builders import nhs_number
from tests.effort import repeats
from tests.index import REVIEWER, merge, message, open_index, register
from tests.invariants import check_index

SENIOR = Actor("sam", Role.SENIOR_REVIEWER.value)
GUARDIAN = Actor("iris", Role.IG_AUDITOR.value)
NUMBERS = [nhs_number(n) for n in range(6)]
PEOPLE = [
    {"family_name": "Ashworth", "given_name": "Maria", "birth_date": "1968-03-24", "sex": "female"},
    {"family_name": "Ashworth", "given_name": "Martin", "birth_date": "1968-03-24", "sex": "male"},
    {"family_name": "Brackenbury", "given_name": "Noor", "birth_date": "1991-11-02", "sex": None},
]


class Walk:
    """One random walk over an index."""

    def __init__(self, app: App, seed: int) -> None:
        self.app = app
        self.draw = random.Random(seed)

    def message(self) -> None:
        """A registration or an update."""
        said = dict(self.draw.choice(PEOPLE))
        if self.draw.random() < 0.8:
            said["nhs_number"] = self.draw.choice(NUMBERS)
            said["nhs_number_status"] = self.draw.choice(["01", "02", "05", None])
        register(self.app, self.draw.choice(["RXX", "RYY"]), str(self.draw.randrange(5)), **said)

    def answer(self) -> None:
        """An answer of a tracing service about some record, of its version now or of an earlier one."""
        with self.app.store.reading() as unit:
            found = unit.connection.execute(select(source_record.c.id, source_record.c.version)).all()
        if found:
            record_id, version = self.draw.choice(found)
            ref = f"R{record_id}-{self.draw.randint(max(1, version - 1), version)}"
            outcome = self.draw.choice([*TraceOutcome, TraceOutcome.SUPERSEDED, TraceOutcome.VERIFIED]).value
            self.app.trace_import.take(SYSTEM, [TraceRow(1, ref, outcome, self.draw.choice(NUMBERS))], "walk")

    def take_back(self) -> None:
        """A superseded number stands for itself again."""
        self.app.trace_import.restore(SYSTEM, self.draw.choice(NUMBERS), "walk")

    def merge(self) -> None:
        """A merge, or a change of number."""
        merge(self.app, str(self.draw.randrange(5)), str(self.draw.randrange(7)))

    def decide(self) -> None:
        """A reviewer's answer to the first question."""
        tasks = self.app.review.queue(REVIEWER).tasks
        if tasks:
            self.app.review.decide(REVIEWER, tasks[0].id, self.draw.choice(list(Verdict)), "walk")

    def undo(self) -> None:
        """A change is taken back."""
        self.app.undo.do(SENIOR, self.draw.randint(1, 12), "walk")

    def delete(self) -> None:
        """A hospital deletes a number."""
        self.app.inbox.process([message(Delete(Identifier("RXX", str(self.draw.randrange(5))), None))])

    def hide(self) -> None:
        """An identity is hidden, or shown again."""
        found = self.app.people.search(REVIEWER, family_name="Ashworth", birth_date="1968-03-24")
        if len(found) > 1:
            self.app.protected.hide(GUARDIAN, found[0].enterprise_id, found[1].enterprise_id, "walk")

    def step(self) -> str:
        """One random step; its name."""
        steps: list[tuple[Callable[[], None], int]] = [
            (self.message, 8), (self.answer, 6), (self.take_back, 1), (self.merge, 1), (self.decide, 3), (self.hide, 1),
            (self.undo, 2), (self.delete, 1),
        ]  # fmt: skip
        [one] = self.draw.choices([s for s, _ in steps], [n for _, n in steps])
        with suppress(MpiError):  # what is refused must leave the index whole as well
            one()
        return one.__name__


def no_superseded_number_stands(app: App) -> None:
    with app.store.reading() as unit:
        rows = unit.connection.execute(
            select(identifier.c.value).where(identifier.c.authority == NHS, identifier.c.valid_to.is_(None))
        )
        standing = set(rows.scalars())
        assert standing == {unit.numbers.survivor(number) for number in standing}


@pytest.mark.parametrize("seed", range(repeats(30)))
def test_random_walks_leave_the_index_whole(migrated_url: str, seed: int) -> None:
    app = open_index(migrated_url)
    walk = Walk(app, seed)
    for step in range(60):
        name = walk.step()
        no_superseded_number_stands(app)
        if step % 10 == 9:
            check_index(app.store)
            assert name
    app.close()
