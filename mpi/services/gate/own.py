"""Whether a study that comes from outside was made here: what speaks for it, the most trustworthy first."""

from collections.abc import Iterator

from mpi.config import Config
from mpi.domain.study import PatientId, StudyHeader
from mpi.matching.gate_evidence import OwnSign
from mpi.store.known_studies import StoredKnownStudy
from mpi.store.unit_of_work import UnitOfWork


def sign_of(unit: UnitOfWork, config: Config, header: StudyHeader) -> OwnSign | None:
    """The strongest sign that a study is ours; None where nothing says so, or no authority is said to be ours."""
    if not config.gate_home:
        return None
    if _told(unit, config, header.study_uid):
        return OwnSign.HELD_HERE
    if any(_ours(config, one) for one in header.original_patient_ids):
        return OwnSign.ORIGINAL_NUMBER
    if header.patient_id is not None and _ours(config, header.patient_id):
        return OwnSign.OUR_NUMBER
    if header.accession_number and header.accession_issuer and _home(config, header.accession_issuer):
        return OwnSign.OUR_ACCESSION
    roots = any(header.study_uid.startswith(f"{root}.") for root in config.gate_uid_roots)
    names = {config.authority(code) for code in config.gate_home}
    institution = (header.institution or "").strip().casefold()
    if roots or any(one is not None and institution == one.name.casefold() for one in names):
        return OwnSign.HINT
    return None


def made_of(unit: UnitOfWork, config: Config, study_uid: str) -> frozenset[int]:
    """The persons of whom sites of ours say that they made this study."""
    found: set[int] = set()
    for row in _told(unit, config, study_uid):
        stored = unit.records.get([row.record_id]).get(row.record_id) if row.record_id is not None else None
        link = unit.persons.current_link(unit.records.survivor(stored).id) if stored else None
        if link is not None:
            found.add(unit.persons.survivor(unit.persons.get([link.person_id])[link.person_id]).id)
    return frozenset(found)


def _told(unit: UnitOfWork, config: Config, study_uid: str) -> list[StoredKnownStudy]:
    if not config.gate_home:
        return []
    return [row for row in unit.known_studies.of_study(study_uid) if row.authority in config.gate_home]


def _ours(config: Config, one: PatientId) -> bool:
    return any(_home(config, spelling) for spelling in _spellings(one))


def _spellings(one: PatientId) -> Iterator[str]:
    yield from (text.strip() for text in (one.issuer, one.issuer_oid) if text and text.strip())


def _home(config: Config, spelling: str) -> bool:
    found = config.authority(spelling)
    return found is not None and found.code in config.gate_home
