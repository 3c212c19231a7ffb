"""Break glass: what is withheld of a restricted person, shown to one account for one reason and a short time.

It is bound to the session in which the reason was given, and to the one person: neither another session of the account
nor somebody with whom the person is merged meanwhile is opened by it. The audit event is the permission itself, so that
there is none without its line in the trail. Protected identities stay hidden (`mpi.services.protected`).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.errors import BadInput, Conflict, NotAllowed, NotFound
from mpi.domain.roles import Permission, check_actor, permitted
from mpi.domain.text import storable
from mpi.services import protected, scope
from mpi.store import audit, clock
from mpi.store.unit_of_work import Store, UnitOfWork

OPEN_FOR = timedelta(minutes=30)
SHORTEST_REASON = 10
"""Characters: a reason that an auditor can do something with is no single word."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A broken glass: the number of its audit event, the reason that was given, from when until when."""

    event: int
    reason: str
    since: str
    until: str


def opened(unit: UnitOfWork, actor: Actor, person_id: int) -> Opened | None:
    """The glass that `actor` has broken for this person in this session and that is still open; None: there is none."""
    if actor.session is None or not permitted(actor, Permission.BREAK_GLASS):
        return None
    after = clock.stamp(_now(unit) - OPEN_FOR)
    for line in audit.of_action(unit.connection, Action.GLASS_BROKEN, person_id=person_id, after=after):
        if (line.actor, line.body["detail"]["session"]) == (actor.name, actor.session):
            until = clock.stamp(clock.read(line.at) + OPEN_FOR)
            return Opened(line.seq, line.body["reason"], line.at, until)
    return None


class Glass:
    """Breaks the glass for who may."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def break_(self, actor: Actor, enterprise_id: str, reason: str) -> None:
        """Show `actor` what is withheld of a restricted person, in this session and for `OPEN_FOR`.

        Raises `NotAllowed` by role, site or without a session, `BadInput` for a reason that is none, `NotFound`, and
        `Conflict` where nothing of the person is withheld.
        """
        check_actor(actor, Permission.BREAK_GLASS)
        if actor.session is None:
            raise NotAllowed("the glass is broken by people who are signed in")
        reason = storable(reason.strip())
        if len(reason) < SHORTEST_REASON:
            raise BadInput(f"Enter a reason of at least {SHORTEST_REASON} characters", field="reason")
        with self._store.writing(identities=False) as unit:
            asked = unit.persons.by_enterprise_id(storable(enterprise_id))
            if asked is None:
                raise NotFound("no person has this enterprise id")
            person = unit.persons.survivor(asked)
            protected.check_shown(unit, person.id)
            scope.check_person(unit, actor, person.id)
            if not unit.records.restricted_persons({person.id}):
                raise Conflict("nothing of this person is withheld")
            until = clock.stamp(_now(unit) + OPEN_FOR)
            detail = {"session": actor.session, "until": until}
            unit.audit(AuditEvent(actor, Action.GLASS_BROKEN, person_id=person.id, reason=reason, detail=detail))


def _now(unit: UnitOfWork) -> datetime:
    return clock.read(unit.now)
