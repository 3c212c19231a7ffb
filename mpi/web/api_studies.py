"""Decisions about single studies over the machine interface: override, confirm, revoke, detach, and what stands."""

from dataclasses import asdict
from typing import Any

from apiflask import APIBlueprint
from flask import g

from mpi.domain.audit import Actor
from mpi.domain.study_override import Override
from mpi.web import schemas_studies as schemas
from mpi.web.current import services

_GONE = {404: "The gate has not seen this study", 409: "The state of the study does not allow it"}


def add(bp: APIBlueprint, problems: dict[int, str]) -> None:
    """Add the routes; `problems` are the errors that every route can answer with."""
    _add_overrides(bp, problems | _GONE)
    _add_life(bp, problems | _GONE)


def _add_overrides(bp: APIBlueprint, problems: dict[int, str]) -> None:
    @bp.post("/studies/<uid>/override")
    @bp.doc(
        summary="Attach a held study in spite of failed rules",
        description="The gate policy says who may, for which site and for which reasons, and whether a second person "
        "must confirm it before anything is attached.",
        security="bearer",
        responses=problems,
    )
    @bp.input(schemas.OverrideRequest, arg_name="asked")
    @bp.output(schemas.OverrideAnswer)
    def override(uid: str, asked: dict[str, Any]) -> dict[str, Any]:
        number = asked["authority"], asked["value"]
        return _body(services().overrides.open(_caller(), uid, *number, asked["reason_code"], asked["reason"]))

    @bp.post("/studies/<uid>/override/confirm")
    @bp.doc(summary="Confirm an open override as a second person", security="bearer", responses=problems)
    @bp.input(schemas.ReasonRequest, arg_name="asked")
    @bp.output(schemas.OverrideAnswer)
    def confirm_override(uid: str, asked: dict[str, Any]) -> dict[str, Any]:
        return _body(services().overrides.confirm(_caller(), uid, asked["reason"]))

    @bp.post("/studies/<uid>/override/revoke")
    @bp.doc(summary="Take an override back: the study is held again", security="bearer", responses=problems)
    @bp.input(schemas.ReasonRequest, arg_name="asked")
    @bp.output(schemas.OverrideAnswer)
    def revoke_override(uid: str, asked: dict[str, Any]) -> dict[str, Any]:
        return _body(services().overrides.revoke(_caller(), uid, asked["reason"]))


def _add_life(bp: APIBlueprint, problems: dict[int, str]) -> None:
    @bp.post("/studies/<uid>/detach")
    @bp.doc(summary="Take a study away from its person", security="bearer", responses=problems)
    @bp.input(schemas.ReasonRequest, arg_name="asked")
    @bp.output(schemas.StandingAnswer)
    def detach(uid: str, asked: dict[str, Any]) -> dict[str, Any]:
        services().study_decisions.detach(_caller(), uid, asked["reason"])
        return _standing(uid)

    @bp.post("/studies/<uid>/refuse")
    @bp.doc(summary="Turn a held study away", security="bearer", responses=problems)
    @bp.input(schemas.ReasonRequest, arg_name="asked")
    @bp.output(schemas.StandingAnswer)
    def refuse(uid: str, asked: dict[str, Any]) -> dict[str, Any]:
        services().study_decisions.refuse(_caller(), uid, asked["reason"])
        return _standing(uid)

    @bp.post("/studies/<uid>/release")
    @bp.doc(
        summary="Attach a study that is held or was set aside: every rule holds now",
        security="bearer",
        responses=problems,
    )
    @bp.input(schemas.ReasonRequest, arg_name="asked")
    @bp.output(schemas.StandingAnswer)
    def release(uid: str, asked: dict[str, Any]) -> dict[str, Any]:
        services().study_decisions.release(_caller(), uid, asked["reason"])
        return _standing(uid)

    @bp.post("/studies/<uid>/keep")
    @bp.doc(summary="Let an attached study that is in doubt go on", security="bearer", responses=problems)
    @bp.input(schemas.ReasonRequest, arg_name="asked")
    @bp.output(schemas.StandingAnswer)
    def keep(uid: str, asked: dict[str, Any]) -> dict[str, Any]:
        services().study_decisions.keep(_caller(), uid, asked["reason"])
        return _standing(uid)

    @bp.get("/studies/<uid>/standing")
    @bp.doc(summary="What may be done with the objects of a study now", security="bearer", responses=problems)
    @bp.output(schemas.StandingAnswer)
    def standing(uid: str) -> dict[str, Any]:
        return _standing(uid)


def _caller() -> Actor:
    caller: Actor = g.caller
    return caller


def _standing(uid: str) -> dict[str, Any]:
    found = services().gate.standing(_caller(), uid)
    patient = found.patient
    return {
        "study": found.study_uid,
        "decision": found.decision.value,
        "verified": found.verified,
        "readable": found.readable,
        "origin": found.origin.value,
        "reason": found.reason,
        "person": patient.person if patient else None,
        "authority": patient.authority if patient else None,
        "value": patient.value if patient else None,
    }


def _body(found: Override) -> dict[str, Any]:
    return asdict(found) | {"study": found.study_uid, "state": found.state.value, "rules": list(found.rules)}
