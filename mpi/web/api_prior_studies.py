"""The part of the machine interface that says where a person's studies are."""

import json
import re
from collections.abc import Callable
from typing import Any

from apiflask import APIBlueprint
from flask import Response, request
from werkzeug.exceptions import BadRequest

from mpi.domain.audit import Actor
from mpi.domain.errors import BadInput
from mpi.domain.known_study import KnownStudies, StudyFilter
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
