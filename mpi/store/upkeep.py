"""What the queue needs now and then: places by what happens to the people, and questions about unverified numbers."""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import bindparam, text

from mpi.domain.audit import AuditEvent
from mpi.domain.person import NHS
from mpi.domain.review import KINDS, TaskType
from mpi.store import clock
from mpi.store.records import TrailLike
from mpi.store.statements import Statements

RECENT = timedelta(days=7)
"""Somebody of whom a hospital said something in this time is being seen now."""

_RISK = " ".join(f"WHEN '{kind.value}' THEN {about.risk * 4}" for kind, about in KINDS.items())
_PLACE = "CASE type {risk} ELSE 0 END + {recent} + {restricted}".format(
    risk=_RISK,
    recent="CASE WHEN EXISTS (SELECT 1 FROM source_record AS r WHERE r.updated_at > :since"
    " AND r.id IN (review_task.left_record, review_task.right_record)) THEN 2 ELSE 0 END",
    restricted="CASE WHEN EXISTS (SELECT 1 FROM source_record AS r WHERE r.restricted"
    " AND r.id IN (review_task.left_record, review_task.right_record)) THEN 1 ELSE 0 END",
)
# The same places as `mpi.domain.review.priority` gives, for all tasks that are not closed, where they differ.
_replace = text(
    f"UPDATE review_task SET priority = {_PLACE} WHERE state <> 'closed' AND priority <> {_PLACE}"  # noqa: S608 - ours
)
_unverified = text(
    "SELECT r.id FROM source_record AS r JOIN identifier AS i ON i.record_id = r.id AND i.valid_to IS NULL"
    " AND i.authority = :nhs AND NOT i.verified AND i.status IN ('02', '03', '04')"
    " WHERE r.status = 'active' AND NOT r.protected AND r.updated_at > :since AND NOT EXISTS"
    " (SELECT 1 FROM review_task AS t WHERE t.left_record = r.id AND t.type = :type)"
    " ORDER BY r.updated_at DESC, r.id LIMIT :most"
)
_answered = text(
    "SELECT t.id FROM review_task AS t WHERE t.type = :type AND t.state <> 'closed' AND NOT EXISTS"
    " (SELECT 1 FROM identifier AS i WHERE i.record_id = t.left_record AND i.valid_to IS NULL"
    " AND i.authority = :nhs AND NOT i.verified) ORDER BY t.id LIMIT :most"
).bindparams(bindparam("most"))


class Upkeep:
    """The queue's housekeeping inside one transaction."""

    def __init__(self, connection: Statements, trail: TrailLike) -> None:
        self._connection = connection
        self._trail = trail

    def _before(self, days: timedelta) -> str:
        return clock.stamp(clock.read(self._trail.now) - days)

    def put_in_place(self, *, event: AuditEvent) -> int:
        """Give every task its place again, by what was heard of its people lately; how many moved."""
        moved = int(self._connection.execute(_replace, {"since": self._before(RECENT)}).rowcount)
        if moved:
            self._trail.add(replace(event, detail={"moved": moved}))
        return moved

    def unverified(self, days: int, most: int) -> list[int]:
        """Records heard of in so many days whose NHS number nobody has verified (02, 03, 04), never asked about."""
        values = {"nhs": NHS, "type": TaskType.UNVERIFIED_NUMBER.value, "since": self._before(timedelta(days=days))}
        return [int(row.id) for row in self._connection.execute(_unverified, {**values, "most": most})]

    def verified(self, most: int) -> list[int]:
        """Open questions about an unverified number that is verified by now, or gone."""
        values = {"nhs": NHS, "type": TaskType.UNVERIFIED_NUMBER.value, "most": most}
        return [int(row.id) for row in self._connection.execute(_answered, values)]
