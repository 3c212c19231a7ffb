"""Random lives of an index: whatever is sent and decided, in whatever order, its invariants hold."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mpi.domain.errors import Conflict
from mpi.domain.messages import AckCode, Delete, Inbound, Link, Merge, MergePair, Move, Outcome, Register, Rename
from mpi.domain.person import Identifier
from mpi.domain.review import TaskState, Verdict
from mpi.store.schema import migrate
from tests.builders import a_record, nhs_number
from tests.effort import SOAK
from tests.index import REVIEWER, message, open_index
from tests.invariants import check_index

AUTHORITIES = st.sampled_from(["RXX", "RYY"])
LOCAL_IDS = st.sampled_from([str(n) for n in range(1, 7)])
SAID = st.fixed_dictionaries(
    {
        "family_name": st.sampled_from(["Ashworth", "Ashworht", "Oyelaran", "Bielska", None]),
        "given_name": st.sampled_from(["Maria", "Mary", "Tunde", "Baby", None]),
        "birth_date": st.sampled_from(["1968-03-24", "1968-24-03", "1999-11-02", "1900-01-01", None]),
        "sex": st.sampled_from(["female", "male", None]),
        "postcode": st.sampled_from(["LS6 4QB", "M13 9PL", "ZZ99 3WZ", None]),
        "nhs_number": st.sampled_from([nhs_number(1), nhs_number(2), nhs_number(3), None]),
        "nhs_number_status": st.sampled_from(["01", "02", "04", None]),
        "multiple_birth_order": st.sampled_from(["1", "2", None]),
    }
)


class IndexLife(RuleBasedStateMachine):
    """Feeds, merges and reviewers act on one SQLite index."""

    _template: Path

    @initialize()
    def open(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mpi-life-"))
        shutil.copyfile(self._template, self.folder / "mpi.db")
        self.app = open_index(f"sqlite:///{self.folder / 'mpi.db'}")
        self.answered: list[tuple[Inbound, Outcome]] = []

    def teardown(self) -> None:
        if hasattr(self, "app"):
            self.app.close()
            shutil.rmtree(self.folder)

    def send(self, sent: Inbound) -> Outcome:
        [outcome] = self.app.inbox.process([sent])
        self.answered.append((sent, outcome))
        return outcome

    @rule(authority=AUTHORITIES, local_id=LOCAL_IDS, said=SAID, complete=st.booleans())
    def register(self, authority: str, local_id: str, said: dict[str, str | None], complete: bool) -> None:
        outcome = self.send(message(Register(a_record(authority, local_id, complete=complete, **said))))
        with self.app.store.reading() as unit:
            stored = unit.records.find(authority, local_id)
        assert stored is not None
        held = any("Held" in error.text for error in outcome.errors)
        assert not held or stored.held_task is not None
        assert outcome.ack is (AckCode.ERROR if stored.status == "merged" and not held else AckCode.ACCEPTED)
        if outcome.ack is AckCode.ACCEPTED and not held:
            assert stored.status == "active", "a number that is used again is no longer deleted"
            kept = stored.recorded.as_dict()
            assert all(kept.get(name) == value for name, value in said.items() if value is not None)

    @rule(authority=AUTHORITIES, subsumed=LOCAL_IDS, surviving=LOCAL_IDS)
    def merge(self, authority: str, subsumed: str, surviving: str) -> None:
        pair = MergePair(Identifier(authority, surviving), Identifier(authority, subsumed))
        assert self.send(message(Merge((pair,)))).ack is AckCode.ACCEPTED

    @rule(authority=AUTHORITIES, one=LOCAL_IDS, other=LOCAL_IDS, apart=st.booleans())
    def link(self, authority: str, one: str, other: str, apart: bool) -> None:
        outcome = self.send(message(Link(Identifier(authority, one), Identifier(authority, other), apart)))
        assert outcome.ack is AckCode.ACCEPTED

    @rule(authority=AUTHORITIES, wrong=LOCAL_IDS, right=LOCAL_IDS, renamed=st.booleans())
    def move_or_rename(self, authority: str, wrong: str, right: str, renamed: bool) -> None:
        pair = MergePair(Identifier(authority, right), Identifier(authority, wrong))
        outcome = self.send(message(Rename(pair) if renamed else Move((pair,))))
        assert outcome.ack is AckCode.ACCEPTED or (renamed and outcome.ack is AckCode.ERROR)

    @rule(authority=AUTHORITIES, number=LOCAL_IDS)
    def delete(self, authority: str, number: str) -> None:
        assert self.send(message(Delete(Identifier(authority, number)))).ack is AckCode.ACCEPTED

    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        if self.answered:
            sent, before = data.draw(st.sampled_from(self.answered))
            [again] = self.app.inbox.process([sent])
            assert again.repeated and (again.ack, again.errors, again.record_id) == (
                before.ack,
                before.errors,
                before.record_id,
            )

    @rule(verdict=st.sampled_from(list(Verdict)), state=st.sampled_from([TaskState.OPEN, TaskState.WAITING]))
    def decide(self, verdict: Verdict, state: TaskState) -> None:
        tasks = self.app.review.queue(REVIEWER, state=state).tasks
        if not tasks:
            return
        try:
            self.app.review.decide(REVIEWER, tasks[0].id, verdict, "because of the charts")
        except Conflict:
            assert self.app.review.task(REVIEWER, tasks[0].id).summary.state is state, "a refused verdict left a trace"

    @invariant()
    def whole(self) -> None:
        if hasattr(self, "app"):
            check_index(self.app.store)


@pytest.mark.soak
def test_random_lives(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("life") / "mpi.db"
    migrate(f"sqlite:///{file}")
    IndexLife._template = file
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        IndexLife,
        settings=settings(
            max_examples=400 if SOAK else 20,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
