"""The auditor's questions: who looked at whom, who broke the glass, who was refused; and whether the trail is whole.

Reading the trail is written into it. What patients' values an event carries is not shown here: that somebody changed an
address is the auditor's business, the address is not.
"""

import json
from dataclasses import dataclass
from typing import Any

from mpi.config import Config
from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.enterprise_id import is_enterprise_id
from mpi.domain.errors import BadInput, NotFound
from mpi.domain.person import NHS
from mpi.domain.roles import Permission, check_actor, permitted
from mpi.domain.text import storable
from mpi.matching.nhs_number import normalise
from mpi.services import identity, numbers, protected
from mpi.store import audit, audit_search
from mpi.store.audit import BrokenChain
from mpi.store.audit_search import EventRow, Trace, Wanted
from mpi.store.unit_of_work import Store, UnitOfWork

PAGE = 50
MOST_EXPORTED = 100_000

GROUPS: dict[str, frozenset[Action]] = {
    "looks": frozenset(
        {
            Action.PERSON_READ,
            Action.TASK_READ,
            Action.SEARCHED,
            Action.CROSSWALK_READ,
            Action.MATCHED,
            Action.CHANGES_READ,
            Action.PROTECTED_READ,
            Action.GLASS_BROKEN,
            Action.TRACE_EXPORTED,
        }
    ),
    "break-glass": frozenset({Action.GLASS_BROKEN}),
    "refused": frozenset({Action.REFUSED, Action.SIGN_IN_FAILED}),
    "accounts": frozenset(
        {
            Action.SIGNED_IN,
            Action.SIGN_IN_FAILED,
            Action.SIGNED_OUT,
            Action.USER_CHANGED,
            Action.TOKEN_ISSUED,
        }
    ),
    "audit": frozenset({Action.AUDIT_READ, Action.AUDIT_EXPORTED, Action.AUDIT_VERIFIED}),
}
"""Kinds of events that are asked for together."""

_TOLD = frozenset(
    {"account", "after", "before", "break-glass", "broken", "by", "changed", "checked", "events", "kind", "pages"}
    | {"person", "route", "sites", "token", "until"}
)
"""Parts of an event's detail that carry no patient's value."""


@dataclass(frozen=True, slots=True)
class AuditQuestion:
    """What an auditor asks; None: whatever. Instants as stored.

    A person is named by an enterprise id, or by a number and the authority that issued it.
    """

    person: str | None = None
    authority: str | None = None
    value: str | None = None
    account: str | None = None
    kind: str | None = None
    """A group of `GROUPS` or a single `Action`."""
    since: str | None = None
    until: str | None = None
    site: str | None = None


@dataclass(frozen=True, slots=True)
class AuditLine:
    """An event as auditors see it. `person` is an enterprise id; `sites`: what the actor was bound to."""

    seq: int
    at: str
    actor: str
    role: str
    sites: tuple[str, ...]
    action: str
    person: str | None
    task_id: int | None
    reason: str | None
    detail: str


@dataclass(frozen=True, slots=True)
class AuditPage:
    """One page of events, newest first. `before` asks for the next one; None: this is the last."""

    lines: tuple[AuditLine, ...]
    before: int | None


@dataclass(frozen=True, slots=True)
class ChainState:
    """What the last check of the chain found: at which instant, how many events, and what is wrong (None: nothing)."""

    at: str
    checked: int
    broken: str | None


