"""The firewall: an update that turns a record into somebody else is held, with its evidence, until a human decides.

Overlay, two people under one identity, often begins in the source: a clerk opens the wrong patient, or a number is
given out twice. What arrives then is an ordinary update. It is compared with what the record said before; while it is
held the record shows its old values, and what agrees with the held update waits with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mpi.config import Config
from mpi.domain.audit import Action
from mpi.domain.decision import HardRule
from mpi.domain.person import Demographics, Identifier, SourceRecord
from mpi.domain.review import TaskType
from mpi.matching.decide import decide_pair
from mpi.matching.model import LinkageModel
from mpi.matching.prepare import prepare
from mpi.matching.prepared import Prepared
from mpi.matching.rules import Standing, birth, clearly_another, given, same_nhs, verified_numbers_differ
from mpi.matching.weigh import judge, without
from mpi.services import identity
from mpi.services.identity import Cause
from mpi.store.records import StoredRecord
from mpi.store.tasks import NewTask, StoredTask
from mpi.store.unit_of_work import UnitOfWork

GENERATION = 16
"""Years between the birth dates of a parent and a child, at the least."""
MOST_MESSAGES = 50
"""Of more messages that wait in one task the last are named."""

_ANOTHER = "An update describes another person than the one who was registered under this number."
LIKE_A_TWIN = "An update gives this number another given name, with the birth date and home of before: perhaps a twin."
"""Says that homes agree: not to be told of restricted people."""
_NUMBERS = "An update changes the verified NHS number, and with it name, birth date or sex."
_NUMBER_ALONE = "An update changes the NHS number, and little beside the name says that it is the same person."
_GENERATIONS = "An update gives this number a birth date a generation apart: perhaps a relative of the same name."
_BY_STEPS = "Step by step, updates have turned the record into another person."
_WAITING = "Another update of this number is held, and this one may belong to it."


@dataclass(frozen=True, slots=True)
class Waiting:
    """The updates that wait in a task, folded into one. `messages` are the inbox's ids, oldest first."""

    record: SourceRecord
    source: str
    messages: tuple[int, ...]


def another(model: LinkageModel, before: Prepared, after: Prepared) -> str | None:
    """Why these values look like another person than those, in plain English; None where they may well be one.

    A correction of one field leaves enough that agrees (`link` bits without the NHS number, which clerks copy). But
    another given name with the same birth date and home is what a twin looks like, the same name a generation apart is
    father and son, and the same name with another NHS number and little else a namesake.
    """
    if before.placeholder or after.placeholder:
        return None
    if not clearly_another(before, after):
        return _NUMBER_ALONE if _namesakes(model, before, after) else None
    if verified_numbers_differ(before, after):
        return _NUMBERS
    if _rest(model, before, after) < model.thresholds.link:
        return _ANOTHER
    if decide_pair(model, before, after).rule is HardRule.TWINS:
        return LIKE_A_TWIN
    return _GENERATIONS if _generations_apart(before, after) else None


def _rest(model: LinkageModel, before: Prepared, after: Prepared) -> float:
    """The weight of the two in bits, the NHS number left out."""
    return without(model, judge(model, before, after), "nhs_number")


def _namesakes(model: LinkageModel, before: Prepared, after: Prepared) -> bool:
    """Whether another NHS number comes with too little that agrees: two people may share a name, and hardly more."""
    if before.nhs is None or after.nhs is None or before.nhs == after.nhs:
        return False
    return _rest(model, before, after) < model.thresholds.link


def _generations_apart(before: Prepared, after: Prepared) -> bool:
    if same_nhs(before, after) and before.nhs_verified and after.nhs_verified:
        return False
    if before.birth is None or after.birth is None:
        return False
    return abs(int(before.birth[:4]) - int(after.birth[:4])) >= GENERATION


def says_nothing(prepared: Prepared) -> bool:
    """Whether no name and no birth date is known: a number without a person, or one whose values were erased."""
    return not (prepared.family or prepared.given or prepared.birth or prepared.birth_partial)


