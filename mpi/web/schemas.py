"""The shapes of what the machine interface takes and answers."""

from apiflask import Schema
from apiflask.fields import Boolean, Dict, Float, Integer, List, Nested, String
from apiflask.validators import Length, OneOf, Range

from mpi.domain.decision import Outcome
from mpi.domain.study import GateDecision, Origin, RuleResult, Urgency
from mpi.domain.study_lists import StudyPlace
from mpi.services.changes import MOST
from mpi.services.decisions import Operation

_TEXT = Length(max=500)


class MatchRequest(Schema):
    """One person, in the columns of a person file."""

    record_id = String(validate=_TEXT, metadata={"description": "Ignored; a row of a person file may be sent as it is"})
    authority = String(validate=_TEXT, metadata={"description": "Whose record it would be; decides on test numbers"})
    nhs_number = String(validate=_TEXT)
    nhs_number_status = String(validate=_TEXT, metadata={"description": "01 is verified"})
    family_name = String(validate=_TEXT)
    given_name = String(validate=_TEXT)
    middle_names = String(validate=_TEXT)
    previous_family_name = String(validate=_TEXT)
    birth_date = String(validate=_TEXT, metadata={"description": "YYYY-MM-DD"})
    sex = String(validate=_TEXT, metadata={"description": "male, female, other or unknown"})
    address_line = String(validate=_TEXT)
    town = String(validate=_TEXT)
    postcode = String(validate=_TEXT)
    phone = String(validate=_TEXT)
    email = String(validate=_TEXT)
    gp_practice = String(validate=_TEXT)
    other_identifier = String(validate=_TEXT)
    multiple_birth_order = String(validate=_TEXT)
    death_date = String(validate=_TEXT)
    limit = Integer(load_default=20, validate=Range(1, 100), metadata={"description": "At most so many candidates"})


class Evidence(Schema):
    """What one comparison found, and what it adds in bits."""

    comparison = String()
    level = String()
    bits = Float()
    label = String(metadata={"description": "The level in plain English"})


class Candidate(Schema):
    """A person in the index that the asked one may be."""

    person = String(metadata={"description": "Enterprise id"})
    authority = String()
    value = String(metadata={"description": "The local number of the record that agrees best"})
    weight = Float(metadata={"description": "Bits, prior included"})
    pattern = String()
    outcome = String(validate=OneOf([o.value for o in Outcome]))
    rule = String(allow_none=True, metadata={"description": "The hard rule that decided, if one did"})
    evidence = List(Nested(Evidence))


class FieldProblem(Schema):
    """A value that was sent and cannot be used for matching."""

    field = String()
    problem = String()


class MatchAnswer(Schema):
    """What registration would do, and the candidates, best first."""

    outcome = String(validate=OneOf([o.value for o in Outcome]))
    candidates = List(Nested(Candidate))
    problems = List(Nested(FieldProblem))
    compared = Integer(metadata={"description": "How many records were compared"})
    model = String(metadata={"description": "Hash of the linkage model"})


class CrosswalkRequest(Schema):
    """An identifier, and whose identifiers of the same person are wanted."""

    authority = String(required=True, validate=_TEXT)
    value = String(required=True, validate=_TEXT)
    target = List(String(validate=_TEXT), load_default=[], metadata={"description": "Authorities; empty means all"})
    at = String(
        load_default=None,
        allow_none=True,
        validate=_TEXT,
        metadata={"description": "The answer as it was then: ISO 8601 time with its zone, or a date, which is its end"},
    )


class IdentifierAnswer(Schema):
    """One identifier of a person. `status` is active, merged or superseded."""

    authority = String()
    value = String()
    kind = String(validate=OneOf(["local", "national"]))
    verified = Boolean()
    status = String()


class CrosswalkAnswer(Schema):
    """The identifiers of one person."""

    person = String(metadata={"description": "Enterprise id"})
    at = String(allow_none=True, metadata={"description": "The instant asked for, in UTC; null for now"})
    superseded_by = String(
        allow_none=True, metadata={"description": "The NHS number that stands for the one asked about; null: itself"}
    )
    restricted = Boolean(metadata={"description": "Other hospitals and their numbers are withheld"})
    identifiers = List(Nested(IdentifierAnswer))


