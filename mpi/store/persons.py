"""Persons, the links that tie records to them, and the pairs a human has said are different people."""

import secrets
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple

from sqlalchemy import bindparam, func, insert, or_, select, update

from mpi.domain.audit import AuditEvent
from mpi.domain.enterprise_id import new_enterprise_id
from mpi.store import study_events
from mpi.store.plain import Fixed
from mpi.store.records import TrailLike
from mpi.store.statements import Statements
from mpi.store.tables import do_not_link, link, person, study

AUTOMATIC, MANUAL, FEED, NEW = "automatic", "manual", "feed", "new"
"""How a link came to be: by matching, by a reviewer, by a merge message, or as the first record of a new person."""

DECISION, PROTECTED = "decision", "protected"
"""Why two records are kept apart: a reviewer said so, or one is an identity that its person left behind."""


class StoredPerson(NamedTuple):
    """A person as stored; `merged_into` is the person that stands for it now, None while it stands itself."""

    id: int
    enterprise_id: str
    created_at: str
    merged_into: int | None
    merged_at: str | None


class Apart(NamedTuple):
    """Two records that are kept apart: since when, and by whom."""

    record_low: int
    record_high: int
    since: str
    by: str


class Grounds(NamedTuple):
    """Why a link was made: how, by whom, and on which evidence (bits, pattern, rule, model)."""

    how: str
    made_by: str
    reason: str | None = None
    weight: float | None = None
    pattern: str | None = None
    rule: str | None = None
    other_record_id: int | None = None
    model_hash: str | None = None
    message_id: int | None = None
    task_id: int | None = None


class StoredLink(NamedTuple):
    """A link with its time: `valid_to` None means that it stands."""

    id: int
    record_id: int
    person_id: int
    valid_from: str
    valid_to: str | None
    grounds: Grounds
    ended_by: str | None
    ended_reason: str | None


_insert_person = insert(person)
_person_by_eid = Fixed(select(person).where(person.c.enterprise_id == bindparam("enterprise_id")))
_persons_by_id = Fixed(select(person).where(person.c.id.in_(bindparam("ids", expanding=True))))
_merged_into = select(person.c.id).where(person.c.merged_into.in_(bindparam("ids", expanding=True)))
_up = select(person.c.id, person.c.merged_into).where(person.c.id == bindparam("person_id")).cte("up", recursive=True)
_up = _up.union(select(person.c.id, person.c.merged_into).where(person.c.id == _up.c.merged_into))
_survivor = Fixed(
    select(person).where(person.c.id == select(_up.c.id).where(_up.c.merged_into.is_(None)).scalar_subquery())
)
_merge_person = update(person).where(person.c.id == bindparam("person_id"))
_count_persons = select(func.count()).select_from(person).where(person.c.merged_into.is_(None))
_insert_link = insert(link)
_studies_follow = update(study).where(study_events.of_number).values(person_id=bindparam("to_person"))
_end_link = update(link).where(link.c.id == bindparam("link_id"))
_current_link = Fixed(select(link).where(link.c.record_id == bindparam("record_id"), link.c.valid_to.is_(None)))
_links_of_records = Fixed(
    select(link).where(link.c.record_id.in_(bindparam("ids", expanding=True))).order_by(link.c.valid_from, link.c.id)
)
_members = Fixed(
    select(link)
    .where(link.c.person_id.in_(bindparam("ids", expanding=True)), link.c.valid_to.is_(None))
    .order_by(link.c.record_id)
)
_ever = Fixed(
    select(link).where(link.c.person_id.in_(bindparam("ids", expanding=True))).order_by(link.c.valid_from, link.c.id)
)
_count_links = select(link.c.how, func.count()).where(link.c.valid_to.is_(None)).group_by(link.c.how)
_protections = (
    select(do_not_link.c.record_low, do_not_link.c.record_high, do_not_link.c.valid_from, do_not_link.c.made_by)
    .where(
        do_not_link.c.kind == PROTECTED,
        do_not_link.c.valid_to.is_(None),
        or_(
            do_not_link.c.record_low.in_(bindparam("ids", expanding=True)),
            do_not_link.c.record_high.in_(bindparam("ids", expanding=True)),
        ),
    )
    .order_by(do_not_link.c.id)
)
_insert_apart = insert(do_not_link)
_end_apart = update(do_not_link).where(do_not_link.c.id == bindparam("apart_id"))
_apart_pair = Fixed(
    select(do_not_link.c.id, do_not_link.c.kind).where(
        do_not_link.c.record_low == bindparam("low"),
        do_not_link.c.record_high == bindparam("high"),
        do_not_link.c.valid_to.is_(None),
    )
)
_apart_of = Fixed(
    select(do_not_link).where(
        do_not_link.c.valid_to.is_(None),
        (do_not_link.c.record_low == bindparam("record_id")) | (do_not_link.c.record_high == bindparam("record_id")),
    )
)


