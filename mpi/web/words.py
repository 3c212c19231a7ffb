"""How pages write things: plain English for codes, numbers and instants as people read them."""

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mpi.domain.decision import HardRule
from mpi.domain.queue import Due, Owned, Show, Sort
from mpi.domain.review import ReasonCode, TaskState, TaskType, Verdict
from mpi.domain.roles import Role
from mpi.matching import nhs_number
from mpi.matching.prepare import PROBLEMS
from mpi.services.queue import Bulk
from mpi.services.review import FIELD_LABELS
from mpi.services.views import ACTIONS, RecordView


def _local_zone() -> tzinfo:
    try:
        return ZoneInfo("Europe/London")
    except ZoneInfoNotFoundError:  # a system without time zone data
        return UTC


LOCAL_ZONE = _local_zone()

TASK_TYPES: dict[str, str] = {
    TaskType.POSSIBLE_DUPLICATE: "Possible duplicate",
    TaskType.NHS_NUMBER_TWO_PERSONS: "One NHS number on two people",
    TaskType.TWO_NHS_NUMBERS: "Two different NHS numbers",
    TaskType.BROKEN_CLUSTER: "Doubtful link",
    TaskType.HELD_MERGE: "Merge held back",
    TaskType.HELD_LINK: "Link held back",
    TaskType.HELD_MOVE: "Move of a number held back",
    TaskType.POSSIBLE_OVERLAY: "Update that describes somebody else",
    TaskType.REUSED_NUMBER: "Merged number used again",
    TaskType.DELETED_NUMBER: "Number deleted by the hospital",
    TaskType.TRACE_CONFLICT: "NHS number in conflict with tracing",
    TaskType.UNVERIFIED_NUMBER: "NHS number not verified",
    TaskType.GATE_HOLD: "Imaging study held at the gate",
}

TASK_QUESTIONS: dict[str, str] = {
    TaskType.POSSIBLE_DUPLICATE: "Are these two records the same person?",
    TaskType.NHS_NUMBER_TWO_PERSONS: "Both records carry this NHS number. Are they the same person?",
    TaskType.TWO_NHS_NUMBERS: "These records carry different NHS numbers. Are they the same person?",
    TaskType.BROKEN_CLUSTER: "These records are linked, but no longer agree well. Are they the same person?",
    TaskType.HELD_MERGE: "A hospital asked for these two numbers to be merged. Are they the same person?",
    TaskType.HELD_LINK: "A hospital says that these two numbers are one person. Are they the same person?",
    TaskType.HELD_MOVE: "A hospital says that number A belongs to the person of number B. Are they the same person?",
    TaskType.POSSIBLE_OVERLAY: "B is what an update wants number A to say. Is it still the same person?",
    TaskType.REUSED_NUMBER: "B came under number A, which was merged away. Is it still the same person?",
    TaskType.DELETED_NUMBER: "The hospital deleted this number. Is that right?",
    TaskType.TRACE_CONFLICT: "Tracing speaks against this NHS number. Is it this person's all the same?",
    TaskType.UNVERIFIED_NUMBER: "Nobody has verified this NHS number. Is it this person's?",
    TaskType.GATE_HOLD: "Is this outside study of this person?",
}

_KEPT_APART = "They are kept apart for good, and never put to you again."

_REUSED = (
    "The number was given to somebody else",
    "B becomes a person under this number. A stays with its person, and no longer has a number.",
)

