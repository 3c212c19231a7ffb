"""Registration: a source record is stored or changed, and tied to the person that matching finds, or to a new one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mpi.config import Config
from mpi.domain.audit import Action
from mpi.domain.errors import BadInput
from mpi.domain.moment import ahead, latest, older
from mpi.domain.person import Demographics, Identifier, SourceRecord, ValueProblem
from mpi.domain.replay import Kind, Statement
from mpi.matching.block import blocking_keys
from mpi.matching.model import LinkageModel
from mpi.matching.prepared import Prepared
from mpi.services import identity, numbers
from mpi.services.belonging import Belonging
from mpi.services.firewall import Firewall, after_update
from mpi.services.identity import Cause
from mpi.store.persons import AUTOMATIC, NEW
from mpi.store.records import ACTIVE, DELETED, MERGED, StoredRecord, Values
from mpi.store.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Registered:
    """What became of a registration. `how` is `created`, `updated`, `unchanged`, `older` or `held`.

    `older` told of a time before what is stored; `held` waits for a human (`tasks`) and changed nothing.
    """

    how: str
    record_id: int
    person_id: int
    problems: tuple[ValueProblem, ...]
    linked: bool
    """Whether the record joined a person who was known before."""
    tasks: tuple[int, ...]
    note: str | None = None
    """What the sender should know of it, in plain English; None: nothing."""


@dataclass(frozen=True, slots=True)
class _Update:
    """What a record is to say. `asked` is the update that the firewall looks at first; None: it is not asked."""

    recorded: Demographics
    restricted: bool
    source: str
    said_at: str | None
    asked: SourceRecord | None = None


_OLDER = "The update is older than what is stored; only values that were never given before were taken."
_OVERTAKEN = "The update is older than what is stored; nothing was changed."
_NOT_FILLED = frozenset({"death_date"})
"""What an older update does not even fill: a death may have been withdrawn before anybody here heard of it."""


class Registrar:
    """Registers source records inside the caller's unit of work."""

    def __init__(self, config: Config, model: LinkageModel) -> None:
        self._config = config
        self._model = model
        self._firewall = Firewall(config, model)
        self._belonging = Belonging(config, model)

    def register(self, unit: UnitOfWork, record: SourceRecord, cause: Cause, source: str) -> Registered:
        """Store or change a record and decide whose it is.

        Raises `BadInput` for a number that was merged into another: what it is sent for belongs under the survivor.
        """
        if record.said_at is not None and ahead(record.said_at, unit.now):
            record = replace(record, said_at=None)
        stored = unit.records.find(record.authority, record.local_id)
        if stored is None:
            return self._create(unit, record, cause, source)
        if stored.status == MERGED:
            return self._merged(unit, stored, record, cause, source)
        if older(record.said_at, stored.said_at):
            return self._older(unit, stored, record, cause, source)
        return self._update(unit, stored, record, cause, source)

    def release(
        self, unit: UnitOfWork, stored: StoredRecord, record: SourceRecord, cause: Cause, source: str
    ) -> Registered:
        """Apply an update by a human's decision: neither the firewall nor the sender's clock is asked again."""
        return self._update(unit, stored, record, cause, source, asked=False)

    def stub(self, unit: UnitOfWork, number: Identifier, cause: Cause, source: str) -> StoredRecord:
        """A record of a number of which nothing else is known yet: what is sent for it later is an update."""
        done = self._create(unit, SourceRecord(number.authority, number.value, {}), cause, source + identity.BY_LINK)
        return unit.records.get([done.record_id])[done.record_id]

    def restore(self, unit: UnitOfWork, stored: StoredRecord, cause: Cause) -> Registered:
        """Bring a deleted record back as it was."""
        return self._change(unit, stored, _Update(stored.recorded, stored.restricted, stored.source, None), cause)

    def _update(
        self,
        unit: UnitOfWork,
        stored: StoredRecord,
        record: SourceRecord,
        cause: Cause,
        source: str,
        *,
        asked: bool = True,
    ) -> Registered:
        recorded = after_update(stored.recorded, record)
        restricted = stored.restricted if record.restricted is None else record.restricted
        if recorded == stored.recorded and restricted == stored.restricted and stored.status == ACTIVE:
            return self._unchanged(unit, stored, record.said_at, cause)
        update = _Update(recorded, restricted, source, record.said_at, record if asked else None)
        return self._change(unit, stored, update, cause)

    def reconsider(self, unit: UnitOfWork, records: Sequence[StoredRecord], cause: Cause) -> list[int]:
        """Prepare records anew and decide whose they are: what the index knows of their NHS numbers has changed.

        All are prepared before the first is decided on, so that none is held against what another said before. Their
        `traced` may differ from what is stored, and is kept. The ids of the tasks that were opened.
        """
        changed: list[int] = []
        for stored in records:
            as_it_is = _Update(stored.recorded, stored.restricted, stored.source, None)
            prepared, values = self._values(unit, stored.authority, as_it_is, cause, stored)
            event = cause.event(Action.RECORD_UPDATED, detail={"nhs_number_status": values.nhs_status})
            keys = identity.keys_of(stored) if stored.status == ACTIVE else ()
            unit.records.change(stored, values._replace(message_id=stored.message_id), keys, event=event)
            if stored.status == ACTIVE and not stored.protected and prepared != identity.prepared_of(stored):
                changed.append(stored.id)
        tasks: list[int] = []
        for record_id in changed:
            stored = unit.records.get([record_id])[record_id]
            prepared, current = identity.prepared_of(stored), identity.standing_link(unit, record_id)
            keys = blocking_keys(prepared)
            decision = identity.ask(
                unit, self._model, prepared, keys, record_id=record_id, own_person=current.person_id
            )
            tasks += self._belonging.settle(unit, stored, prepared, current, decision, cause)[1]
        return tasks

    def _values(
        self,
        unit: UnitOfWork,
        authority: str,
        update: _Update,
        cause: Cause,
        before: StoredRecord | None = None,
    ) -> tuple[Prepared, Values]:
        known = numbers.known(unit, self._config, authority, update.recorded, before)
        values = Values(
            update.recorded,
            known.prepared.to_json(),
            known.problems,
            blocking_keys(known.prepared),
            known.prepared.nhs,
            known.prepared.nhs_verified,
            update.restricted,
            update.source,
            cause.message_id,
            known.status,
            known.traced,
            update.said_at,
        )
        return known.prepared, values

    def _create(self, unit: UnitOfWork, record: SourceRecord, cause: Cause, source: str) -> Registered:
        recorded = Demographics().changed(record.changes)
        update = _Update(recorded, bool(record.restricted), source, record.said_at)
        prepared, values = self._values(unit, record.authority, update, cause)
        decision = identity.ask(unit, self._model, prepared, values.keys)
        event = cause.event(
            Action.RECORD_CREATED,
            detail={"authority": record.authority, "local_id": record.local_id, "after": recorded.as_dict()},
        )
        record_id = unit.records.create(record.authority, record.local_id, values, event=event)
        unit.registry.count_problems(source, values.problems)
        if decision.link_to is not None:
            person_id = decision.link_to.person_id
            grounds = identity.automatic_grounds(decision.link_to, AUTOMATIC, self._model, cause)
            unit.persons.link(record_id, person_id, grounds, event=identity.link_event(cause, grounds))
            unit.history.say(Statement(Kind.LINK, record_id, decision.link_to.record_id, person_id))
        else:
            person_id = identity.new_person(unit, record_id, cause, NEW)
        tasks = identity.open_reviews(unit, record_id, decision.reviews, self._model, cause)
        return Registered("created", record_id, person_id, values.problems, decision.link_to is not None, tuple(tasks))

    def _unchanged(self, unit: UnitOfWork, stored: StoredRecord, said_at: str | None, cause: Cause) -> Registered:
        current = identity.standing_link(unit, stored.id)
        event = cause.event(Action.RECORD_UNCHANGED, record_id=stored.id, person_id=current.person_id)
        latest_word = latest(stored.said_at, said_at)
        if latest_word is not None and latest_word != stored.said_at:
            unit.records.hear_again(stored, latest_word, event=event)
        else:
            unit.audit(event)
        return Registered("unchanged", stored.id, current.person_id, stored.problems, False, ())

    def _older(
        self, unit: UnitOfWork, stored: StoredRecord, record: SourceRecord, cause: Cause, source: str
    ) -> Registered:
        """An update that was overtaken on its way: it fills what was never said, and overwrites nothing.

        One that speaks of somebody else does not even fill: the number was another's then.
        """
        person_id = identity.person_of(unit, stored.id)
        if person_id is None:
            raise AssertionError("a record without a person")
        detail = {"said_at": record.said_at, "stored": stored.said_at, "said": dict(record.changes)}
        unit.audit(cause.event(Action.RECORD_OLDER, record_id=stored.id, person_id=person_id, detail=detail))
        if stored.status == ACTIVE and not self._firewall.somebody_else(stored, record):
            given = {name for version in unit.records.versions(stored) for name in version.recorded.as_dict()}
            new = {k: v for k, v in record.changes.items() if v and k not in given and k not in _NOT_FILLED}
            if "nhs_number" not in new:
                new.pop("nhs_number_status", None)
            filling = replace(record, changes=new, complete=False, restricted=record.restricted or None, said_at=None)
            done = self._update(unit, stored, filling, cause, source)
            return done if done.how == "held" else replace(done, how="older", note=_OLDER)
        return Registered("older", stored.id, person_id, stored.problems, False, (), _OVERTAKEN)

    def _merged(
        self, unit: UnitOfWork, stored: StoredRecord, record: SourceRecord, cause: Cause, source: str
    ) -> Registered:
        """What comes under a number that is no longer used: late, for somebody else, or an error of the sender."""
        if older(record.said_at, stored.said_at):
            return self._older(unit, stored, record, cause, source)
        reason = self._firewall.reused(stored, unit.records.survivor(stored), record)
        reason = reason or self._firewall.joins(unit, stored, record)
        if reason is not None:
            return self._hold(unit, stored, record, reason, cause, source)
        raise BadInput(
            "this number was merged into another; send under the surviving number",
            code="merged-number",
            field="local_id",
        )

    def _hold(
        self, unit: UnitOfWork, stored: StoredRecord, record: SourceRecord, reason: str, cause: Cause, source: str
    ) -> Registered:
        task_id = self._firewall.hold(unit, stored, record, reason, cause, source)
        person_id = identity.person_of(unit, stored.id)
        if person_id is None:
            raise AssertionError("a record without a person")
        if record.restricted and not stored.restricted and stored.status == ACTIVE:
            # Withheld at once, whoever it may turn out to speak of: what was shown meanwhile could not be taken back.
            event = cause.event(Action.RECORD_UPDATED, person_id=person_id, detail={"after": {"restricted": True}})
            unit.records.restrict(stored, event=event)
        return Registered("held", stored.id, person_id, (), False, (task_id,), reason)

    def _change(self, unit: UnitOfWork, stored: StoredRecord, update: _Update, cause: Cause) -> Registered:
        prepared, values = self._values(unit, stored.authority, update, cause, stored)
        earlier = identity.prepared_of(stored)
        if update.asked is not None and prepared != earlier:
            reason = self._firewall.joins(unit, stored, update.asked)
            reason = reason or self._firewall.objection(unit, stored, prepared)
            if reason is not None:
                return self._hold(unit, stored, update.asked, reason, cause, update.source)
        if cause.message_id is None:
            values = values._replace(message_id=stored.message_id)
        current = identity.standing_link(unit, stored.id)
        before, after = stored.recorded.as_dict(), update.recorded.as_dict()
        changed = sorted(k for k in before.keys() | after.keys() if before.get(k) != after.get(k))
        event = cause.event(
            Action.RECORD_UPDATED,
            person_id=current.person_id,
            detail={"before": {k: before.get(k) for k in changed}, "after": {k: after.get(k) for k in changed}},
        )
        if stored.status == DELETED:
            unit.records.revive(stored, values, event=replace(event, action=Action.RECORD_REVIVED))
            identity.settle_deletion(unit, stored.id, cause)
        else:
            unit.records.change(stored, values, blocking_keys(earlier), event=event)
        unit.registry.count_problems(update.source, values.problems)
        if prepared == earlier or stored.protected:
            # Nothing that matching sees has changed, or it sees nothing of this record: what was decided stands.
            return Registered("updated", stored.id, current.person_id, values.problems, False, ())
        current = self._belonging.leave_a_wrong_link(unit, stored, earlier, prepared, current, cause)
        decision = identity.ask(
            unit, self._model, prepared, values.keys, record_id=stored.id, own_person=current.person_id
        )
        person_id, tasks = self._belonging.settle(unit, stored, prepared, current, decision, cause)
        moved = person_id != current.person_id
        return Registered("updated", stored.id, person_id, values.problems, moved, tuple(tasks))
