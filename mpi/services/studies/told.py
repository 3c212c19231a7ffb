"""Keeping what a site tells of studies, inside the caller's unit of work."""

import json
from dataclasses import dataclass

from mpi.domain.audit import Action
from mpi.domain.known_study import ReportStudies
from mpi.domain.moment import ahead, older
from mpi.services import identity
from mpi.services.identity import Cause
from mpi.store.known_studies import Told
from mpi.store.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of the news. `record_id` is whose number it is; None: the index does not know it yet."""

    how: str
    record_id: int | None
    person_id: int | None
    note: str | None = None


def keep(unit: UnitOfWork, command: ReportStudies, cause: Cause) -> Kept:
    """Write down the studies of a message, under the number that the message names.

    A number that nobody knows is no reason to lose them: they are found once it is registered.
    """
    record = unit.records.find(command.number.authority, command.number.value)
    person_id = identity.person_of(unit, unit.records.survivor(record).id) if record else None
    said_at = command.said_at if command.said_at and not ahead(command.said_at, unit.now) else None
    patient = json.dumps(dict(command.patient), ensure_ascii=False)
    told = Told(command.number, record.id if record else None, patient, said_at, cause.actor.name, cause.message_id)
    overtaken = 0
    for news in command.studies:
        stored = unit.known_studies.get(news.study_uid, command.number)
        late = stored is not None and older(said_at, stored.said_at)
        overtaken += late
        detail = {"state": news.state.value, "late": late}
        event = cause.event(Action.STUDY_TOLD, person_id=person_id, detail=detail)
        unit.known_studies.keep(news, told, older=late, event=event)
    how = "older" if overtaken == len(command.studies) else "told"
    return Kept(how, told.record_id, person_id, _note(record is None, overtaken))


def _note(unknown: bool, overtaken: int) -> str | None:
    if overtaken:
        return "Part of it is older than what is stored of these studies; only what was never said was taken."
    if unknown:
        return "The patient's number is not known yet; the studies are kept under it."
    return None