ANSWERS: dict[str, dict[str, tuple[str, str]]] = {
    TaskType.HELD_LINK: {
        Verdict.SAME: ("Same person", "Both numbers belong to one person from now on."),
        Verdict.DIFFERENT: ("Different people", _KEPT_APART),
    },
    TaskType.HELD_MOVE: {
        Verdict.SAME: ("Same person", "Number A moves to the person of number B."),
        Verdict.DIFFERENT: ("Different people", _KEPT_APART),
    },
    TaskType.POSSIBLE_OVERLAY: {
        Verdict.SAME: ("Same person", "The update is applied: the number says B from now on."),
        Verdict.DIFFERENT: ("Different people", "The update is dropped: the number goes on saying A."),
        Verdict.REUSED: _REUSED,
    },
    TaskType.REUSED_NUMBER: {
        Verdict.SAME: ("Same person", "The update is applied to the number that A was merged into."),
        Verdict.DIFFERENT: ("Different people", "The update is dropped. The hospital must give another number."),
        Verdict.REUSED: _REUSED,
    },
    TaskType.UNVERIFIED_NUMBER: {
        Verdict.SAME: (
            "It is this person's",
            "Your answer is kept. Only tracing makes the number verified.",
        ),
        Verdict.DIFFERENT: (
            "It is somebody else's",
            "Your answer is kept. The number stays until the hospital changes it.",
        ),
    },
    TaskType.DELETED_NUMBER: {
        Verdict.SAME: ("Yes, it was deleted rightly", "The record is kept, and takes no part in matching."),
        Verdict.DIFFERENT: ("No, it is still in use", "The record takes part in matching again."),
    },
}
"""What the two answers to some kinds of task are called, and what they do; others ask whether two are one person."""

STATES: dict[str, str] = {
    TaskState.OPEN: "Open",
    TaskState.SECOND: "Waiting for a second reader",
    TaskState.TIE_BREAK: "Waiting for a third reader",
    TaskState.WAITING: "Waiting for an answer",
    TaskState.CLOSED: "Closed",
}

SHOWS: dict[str, str] = {Show.TO_DECIDE: "To decide", **STATES}
OWNED: dict[str, str] = {Owned.ANYBODY: "Anybody's", Owned.MINE: "Mine", Owned.NOBODY: "Nobody's"}
DUES: dict[str, str] = {
    Due.ANY: "At any time",
    Due.OVERDUE: "Overdue",
    Due.TODAY: "Within a day",
    Due.WEEK: "Within a week",
}
SORTS: dict[str, str] = {
    Sort.URGENT: "Most urgent first",
    Sort.DUE: "Due first",
    Sort.OLDEST: "Oldest first",
    Sort.NEWEST: "Newest first",
}
BULKS: dict[str, str] = {
    Bulk.TAKE: "Take them myself",
    Bulk.LET_GO: "Give them back to the queue",
    Bulk.ASSIGN: "Hand them over",
    Bulk.DUE: "Change when they are due",
}
BULK_DONE: dict[str, str] = {
    Bulk.TAKE: "{}: taken by you.",
    Bulk.LET_GO: "{}: given back to the queue.",
    Bulk.ASSIGN: "{}: handed over.",
    Bulk.DUE: "{}: the time for an answer was changed.",
}

VERDICTS: dict[str, str] = {
    Verdict.SAME: "Same person",
    Verdict.DIFFERENT: "Different people",
    Verdict.NOT_SURE: "Not sure",
    Verdict.REUSED: "Number given to somebody else",
    Verdict.SPLIT: "Some of these records are somebody else's",
    Verdict.CORRECT_SOURCE: "The hospital must correct its record",
}

REASONS: dict[str, str] = {
    ReasonCode.TYPING: "A typing error explains the difference",
    ReasonCode.NAME_CHANGED: "The name was changed",
    ReasonCode.MOVED: "The person moved",
    ReasonCode.NUMBER_MISTYPED: "A number was mistyped",
    ReasonCode.SITE_CONFIRMED: "The hospital confirmed it",
    ReasonCode.TWIN: "Twins, or brother and sister",
    ReasonCode.RELATIVE: "Parent and child",
    ReasonCode.HOUSEHOLD: "Two people of one household",
    ReasonCode.NAMESAKE: "Two people of the same name",
    ReasonCode.WRONG_PATIENT: "The wrong patient was open",
    ReasonCode.NUMBER_TWICE: "A number was given out twice",
    ReasonCode.TOO_LITTLE: "Too little is recorded to tell",
    ReasonCode.OTHER: "Another reason",
}

