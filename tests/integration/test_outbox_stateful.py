"""Random lives of an index with a subscriber: told at any moment, refusing now and then, it ends with what is so."""

import contextlib
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test

from mpi.config import Subscriber
from mpi.domain.errors import Conflict
from mpi.domain.person import NHS
from mpi.services.outbox import Outbox
from mpi.store.outbox import StoredNotification
from mpi.store.schema import migrate
from tests.effort import SOAK
from tests.history import changes
from tests.index import SENIOR
from tests.integration.test_index_stateful import IndexLife
from tests.invariants import check_index
from tests.notified import Taker, groups_held, groups_of_persons, hurry, refusals, tell

SUBSCRIBERS = (
    Subscriber("PACS", "127.0.0.1", 1, ("RXX", "RYY"), refusals=1000),
    Subscriber("TRACING", "127.0.0.1", 1, ("RXX", "NHS"), refusals=1000),
)


class ToldLife(IndexLife):
    """The same life, with a subscriber and with changes taken back."""

    @initialize()
    def open(self) -> None:
        super().open()
        outbox = Outbox(self.app.store, replace(self.app.config, subscribers=SUBSCRIBERS))
        self.app = replace(self.app, outbox=outbox)
        self.takers = {one.name: Taker() for one in SUBSCRIBERS}

    @rule(refused=st.integers(0, 4), patient=st.booleans(), subscriber=st.sampled_from(SUBSCRIBERS))
    def tell(self, refused: int, patient: bool, subscriber: Subscriber) -> None:
        self.takers[subscriber.name].answers = refusals(refused)
        if patient:
            hurry(self.app)
        tell(self.app, self.takers[subscriber.name], subscriber)

    @rule(data=st.data())
    def undo(self, data: st.DataObject) -> None:
        found = changes(self.app)
        if found:
            chosen = data.draw(st.sampled_from([one.id for one in found]))
            with contextlib.suppress(Conflict):
                self.app.undo.do(SENIOR, chosen, "the charts show it")

    def whole(self) -> None:
        """Looked at once, at the end: other tests look after each step."""

    def teardown(self) -> None:
        if hasattr(self, "app"):
            try:
                self.end()
            finally:
                super().teardown()

    def end(self) -> None:
        """Once all is told, the subscriber holds each identifier in the group that the index has it in."""
        check_index(self.app.store)
        hurry(self.app)
        for one in SUBSCRIBERS:
            taker = self.takers[one.name]
            taker.answers = []
            tell(self.app, taker, one)
            self.check(taker.taken, one)
        assert all((one.waiting, one.behind, one.given_up) == (0, 0, 0) for one in self.app.outbox.deliveries())

    def check(self, taken: list[StoredNotification], subscriber: Subscriber) -> None:
        last = {one.person_id: frozenset(one.told.identifiers) for one in taken}
        groups = groups_of_persons(self.app, subscriber.domains)
        assert {person: last.get(person) for person in groups} == groups
        held = groups_held(taken)
        hospital = {name: group for group in groups.values() for name in group if name[0] != NHS}
        assert {name: held.get(name) for name in hospital} == hospital, "the order of the messages misleads"
        controls = [one.control_id for one in taken]
        assert len(set(controls)) == len(controls)


@pytest.mark.soak
def test_random_lives_end_with_the_subscriber_knowing_what_is_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("told") / "mpi.db"
    migrate(f"sqlite:///{file}")
    ToldLife._template = file
    run_state_machine_as_test(
        ToldLife,
        settings=settings(
            max_examples=200 if SOAK else 12,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
