"""The part of the configuration that the DICOM node reads: `[dicom]`, `[[dicom.partners]]`, `[dicom.forward]`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LONGEST_TITLE = 16
"""Characters of an application entity title (PS3.5 section 6.2, AE)."""


@dataclass(frozen=True, slots=True)
class DicomPartner:
    """Who may send: a calling AE title, where it must call from, and whose numbers it uses."""

    ae_title: str
    host: str | None = None
    """Address or name it must call from; None lets it call from anywhere."""
    issuer: str | None = None
    """Code of the authority that a Patient ID of its objects is of, where they do not say; None leaves it unsaid."""


@dataclass(frozen=True, slots=True)
class DicomForward:
    """The local PACS: where what is attached goes, and in whose numbers."""

    ae_title: str
    host: str
    port: int
    authority: str
    """Code of the authority whose numbers the PACS knows its patients by."""
    timeout: float = 30.0
    """Seconds to connect, and for each answer."""
    commitment: bool = False
    """Whether it is asked for storage commitment; then files are removed only when it has given its word."""
    tls: bool = False
    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None


@dataclass(frozen=True, slots=True)
class DicomNode:
    """The node: its own title, its quarantine and whom it knows."""

    ae_title: str = "MPI"
    quarantine: Path = Path("var/quarantine")
    """Folder that received objects are kept in; one node has one to itself."""
    quiet: float = 5.0
    """Seconds without a new object after which a study is decided."""
    largest: int = 4096
    """MiB of one object; a larger one is turned away."""
    partners: tuple[DicomPartner, ...] = ()
    forward: DicomForward | None = None

    def partner(self, ae_title: str) -> DicomPartner | None:
        """The partner with this title, or None."""
        return next((one for one in self.partners if one.ae_title == ae_title), None)


TABLE_KEYS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "dicom": {
        "ae_title": str,
        "quarantine": str,
        "quiet": (int, float),
        "largest": int,
        "partners": list,
        "forward": dict,
    },
    "dicom.partners": {"ae_title": str, "host": str, "issuer": str},
    "dicom.forward": {
        "ae_title": str,
        "host": str,
        "port": int,
        "authority": str,
        "timeout": (int, float),
        "commitment": bool,
        "tls": bool,
        "tls_ca": str,
        "tls_cert": str,
        "tls_key": str,
    },
}
"""The keys of each table and the types of their values."""

Fault = Callable[[str, str, int, str | None], Exception]
"""The error for a message, a table, the table's index and a key."""


def read_node(
    table: Mapping[str, Any], codes: Mapping[str, str], folder: Path, fault: Fault, check_keys: Callable[..., None]
) -> DicomNode:
    """The node that `[dicom]` describes; `codes` leads from a spelling in capitals to an authority's code."""
    partners = tuple(_partners(table.get("partners", ()), codes, fault, check_keys))
    forward = table.get("forward")
    if forward is not None:
        check_keys("dicom.forward", forward, 0)
        forward = _forward(forward, codes, fault)
    faults = {
        "ae_title": _title_fault(table.get("ae_title", "MPI")),
        "quiet": None if 0 <= table.get("quiet", 5.0) <= 3600 else "quiet must be 0 to 3600 seconds",
        "largest": None if table.get("largest", 1) > 0 else "largest must be at least 1 MiB",
    }
    _raise_first(faults, "dicom", 0, fault)
    own = {key: value for key, value in table.items() if key in ("ae_title", "quiet", "largest")}
    quarantine = folder / table.get("quarantine", "var/quarantine")
    return DicomNode(**own, quarantine=quarantine, partners=partners, forward=forward)


def _partners(rows: Any, codes: Mapping[str, str], fault: Fault, check_keys: Callable[..., None]) -> list[DicomPartner]:
    found: list[DicomPartner] = []
    for index, row in enumerate(rows):
        if not isinstance(row, dict):
            raise fault("write [[dicom.partners]], one for each", "dicom", 0, "partners")
        check_keys("dicom.partners", row, index)
        issuer = row.get("issuer")
        title = row.get("ae_title", "")
        twice = any(one.ae_title == title for one in found)
        faults = {
            "ae_title": "this title stands twice" if twice else _title_fault(title),
            "issuer": f"unknown authority {issuer!r}" if issuer is not None and issuer.upper() not in codes else None,
        }
        _raise_first(faults, "dicom.partners", index, fault)
        found.append(DicomPartner(title, row.get("host"), codes[issuer.upper()] if issuer else None))
    return found


def _forward(row: Mapping[str, Any], codes: Mapping[str, str], fault: Fault) -> DicomForward:
    authority = str(row.get("authority", ""))
    files = [key for key in ("tls_ca", "tls_cert", "tls_key") if key in row]
    encrypted = row.get("tls", bool(files))
    faults = {
        "ae_title": _title_fault(row.get("ae_title", "")),
        "host": None if row.get("host") else "host is missing",
        "port": None if 0 < row.get("port", 0) < 65536 else "port must be 1 to 65535",
        "authority": None
        if authority.upper() in codes
        else f"unknown authority {authority!r}: whose numbers are used?",
        "timeout": None if 0 < row.get("timeout", 1) <= 600 else "timeout must be above 0 and at most 600 seconds",
        "tls_key": None if ("tls_key" in row) == ("tls_cert" in row) else "tls_cert and tls_key go together",
        "tls": "tls = false, and TLS files all the same" if files and not encrypted else None,
    }
    _raise_first(faults, "dicom.forward", 0, fault)
    return DicomForward(**{**row, "authority": codes[authority.upper()], "tls": encrypted})


def _title_fault(title: str) -> str | None:
    if not title.strip():
        return "ae_title is missing"
    plain = title.isascii() and title.isprintable() and "\\" not in title and title == title.strip()
    return None if plain and len(title) <= LONGEST_TITLE else "an AE title has 1 to 16 plain characters"


def _raise_first(faults: Mapping[str, str | None], table: str, index: int, fault: Fault) -> None:
    for key, message in faults.items():
        if message:
            raise fault(message, table, index, key)