RULES: dict[str, str] = {
    HardRule.VERIFIED_NHS_DIFFER: "Two different verified NHS numbers are never linked without a person's decision.",
    HardRule.VALID_NHS_DIFFER: "Two different valid NHS numbers are not linked without a person's decision.",
    HardRule.SAME_NHS_PERSON_DIFFERS: "The NHS number is the same, but the name, date of birth or sex is not.",
    HardRule.TWO_PERSONS: "The record fits two people who are known already, so it was joined to neither.",
    HardRule.NHS_STATUS: "The NHS number is marked as unresolved, so it does not count for a link.",
    HardRule.TWINS: "Same birth date, family name and address, another given name: twins look like this.",
    HardRule.HOUSEHOLD: "What agrees is what people of one household share.",
    HardRule.PERSON_IN_DOUBT: "Whether the person's records belong together is being asked: nobody joins meanwhile.",
    HardRule.OTHER_RECORD_DIFFERS: "The person has another record too, which clearly describes somebody else.",
    HardRule.NEWBORN: "A newborn without a given name is not linked without a person's decision.",
    HardRule.DO_NOT_LINK: "A person decided before that these are different people.",
    HardRule.PLACEHOLDER: "The record stands for nobody in particular, such as an unknown patient.",
}

HOW: dict[str, str] = {
    "automatic": "Linked by weight",
    "manual": "Linked by a reviewer",
    "feed": "Merged by the hospital",
    "new": "First record of this person",
}

ROLES: dict[str, str] = {role.value: role.value.replace("-", " ") for role in Role}
ROLES[Role.IG_AUDITOR.value] = "information governance auditor"

OUTCOMES: dict[str, str] = {
    "AA": "Accepted (AA)",
    "AE": "Refused: content at fault (AE)",
    "AR": "Not taken (AR)",
    "temporary": "Failed for now, a repeat may help",
    "conflict": "Control id used twice with different content",
}

NHS_STATUS: dict[str, str] = {
    "01": "verified",
    "02": "present, not traced",
    "03": "trace required",
    "04": "trace tried, none or several found",
    "05": "trace needs resolving",
    "06": "trace in progress",
    "07": "not present, trace not needed",
    "08": "trace postponed",
}


@dataclass(frozen=True, slots=True)
class NhsNumber:
    """An NHS number as every page shows it (ISB 0149-07 and -08). `number` None: none was recorded.

    `note` says why a number is not verified, or why it cannot be used.
    """

    number: str | None
    verified: bool
    usable: bool
    note: str | None


def nhs_number_of(record: RecordView) -> NhsNumber:
    """The record's NHS number with its verification."""
    recorded = record.recorded.nhs_number
    note = NHS_STATUS.get(record.nhs_status or "")
    counts = record.nhs_number
    if counts is not None and counts != nhs_number.normalise(recorded or ""):
        said = f"{nhs_number.display(nhs_number.normalise(recorded))} recorded" if recorded else "none recorded"
        return NhsNumber(nhs_number.display(counts), record.nhs_verified, True, f"by tracing; {said}")
    if not recorded:
        return NhsNumber(None, False, False, note)
    problem = next((p.problem for p in record.problems if p.field == "nhs_number"), None)
    digits = nhs_number.display(nhs_number.normalise(recorded))
    if problem is not None:
        return NhsNumber(digits, False, False, PROBLEMS.get(problem, problem))
    if counts is None:
        return NhsNumber(digits, False, False, "tracing says that it was withdrawn")
    return NhsNumber(digits, record.nhs_verified, True, None if record.nhs_verified else note)


def nhs_display(text: str) -> str:
    """A recorded NHS number as 3 3 4 where it has ten digits, else as written."""
    return nhs_number.display(nhs_number.normalise(text))


