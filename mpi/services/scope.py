"""Site scope: whom an account that is bound to sites reaches. Everybody else is to it as if not in the index.

A person is reached through any of their records, numbers that were merged among them: what is linked to a site's record
belongs to the picture. Nothing is asked of the database for accounts of every site.
"""

from collections.abc import Iterable

from mpi.domain.audit import Actor
from mpi.domain.errors import NotAllowed
from mpi.domain.roles import reaches
from mpi.services import identity
from mpi.store.unit_of_work import UnitOfWork

ELSEWHERE = "nobody concerned has a record at a site of this account"


def reached(unit: UnitOfWork, actor: Actor, person_ids: Iterable[int]) -> set[int]:
    """Those of the persons that `actor` may be shown."""
    wanted = set(person_ids)
    if actor.sites is None or not wanted:
        return wanted
    rows = unit.crosswalks.of_persons(sorted(wanted))
    return {row.person_id for row in rows if reaches(actor, (row.authority,))}


def check_person(unit: UnitOfWork, actor: Actor, person_id: int) -> None:
    """Raise `NotAllowed` for a person whom `actor` does not reach."""
    if not reached(unit, actor, [person_id]):
        raise NotAllowed(ELSEWHERE, person_id=person_id)


def check_records(unit: UnitOfWork, actor: Actor, record_ids: Iterable[int | None]) -> None:
    """Raise `NotAllowed` unless one of the records, or of their persons' records, is of a site of `actor`.

    So a question about two people is for the sites of both, and so is a change that parted or joined them.
    """
    if actor.sites is None:
        return
    records = unit.records.get(one for one in record_ids if one is not None)
    if reaches(actor, (record.authority for record in records.values())):
        return
    persons = {person for one in records if (person := identity.person_of(unit, one)) is not None}
    if not reached(unit, actor, persons):
        raise NotAllowed(ELSEWHERE)
