"""Whose a changed record is: it stays, moves to the person it matches now, or a human is asked."""

from mpi.config import Config
from mpi.domain.decision import HardRule, RecordDecision
from mpi.domain.replay import Kind, Statement
from mpi.domain.review import TaskType
from mpi.matching.decide import decide_pair
from mpi.matching.model import LinkageModel
from mpi.matching.prepared import Prepared
from mpi.matching.rules import clearly_another, verified_numbers_differ
from mpi.matching.verdict import OBJECTIONS
from mpi.services import identity, numbers
from mpi.services.clusters import numbers_clash
from mpi.services.firewall import says_nothing
from mpi.services.identity import Cause
from mpi.store.persons import AUTOMATIC, MANUAL, NEW, StoredLink
from mpi.store.records import StoredRecord
from mpi.store.tasks import NewTask
from mpi.store.unit_of_work import UnitOfWork

_BREAKING = OBJECTIONS | {HardRule.PLACEHOLDER}
"""Rules that make a person who was one record too many doubtful, whatever the weight."""


class Belonging:
    """Ties changed records to persons, inside the caller's unit of work."""

    def __init__(self, config: Config, model: LinkageModel) -> None:
        self._config = config
        self._model = model

    def leave_a_wrong_link(
        self,
        unit: UnitOfWork,
        stored: StoredRecord,
        earlier: Prepared,
        prepared: Prepared,
        current: StoredLink,
        cause: Cause,
    ) -> StoredLink:
        """The record's link, ended first where it was made by the source alone while nothing was known of the record.

        What is known now may say that the two are different people: then a human is asked, as if the link came now.
        """
        if current.grounds.how == MANUAL or not says_nothing(earlier):
            return current
        members = unit.persons.members([current.person_id])
        if not any(member.grounds.reason in (identity.LINKED, identity.MOVED) for member in members):
            return current
        others = [member.record_id for member in members if member.record_id != stored.id]
        for other in unit.records.get(others).values():
            pair = decide_pair(self._model, prepared, identity.prepared_of(other))
            if pair.rule in _BREAKING or clearly_another(prepared, identity.prepared_of(other)):
                reason = "A hospital linked these numbers before anything was known of one of them; it does not fit."
                identity.unlink(unit, current, cause, reason)
                person_id = identity.new_person(unit, stored.id, cause, NEW, reason)
                unit.history.say(Statement(Kind.PUT, stored.id, None, person_id))
                rule = pair.rule.value if pair.rule else None
                task = NewTask(
                    TaskType.HELD_LINK,
                    stored.id,
                    other.id,
                    reason,
                    pair.weight,
                    pair.pattern,
                    rule,
                    self._model.hash,
                    message_id=cause.message_id,
                )
                identity.open_task(unit, task, cause)
                return identity.standing_link(unit, stored.id)
        return current

    def settle(
        self,
        unit: UnitOfWork,
        stored: StoredRecord,
        prepared: Prepared,
        current: StoredLink,
        decision: RecordDecision,
        cause: Cause,
    ) -> tuple[int, list[int]]:
        """The person of a changed record after what matching says of it, and the tasks about what it is not sure of."""
        siblings = [m.record_id for m in unit.persons.members([current.person_id]) if m.record_id != stored.id]
        reviews = list(decision.reviews)
        tasks: list[int] = []
        if decision.link_to is not None:
            target = decision.link_to.person_id
            free = not siblings and current.grounds.how != MANUAL and self._still_itself(unit, stored, prepared)
            # Numbers that were merged into this one have a say too, though the record itself does not carry theirs.
            if free and not numbers_clash(unit, (target, current.person_id)):
                grounds = identity.automatic_grounds(decision.link_to, AUTOMATIC, self._model, cause)
                reason = "an update made the record match another person"
                identity.move(unit, current, target, grounds, cause, reason)
                unit.history.say(Statement(Kind.LINK, stored.id, decision.link_to.record_id))
                identity.retire(unit, current.person_id, target, cause, reason)
                identity.settle_tasks(unit, [stored.id], cause)
                tasks += identity.open_reviews(unit, stored.id, reviews, self._model, cause)
                return target, tasks
            reviews.insert(0, decision.link_to)
        broken = self._broken(unit, stored, prepared, siblings, cause)
        if broken is not None:
            tasks.append(broken)
        tasks += identity.open_reviews(unit, stored.id, reviews, self._model, cause)
        return current.person_id, tasks

    def _still_itself(self, unit: UnitOfWork, stored: StoredRecord, prepared: Prepared) -> bool:
        """Whether a changed record may move by itself: it never described anybody else.

        A record whose updates describe somebody else (an overlay in the source), at once or step by step, and one that
        carried another verified NHS number, never moves without a human. What was merged into it counts as its own.
        """
        for record in [stored, *unit.records.absorbed([stored.id])]:
            for version in unit.records.versions(record):
                earlier = numbers.known(unit, self._config, record.authority, version.recorded).prepared
                if clearly_another(earlier, prepared) or verified_numbers_differ(earlier, prepared):
                    return False
        return True

    def _broken(
        self, unit: UnitOfWork, stored: StoredRecord, prepared: Prepared, siblings: list[int], cause: Cause
    ) -> int | None:
        """A task where a changed record no longer fits the person it is tied to; None where it fits, or asked already.

        What stands stays while one pair is at or above the keep threshold and no rule speaks against any pair. Where
        a source has linked numbers (A24) of which little is known, its word is enough while nothing speaks against it.
        """
        others = {record.id: identity.prepared_of(record) for record in unit.records.get(siblings).values()}
        known = {record_id: other for record_id, other in others.items() if not says_nothing(other)}
        if not known:
            return None
        judged = [(decide_pair(self._model, prepared, other), record_id) for record_id, other in known.items()]
        against = [(pair, other) for pair, other in judged if pair.rule in _BREAKING]
        best, best_id = max(judged, key=lambda found: found[0].weight)
        if not against and best.weight >= self._model.thresholds.keep:
            return None
        links = unit.persons.current_links([stored.id, *siblings])
        vouched = any(link.grounds.reason == identity.LINKED for link in links)
        if not against and vouched and not clearly_another(prepared, known[best_id]):
            return None
        pair, other_id = against[0] if against else (best, best_id)
        reason = (
            identity.reason_for(pair.rule)
            if against
            else ("After an update the record no longer agrees enough with the person it is linked to.")
        )
        task = NewTask(
            TaskType.BROKEN_CLUSTER,
            stored.id,
            other_id,
            reason,
            pair.weight,
            pair.pattern,
            pair.rule.value if pair.rule else None,
            self._model.hash,
            message_id=cause.message_id,
        )
        return identity.open_task(unit, task, cause)
