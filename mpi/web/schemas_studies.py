"""The shapes of decisions about studies."""

from apiflask import Schema
from apiflask.fields import Boolean, Integer, List, String
from apiflask.validators import Length, OneOf

from mpi.domain.study import GateDecision, Origin
from mpi.domain.study_override import OverrideState

_TEXT = Length(max=500)
_REASON = {"description": "Why, in a person's own words; kept in the history"}


class ReasonRequest(Schema):
    """A decision and its reason."""

    reason = String(required=True, validate=Length(max=2000), metadata=_REASON)


class OverrideRequest(ReasonRequest):
    """Whose the study is: the person with this number of this authority, which its objects are to name."""

    authority = String(required=True, validate=_TEXT)
    value = String(required=True, validate=_TEXT)
    reason_code = String(
        required=True,
        validate=_TEXT,
        metadata={"description": "One of the reasons that the policy lists for the rules"},
    )


class OverrideAnswer(Schema):
    """An override as it stands."""

    id = Integer()
    study = String(metadata={"description": "Study Instance UID"})
    state = String(validate=OneOf([s.value for s in OverrideState]))
    person = String(metadata={"description": "Enterprise id"})
    authority = String()
    value = String()
    rules = List(String(), metadata={"description": "The rules in whose spite it attaches"})
    reason_code = String()
    reason = String()
    second_person = Boolean(metadata={"description": "Nothing is attached before somebody else has confirmed it"})
    holds_until = String(metadata={"description": "UTC; when it ends unless it is confirmed"})
    made_by = String()
    role = String()
    made_at = String()
    closed_by = String(allow_none=True)
    closed_at = String(allow_none=True)
    closed_reason = String(allow_none=True)


class StandingAnswer(Schema):
    """What may be done with the objects of a study now."""

    study = String(metadata={"description": "Study Instance UID"})
    decision = String(validate=OneOf([d.value for d in GateDecision]))
    verified = Boolean(metadata={"description": "false: it goes on marked as identity not verified"})
    readable = Boolean(metadata={"description": "true: held, and may be read at once under its own header"})
    origin = String(validate=OneOf([o.value for o in Origin]))
    reason = String()
    person = String(allow_none=True, metadata={"description": "Enterprise id, only when the decision is attach"})
    authority = String(allow_none=True, metadata={"description": "Whose number the objects are to carry"})
    value = String(allow_none=True)