class ChangesRequest(Schema):
    """Where the caller has come in the feed of changes."""

    after = Integer(
        load_default=0, validate=Range(0), metadata={"description": "The last cursor that was kept; 0: none"}
    )
    limit = Integer(load_default=100, validate=Range(1, MOST), metadata={"description": "At most so many changes"})


class ChangedIdentifier(IdentifierAnswer):
    """One identifier that a person has now, or that was merged into another of theirs."""

    class Meta:
        """Nobody is told here whether a number is verified."""

        exclude = ("verified",)


class ChangedPerson(Schema):
    """A line of the feed: a person whose identifiers have changed, and what they are now."""

    cursor = Integer(metadata={"description": "Ask for what follows it"})
    at = String(metadata={"description": "When the last of the changes happened (UTC)"})
    event = String(metadata={"description": "What that was, as in the audit trail"})
    person = String(metadata={"description": "Enterprise id"})
    replaced_by = String(allow_none=True, metadata={"description": "The person that stands for this one now"})
    restricted = Boolean(metadata={"description": "Then `identifiers` is null: which sites know them is not told"})
    identifiers = List(Nested(ChangedIdentifier), allow_none=True)


class ArrivalRequest(Schema):
    """How a study came; what is left out is not known."""

    origin = String(load_default="unknown", validate=OneOf([o.value for o in Origin]))
    by = String(
        load_default=None,
        allow_none=True,
        validate=Length(max=64),
        metadata={"description": "Who sent it: a calling AE title, a partner, a reading station"},
    )
    urgency = String(load_default="routine", validate=OneOf([u.value for u in Urgency]))


class RuleAnswer(Schema):
    """One rule of the gate and what it found."""

    rule = String()
    outcome = String(validate=OneOf([r.value for r in RuleResult]))
    on_failure = String(validate=OneOf([d.value for d in GateDecision]))
    reason = String()


class StudyAnswer(Schema):
    """The gate's answer for one study."""

    decision = String(validate=OneOf([d.value for d in GateDecision]))
    person = String(allow_none=True, metadata={"description": "Enterprise id, only when the decision is attach"})
    candidates = List(String(), metadata={"description": "Enterprise ids that the identifiers point at"})
    rules = List(Nested(RuleAnswer))
    study = String(metadata={"description": "Study Instance UID"})
    verified = Boolean(metadata={"description": "false: attached by an override that nobody has confirmed yet"})
    readable = Boolean(metadata={"description": "true: held, and may be read at once under its own header"})
    policy_version = String()
    policy_hash = String()


class FieldError(Schema):
    """What is wrong with one field; never what stood in it."""

    field = String()
    detail = String()


class ProblemDocument(Schema):
    """An error (RFC 9457)."""

    type = String()
    title = String()
    status = Integer()
    detail = String()
    code = String(metadata={"description": "Stable, for programs"})
    errors = List(Nested(FieldError))


class DecisionRequest(Schema):
    """A decision about two numbers, or about the first alone (unlink)."""

    operation = String(required=True, validate=OneOf([o.value for o in Operation]))
    authority = String(required=True, validate=_TEXT)
    value = String(required=True, validate=_TEXT)
    other_authority = String(load_default=None, allow_none=True, validate=_TEXT)
    other_value = String(load_default=None, allow_none=True, validate=_TEXT)
    reason = String(load_default="", validate=Length(max=2000), metadata={"description": "Needed unless dry_run"})
    dry_run = Boolean(load_default=False, metadata={"description": "Only say what it would touch"})


class UndoRequest(Schema):
    """A change to be taken back."""

    change = Integer(required=True, validate=Range(1, 2**63 - 1))
    keep_apart = Boolean(
        load_default=None,
        allow_none=True,
        metadata={"description": "Mark those it put together as different people; null: where no human had decided"},
    )
    reason = String(load_default="", validate=Length(max=2000), metadata={"description": "Needed unless dry_run"})
    dry_run = Boolean(load_default=False, metadata={"description": "Only say what it would touch"})


class NamedIdentifier(Schema):
    """A local number."""

    authority = String()
    value = String()


class MovedIdentifier(Schema):
    """A number that goes elsewhere. A person is an enterprise id, `a new person`, or null: no number of its own."""

    identifier = Nested(NamedIdentifier)
    from_person = String(allow_none=True)
    to_person = String(allow_none=True)
    note = String(allow_none=True)


