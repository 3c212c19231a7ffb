"""Random lives of an index with changes taken back: the past answers as it did, and nothing said is lost.

The simple model is what was seen: a picture of the index after every step, with the instant of it. Taking the latest
change back must give the picture before it; asking for a past instant must give the picture of then.
"""

import random
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from mpi.bootstrap import App
from mpi.domain.errors import BadInput, Conflict, NotFound
from mpi.domain.messages import Command, Delete, Link, Merge, MergePair, Move, Register, Rename
from mpi.domain.person import Identifier
from mpi.domain.review import TaskState, Verdict
from mpi.services.lives import gather, unexplained
from mpi.store.clock import now
from mpi.store.schema import migrate
from tests.builders import a_record
from tests.effort import SOAK
from tests.history import changes, kept_apart, picture
from tests.index import MACHINE, REVIEWER, SENIOR, message, open_index
from tests.integration.test_index_stateful import SAID
from tests.invariants import check_index

LOCAL_IDS = [str(n) for n in range(1, 6)]
NUMBERS = st.tuples(st.sampled_from(["RXX", "RYY"]), st.sampled_from(LOCAL_IDS)).map(lambda pair: Identifier(*pair))
SAME_PLACE = st.tuples(st.sampled_from(["RXX", "RYY"]), st.sampled_from(LOCAL_IDS), st.sampled_from(LOCAL_IDS)).map(
    lambda drawn: MergePair(Identifier(drawn[0], drawn[1]), Identifier(drawn[0], drawn[2]))
)
COMMANDS: st.SearchStrategy[Command] = st.one_of(
    SAME_PLACE.map(lambda pair: Merge((pair,))),
    SAME_PLACE.map(Rename),
    SAME_PLACE.map(lambda pair: Move((pair,))),
    st.builds(Link, NUMBERS, NUMBERS, st.booleans()),
    NUMBERS.map(Delete),
)

Answers = dict[tuple[str, str], object]


def answers(app: App, at: str | None = None) -> Answers:
    """What the crosswalk says of every number."""
    found: Answers = {}
    for authority in ("RXX", "RYY"):
        for value in LOCAL_IDS:
            try:
                answer = app.people.crosswalk(MACHINE, authority, value, at=at)
            except NotFound:
                continue
            except BadInput as error:
                found[authority, value] = error.code
                continue
            found[authority, value] = (answer.enterprise_id, answer.identifiers)
    return found


