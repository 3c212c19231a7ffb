"""The parts of the machine interface that list studies: a person's, at every site, and those the gate has seen."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from apiflask import APIBlueprint
from flask import Response, request
from werkzeug.exceptions import BadRequest

from mpi.domain.audit import Actor
from mpi.domain.errors import BadInput
from mpi.domain.known_study import KnownStudies, StudyFilter
from mpi.domain.study_lists import StudyFilter as ListFilter
from mpi.domain.study_lists import StudyLine, StudyPlace
from mpi.domain.uid import is_uid
from mpi.web import qido, schemas
from mpi.web.current import services

_READ_OVER = {"includefield", "fuzzymatching"}
"""Query parameters of QIDO-RS that change nothing: all that is known is told, and dates are exact."""
_DAYS = re.compile(r"(\d{8})?(-)?(\d{8})?", re.ASCII)
_ANSWERS: dict[int, Any] = {
    200: {
        "description": "One data set for each study, newest first",
        "content": {qido.DICOM_JSON: {"schema": {"type": "array", "items": {"type": "object"}}}},
    },
    204: "No study is known",
    404: "Nobody has this enterprise id or identifier",
}


def add_routes(bp: APIBlueprint, caller: Callable[[], Actor], problems: dict[int, str]) -> None:
    """Put the routes on `bp`; `caller` says who asks."""

    @bp.get("/persons/<person>/studies")
    @bp.doc(
        summary="Where a person's studies are, at every site",
        description="As QIDO-RS (DICOM PS3.18 10.6). A Warning header says when something is withheld.",
        security="bearer",
        responses={**problems, **_ANSWERS},
    )
    @bp.input(schemas.StudiesQuery, location="query", arg_name="asked")
    def studies_of_person(person: str, asked: dict[str, Any]) -> Response:
        unknown = set(request.args) - set(schemas.StudiesQuery().fields) - _READ_OVER
        if unknown:
            raise BadRequest
        found = services().prior_studies.of_person(caller(), person, _filter(asked), asked["limit"], asked["offset"])
        return _answer(found)

    @bp.post("/persons/studies")
    @bp.doc(
        summary="The same, by an identifier of the person",
        security="bearer",
        responses={**problems, **_ANSWERS},
    )
    @bp.input(schemas.StudiesByNumber, arg_name="asked")
    def studies_by_number(asked: dict[str, Any]) -> Response:
        found = services().prior_studies.by_number(
            caller(), asked["authority"], asked["value"], _filter(asked), asked["limit"], asked["offset"]
        )
        return _answer(found)


def add_list(bp: APIBlueprint, caller: Callable[[], Actor], problems: dict[int, str]) -> None:
    """Put the list of the gate's studies on `bp`."""

    @bp.get("/studies")
    @bp.doc(
        summary="The outside studies that the gate has seen: by place, time and site",
        description="Those that changed longest ago come first. Nothing in the question names a patient.",
        security="bearer",
        responses=problems,
    )
    @bp.input(schemas.StudyListQuery, location="query", arg_name="asked")
    @bp.output(schemas.StudyListAnswer)
    def studies(asked: dict[str, Any]) -> dict[str, Any]:
        place = asked.get("place")
        bounds = (_instant(asked.get("since"), "since"), _instant(asked.get("until"), "until"))
        wanted = ListFilter(StudyPlace(place) if place else None, *bounds, asked.get("site"))
        found = services().study_lists.page(caller(), wanted, asked["limit"], asked["offset"])
        return {"total": found.total, "studies": [_line(one) for one in found.studies]}


def _instant(text: str | None, field: str) -> datetime | None:
    """A day or an instant, ISO 8601; without a zone in UTC."""
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput("a day or an instant, ISO 8601", field=field) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _line(one: StudyLine) -> dict[str, Any]:
    return {
        "study": one.study_uid,
        "place": one.place.value,
        "decision": one.decision.value,
        "doubt": one.doubt.value if one.doubt else None,
        "verified": one.verified,
        "origin": one.origin.value,
        "person": one.person,
        "site": one.site,
        "first_seen_at": one.first_seen_at,
        "updated_at": one.updated_at,
    }


def _filter(asked: dict[str, Any]) -> StudyFilter:
    since, until = _days(asked.get("StudyDate"))
    uids = _listed(asked.get("StudyInstanceUID"))
    if not all(is_uid(uid) for uid in uids):
        raise BadInput("not a unique identifier", field="StudyInstanceUID")
    modalities = frozenset(one.upper() for one in _listed(asked.get("ModalitiesInStudy")))
    return StudyFilter(since, until, modalities, uids, asked.get("site"))


def _listed(text: str | None) -> frozenset[str]:
    """Values as QIDO-RS writes several: with commas or backslashes between them."""
    return frozenset(one.strip() for one in re.split(r"[,\\]", text or "") if one.strip())


def _days(text: str | None) -> tuple[str | None, str | None]:
    """The first and last day of a range as DICOM matches them (PS3.4 C.2.2.2.5): `A`, `A-`, `-B` or `A-B`."""
    if not text:
        return None, None
    match = _DAYS.fullmatch(text)
    if match is None or not (match[1] or match[3]) or (match[1] and match[3] and not match[2]):
        raise BadInput("a day or a range of days: YYYYMMDD, YYYYMMDD-, -YYYYMMDD, YYYYMMDD-YYYYMMDD", field="StudyDate")
    return match[1], match[3] if match[2] else match[1]


def _answer(found: KnownStudies) -> Response:
    names = {authority.code: authority.name for authority in services().config.authorities}
    body = json.dumps(qido.data_sets(found, names), ensure_ascii=False) if found.studies else ""
    answer = Response(body, status=200 if found.studies else 204, mimetype=qido.DICOM_JSON)
    said = qido.warning(found)
    if said:
        answer.headers["Warning"] = said
    answer.headers["X-Total-Count"] = str(found.total)
    return answer
