"""What a tracing service is asked: the records whose NHS number is missing, unverified or unresolved."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from mpi.config import Config
from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.trace import Traced
from mpi.matching.prepare import prepare
from mpi.matching.prepared import Prepared
from mpi.matching.traced import holds
from mpi.services import numbers
from mpi.store.records import StoredRecord
from mpi.store.unit_of_work import Store, UnitOfWork

COLUMNS = (
    "reference", "nhs_number", "nhs_number_status", "family_name", "given_name", "other_given_names",
    "previous_family_name", "gender", "birth_date", "death_date", "address_line_1", "address_line_2",
    "address_line_3", "address_line_4", "address_line_5", "postcode", "gp_practice", "phone", "email", "authority",
    "local_id", "as_at_date",
)  # fmt: skip
"""The fields that the Master Person Service is asked with, as far as an index knows them."""

_HOME = ("address_line_1", "address_line_4", "postcode", "gp_practice", "phone", "email")
_GENDER = {"M": "1", "F": "2", "O": "9", None: "0"}
_SETTLED = frozenset({"06", "07", "08"})
"""In progress, not needed, postponed: nobody is to be asked."""
_PAGE = 500


class Restricted(StrEnum):
    """What is done with restricted people."""

    LEAVE_OUT = "leave-out"
    WITHOUT_HOME = "without-home"


@dataclass(slots=True)
class Counts:
    """Why records were exported, and why not."""

    exported: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)


class TraceExport:
    """Reads the index for records to trace."""

    def __init__(self, store: Store, config: Config) -> None:
        self._store = store
        self._config = config

    def rows(self, actor: Actor, counts: Counts, *, restricted: Restricted, again: bool) -> Iterator[dict[str, str]]:
        """One row a record, in order of their age here; `counts` is filled on the way, each look is audited.

        `again` asks also about records that were answered and have not changed since.
        """
        after = 0
        while True:
            with self._store.reading() as unit:
                ids = unit.numbers.records_after(after, _PAGE)
                page = list(self._page(unit, actor, ids, counts, restricted, again))
            yield from page
            if not ids:
                return
            after = ids[-1]

    def _page(
        self, unit: UnitOfWork, actor: Actor, ids: list[int], counts: Counts, policy: Restricted, again: bool
    ) -> Iterator[dict[str, str]]:
        persons = {link.record_id: link.person_id for link in unit.persons.current_links(ids)}
        hidden = unit.records.restricted_persons(set(persons.values()))
        exported = []
        for record in unit.records.get(ids).values():
            person_id = persons.get(record.id)
            why, leave = self._why(record, person_id in hidden, policy, again)
            if leave is not None:
                counts.left_out[leave] += 1
                continue
            if why is None:
                continue
            counts.exported[why] += 1
            exported.append(record.id)
            if person_id in hidden:
                unit.audit(AuditEvent(actor, Action.TRACE_EXPORTED, record_id=record.id, person_id=person_id))
            yield self._row(record, person_id in hidden)
        if exported:
            unit.audit(AuditEvent(actor, Action.TRACE_EXPORTED, detail={"records": exported}))

    def _why(
        self, record: StoredRecord, restricted: bool, policy: Restricted, again: bool
    ) -> tuple[str | None, str | None]:
        """Why a record is to be traced (None: it need not be), or else why it is left out."""
        known = Prepared.from_json(record.prepared)
        status = numbers.status_of(record)
        if known.nhs_verified or status in _SETTLED or known.placeholder:
            return None, None
        why = "no number" if known.nhs is None else f"status {status}" if status else "not verified"
        if restricted and policy is Restricted.LEAVE_OUT:
            return why, "restricted"
        if known.family is None or (known.birth or known.birth_partial) is None:
            return why, "name or birth date missing"
        if record.traced and not again and holds(Traced.from_json(record.traced), self._own(record)):
            return why, "answered before"
        return why, None

    def _own(self, record: StoredRecord) -> Prepared:
        allow = self._config.admits_test_numbers(record.authority)
        return prepare(record.recorded, allow_test_numbers=allow)[0]

    def _row(self, record: StoredRecord, restricted: bool) -> dict[str, str]:
        said, known = record.recorded, self._own(record)
        birth = known.birth or known.birth_partial or ""
        row = {
            "reference": reference_of(record),
            "nhs_number": known.nhs or "",
            "nhs_number_status": numbers.status_of(record) or "",
            "family_name": said.family_name or "",
            "given_name": said.given_name or "",
            "other_given_names": said.middle_names or "",
            "previous_family_name": said.previous_family_name or "",
            "gender": _GENDER[known.sex],
            "birth_date": birth.replace("-", ""),
            "death_date": (known.death or "").replace("-", ""),
            "address_line_1": said.address_line or "",
            "address_line_4": said.town or "",
            "postcode": said.postcode or "",
            "gp_practice": said.gp_practice or "",
            "phone": known.phone or "",
            "email": known.email or "",
            "authority": record.authority,
            "local_id": record.local_id,
            "as_at_date": record.updated_at[:10].replace("-", ""),
        }
        if restricted:
            # Which hospital knows the person is withheld like the home: the reference leads back all the same.
            row |= dict.fromkeys((*_HOME, "authority", "local_id"), "")
        return {column: row.get(column, "") for column in COLUMNS}


def reference_of(record: StoredRecord) -> str:
    """What stands for a record in a trace: its internal id, and the version that was exported."""
    return f"R{record.id}-{record.version}"
