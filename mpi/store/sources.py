"""What is wrong with records: found by looks at what has changed, counted by source, listed for those who mend it."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import bindparam, case, func, insert, literal, or_, select, update

from mpi.domain.audit import AuditEvent
from mpi.store.records import ACTIVE, TrailLike
from mpi.store.source_tables import source_defect, source_look, source_score
from mpi.store.statements import Statements
from mpi.store.tables import link, source_record

RECORDS, FIXED = "records", "fixed"
"""Measures beside the kinds of fault: registrations that stand, and faults that have gone since the look before."""


class Standing(NamedTuple):
    """A defect that was found before and stands."""

    id: int
    record_id: int
    field: str
    fault: str


class Score(NamedTuple):
    """A figure of one look: `measure` of one source of one authority."""

    at: str
    authority: str
    source: str
    measure: str
    field: str
    n: int


class Listed(NamedTuple):
    """A line of the list for a source: which of its numbers, which field, what is wrong, since when it is listed."""

    record_id: int
    local_id: str
    source: str
    field: str
    fault: str
    listed_at: str


_changed = (
    select(source_record.c.id)
    .where(
        source_record.c.id > bindparam("after"),
        or_(
            source_record.c.updated_at >= bindparam("since"),
            source_record.c.id.in_(
                select(link.c.record_id).where(
                    or_(link.c.valid_from >= bindparam("since"), link.c.valid_to >= bindparam("since"))
                )
            ),
        ),
    )
    .order_by(source_record.c.id)
    .limit(bindparam("most"))
)
_all = (
    select(source_record.c.id)
    .where(source_record.c.id > bindparam("after"))
    .order_by(source_record.c.id)
    .limit(bindparam("most"))
)
_standing = (
    select(source_defect.c.id, source_defect.c.record_id, source_defect.c.field, source_defect.c.fault)
    .where(source_defect.c.record_id.in_(bindparam("ids", expanding=True)), source_defect.c.fixed_at.is_(None))
    .order_by(source_defect.c.id)
)
_insert_defect = insert(source_defect)
_fix = update(source_defect).where(source_defect.c.id == bindparam("defect_id")).values(fixed_at=bindparam("at"))
_last_look = (
    select(source_look.c.id, source_look.c.started_at)
    .where(source_look.c.finished_at.is_not(None))
    .order_by(source_look.c.id.desc())
    .limit(1)
)
_insert_look = insert(source_look)
_end_look = update(source_look).where(source_look.c.id == bindparam("look_id")).values(finished_at=bindparam("at"))
_t = source_record.c
_stands = (_t.status == ACTIVE) & _t.protected.is_(False)
_count_records = select(_t.authority, _t.source, func.count()).where(_stands).group_by(_t.authority, _t.source)
_count_defects = (
    select(_t.authority, _t.source, source_defect.c.fault, source_defect.c.field, func.count())
    .join(source_record, _t.id == source_defect.c.record_id)
    .where(source_defect.c.fixed_at.is_(None), _stands)
    .group_by(_t.authority, _t.source, source_defect.c.fault, source_defect.c.field)
)
_count_fixed = (
    select(_t.authority, _t.source, func.count())
    .join(source_record, _t.id == source_defect.c.record_id)
    .where(source_defect.c.fixed_at >= bindparam("since"))
    .group_by(_t.authority, _t.source)
)
_insert_scores = insert(source_score)
_scores = (
    select(
        source_look.c.started_at,
        source_score.c.authority,
        source_score.c.source,
        source_score.c.measure,
        source_score.c.field,
        source_score.c.n,
    )
    .join(source_look, source_look.c.id == source_score.c.look_id)
    .where(source_look.c.finished_at.is_not(None), source_look.c.started_at >= bindparam("since"))
    .order_by(source_look.c.id, source_score.c.authority, source_score.c.source, source_score.c.id)
)
_listed = (
    select(_t.id, _t.local_id, _t.source, source_defect.c.field, source_defect.c.fault, source_defect.c.listed_at)
    .join(source_record, _t.id == source_defect.c.record_id)
    .where(source_defect.c.fixed_at.is_(None), _stands, _t.authority == bindparam("authority"))
    .order_by(
        case((source_defect.c.fault == "duplicate", literal(0)), else_=literal(1)), _t.local_id, source_defect.c.id
    )
)


class SourceTable:
    """Defects and scores inside one transaction."""

    def __init__(self, connection: Statements, trail: TrailLike) -> None:
        self._connection = connection
        self._trail = trail

    def last_look(self) -> str | None:
        """When the last finished look began; None: there was none."""
        row = self._connection.execute(_last_look).first()
        return str(row.started_at) if row else None

    def begin_look(self) -> int:
        """Write down that a look begins; its id."""
        return self._connection.insert(_insert_look, source_look, {"started_at": self._trail.now, "finished_at": None})

    def changed(self, since: str | None, after: int, most: int) -> list[int]:
        """Ids above `after` of records that changed, or whose links did, since an instant; without one of all."""
        values = {"after": after, "most": most} | ({"since": since} if since else {})
        return [int(row[0]) for row in self._connection.execute(_changed if since else _all, values)]

    def standing(self, record_ids: Sequence[int]) -> list[Standing]:
        """What is listed of these records and not fixed."""
        if not record_ids:
            return []
        return [Standing(*row) for row in self._connection.execute(_standing, {"ids": list(record_ids)})]

    def list_defects(self, found: Iterable[tuple[int, str, str]]) -> None:
        """List defects as (record, field, fault) that do not stand yet. No values, so no event: see `end_look`."""
        rows = [
            {"record_id": record, "field": field, "fault": fault, "listed_at": self._trail.now, "fixed_at": None}
            for record, field, fault in found
        ]
        if rows:
            self._connection.execute(_insert_defect, rows)

    def fix(self, defect_ids: Iterable[int]) -> None:
        """Write down that these defects have gone."""
        rows = [{"defect_id": one, "at": self._trail.now} for one in defect_ids]
        if rows:
            self._connection.execute(_fix, rows)

    def end_look(self, look_id: int, since: str | None, *, event: AuditEvent) -> None:
        """Count what stands now, by source, and close the look; `since` is when the look before began."""
        rows: list[dict[str, Any]] = []

        def count(authority: str, source: str, measure: str, field: str, n: int) -> None:
            rows.append({"look_id": look_id, "authority": authority, "source": source, "measure": measure,
                         "field": field, "n": n})  # fmt: skip

        for authority, source, n in self._connection.execute(_count_records):
            count(authority, source, RECORDS, "", n)
        for authority, source, fault, field, n in self._connection.execute(_count_defects):
            count(authority, source, fault, field, n)
        if since is not None:
            for authority, source, n in self._connection.execute(_count_fixed, {"since": since}):
                count(authority, source, FIXED, "", n)
        if rows:
            self._connection.execute(_insert_scores, rows)
        self._connection.execute(_end_look, {"look_id": look_id, "at": self._trail.now})
        self._trail.add(event)

    def scores(self, since: str) -> list[Score]:
        """The figures of all looks since an instant, oldest first."""
        return [Score(*row) for row in self._connection.execute(_scores, {"since": since})]

    def listed(self, authority: str) -> list[Listed]:
        """What an authority's records have wrong, duplicates first."""
        return [Listed(*row) for row in self._connection.execute(_listed, {"authority": authority})]
