"""A subscriber without a network, and what it holds when it applies whatever it is told."""

from collections.abc import Sequence

from sqlalchemy import text

from mpi.bootstrap import App
from mpi.config import Subscriber
from mpi.services.courier import Answer, Courier, Reply
from mpi.services.outbox import known_as
from mpi.store.outbox import Name, StoredNotification

Groups = dict[Name, frozenset[Name]]


class Taker:
    """Takes everything, or answers as it is told."""

    def __init__(self) -> None:
        self.taken: list[StoredNotification] = []
        self.answers: list[Answer] = []
        self.refused: set[Name] = set()
        """What names one of these identifiers is refused."""

    def send(self, notification: StoredNotification) -> Answer:
        """The next answer that was prepared, else acceptance."""
        answer = self.answers.pop(0) if self.answers else Answer(Reply.TAKEN)
        if self.refused & set(notification.told.identifiers):
            answer = refusals(1)[0]
        if answer.reply is Reply.TAKEN:
            self.taken.append(notification)
        return answer

    def close(self) -> None:
        """Nothing to end."""


def groups_held(taken: Sequence[StoredNotification]) -> Groups:
    """What a subscriber holds that applies all: each identifier with the group of the last message that named it."""
    held: Groups = {}
    for one in taken:
        held.update(dict.fromkeys(one.told.identifiers, frozenset(one.told.identifiers)))
    return held


def refusals(count: int) -> list[Answer]:
    """So many refusals."""
    return [Answer(Reply.REFUSED, "AE 204")] * count


def tell(app: App, taker: Taker, subscriber: Subscriber) -> None:
    """Send whatever can be sent now."""
    app.outbox.enrol()
    courier = Courier(app.store, app.outbox, subscriber, lambda _: taker)
    while courier.step():
        pass
    courier.release()


def hurry(app: App) -> None:
    """Let the pauses of refused notifications be over."""
    with app.store.writing(identities=False) as unit:
        unit.connection.execute(text("UPDATE notification SET not_before = NULL"))


def groups_of_persons(app: App, domains: tuple[str, ...]) -> dict[int, frozenset[Name]]:
    """The identifiers in these domains of each person that has some, as the index has them now."""
    with app.store.reading() as unit:
        ids = list(unit.connection.execute(text("SELECT id FROM person WHERE merged_into IS NULL")).scalars())
        known = known_as(unit, ids)
    found = {p: frozenset(name for name in one.told.identifiers if name[0] in domains) for p, one in known.items()}
    return {person_id: group for person_id, group in found.items() if group}


def groups_of_index(app: App, domains: tuple[str, ...]) -> Groups:
    """Each identifier of these domains with all those of its person, as the index has it now."""
    return {name: group for group in groups_of_persons(app, domains).values() for name in group}
