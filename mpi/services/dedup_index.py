"""Batch linkage over the index: what is certain is linked, what is not is asked, what humans decided stands.

The index is read once, without a lock; what follows is written in small transactions, each of which looks again
whether what was read still holds. A run that is killed leaves only whole steps; the next one finds what is left.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.replay import Kind, Statement
from mpi.domain.review import TaskType
from mpi.engines.base import Engine
from mpi.matching.model import LinkageModel
from mpi.services import clusters, dedup_snapshot, identity
from mpi.services.dedup import Watcher
from mpi.services.dedup_plan import Join, Plan, Question, Tie, plan
from mpi.services.identity import Cause
from mpi.services.load import ATTEMPTS, BREATH_SECONDS, FINISHED, PAUSE_SECONDS
from mpi.store.database import retrying
from mpi.store.persons import AUTOMATIC, MANUAL, Grounds, StoredLink
from mpi.store.tasks import NewTask
from mpi.store.unit_of_work import Store, UnitOfWork

CHUNK = 50
"""Joins or questions of one transaction."""
_JOINED = "batch linkage found that they are one person"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Applied:
    """What a run over the index did, or would do."""

    records: int = 0
    candidate_pairs: int = 0
    persons_joined: int = 0
    """Persons that became part of another."""
    records_moved: int = 0
    questions: int = 0
    """Review tasks opened."""
    asked_already: int = 0
    not_asked: int = 0
    """Pairs of persons left for later: one of them takes part in enough questions."""
    changed_meanwhile: int = 0
    """Joins and questions given up because a feed or a reviewer changed something; the next run looks again."""
    resumed: bool = False


class IndexDedup:
    """Finds duplicates in the index."""

    def __init__(self, store: Store, model: LinkageModel, engine: Engine) -> None:
        self._store = store
        self._model = model
        self._engine = engine

    def look(self, folder: Path, watcher: Watcher) -> Plan:
        """What is to be done; `folder` takes the prepared values for as long as that lasts."""
        watcher.phase("reading", None)
        with self._store.reading() as unit:
            snapshot = dedup_snapshot.take(unit, folder)
        watcher.phase("comparing", 1.0)
        return plan(snapshot, self._model, self._engine, lambda _, share: watcher.progress(share))

    def dry_run(self, folder: Path, watcher: Watcher) -> Applied:
        """What `apply` would do; nothing is changed. Questions that stand open already are counted as new."""
        found = self.look(folder, watcher)
        return Applied(
            records=found.records,
            candidate_pairs=found.candidate_pairs,
            persons_joined=sum(len(join.persons) - 1 for join in found.joins),
            records_moved=sum(len(join.members[p]) for join in found.joins for p in join.persons[1:]),
            questions=len(found.questions),
            not_asked=found.not_asked,
        )

    def apply(self, actor: Actor, folder: Path, watcher: Watcher) -> Applied:
        """Link what is certain and ask about what is not.

        Raises `TemporaryFailure` when the database goes away: what was done stays, the same call does the rest.
        """
        cause = Cause(actor)
        run_id, counts = self._patiently(partial(self._open, actor))
        resumed = bool(counts)
        found = self.look(folder, watcher)
        watcher.phase("joining", len(found.joins))
        self._each(found.joins, partial(self._join, cause), run_id, counts, watcher)
        watcher.phase("asking", len(found.questions))
        self._each(found.questions, partial(self._ask, cause), run_id, counts, watcher)
        self._patiently(partial(self._close, actor, run_id, counts))
        return Applied(
            records=found.records,
            candidate_pairs=found.candidate_pairs,
            not_asked=found.not_asked,
            resumed=resumed,
            **counts,
        )

    def _patiently(self, action: Callable[[], _T]) -> _T:
        return retrying(action, attempts=ATTEMPTS, pause=PAUSE_SECONDS)

    def _open(self, actor: Actor) -> tuple[int, Counter[str]]:
        """The run's id, and what an earlier part of it did that was broken off."""
        digest = f"index {self._model.hash}"[:64]
        with self._store.writing(identities=False) as unit:
            unit.registry.keep_model(self._model.hash, self._model.name, self._model.to_json())
            found = unit.registry.find_run(digest, "")
            if found is not None and found.state != FINISHED:
                return found.id, Counter(found.counts)
            event = AuditEvent(actor, Action.RUN_STARTED, model_hash=self._model.hash, detail={"over": "the index"})
            return unit.registry.start_run("the index", digest, "", event=event), Counter()

    def _close(self, actor: Actor, run_id: int, counts: Counter[str]) -> None:
        with self._store.writing(identities=False) as unit:
            event = AuditEvent(actor, Action.RUN_FINISHED, model_hash=self._model.hash, detail=dict(counts))
            unit.registry.finish_run(run_id, event=event)

    def _each(
        self,
        steps: Sequence[_T],
        do: Callable[[UnitOfWork, _T], Counter[str]],
        run_id: int,
        counts: Counter[str],
        watcher: Watcher,
    ) -> None:
        """Do every step, some in a transaction."""
        for start in range(0, len(steps), CHUNK):
            chunk = steps[start : start + CHUNK]
            counts += self._patiently(partial(self._some, chunk, do, run_id, counts))
            watcher.progress(start + len(chunk))
            time.sleep(BREATH_SECONDS)

    def _some(
        self, chunk: Sequence[_T], do: Callable[[UnitOfWork, _T], Counter[str]], run_id: int, before: Counter[str]
    ) -> Counter[str]:
        done: Counter[str] = Counter()
        with self._store.writing() as unit:
            for step in chunk:
                with unit.savepoint():  # each is a change of its own, to be taken back alone
                    done += do(unit, step)
            unit.registry.advance_run(run_id, 0, before + done)
        return done

    def _join(self, cause: Cause, unit: UnitOfWork, join: Join) -> Counter[str]:
        current = unit.persons.members(join.persons)
        if not _still_holds(unit, join, current):
            return Counter(changed_meanwhile=1)
        keep = join.persons[0]
        moved = 0
        for link in current:
            if link.person_id == keep:
                continue
            identity.move(unit, link, keep, self._grounds(link, join.ties[link.person_id], cause), cause, _JOINED)
            moved += 1
        first = min(join.members[keep])
        for person in join.persons[1:]:
            unit.history.say(Statement(Kind.JOIN, first, min(join.members[person]), keep))
            identity.retire(unit, person, keep, cause, _JOINED)
        identity.settle_tasks(unit, [link.record_id for link in current], cause)
        return Counter(persons_joined=len(join.persons) - 1, records_moved=moved)

    def _grounds(self, link: StoredLink, tie: Tie, cause: Cause) -> Grounds:
        """Why a record moves with its person; one that a human tied to that person stays theirs."""
        if link.grounds.how == MANUAL:
            return link.grounds
        return Grounds(
            how=AUTOMATIC,
            made_by=cause.actor.name,
            weight=tie.weight,
            pattern=tie.pattern,
            other_record_id=tie.left if tie.right == link.record_id else tie.right,
            model_hash=self._model.hash,
        )

    def _ask(self, cause: Cause, unit: UnitOfWork, question: Question) -> Counter[str]:
        tie = question.tie
        both = unit.records.get([tie.left, tie.right])
        links = unit.persons.current_links([tie.left, tie.right])
        versions = tuple(both[r].version for r in (tie.left, tie.right) if r in both)
        if versions != question.versions or len(links) < 2 or links[0].person_id == links[1].person_id:
            return Counter(changed_meanwhile=1)
        sides = [{m.record_id for m in unit.persons.members([link.person_id])} for link in links]
        if identity.kept_apart(unit, tie.left, tie.right) or _apart(unit, *sides):
            return Counter(changed_meanwhile=1)
        if _asked(unit, *sides):
            return Counter(asked_already=1)
        task = NewTask(
            identity.TASK_TYPE_OF_RULE.get(tie.rule, TaskType.POSSIBLE_DUPLICATE),
            tie.left,
            tie.right,
            identity.reason_for(tie.rule),
            tie.weight,
            tie.pattern,
            tie.rule.value if tie.rule else None,
            self._model.hash,
        )
        return Counter(questions=1) if identity.open_task(unit, task, cause) else Counter(asked_already=1)