class Auditing:
    """Answers auditors, and notes what was refused."""

    def __init__(self, store: Store, config: Config) -> None:
        self._store = store
        self._config = config

    def find(self, actor: Actor, asked: AuditQuestion, *, before: int | None = None) -> AuditPage:
        """One page of the events asked for; raises `BadInput` naming the field, `NotFound` for an unknown person."""
        check_actor(actor, Permission.VIEW_AUDIT)
        with self._store.reading() as unit:
            wanted = self._wanted(unit, actor, asked, before)
            rows = audit_search.page(unit.connection, wanted, PAGE + 1)
            unit.audit(_reading(actor, Action.AUDIT_READ, asked, wanted))
        lines = tuple(_line(row) for row in rows[:PAGE])
        return AuditPage(lines, lines[-1].seq if len(rows) > PAGE else None)

    def export(self, actor: Actor, asked: AuditQuestion) -> list[AuditLine]:
        """The events asked for, at most `MOST_EXPORTED`, newest first. Raises as `find`."""
        check_actor(actor, Permission.VIEW_AUDIT)
        with self._store.reading() as unit:
            wanted = self._wanted(unit, actor, asked, None)
            lines = [_line(row) for row in audit_search.every(unit.connection, wanted, MOST_EXPORTED)]
            unit.audit(_reading(actor, Action.AUDIT_EXPORTED, asked, wanted, events=len(lines)))
        return lines

    def verify(self, actor: Actor) -> ChainState:
        """Check the whole chain now."""
        check_actor(actor, Permission.VIEW_AUDIT)
        with self._store.reading() as unit:
            checked, broken = audit.verify(unit.connection)
            found = ChainState(unit.now, checked, _in_words(broken))
            detail = {"checked": checked, "broken": found.broken}
            unit.audit(AuditEvent(actor, Action.AUDIT_VERIFIED, detail=detail))
        return found

    def last_check(self, actor: Actor) -> ChainState | None:
        """What the last check from these pages found; None: there was none."""
        check_actor(actor, Permission.VIEW_AUDIT)
        with self._store.reading() as unit:
            wanted = Wanted(actions=frozenset({Action.AUDIT_VERIFIED.value}))
            rows = audit_search.page(unit.connection, wanted, 1)
        if not rows:
            return None
        detail = json.loads(rows[0].body)["detail"]
        return ChainState(rows[0].at, detail["checked"], detail["broken"])

    def note_refusal(self, actor: Actor, route: str, why: str, person_id: int | None) -> None:
        """Write down that `actor` asked for what its role or sites do not permit. `route` names no patient."""
        event = AuditEvent(actor, Action.REFUSED, person_id=person_id, reason=why, detail={"route": route})
        with self._store.writing(identities=False) as unit:
            unit.audit(event)

    def _wanted(self, unit: UnitOfWork, actor: Actor, asked: AuditQuestion, before: int | None) -> Wanted:
        site = None
        if asked.site:
            known = self._config.authority(asked.site)
            if known is None:
                raise BadInput("This organisation is not known", field="site")
            site = known.code
        return Wanted(
            trace=self._trace(unit, actor, asked),
            actor=storable(asked.account.strip()) if asked.account else None,
            actions=_actions(asked.kind),
            since=asked.since,
            until=asked.until,
            site=site,
            before=before,
        )

    def _trace(self, unit: UnitOfWork, actor: Actor, asked: AuditQuestion) -> Trace | None:
        if asked.person:
            found = _by_enterprise_id(unit, asked.person.strip().upper())
        elif asked.value:
            found = self._by_number(unit, asked.authority, storable(asked.value.strip()))
        else:
            return None
        if not permitted(actor, Permission.SEE_PROTECTED):
            found = {one for one in found if not protected.is_hidden(unit, one)}
        if not found:
            raise NotFound("Nobody in the index has this number")
        members = [link.record_id for link in unit.persons.members(sorted(found))]
        absorbed = [record.id for record in unit.records.absorbed(members)]
        return audit_search.trace_of(unit.connection, sorted(found), [*members, *absorbed])

    def _by_number(self, unit: UnitOfWork, authority: str | None, value: str) -> set[int]:
        known = self._config.authority(authority)
        if known is None:
            raise BadInput("Select who issued the number", field="authority")
        if known.code == NHS:
            records = list(numbers.carriers(unit, normalise(value) or "", hidden=True).records)
        else:
            record = unit.records.find(known.code, value)
            records = [record] if record else []
        persons = (identity.person_of(unit, unit.records.survivor(record).id) for record in records)
        return {one for one in persons if one is not None}


def _by_enterprise_id(unit: UnitOfWork, text: str) -> set[int]:
    if not is_enterprise_id(text):
        raise BadInput("Enter an enterprise id: 13 characters that begin with P", field="person")
    found = unit.persons.by_enterprise_id(text)
    return {unit.persons.survivor(found).id} if found is not None else set()


def _actions(kind: str | None) -> frozenset[str] | None:
    if not kind:
        return None
    if kind in GROUPS:
        return frozenset(action.value for action in GROUPS[kind])
    try:
        return frozenset({Action(kind).value})
    except ValueError:
        raise BadInput("There is no such kind of event", field="kind") from None


def _reading(actor: Actor, action: Action, asked: AuditQuestion, wanted: Wanted, **more: int) -> AuditEvent:
    """That the trail was read: for whom, not by which number."""
    person = sorted(wanted.trace.enterprise_ids) if wanted.trace else None
    said: dict[str, object] = {"person": person, "account": wanted.actor, "kind": asked.kind, "site": wanted.site}
    said |= {"since": wanted.since, "until": wanted.until, "before": wanted.before, **more}
    return AuditEvent(actor, action, detail={name: value for name, value in said.items() if value is not None})


def _line(row: EventRow) -> AuditLine:
    body: dict[str, Any] = json.loads(row.body)
    told = {name: value for name, value in body.get("detail", {}).items() if name in _TOLD and value is not None}
    if row.action.startswith(("record.", "link.", "message.")):
        told = {}
    detail = "; ".join(f"{name}: {_text(value)}" for name, value in sorted(told.items()))
    sites = tuple(body.get("sites", ()))
    return AuditLine(
        row.seq, row.at, row.actor, row.role, sites, row.action, row.enterprise_id, row.task_id,
        body.get("reason"), detail,
    )  # fmt: skip


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(each)}" for name, each in sorted(value.items()))
    if isinstance(value, list):
        return " ".join(str(each) for each in value)
    return "every" if value is None else str(value)


def _in_words(broken: BrokenChain | None) -> str | None:
    return f"event {broken.seq}: {broken.problem}" if broken is not None else None
