"""How a question is read: blind or not, by one reader or by two, and what comes of another answer."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from mpi.config import Config
from mpi.domain.review import ASKING, KINDS, Step, TaskState, Verdict
from mpi.store.tasks import StoredTask, StoredVerdict
from mpi.store.unit_of_work import UnitOfWork

_COVER = 4
"""Where pages are not blind, one in so many is all the same while sampled tasks wait: so a blind one tells nothing."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How one reader meets one question.

    `blind`: it is judged before what the index thinks is shown. `twice`: by two readers independently. `hidden`: what
    the index thinks is not for this reader yet. `first`: their blind answer that they may still change; None: none.
    """

    blind: bool
    twice: bool
    hidden: bool
    first: StoredVerdict | None
    votes: tuple[StoredVerdict, ...]

    @property
    def vote(self) -> int:
        """The number of the next reader."""
        return len(self.votes) + 1

    def step(self, verdict: Verdict) -> Step:
        """What an answer makes of the task: with two readers it needs an earlier one that says the same."""
        if verdict in ASKING:
            return Step.NOT_SURE
        if not self.twice or any(vote.verdict is verdict for vote in self.votes):
            return Step.DECIDED
        return Step.VOTES_DIFFER if self.votes else Step.FIRST_VOTE


NOBODYS = Reading(blind=False, twice=False, hidden=False, first=None, votes=())
"""A question that is shown whole."""


def reading_of(
    unit: UnitOfWork, config: Config, task: StoredTask, reader: str, verdicts: Sequence[StoredVerdict], restricted: bool
) -> Reading:
    """How `reader` meets a task; `verdicts` are all that were given on it."""
    votes = tuple(v for v in verdicts if v.counts) if task.state is not TaskState.CLOSED else ()
    twice = bool(votes) or _is_risky(config, task, restricted)
    blind = KINDS[task.type].pair and (config.blind or twice or task.sample is not None or _covers(unit, task))
    own = [v for v in verdicts if v.by == reader and v.blind]
    first = next((v for v in reversed(own) if not v.counts), None)
    if task.state is TaskState.CLOSED:
        return Reading(blind, twice, False, None, ())
    hidden = (blind and not own) or twice
    return Reading(blind, twice, hidden, None if twice else first, votes)


def _is_risky(config: Config, task: StoredTask, restricted: bool) -> bool:
    wanted = config.second_reader
    return task.type.value in wanted or task.rule in wanted or (restricted and "restricted" in wanted)


def _covers(unit: UnitOfWork, task: StoredTask) -> bool:
    drawn = hashlib.sha256(f"task {task.id}".encode()).digest()[0] % _COVER == 0
    return drawn and unit.tasks.sampled()