def bits(weight: float | None) -> str:
    """A weight with its sign: `+7.3`, and a real minus, which screen readers speak."""
    if weight is None:
        return "none"
    return f"{weight:+.1f}".replace("-", "\N{MINUS SIGN}") if round(weight, 1) else "0.0"


def plain_bits(weight: float) -> str:
    """A threshold, signed only where it is negative."""
    return f"{weight:.1f}".replace("-", "\N{MINUS SIGN}")


def nhs_status(text: str) -> str | None:
    """What a recorded status code of an NHS number means; None when it is none."""
    code = nhs_number.status(text)
    return NHS_STATUS[code] if code else None


def instant(stamp: str) -> str:
    """A stored instant as people in the UK read it: `21 November 2026 at 8:05pm`."""
    at = datetime.fromisoformat(stamp).astimezone(LOCAL_ZONE)
    half = "am" if at.hour < 12 else "pm"
    zone = " UTC" if LOCAL_ZONE is UTC else ""
    return f"{at.day} {at:%B %Y} at {at.hour % 12 or 12}:{at:%M}{half}{zone}"


def day(stamp: str) -> str:
    """The day of a stored instant: `21 November 2026`."""
    at = datetime.fromisoformat(stamp).astimezone(LOCAL_ZONE)
    return f"{at.day} {at:%B %Y}"


def birth_date(text: str | None) -> str:
    """A birth date in words when it is a whole ISO or HL7 date, else as it was recorded."""
    if not text:
        return "not recorded"
    for form in ("%Y-%m-%d", "%Y%m%d"):
        try:
            day = datetime.strptime(text[:10], form).replace(tzinfo=UTC)
        except ValueError:
            continue
        return f"{day.day} {day:%B %Y}"
    return text


def name_of(record: RecordView) -> str:
    """Family name in capitals and given names, as patient banners write them; plain text, to be escaped."""
    recorded = record.recorded
    given = " ".join(part for part in (recorded.given_name, recorded.middle_names) if part)
    family = (recorded.family_name or "").upper()
    return ", ".join(part for part in (family, given) if part) or "Name not recorded"


LABELS: dict[str, str] = {**FIELD_LABELS, "residence": "Where they live"}


def field_label(name: str) -> str:
    """A demographic field in words."""
    return FIELD_LABELS.get(name, name.replace("_", " "))


_EVENT_PROBLEMS = {"unknown-number": "An event came about a number that is not known; many of them mean a lost feed."}


def problem_text(code: str) -> str:
    """What is wrong with a value, in words."""
    return _EVENT_PROBLEMS.get(code) or PROBLEMS.get(code, code)


AUDIT_KINDS = {
    "looks": "Every look at a patient",
    "break-glass": "Restricted values opened (break glass)",
    "refused": "Refused attempts and sign-ins",
    "accounts": "Accounts, sign-ins and tokens",
    "audit": "Reading of this trail",
}
"""Groups of audit events, as auditors choose them."""

FILTERS = {
    "bits": bits,
    "plain_bits": plain_bits,
    "nhs_status": nhs_status,
    "instant": instant,
    "day": day,
    "birth_date": birth_date,
    "name_of": name_of,
    "nhs_of": nhs_number_of,
    "nhs_display": nhs_display,
    "field_label": field_label,
    "problem_text": problem_text,
}

WORDS = {
    "task_types": TASK_TYPES,
    "task_questions": TASK_QUESTIONS,
    "answers": ANSWERS,
    "states": STATES,
    "shows": SHOWS,
    "owned": OWNED,
    "dues": DUES,
    "sorts": SORTS,
    "bulks": BULKS,
    "verdicts": VERDICTS,
    "reasons": REASONS,
    "rules": RULES,
    "how": HOW,
    "roles": ROLES,
    "outcomes": OUTCOMES,
    "audit_kinds": AUDIT_KINDS,
    "actions": ACTIONS,
}
