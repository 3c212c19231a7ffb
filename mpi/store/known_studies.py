"""Studies that sites have told of, kept under the local number they were told of.

A row belongs to its number, and to the record that the number meant when it came, so that it follows every merge, move
and link of the record, and stays with it when the number is given to somebody else (`Records.call`).
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from sqlalchemy import bindparam, insert, select, update

from mpi.domain.audit import AuditEvent
from mpi.domain.known_study import StudyNews, StudyState
from mpi.domain.person import Identifier
from mpi.store.records import TrailLike
from mpi.store.statements import Statements
from mpi.store.tables import known_study as t


class StoredKnownStudy(NamedTuple):
    """A row: one study under one local number. `record_id` None: the number is not known to the index yet."""

    id: int
    study_uid: str
    authority: str
    local_id: str
    record_id: int | None
    state: StudyState
    study_date: str | None
    modality: str | None
    description: str | None
    accession_number: str | None
    accession_issuer: str | None
    patient: str
    said_at: str | None
    source: str
    message_id: int | None
    first_seen_at: str
    updated_at: str


class Told(NamedTuple):
    """What is to be kept beside the news: whose number, of whom (JSON), when, by whom, in which message."""

    number: Identifier
    record_id: int | None
    patient: str
    said_at: str | None
    source: str
    message_id: int | None


_one = select(t).where(
    t.c.study_uid == bindparam("study_uid"),
    t.c.authority == bindparam("authority"),
    t.c.local_id == bindparam("local_id"),
)
_insert = insert(t)
_update = update(t).where(t.c.id == bindparam("row_id"))
_of_records = select(t).where(t.c.record_id.in_(bindparam("ids", expanding=True))).order_by(t.c.id)
_unbound = (
    select(t).where(t.c.record_id.is_(None), t.c.local_id.in_(bindparam("local_ids", expanding=True))).order_by(t.c.id)
)
_same_uids = select(t).where(t.c.study_uid.in_(bindparam("uids", expanding=True))).order_by(t.c.id)
_SAID = ("study_date", "modality", "description", "accession_number", "accession_issuer")


def _row(row: object) -> StoredKnownStudy:
    found = StoredKnownStudy(*row)  # type: ignore[misc]
    return found._replace(state=StudyState(found.state))


class KnownStudyTable:
    """Known studies inside one transaction."""

    def __init__(self, connection: Statements, trail: TrailLike) -> None:
        self._connection = connection
        self._trail = trail

    def get(self, study_uid: str, number: Identifier) -> StoredKnownStudy | None:
        """The study under this number; None when it was never told of it."""
        values = {"study_uid": study_uid, "authority": number.authority, "local_id": number.value}
        row = self._connection.execute(_one, values).first()
        return _row(row) if row else None

    def keep(self, news: StudyNews, told: Told, *, older: bool = False, event: AuditEvent) -> None:
        """Write down what was told of one study. What the news does not say stays as it is.

        News that are `older` than what is stored only fill in what was never said.
        """
        stored = self.get(news.study_uid, told.number)
        said = {name: getattr(news, name) for name in _SAID}
        if stored is None:
            self._connection.insert(
                _insert,
                t,
                {
                    **said,
                    "study_uid": news.study_uid,
                    "authority": told.number.authority,
                    "local_id": told.number.value,
                    "state": news.state.value,
                    "first_seen_at": self._trail.now,
                    **self._of_message(told),
                },
            )
        elif older:
            missing = {name: value for name, value in said.items() if value and getattr(stored, name) is None}
            if missing:
                self._connection.execute(_update.values(missing), {"row_id": stored.id})
        else:
            values = {name: value for name, value in said.items() if value is not None}
            values |= {"state": news.state.value, **self._of_message(told)}
            values["record_id"] = told.record_id if stored.record_id is None else stored.record_id
            if told.patient == "{}":
                values["patient"] = stored.patient
            self._connection.execute(_update.values(values), {"row_id": stored.id})
        self._trail.add(replace(event, study_uid=news.study_uid, record_id=told.record_id))

    def _of_message(self, told: Told) -> dict[str, object]:
        return {
            "record_id": told.record_id,
            "patient": told.patient,
            "said_at": told.said_at,
            "source": told.source,
            "message_id": told.message_id,
            "updated_at": self._trail.now,
        }

    def of_study(self, study_uid: str) -> list[StoredKnownStudy]:
        """What was told of this study under any number, withdrawn or not."""
        return [_row(row) for row in self._connection.execute(_same_uids, {"uids": [study_uid]})]

    def of_records(self, records: Iterable[tuple[int, Identifier]]) -> list[StoredKnownStudy]:
        """What was told of these records, and of their numbers before the index knew them."""
        known = dict(records)
        if not known:
            return []
        numbers = {(number.authority, number.value) for number in known.values()}
        rows = [_row(row) for row in self._connection.execute(_of_records, {"ids": list(known)})]
        local_ids = sorted({number.value for number in known.values()})
        waiting = self._connection.execute(_unbound, {"local_ids": local_ids})
        return rows + [_row(row) for row in waiting if (row.authority, row.local_id) in numbers]

    def with_uids(self, uids: Iterable[str]) -> list[StoredKnownStudy]:
        """Everything that was told of these studies, of whomever."""
        wanted = sorted(set(uids))
        return [_row(row) for row in self._connection.execute(_same_uids, {"uids": wanted})] if wanted else []