class ApartPair(Schema):
    """Two numbers whose people are marked as different (`made`), or no longer."""

    one = Nested(NamedIdentifier)
    other = Nested(NamedIdentifier)
    made = Boolean()


class EffectTask(Schema):
    """A review task and what becomes of it."""

    task = Integer()
    what = String()


class EffectStudy(Schema):
    """An imaging study and the person it is attached to before."""

    study = String()
    person = String()


class Effect(Schema):
    """Everything a change touches."""

    identifiers = List(Nested(MovedIdentifier))
    apart = List(Nested(ApartPair))
    persons_gone = List(String())
    persons_back = List(String())
    sites = List(String())
    tasks = List(Nested(EffectTask))
    studies = List(Nested(EffectStudy))
    subscribers = List(String())
    notes = List(String())


class ChangeAnswer(Schema):
    """What was done, or would be."""

    change = Integer(allow_none=True, metadata={"description": "Takes it back; null after a dry run"})
    effect = Nested(Effect)


class PersonRequest(Schema):
    """A person by enterprise id."""

    person = String(required=True, validate=_TEXT)


class OtherSaid(Schema):
    """What another record says of a field."""

    authority = String()
    value = String(metadata={"description": "The record's local number"})
    said = String()


class GoldenField(Schema):
    """One field of the golden record."""

    field = String()
    value = String()
    source = Nested(NamedIdentifier)
    because = String(metadata={"description": "Why this value, in plain English"})
    others = List(Nested(OtherSaid))


class PersonRecord(Schema):
    """One record of a person, as it was recorded; of restricted people without where they live."""

    authority = String()
    value = String()
    status = String()
    restricted = Boolean()
    recorded = Dict(keys=String(), values=String())


class PersonAnswer(Schema):
    """A person: the golden record, and what each source says."""

    person = String(metadata={"description": "Enterprise id; of the person that stands for the one asked for"})
    golden = List(Nested(GoldenField))
    records = List(Nested(PersonRecord))


class StudiesQuery(Schema):
    """Which of a person's studies are wanted; the names are QIDO-RS's."""

    StudyDate = String(validate=_TEXT, metadata={"description": "YYYYMMDD, or a range: YYYYMMDD-YYYYMMDD"})
    ModalitiesInStudy = String(validate=_TEXT, metadata={"description": "One, or several with commas between them"})
    StudyInstanceUID = String(validate=_TEXT)
    site = String(validate=_TEXT, metadata={"description": "Code of the authority whose studies are wanted"})
    limit = Integer(load_default=100, validate=Range(1, 1000), metadata={"description": "At most so many"})
    offset = Integer(load_default=0, validate=Range(0), metadata={"description": "So many are passed over first"})


class StudiesByNumber(StudiesQuery):
    """The same of whoever has an identifier."""

    authority = String(required=True, validate=_TEXT)
    value = String(required=True, validate=_TEXT)


class StudyListQuery(Schema):
    """Which of the gate's studies are wanted."""

    place = String(validate=OneOf([p.value for p in StudyPlace]), metadata={"description": "Where they are"})
    since = String(validate=_TEXT, metadata={"description": "Changed then or later: a day or an instant, ISO 8601"})
    until = String(validate=_TEXT, metadata={"description": "Changed before that"})
    site = String(validate=_TEXT, metadata={"description": "Code of the authority by whose number they are attached"})
    limit = Integer(load_default=100, validate=Range(1, 1000), metadata={"description": "At most so many"})
    offset = Integer(load_default=0, validate=Range(0), metadata={"description": "So many are passed over first"})


class ListedStudy(Schema):
    """One study in a list."""

    study = String(metadata={"description": "Study Instance UID"})
    place = String(validate=OneOf([p.value for p in StudyPlace]))
    decision = String(validate=OneOf([d.value for d in GateDecision]))
    doubt = String(allow_none=True, metadata={"description": "Why it waits although it is attached"})
    verified = Boolean(metadata={"description": "false: identity not verified"})
    origin = String()
    person = String(allow_none=True, metadata={"description": "Enterprise id, while it is attached"})
    site = String(allow_none=True)
    first_seen_at = String()
    updated_at = String()


class StudyListAnswer(Schema):
    """A page of studies."""

    total = Integer(metadata={"description": "How many there are beyond the page"})
    studies = List(Nested(ListedStudy))