class Firewall:
    """Looks at updates before they are applied, inside the caller's unit of work."""

    def __init__(self, config: Config, model: LinkageModel) -> None:
        self._config = config
        self._model = model

    def objection(self, unit: UnitOfWork, stored: StoredRecord, after: Prepared) -> str | None:
        """Why an update that makes `stored` say `after` is held; None where it may be applied.

        Asks the database only where the given name or birth date differs, or where nothing was left to compare with.
        """
        before = identity.prepared_of(stored)
        reason = another(self._model, before, after)
        if reason is not None:
            return reason
        erased = says_nothing(before)
        if erased or given(before, after) is Standing.DIFFERENT or birth(before, after) is Standing.DIFFERENT:
            names = _names(unit, stored)
            since = max(unit.tasks.released_at(record.id) or "" for record in names)
            for version in [one for record in names for one in unit.records.versions(record)[:-1]]:
                said = self._prepared(stored.authority, version.recorded)
                known = (version.valid_to or since) > since and (erased or given(said, after) is Standing.DIFFERENT)
                if known and another(self._model, said, after):
                    return _BY_STEPS
        return None

    def somebody_else(self, stored: StoredRecord, record: SourceRecord) -> bool:
        """Whether an update, applied as it came, would make `stored` look like another person."""
        after = self._prepared(stored.authority, after_update(stored.recorded, record))
        return another(self._model, identity.prepared_of(stored), after) is not None

    def joins(self, unit: UnitOfWork, stored: StoredRecord, record: SourceRecord) -> str | None:
        """Why an update belongs to those that are held for `stored`; None where it speaks of the person of before.

        In doubt it waits: what names nobody may be of either, and what fits both too.
        """
        task = self.task(unit, stored)
        if task is None:
            return None
        own = self._prepared(stored.authority, Demographics().changed(record.changes))
        held = self._prepared(stored.authority, after_update(stored.recorded, waiting(task).record))
        if says_nothing(own) or another(self._model, held, own) is None:
            return _WAITING
        return another(self._model, identity.prepared_of(stored), own)

    def reused(self, stored: StoredRecord, survivor: StoredRecord, record: SourceRecord) -> str | None:
        """Why what came under a merged number speaks of somebody else than either number did; None if it does not."""
        own = self._prepared(stored.authority, Demographics().changed(record.changes))
        if says_nothing(own):
            return None
        for known in (stored, survivor):
            if says_nothing(identity.prepared_of(known)) or not another(self._model, identity.prepared_of(known), own):
                return None
        return "A number that was merged into another is used again, for somebody else."

    def hold(
        self, unit: UnitOfWork, stored: StoredRecord, record: SourceRecord, reason: str, cause: Cause, source: str
    ) -> int:
        """Let an update wait for a human, with others of the same record if there are any; the task's id."""
        messages = () if cause.message_id is None else (cause.message_id,)
        task = self.task(unit, stored)
        if task is not None:
            before = waiting(task)
            folded = _fold(before.record, record)
            update = Waiting(folded, source, (*before.messages, *messages)[-MOST_MESSAGES:])
            event = cause.event(Action.RECORD_HELD, detail={"said": dict(record.changes)})
            unit.tasks.replace_evidence(task, _evidence(update), event=event)
            unit.tasks.ask_anew(task, event=cause.event(Action.TASK_REOPENED))
            return task.id
        type_ = TaskType.POSSIBLE_OVERLAY if stored.merged_into is None else TaskType.REUSED_NUMBER
        after = self._prepared(stored.authority, after_update(stored.recorded, record))
        pair = decide_pair(self._model, identity.prepared_of(stored), after)
        new = NewTask(
            type_,
            stored.id,
            None,
            reason,
            pair.weight,
            pair.pattern,
            pair.rule.value if pair.rule else None,
            self._model.hash,
            _evidence(Waiting(record, source, messages)),
            cause.message_id,
        )
        task_id = identity.open_task(unit, new, cause)
        if task_id is None:
            raise AssertionError("a question about one record is always new")
        unit.records.hold(stored.id, task_id, event=cause.event(Action.RECORD_HELD, reason=reason))
        return task_id

    def task(self, unit: UnitOfWork, stored: StoredRecord) -> StoredTask | None:
        """The task in which updates of a record wait; None where none waits."""
        return unit.tasks.get(stored.held_task) if stored.held_task is not None else None

    def _prepared(self, authority: str, recorded: Demographics) -> Prepared:
        return prepare(recorded, allow_test_numbers=self._config.admits_test_numbers(authority))[0]


def _names(unit: UnitOfWork, stored: StoredRecord) -> list[StoredRecord]:
    """The record under its number and under those that it had before: with a new number it is another one as stored."""
    found, begun = [stored], {stored.created_at}
    for old in unit.records.absorbed([stored.id]):
        if old.updated_at in begun:  # it ended when the new number began: a change of number, and no merge
            found.append(old)
            begun.add(old.created_at)
    return found


def after_update(recorded: Demographics, record: SourceRecord) -> Demographics:
    """What a record says once `record` is applied to it."""
    return (Demographics() if record.complete else recorded).changed(record.changes)


def waiting(task: StoredTask) -> Waiting:
    """The updates that wait in a task of the firewall."""
    kept: Mapping[str, Any] = task.evidence["update"]
    record = SourceRecord(
        kept["authority"],
        kept["local_id"],
        kept["changes"],
        complete=kept["complete"],
        restricted=kept["restricted"],
        national=tuple(Identifier(*pair) for pair in kept["national"]),
        said_at=kept["said_at"],
    )
    return Waiting(record, kept["source"], tuple(kept["messages"]))


def _evidence(update: Waiting) -> dict[str, Any]:
    record = update.record
    return {
        "update": {
            "authority": record.authority,
            "local_id": record.local_id,
            "changes": dict(record.changes),
            "complete": record.complete,
            "restricted": record.restricted,
            "national": [[one.authority, one.value] for one in record.national],
            "said_at": record.said_at,
            "source": update.source,
            "messages": list(update.messages),
        }
    }


def _fold(first: SourceRecord, then: SourceRecord) -> SourceRecord:
    """Two updates as one: what the later one says counts, and a status goes with its number."""
    if then.complete:
        return then
    changes = {**first.changes, **then.changes}
    if "nhs_number" in then.changes and "nhs_number_status" not in then.changes:
        changes.pop("nhs_number_status", None)
    named = {one.authority for one in then.national}
    return replace(
        first,
        changes=changes,
        restricted=first.restricted if then.restricted is None else then.restricted,
        national=(*(one for one in first.national if one.authority not in named), *then.national),
        said_at=then.said_at or first.said_at,
    )