class History(RuleBasedStateMachine):
    """Feeds, reviewers and those who take changes back act on one index."""

    url: str
    _template: Path | None = None

    @initialize()
    def open(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mpi-history-"))
        if self._template is not None:
            shutil.copyfile(self._template, self.folder / "mpi.db")
            self.url = f"sqlite:///{self.folder / 'mpi.db'}"
        self.app = open_index(self.url)
        self.past: list[tuple[str, Answers]] = []

    def teardown(self) -> None:
        if hasattr(self, "app"):
            self.app.close()
            shutil.rmtree(self.folder)

    @rule(number=NUMBERS, said=SAID)
    def register(self, number: Identifier, said: dict[str, str | None]) -> None:
        self.app.inbox.process([message(Register(a_record(number.authority, number.value, **said)))])

    @rule(number=NUMBERS)
    def register_the_same_person(self, number: Identifier) -> None:
        self.app.inbox.process([message(Register(a_record(number.authority, number.value)))])

    @rule(command=COMMANDS)
    def command(self, command: Command) -> None:
        self.app.inbox.process([message(command)])

    @rule(verdict=st.sampled_from([Verdict.SAME, Verdict.DIFFERENT]), nth=st.integers(0, 3))
    def decide(self, verdict: Verdict, nth: int) -> None:
        tasks = self.app.review.queue(REVIEWER, state=TaskState.OPEN).tasks
        if tasks:
            with suppress(Conflict):
                self.app.review.decide(REVIEWER, tasks[nth % len(tasks)].id, verdict, "because of the charts")

    @rule(nth=st.integers(0, 40), keep_apart=st.sampled_from([None, True, False]))
    def take_back(self, nth: int, keep_apart: bool | None) -> None:
        holding = [change.id for change in changes(self.app) if change.undone_by is None]
        if not holding:
            return
        chosen = holding[nth % len(holding)]
        told = self.app.undo.preview(SENIOR, chosen, keep_apart=keep_apart)
        done = self.app.undo.do(SENIOR, chosen, "taken back", keep_apart=keep_apart)
        assert done.effect == told
        for moved in told.identifiers:
            after = picture(self.app)[moved.identifier.authority, moved.identifier.value][0]
            assert after == moved.to_person or moved.to_person == "a new person"

    @rule()
    def take_the_latest_back_and_do_it_again(self) -> None:
        holding = [change for change in changes(self.app) if change.undone_by is None]
        if not holding:
            return
        before = picture(self.app), kept_apart(self.app)
        first = self.app.undo.do(SENIOR, holding[-1].id, "taken back", keep_apart=False)
        if first.effect.notes:
            return
        self.app.undo.do(SENIOR, first.change_id, "and done again")
        assert (picture(self.app), kept_apart(self.app)) == before

    @rule(command=COMMANDS)
    def do_and_take_back_at_once(self, command: Command) -> None:
        before = picture(self.app), kept_apart(self.app)
        known = {change.id for change in changes(self.app)}
        self.app.inbox.process([message(command)])
        new = [change.id for change in changes(self.app) if change.id not in known]
        if not new:
            return
        for change in reversed(new):
            self.app.undo.do(SENIOR, change, "taken back", keep_apart=False)
        after, apart = picture(self.app), kept_apart(self.app)
        assert apart == before[1]
        assert {key: value for key, value in after.items() if key in before[0]} == before[0]

    @invariant()
    def whole(self) -> None:
        if not hasattr(self, "app"):
            return
        check_index(self.app.store)
        with self.app.store.reading() as unit:
            records = {number: unit.records.find(*number) for number in picture(self.app)}
            lives = gather(unit, [r.id for r in records.values() if r is not None])
            assert unexplained(lives.told(), lives.now(unit)) == set(), "the index is not what was said"
            assert lives.told().apart.keys() == lives.now(unit).apart.keys(), "do-not-links are not what was said"

    @invariant()
    def the_past_stands(self) -> None:
        if not hasattr(self, "app"):
            return
        self.past.append((now(), answers(self.app)))
        for at, then in {self.past[0][0]: self.past[0], self.past[-1][0]: self.past[-1]}.values():
            assert answers(self.app, at) == then
        for at, then in self.past[-6:-1:2]:
            assert answers(self.app, at) == then


_SETTINGS = settings(deadline=None, suppress_health_check=list(HealthCheck), stateful_step_count=14)


@pytest.mark.soak
def test_random_histories_on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("history") / "mpi.db"
    migrate(f"sqlite:///{file}")
    History._template = file
    run_state_machine_as_test(History, settings=settings(_SETTINGS, max_examples=200 if SOAK else 8))


def a_command(chance: random.Random) -> Command:
    authority = chance.choice(["RXX", "RYY"])
    one, other = (Identifier(authority, chance.choice(LOCAL_IDS)) for _ in range(2))
    far = Identifier(chance.choice(["RXX", "RYY"]), chance.choice(LOCAL_IDS))
    pair = MergePair(one, other)
    return chance.choice(
        [Merge((pair,)), Rename(pair), Move((pair,)), Link(one, far), Link(one, far, apart=True), Delete(one)]
    )


def step(life: History, chance: random.Random) -> None:
    number = Identifier(chance.choice(["RXX", "RYY"]), chance.choice(LOCAL_IDS))
    what = chance.randrange(8)
    if what < 2:
        life.register_the_same_person(number)
    elif what == 2:
        said = {
            "given_name": chance.choice(["Tunde", "Maria", None]),
            "birth_date": chance.choice(["1999-11-02", None]),
        }
        life.register(number, said)
    elif what == 3:
        life.command(a_command(chance))
    elif what == 4:
        life.decide(chance.choice([Verdict.SAME, Verdict.DIFFERENT]), chance.randrange(4))
    elif what == 5:
        life.take_back(chance.randrange(40), chance.choice([None, True, False]))
    elif what == 6:
        life.take_the_latest_back_and_do_it_again()
    else:
        life.do_and_take_back_at_once(a_command(chance))


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5 if SOAK else 1))
def test_one_long_history_on_either_database(migrated_url: str, seed: int) -> None:
    """The same without Hypothesis, which would have to begin with an empty database each time."""
    chance = random.Random(seed)
    History._template = None
    History.url = migrated_url
    life = History()
    life.open()
    for n in range(200 if SOAK else 25):
        step(life, chance)
        life.whole()
        if n % 5 == 0:
            life.the_past_stands()
    life.teardown()
