"""A review task as it is shown: whole, or without what the index thinks of the pair."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mpi.domain.audit import Action
from mpi.domain.person import DEMOGRAPHIC_FIELDS
from mpi.domain.review import ASKING, TaskState, TaskType
from mpi.services import views
from mpi.services.compare import Cluster, Earlier, Frequency
from mpi.services.preview import ChangeView, Effect
from mpi.services.reading import NOBODYS, Reading
from mpi.services.views import HistoryLine, RecordView, TaskSummary
from mpi.store import audit
from mpi.store.tasks import StoredTask, StoredVerdict
from mpi.store.unit_of_work import UnitOfWork

FIELD_LABELS: dict[str, str] = {
    "nhs_number": "NHS number",
    "nhs_number_status": "NHS number status",
    "family_name": "Family name",
    "given_name": "Given name",
    "middle_names": "Middle names",
    "previous_family_name": "Previous family name",
    "birth_date": "Date of birth",
    "sex": "Sex",
    "address_line": "Address",
    "town": "Town or city",
    "postcode": "Postcode",
    "phone": "Phone number",
    "email": "Email address",
    "gp_practice": "GP practice",
    "other_identifier": "Other identifier",
    "multiple_birth_order": "Order in a multiple birth",
    "death_date": "Date of death",
}


@dataclass(frozen=True, slots=True)
class FieldValues:
    """One recorded field of both records; None where a side recorded nothing."""

    field: str
    label: str
    left: str | None
    right: str | None


@dataclass(frozen=True, slots=True)
class ComparisonView:
    """One comparison of the model: what was found in plain English, and what it adds in bits."""

    comparison: str
    agreement: str
    bits: float | None
    """None while it is hidden."""


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task with its evidence as it is now. `weight`, `link`, `keep`, `review` in bits.

    Where a side is restricted, `fields`, `comparisons` and `weight` leave out where both live and are registered.
    """

    summary: TaskSummary
    fields: tuple[FieldValues, ...]
    comparisons: tuple[ComparisonView, ...]
    weight: float | None
    link: float
    keep: float
    review: float
    same_person_now: bool
    verdicts: tuple[StoredVerdict, ...]
    history: tuple[HistoryLine, ...]
    may_decide: bool
    if_same: Effect | None = None
    """What the answer "same person" would touch; None where nobody may answer, or it moves no identity by itself."""
    if_different: Effect | None = None
    changes: tuple[ChangeView, ...] = ()
    """What the answers changed, newest first; each can be taken back."""
    may_reopen: bool = False
    """Whether the answer can be taken back by asking again; others are taken back as changes of identities."""
    reading: Reading = NOBODYS
    """How this reader meets the question. Where `hidden`, nothing is in the view that the index thinks of the pair."""
    mark: str = ""
    """A mark of all that is asked about: an answer to a page that shows something else is refused."""
    earlier: tuple[tuple[Earlier, ...], ...] = ()
    cluster: Cluster | None = None
    frequencies: tuple[Frequency, ...] = ()
    not_mine: str | None = None
    """Why somebody else must answer; None: this reader may."""

    @property
    def may_split(self) -> bool:
        """Whether some of the records can be sent away: one person has them all, and more than one."""
        return self.same_person_now and self.cluster is not None and not self.reading.twice


_WEIGHED = frozenset(
    {TaskType.POSSIBLE_DUPLICATE, TaskType.NHS_NUMBER_TWO_PERSONS, TaskType.TWO_NHS_NUMBERS, TaskType.BROKEN_CLUSTER}
)
"""Questions that the index asks by itself: their reasons and rules say what it thinks."""


def mark(unit: UnitOfWork, task: StoredTask) -> str:
    """A short mark of what a task asks about: its evidence, and what both records say now."""
    records = unit.records.get(side for side in (task.left_record, task.right_record) if side is not None)
    asked = (sorted(task.evidence.items()), sorted((r.id, r.version, r.restricted) for r in records.values()))
    return hashlib.sha256(repr(asked).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def readable(
    verdicts: Sequence[StoredVerdict], task: StoredTask, reader: str, twice: bool
) -> tuple[StoredVerdict, ...]:
    """The verdicts that a reader may see: of others nothing but what a hospital was asked, until the task is closed."""
    if task.state is TaskState.CLOSED:
        return tuple(verdicts)
    return tuple(v for v in verdicts if v.by == reader or (v.verdict in ASKING and (twice or not v.blind)))


def history(unit: UnitOfWork, task_id: int, restricted: bool, hidden: bool) -> tuple[HistoryLine, ...]:
    """What happened to a task; while it is hidden without who asked, why, and what was answered."""
    lines = [line for line in audit.of_task(unit.connection, task_id) if line.action != Action.TASK_READ.value]
    if hidden:
        lines = [line for line in lines if line.action in _TELLS_NOTHING]
    return tuple(views.history_line(line, restricted=restricted) for line in lines)


_TELLS_NOTHING = frozenset(
    {
        Action.TASK_TAKEN.value,
        Action.TASK_LET_GO.value,
        Action.TASK_ASSIGNED.value,
        Action.TASK_DUE.value,
        Action.TASK_ANSWERED.value,
    }
)


def blind(view: TaskView) -> TaskView:
    """The view without anything that the index thinks: only what was recorded, and how it differs in words."""

    def unlinked(side: RecordView | None) -> RecordView | None:
        if side is None:
            return None
        return replace(side, enterprise_id=None, linked_since=None, how=None, weight=None)

    summary = view.summary
    reason = "" if summary.type in _WEIGHED else summary.reason
    return replace(
        view,
        summary=replace(
            summary, weight=None, rule=None, reason=reason, left=unlinked(summary.left), right=unlinked(summary.right)
        ),
        comparisons=tuple(replace(c, bits=None) for c in view.comparisons),
        weight=None,
        link=0.0,
        keep=0.0,
        review=0.0,
        same_person_now=False,
    )


def fields(left: RecordView | None, right: RecordView | None, restricted: bool) -> tuple[FieldValues, ...]:
    """The recorded fields of both sides; of restricted people without where they live."""
    found = []
    for name in DEMOGRAPHIC_FIELDS:
        if restricted and name in views.HIDDEN:
            continue  # of neither side: the two may be one person, at one address
        values = [getattr(side.recorded, name) if side else None for side in (left, right)]
        if any(value is not None for value in values):
            found.append(FieldValues(name, FIELD_LABELS[name], values[0], values[1]))
    return tuple(found)