def _still_holds(unit: UnitOfWork, join: Join, current: Iterable[StoredLink]) -> bool:
    """Whether the persons are what they were, and nothing that has come since speaks against their being one."""
    found: dict[int, set[int]] = {person: set() for person in join.persons}
    for link in current:
        found[link.person_id].add(link.record_id)
    if found != {person: set(members) for person, members in join.members.items()}:
        return False
    expected = {record: version for members in join.members.values() for record, version in members.items()}
    if {r.id: r.version for r in unit.records.get(expected).values()} != expected:
        return False
    several = [record for members in found.values() if len(members) > 1 for record in members]
    if any(task.type is TaskType.BROKEN_CLUSTER for task in unit.tasks.open_of(several)):
        return False
    if any(_apart(unit, found[a], found[b]) for i, a in enumerate(join.persons) for b in join.persons[i + 1 :]):
        return False
    return not clusters.numbers_clash(unit, join.persons)


def _apart(unit: UnitOfWork, one: set[int], other: set[int]) -> bool:
    return any(unit.persons.kept_apart_from(record) & other for record in one)


def _asked(unit: UnitOfWork, one: set[int], other: set[int]) -> bool:
    """Whether an open task already asks if these two persons are one."""
    for task in unit.tasks.open_of(sorted(one)):
        if task.type is not TaskType.BROKEN_CLUSTER and {task.left_record, task.right_record} & other:
            return True
    return False
