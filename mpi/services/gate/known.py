"""Finding a study for somebody: it must be there, and attached to nobody whom they may not reach."""

from mpi.domain.audit import Actor
from mpi.domain.errors import NotAllowed, NotFound
from mpi.domain.roles import reaches
from mpi.store.studies import StoredStudy
from mpi.store.unit_of_work import UnitOfWork


def known(unit: UnitOfWork, actor: Actor, study_uid: str) -> StoredStudy:
    """The study; raises `NotFound`, and `NotAllowed` where its person has no record at the sites of `actor`."""
    study = unit.studies.get(study_uid)
    if study is None:
        raise NotFound("the gate has not seen this study")
    if study.person_id is not None:
        check_reach(unit, actor, study.person_id)
    return study


def check_reach(unit: UnitOfWork, actor: Actor, person_id: int) -> None:
    """Raise `NotAllowed` where a person has no record at the sites that `actor` is bound to."""
    if actor.sites is None:
        return
    standing = unit.persons.survivor(unit.persons.get([person_id])[person_id]).id
    records = unit.records.get(link.record_id for link in unit.persons.members([standing]))
    if not reaches(actor, (record.authority for record in records.values())):
        raise NotAllowed("the person has no record at the sites of this account")
