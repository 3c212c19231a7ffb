"""The golden stories, mixed and broken at random, with reviewers who answer and take back: the index stays whole."""

import random
from collections import Counter

import pytest

from mpi.bootstrap import App
from mpi.domain.audit import Actor
from mpi.domain.errors import Conflict, NotFound
from mpi.domain.messages import AckCode, Inbound
from mpi.domain.review import TaskState, Verdict
from mpi.domain.roles import Role
from mpi.hl7 import adt
from tests.effort import SOAK, repeats
from tests.golden.stories import stories
from tests.index import open_index
from tests.invariants import check_index

SENIOR = Actor("sam", Role.SENIOR_REVIEWER.value)
MESSAGES = [raw for story in stories() for raw in story.messages]
EVENTS = ["A08", "A24", "A28", "A29", "A31", "A37", "A40", "A43", "A46", "A47"]
NUMBERS = "123456789"
MANY = 400 if SOAK else 240
HEADER = 60
"""Bytes of a message that stay as they are, so that most are still read."""


def broken(raw: bytes, draw: random.Random) -> str:
    text = raw.decode()
    for _ in range(draw.choice([0, 0, 1, 1, 2, 4])):
        place, kind = draw.randrange(HEADER, max(HEADER + 1, len(text))), draw.random()
        if kind < 0.3:
            text = text[:place] + draw.choice('|^~&\\"\r\x00é0189Az') + text[place:]
        elif kind < 0.5:
            text = text[:place] + text[place + draw.randrange(1, 6) :]
        elif kind < 0.8:
            one, other = draw.sample(NUMBERS, 2)
            body = text[HEADER:].replace(f"|||{one}^", f"|||{other}^").replace(f"MRG|{other}", f"MRG|{one}")
            text = text[:HEADER] + body
        else:
            event = text[text.index("ADT^") + 4 :][:3]
            text = text.replace(event, draw.choice(EVENTS), 1)
    return text


def received(app: App, number: int, draw: random.Random) -> Inbound:
    header, *rest = broken(draw.choice(MESSAGES), draw).split("\r")
    fields = header.split("|")
    fields[9:10] = [f"M{number}"]
    return adt.receive("\r".join(["|".join(fields), *rest]).encode(), "test", app.config).inbound


def act(app: App, draw: random.Random) -> None:
    """A reviewer answers a task, takes an answer back, or takes a change of identities back."""
    state = draw.choice(list(TaskState))
    tasks = app.review.queue(SENIOR, state=state).tasks
    try:
        if draw.random() < 0.3:
            changes = app.undo.changes(SENIOR, "RXX", draw.choice(NUMBERS))
            if changes:
                app.undo.do(SENIOR, draw.choice(changes).id, "because", keep_apart=draw.choice([None, False, True]))
        elif tasks and state is TaskState.CLOSED:
            app.review.reopen(SENIOR, draw.choice(tasks).id, "because")
        elif tasks:
            app.review.decide(SENIOR, draw.choice(tasks).id, draw.choice(list(Verdict)), "because")
    except (Conflict, NotFound):
        pass


@pytest.mark.parametrize("seed", range(repeats(20)))
def test_mixed_and_broken_stories_leave_the_index_whole(migrated_sqlite_url: str, seed: int) -> None:
    draw = random.Random(seed)
    app = open_index(migrated_sqlite_url)
    acks: Counter[str] = Counter()
    for first in range(0, MANY, 8):
        batch = [received(app, first + number, draw) for number in range(8)]
        for outcome in app.inbox.process(batch):
            acks[outcome.ack] += 1
            assert all(error.code != 207 for error in outcome.errors), f"message {outcome.message_id} failed in here"
        act(app, draw)
        if first % 80 == 0:
            check_index(app.store)
    check_index(app.store)
    assert acks[AckCode.ACCEPTED] > acks[AckCode.ERROR] > 0
    app.close()
