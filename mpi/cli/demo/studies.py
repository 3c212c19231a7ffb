"""Three outside studies, and the HTTP interface that is asked about them as a machine would ask."""

import http.client
import json
from datetime import date, timedelta
from typing import Any

from mpi.cli.demo.stream import Row

_SEX = {"male": "M", "female": "F"}


class Api:
    """Calls under `/api/v1` with a bearer token."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._token = token

    def post(self, path: str, body: object, kind: str = "application/json") -> dict[str, Any]:
        """The JSON that comes back; an answer other than 200 has its `status` in it."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            headers = {"Authorization": f"Bearer {self._token}", "Content-Type": kind}
            connection.request("POST", f"/api/v1{path}", json.dumps(body), headers)
            answer = connection.getresponse()
            found: dict[str, Any] = json.loads(answer.read())
            return found if answer.status == 200 else found | {"status": answer.status}
        finally:
            connection.close()

    def get(self, path: str) -> int:
        """The status of a page."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        finally:
            connection.close()

    def check(self, study: dict[str, Any]) -> dict[str, Any]:
        """What the gate says of a study."""
        return self.post("/studies/check", study, "application/dicom+json")


def _element(vr: str, *values: object) -> dict[str, Any]:
    return {"vr": vr, "Value": list(values)}


def study_of(row: Row, number: int, **other: str) -> dict[str, Any]:
    """The header of a study of this person (DICOM JSON model), changed by what `other` says."""
    row = row | other
    return {
        "00080016": _element("UI", "1.2.840.10008.5.1.4.1.1.2"),
        "00080020": _element("DA", "20241103"),
        "00080050": _element("SH", f"DEMO{number}"),
        "00080060": _element("CS", "CT"),
        "00100010": _element("PN", {"Alphabetic": f"{row['family_name']}^{row['given_name']}"}),
        "00100020": _element("LO", row["nhs_number"]),
        "00100021": _element("LO", "NHS"),
        "00100030": _element("DA", row["birth_date"].replace("-", "")),
        "00100040": _element("CS", _SEX.get(row["sex"], "O")),
        "0020000D": _element("UI", f"2.999.200.{number}"),
    }


def with_another_number(study: dict[str, Any], row: Row) -> dict[str, Any]:
    """The study with a second patient id, which belongs to the person of `row`."""
    item = {"00100020": _element("LO", row["record_id"]), "00100021": _element("LO", row["authority"])}
    return study | {"00101002": _element("SQ", item)}


def three_studies(one: Row, other: Row) -> dict[str, tuple[str, dict[str, Any]]]:
    """Decision expected -> what is wrong with the study, and its header."""
    return {
        "attach": ("number, name, birth date and sex agree with one person", study_of(one, 1)),
        "hold": ("the birth date differs by a day", study_of(one, 2, birth_date=_day_after(one["birth_date"]))),
        "refuse": ("its second number belongs to somebody else", with_another_number(study_of(one, 3), other)),
    }


def _day_after(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()