def _link(row: Any) -> StoredLink:
    grounds = Grounds(
        row.how,
        row.made_by,
        row.reason,
        row.weight,
        row.pattern,
        row.rule,
        row.other_record_id,
        row.model_hash,
        row.message_id,
        row.task_id,
    )
    return StoredLink(
        row.id, row.record_id, row.person_id, row.valid_from, row.valid_to, grounds, row.ended_by, row.ended_reason
    )


class Persons:
    """Persons and links inside one transaction."""

    def __init__(self, connection: Statements, trail: TrailLike) -> None:
        self._connection = connection
        self._trail = trail

    def create(self, *, event: AuditEvent) -> int:
        """A new person with an enterprise id of its own; the internal id."""
        enterprise_id = new_enterprise_id(secrets.randbits)
        row = {"enterprise_id": enterprise_id, "created_at": self._trail.now}
        person_id = self._connection.insert(_insert_person, person, row)
        self._trail.add(replace(event, person_id=person_id, detail={**event.detail, "enterprise_id": enterprise_id}))
        return person_id

    def by_enterprise_id(self, enterprise_id: str) -> StoredPerson | None:
        """The person with this enterprise id, merged or not; None when there is none."""
        row = self._connection.ask(_person_by_eid, {"enterprise_id": enterprise_id}).first()
        return StoredPerson(*row) if row else None

    def get(self, ids: Iterable[int]) -> dict[int, StoredPerson]:
        """The persons with these internal ids."""
        wanted = list(ids)
        if not wanted:
            return {}
        return {row.id: StoredPerson(*row) for row in self._connection.ask(_persons_by_id, {"ids": wanted})}

    def survivor(self, found: StoredPerson) -> StoredPerson:
        """The person that stands for `found` now."""
        if found.merged_into is None:
            return found
        return StoredPerson(*self._connection.ask(_survivor, {"person_id": found.id})[0])

    def with_merged(self, ids: Iterable[int]) -> set[int]:
        """These persons and all that were merged into them, directly or through others."""
        found: set[int] = set()
        level = set(ids)
        while level:
            found |= level
            level = set(self._connection.execute(_merged_into, {"ids": sorted(level)}).scalars()) - found
        return found

    def merge_into(self, person_id: int, survivor: int, *, event: AuditEvent) -> None:
        """Let `survivor` stand for `person_id`, whose records must have been moved before."""
        self._connection.later(
            _merge_person, {"person_id": person_id, "merged_into": survivor, "merged_at": self._trail.now}
        )
        detail = {**event.detail, "survivor": survivor}
        self._trail.add(replace(event, person_id=person_id, detail=detail, changes_identity=True))

    def revive(self, person_id: int, *, event: AuditEvent) -> None:
        """Take a merge of persons back: the person stands for itself again."""
        self._connection.later(_merge_person, {"person_id": person_id, "merged_into": None, "merged_at": None})
        self._trail.add(replace(event, person_id=person_id, changes_identity=True))

    def link(self, record_id: int, person_id: int, grounds: Grounds, *, event: AuditEvent) -> None:
        """Tie a record, which must have no current link, to a person; studies that came by its number go with it."""
        self._connection.later(
            _insert_link,
            {
                "record_id": record_id,
                "person_id": person_id,
                "valid_from": self._trail.now,
                "valid_to": None,
                **grounds._asdict(),
            },
        )
        if grounds.how != NEW:
            self.take_studies(record_id, person_id)
        self._trail.add(replace(event, record_id=record_id, person_id=person_id, changes_identity=True))

    def take_studies(self, record_id: int, person_id: int) -> None:
        """Let the studies that were attached by this record's number, or one merged into it, be this person's.

        Goes with a change of whose the number is, which is in the audit; it is a step in the history of each study.
        """
        values = {"of_record": record_id, "to_person": person_id}
        self._connection.later(study_events.moves, {**values, "moved_at": self._trail.now})
        self._connection.later(_studies_follow, values)

    def end_link(self, current: StoredLink, by: str, reason: str | None, *, event: AuditEvent) -> None:
        """End a link; it stays as history."""
        self._connection.later(
            _end_link, {"link_id": current.id, "valid_to": self._trail.now, "ended_by": by, "ended_reason": reason}
        )
        found = replace(event, record_id=current.record_id, person_id=current.person_id, changes_identity=True)
        self._trail.add(found)

    def current_link(self, record_id: int) -> StoredLink | None:
        """The link that stands for a record; None when it has none (a merged record)."""
        row = self._connection.ask(_current_link, {"record_id": record_id}).first()
        return _link(row) if row else None

    def links_of(self, record_ids: Iterable[int]) -> list[StoredLink]:
        """All links these records ever had, oldest first."""
        wanted = list(record_ids)
        return [_link(row) for row in self._connection.ask(_links_of_records, {"ids": wanted})] if wanted else []

    def members(self, person_ids: Iterable[int]) -> list[StoredLink]:
        """The links that stand for these persons, in order of record."""
        wanted = list(person_ids)
        return [_link(row) for row in self._connection.ask(_members, {"ids": wanted})] if wanted else []

    def ever(self, person_ids: Iterable[int]) -> list[StoredLink]:
        """All links these persons ever had, oldest first."""
        wanted = list(person_ids)
        return [_link(row) for row in self._connection.ask(_ever, {"ids": wanted})] if wanted else []

    def count(self) -> int:
        """How many persons there are, merged ones not counted."""
        return int(self._connection.execute(_count_persons).scalar_one())

    def count_links(self) -> dict[str, int]:
        """How many links stand, by how they came to be."""
        return {row[0]: row[1] for row in self._connection.execute(_count_links)}

    def keep_apart(
        self,
        one: int,
        other: int,
        by: str,
        reason: str,
        task_id: int | None,
        *,
        kind: str = DECISION,
        event: AuditEvent,
    ) -> None:
        """Write down that two records are different people, for good. A second time changes nothing.

        But protection takes the place of a decision: that one could be taken back.
        """
        known = self._connection.ask(_apart_pair, {"low": min(one, other), "high": max(one, other)}).first()
        if known is not None and (known.kind == kind or kind != PROTECTED):
            return
        if known is not None:
            ended = {"valid_to": self._trail.now, "ended_by": by, "ended_reason": reason}
            self._connection.execute(_end_apart, {"apart_id": known.id, **ended})
        self._connection.later(
            _insert_apart,
            {
                "record_low": min(one, other),
                "record_high": max(one, other),
                "kind": kind,
                "valid_from": self._trail.now,
                "valid_to": None,
                "made_by": by,
                "reason": reason,
                "task_id": task_id,
            },
        )
        self._trail.add(replace(event, record_id=one, detail={**event.detail, "other_record": other}))

    def protections(self, record_ids: Iterable[int]) -> list[Apart]:
        """The do-not-links for protection in which any of these records stands, oldest first."""
        wanted = list(record_ids)
        rows = self._connection.execute(_protections, {"ids": wanted}) if wanted else ()
        return [Apart(*row) for row in rows]

    def end_keep_apart(self, one: int, other: int, by: str, reason: str, *, event: AuditEvent) -> None:
        """Take a do-not-link back; nothing happens when there is none, or where it stands for protection."""
        for row in self._connection.ask(_apart_of, {"record_id": one}):
            if other in (row.record_low, row.record_high) and row.kind != PROTECTED:
                self._connection.later(
                    _end_apart,
                    {"apart_id": row.id, "valid_to": self._trail.now, "ended_by": by, "ended_reason": reason},
                )
                self._trail.add(replace(event, record_id=one, detail={**event.detail, "other_record": other}))

    def current_links(self, record_ids: Iterable[int]) -> list[StoredLink]:
        """The links that stand for these records."""
        return [found for found in self.links_of(record_ids) if found.valid_to is None]

    def kept_apart_from(self, record_id: int) -> set[int]:
        """The records that are known to be another person than this one's."""
        return set(self.kept_apart_how(record_id))

    def kept_apart_how(self, record_id: int) -> dict[int, str]:
        """The same with why: `DECISION` or `PROTECTED`."""
        rows = self._connection.ask(_apart_of, {"record_id": record_id})
        return {row.record_high if row.record_low == record_id else row.record_low: row.kind for row in rows}
