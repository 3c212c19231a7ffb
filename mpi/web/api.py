"""The machine interface under `/api/v1`: JSON in, JSON out, a bearer token on every call but the description."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final

from apiflask import APIBlueprint, APIFlask
from flask import Response, g, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, Unauthorized, UnsupportedMediaType

from mpi.domain.audit import Actor
from mpi.domain.errors import MissingExtra
from mpi.domain.person import DEMOGRAPHIC_FIELDS, Demographics, Identifier
from mpi.domain.roles import Permission, check_actor
from mpi.domain.study import GateAnswer, StudyHeader
from mpi.services.decisions import Decision, Operation
from mpi.services.match import MatchAnswer
from mpi.services.people import PersonView
from mpi.services.preview import Effect
from mpi.web import api_prior_studies, api_studies, schemas
from mpi.web.current import services

LARGEST_JSON = 1024 * 1024
LARGEST_STUDY = 64 * 1024 * 1024
"""Bytes of a request body: of JSON, and of a Part 10 file, which carries pixels after the header that is read."""

_ReadStudy = Callable[[bytes], StudyHeader]
_DICOM_JSON: Final = ("application/dicom+json", "application/json")
NDJSON: Final = "application/x-ndjson"
_CHANGES: Final[dict[int, Any]] = {
    200: {
        "description": "One line a person; none when there is nothing new",
        "content": {NDJSON: {"schema": schemas.ChangedPerson}},
    },
    409: "The cursor lies ahead of the index",
}
_DICOM_FILE: Final = ("application/dicom", "application/octet-stream")
_PROBLEMS = {
    400: "The body is no JSON",
    401: "No valid bearer token",
    403: "The token's role does not permit this",
    413: "The body is too large",
    415: "The body is of another content type",
    422: "A field has the wrong form",
    503: "Failed for now; a repeat may help",
}


def describe(web: APIFlask) -> None:
    """Say in the description how callers prove who they are, and how errors look."""
    web.security_schemes = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "From `mpi users token NAME --role ROLE`"}
    }
    web.config["HTTP_ERROR_SCHEMA"] = schemas.ProblemDocument
    web.config["VALIDATION_ERROR_SCHEMA"] = schemas.ProblemDocument
    web.config["AUTO_SERVERS"] = False  # the address is the caller's affair, and differs behind a proxy
    web.config["AUTO_404_RESPONSE"] = False
    web.config["AUTO_VALIDATION_ERROR_RESPONSE"] = False


def blueprint(read_json: _ReadStudy | None, read_file: _ReadStudy | None) -> APIBlueprint:
    """The routes; `read_json` and `read_file` as in `create_app`."""
    bp = APIBlueprint("api", __name__, url_prefix="/api/v1", tag="Index")
    bp.before_request(_identify)
    _add_questions(bp)
    _add_decisions(bp)
    _add_studies(bp, read_json, read_file)
    api_prior_studies.add_routes(bp, _caller, _PROBLEMS)
    api_prior_studies.add_list(bp, _caller, _PROBLEMS)
    api_studies.add(bp, _PROBLEMS)
    return bp


def _add_questions(bp: APIBlueprint) -> None:
    """What changes nothing: who would match, who is who, who has changed."""

    @bp.post("/match")
    @bp.doc(summary="A dry run: whom would this person match?", security="bearer", responses=_PROBLEMS)
    @bp.input(schemas.MatchRequest, arg_name="asked")
    @bp.output(schemas.MatchAnswer)
    def match(asked: dict[str, Any]) -> dict[str, Any]:
        person = Demographics(**{name: asked[name] for name in DEMOGRAPHIC_FIELDS if name in asked})
        answer = services().matcher.match(_caller(), person, authority=asked.get("authority"), limit=asked["limit"])
        return _match_body(answer)

    @bp.post("/crosswalk")
    @bp.doc(
        summary="The identifiers of the same person",
        security="bearer",
        responses=_PROBLEMS | {404: "Nobody has this identifier"},
    )
    @bp.input(schemas.CrosswalkRequest, arg_name="asked")
    @bp.output(schemas.CrosswalkAnswer)
    def crosswalk(asked: dict[str, Any]) -> dict[str, Any]:
        found = services().people.crosswalk(
            _caller(), asked["authority"], asked["value"], target=tuple(asked["target"]), at=asked["at"]
        )
        return {
            "person": found.enterprise_id,
            "at": found.at,
            "superseded_by": found.superseded_by,
            "restricted": found.restricted,
            "identifiers": found.identifiers,
        }

    @bp.get("/changes")
    @bp.doc(
        summary="The feed of changes: whose identifiers have changed, and what they are now",
        description="One JSON object a line, in order of `cursor`. Ask again with the last cursor for what follows.",
        security="bearer",
        responses={**_PROBLEMS, **_CHANGES},
    )
    @bp.input(schemas.ChangesRequest, location="query", arg_name="asked")
    def changes(asked: dict[str, Any]) -> Response:
        found = services().changes.read(_caller(), asked["after"], asked["limit"])
        lines = "".join(json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in found)
        return Response(lines, mimetype=NDJSON)


def _add_decisions(bp: APIBlueprint) -> None:
    """What changes who is who."""

    @bp.post("/person")
    @bp.doc(
        summary="A person: the golden record with the reason of each value, and what each source says",
        security="bearer",
        responses=_PROBLEMS | {404: "Nobody has this enterprise id"},
    )
    @bp.input(schemas.PersonRequest, arg_name="asked")
    @bp.output(schemas.PersonAnswer)
    def person(asked: dict[str, Any]) -> dict[str, Any]:
        return _person_body(services().people.person(_caller(), asked["person"]))

    @bp.post("/decisions")
    @bp.doc(
        summary="Link, unlink, keep apart or merge numbers, or say what that would touch",
        security="bearer",
        responses=_PROBLEMS | {404: "A number is not known", 409: "An earlier decision stands against it"},
    )
    @bp.input(schemas.DecisionRequest, arg_name="asked")
    @bp.output(schemas.ChangeAnswer)
    def decide(asked: dict[str, Any]) -> dict[str, Any]:
        other = asked["other_authority"], asked["other_value"]
        decision = Decision(
            Operation(asked["operation"]),
            Identifier(asked["authority"], asked["value"]),
            Identifier(*other) if all(other) else None,
        )
        if asked["dry_run"]:
            return _change_body(None, services().decisions.preview(_caller(), decision))
        done = services().decisions.do(_caller(), decision, asked["reason"])
        return _change_body(done.change_id, done.effect)

    @bp.post("/undo")
    @bp.doc(
        summary="Take a change of identities back, or say what that would touch",
        security="bearer",
        responses=_PROBLEMS | {404: "There is no such change", 409: "It was taken back already"},
    )
    @bp.input(schemas.UndoRequest, arg_name="asked")
    @bp.output(schemas.ChangeAnswer)
    def undo(asked: dict[str, Any]) -> dict[str, Any]:
        wanted, keep_apart = asked["change"], asked["keep_apart"]
        if asked["dry_run"]:
            return _change_body(None, services().undo.preview(_caller(), wanted, keep_apart=keep_apart))
        done = services().undo.do(_caller(), wanted, asked["reason"], keep_apart=keep_apart)
        return _change_body(done.change_id, done.effect)


def _add_studies(bp: APIBlueprint, read_json: _ReadStudy | None, read_file: _ReadStudy | None) -> None:
    """The gate."""

    @bp.post("/studies/check")
    @bp.doc(
        summary="The gate: may this outside imaging study join a person?",
        description="The body is one instance's header as DICOM JSON, or a DICOM Part 10 file.",
        security="bearer",
        responses=_PROBLEMS | {415: "Neither DICOM JSON nor a DICOM file"},
    )
    @bp.output(schemas.StudyAnswer)
    def check_study() -> dict[str, Any]:
        check_actor(_caller(), Permission.CHECK_STUDY)  # before the body is read
        return _study_body(services().gate.check(_caller(), _read_study(read_json, read_file)))


def _identify() -> None:
    """Find out who calls before anything of the body is read."""
    request.max_content_length = LARGEST_STUDY if request.endpoint == "api.check_study" else LARGEST_JSON
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    actor = services().users.bearer(token.strip()) if scheme.lower() == "bearer" and token.strip() else None
    if actor is None:
        raise Unauthorized(www_authenticate=WWWAuthenticate("bearer", {"realm": "mpi"}))
    g.caller = actor
    if request.method == "POST" and request.endpoint != "api.check_study":
        _check_json()


def _check_json() -> None:
    """Refuse a body that is no JSON, before the schema takes it for an empty question and nobody is found."""
    if not request.is_json:
        raise UnsupportedMediaType
    try:
        json.loads(request.get_data())
    except (ValueError, RecursionError):
        raise BadRequest from None


def _caller() -> Actor:
    caller: Actor = g.caller
    return caller


def _read_study(read_json: _ReadStudy | None, read_file: _ReadStudy | None) -> StudyHeader:
    kind = request.mimetype
    if kind in _DICOM_JSON:
        reader, largest = read_json, LARGEST_JSON
    elif kind in _DICOM_FILE:
        reader, largest = read_file, LARGEST_STUDY
    else:
        raise UnsupportedMediaType
    if reader is None:
        raise MissingExtra("reading studies needs the extra: pip install 'mpi[dicom]'")
    body = request.get_data(cache=False)
    if len(body) > largest:
        raise RequestEntityTooLarge
    return reader(body)


def _match_body(answer: MatchAnswer) -> dict[str, Any]:
    return {
        "outcome": answer.outcome.value,
        "candidates": [
            {
                "person": c.enterprise_id,
                "authority": c.authority,
                "value": c.local_id,
                "weight": round(c.weight, 3),
                "pattern": c.pattern,
                "outcome": c.outcome.value,
                "rule": c.rule.value if c.rule else None,
                "evidence": c.evidence,
            }
            for c in answer.candidates
        ],
        "problems": answer.problems,
        "compared": answer.compared,
        "model": answer.model,
    }


def _person_body(found: PersonView) -> dict[str, Any]:
    names = {r.record_id: {"authority": r.authority, "value": r.local_id} for r in found.records}
    return {
        "person": found.enterprise_id,
        "golden": [
            {
                "field": one.field,
                "value": one.value,
                "source": names[one.record_id],
                "because": one.because,
                "others": [{**names[record], "said": said} for record, said in one.others],
            }
            for one in found.golden
        ],
        "records": [
            {**names[r.record_id], "status": r.status, "restricted": r.restricted, "recorded": r.recorded.as_dict()}
            for r in found.records
        ],
    }


def _change_body(change_id: int | None, effect: Effect) -> dict[str, Any]:
    body = asdict(effect)
    body["tasks"] = [{"task": task, "what": what} for task, what in effect.tasks]
    body["studies"] = [{"study": study, "person": person} for study, person in effect.studies]
    return {"change": change_id, "effect": body}


def _study_body(answer: GateAnswer) -> dict[str, Any]:
    return {
        "decision": answer.decision.value,
        "person": answer.person,
        "candidates": list(answer.candidates),
        "rules": [
            {
                "rule": r.rule,
                "outcome": r.result.value,
                "on_failure": r.on_failure.value,
                "reason": r.reason,
            }
            for r in answer.rules
        ],
        "study": answer.study_uid,
        "verified": answer.verified,
        "readable": answer.readable,
        "policy_version": answer.policy_version,
        "policy_hash": answer.policy_hash,
    }
