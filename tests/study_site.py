"""A website with outside studies: one attached, one held for its name, one that nobody's number leads to."""

from mpi.bootstrap import App
from mpi.domain.audit import Actor
from mpi.domain.roles import Role
from mpi.domain.study import GateDecision, PatientId, StudyHeader
from tests.builders import nhs_number
from tests.index import register
from tests.website import MARKUP

GATE = Actor("gate node", Role.GATE_OPERATOR.value)
ATTACHED, MISSPELLED, UNKNOWN = (f"1.2.826.0.1.3680043.10.511.7.{n}" for n in (1, 2, 3))
KATE = {
    "family_name": "Ellwood",
    "given_name": "Kate",
    "birth_date": "1987-06-14",
    "sex": "female",
    "nhs_number": nhs_number(30),
    "nhs_number_status": "01",
}


def header(uid: str, family: str = "ELLWOOD", number: str = "K100") -> StudyHeader:
    """The header of a study of Kate's, by her number at RXX."""
    return StudyHeader(
        uid,
        PatientId(number, "RXX"),
        family_name=family,
        given_name="KATE",
        birth_date="19870614",
        sex="F",
        study_date="20240110",
        modality="CT",
        accession_number="ACC1",
        institution=MARKUP,
    )


def put_studies(app: App) -> None:
    """Register Kate and let the gate see her three studies."""
    register(app, "RXX", "K100", **KATE)
    found = [
        app.gate.check(GATE, header(ATTACHED)).decision,
        app.gate.check(GATE, header(MISSPELLED, "ELWOOD")).decision,
        app.gate.check(GATE, header(UNKNOWN, MARKUP, "K999")).decision,
    ]
    assert found == [GateDecision.ATTACH, GateDecision.HOLD, GateDecision.HOLD]
