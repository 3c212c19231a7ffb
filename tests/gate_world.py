"""An index for the gate's tests, written row by row, so that a case can state what no feed would bring about."""

from dataclasses import replace
from typing import Any

from mpi.config import NHS_AUTHORITY, Authority, Config
from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.person import Demographics
from mpi.domain.review import TaskType
from mpi.domain.study import NO_ARRIVAL, Arrival, GateAnswer, PatientId, StudyHeader
from mpi.domain.study_life import Standing
from mpi.matching.block import blocking_keys
from mpi.matching.gate_policy import GatePolicy, load_default
from mpi.matching.prepare import prepare
from mpi.matching.prepared import Prepared
from mpi.services.gate import Gate, Overrides, Rechecks, StudyDecisions
from mpi.services.gate.tasks import open_task
from mpi.store.database import Database
from mpi.store.persons import MANUAL, NEW, Grounds
from mpi.store.records import DELETED, MERGED, Values
from mpi.store.tasks import NewTask, StoredTask
from mpi.store.unit_of_work import Store
from tests.builders import nhs_number

OPERATOR = Actor("gate operator", "gate-operator")
BUILDER = Actor("test", "system")
STUDY = "1.2.826.0.1.3680043.10.1"
OTHER_STUDY = "1.2.826.0.1.3680043.10.2"
MARIA_NHS, PETER_NHS, MARTA_NHS, UNUSED_NHS = (nhs_number(n) for n in range(4))

CONFIG = Config(
    authorities=(
        Authority("RXX", "Royal Example Hospital", oid="2.999.1", aliases=("REH",), test=True),
        Authority("RYY", "Second Example Hospital", oid="2.999.2", test=True),
        Authority("RZZ", "Live Example Hospital", oid="2.999.3"),
        Authority("INS", "Example Insurer", kind="other"),
        NHS_AUTHORITY,
    )
)

MARIA = {
    "family_name": "Ashworth",
    "given_name": "Maria",
    "middle_names": "Jane",
    "birth_date": "1968-03-24",
    "sex": "female",
    "nhs_number": MARIA_NHS,
    "nhs_number_status": "01",
}
PETER = {
    "family_name": "Holt",
    "given_name": "Peter",
    "birth_date": "1951-11-02",
    "sex": "male",
    "nhs_number": PETER_NHS,
    "nhs_number_status": "01",
}
MARTA = MARIA | {"given_name": "Marta", "middle_names": None, "nhs_number": MARTA_NHS}
"""Maria's twin sister."""


def rxx(value: str) -> PatientId:
    """A number with the issuer RXX."""
    return PatientId(value, "RXX")


def nhs(value: str) -> PatientId:
    """A number whose issuer is said to be the NHS."""
    return PatientId(value, "NHS")


def a_header(**said: Any) -> StudyHeader:
    """The header of a right study of Maria's under her number at RXX, changed by what the test says."""
    header = StudyHeader(
        study_uid=STUDY,
        patient_id=rxx("100"),
        family_name="ASHWORTH",
        given_name="MARIA",
        birth_date="19680324",
        sex="F",
        study_date="20240110",
        modality="CT",
    )
    return replace(header, **said)


class World:
    """An index with Maria (RXX 100), her twin Marta (RXX 101) and Peter (RXX 200), each with a verified NHS number."""

    def __init__(self, url: str, policy: GatePolicy | None = None, config: Config = CONFIG) -> None:
        self.store = Store(Database(url))
        self.config = config
        self.policy = policy or load_default()
        self.gate = Gate(self.store, config, self.policy)
        self.decisions = StudyDecisions(self.store, config, self.policy)
        self.overrides = Overrides(self.store, config, self.policy)
        self.rechecks = Rechecks(self.store, config, self.policy)
        self.maria = self.person()
        self.marta = self.person()
        self.peter = self.person()
        self.record(self.maria, "RXX", "100", MARIA)
        self.record(self.marta, "RXX", "101", MARTA)
        self.record(self.peter, "RXX", "200", PETER)

    def close(self) -> None:
        """Close the database."""
        self.store.database.close()

    def check(self, header: StudyHeader, arrival: Arrival = NO_ARRIVAL) -> GateAnswer:
        """The gate's answer."""
        return self.gate.check(OPERATOR, header, arrival)

    def standing(self, domain: str | None = None, study: str = STUDY) -> Standing:
        """What may be done with a study now."""
        return self.gate.standing(OPERATOR, study, domain)

    def task(self, study: str = STUDY) -> StoredTask | None:
        """The task about a study that is not closed."""
        with self.store.reading() as unit:
            return open_task(unit, study)

    def steps(self, study: str = STUDY) -> list[str]:
        """The steps in the life of a study."""
        return [one.step.value for one in self.gate.history(OPERATOR, study)]

    def look_again(self) -> None:
        """Let the job that looks at studies again come to the end of the trail."""
        while self.rechecks.step():
            pass

    def move(self, authority: str, local_id: str, person: int) -> None:
        """Move a number from its person to another, as an unlink or an undo does."""
        record_id = self.id_of(authority, local_id)
        with self.store.writing() as unit:
            link = unit.persons.current_link(record_id)
            assert link is not None
            unit.persons.end_link(link, "test", "moved", event=_event(Action.UNLINKED))
            unit.persons.link(record_id, person, Grounds(MANUAL, "test"), event=_event(Action.LINKED))

    def protect(self, authority: str, local_id: str) -> None:
        """Hide an identity that its person left behind."""
        with self.store.writing() as unit:
            old = unit.records.find(authority, local_id)
            assert old is not None
            unit.records.protect(old, True, (), event=_event(Action.PROTECTED))

    def person(self) -> int:
        """A new person without records."""
        with self.store.writing() as unit:
            return unit.persons.create(event=_event(Action.PERSON_CREATED))

    def record(
        self,
        person: int,
        authority: str,
        local_id: str,
        said: dict[str, str | None],
        *,
        restricted: bool = False,
        admits: bool | None = None,
    ) -> int:
        """A record of `person`, prepared as registration does; `admits` says otherwise of test numbers."""
        values = self._values(authority, said, restricted, admits)
        with self.store.writing() as unit:
            record_id = unit.records.create(authority, local_id, values, event=_event(Action.RECORD_CREATED))
            unit.persons.link(record_id, person, Grounds(NEW, "test"), event=_event(Action.LINKED))
        return record_id

    def _values(self, authority: str, said: dict[str, str | None], restricted: bool, admits: bool | None) -> Values:
        recorded = Demographics(**said)
        admits = self.config.admits_test_numbers(authority) if admits is None else admits
        prepared, problems = prepare(recorded, allow_test_numbers=admits)
        return Values(
            recorded,
            prepared.to_json(),
            problems,
            blocking_keys(prepared),
            prepared.nhs,
            prepared.nhs_verified,
            restricted,
            "test",
            None,
        )

    def id_of(self, authority: str, local_id: str) -> int:
        """The internal id of a record."""
        with self.store.reading() as unit:
            record = unit.records.find(authority, local_id)
        assert record is not None
        return record.id

    def eid(self, person: int) -> str:
        """A person's enterprise id."""
        with self.store.reading() as unit:
            return unit.persons.get([person])[person].enterprise_id

    def change(self, authority: str, local_id: str, said: dict[str, str | None], *, restricted: bool = False) -> None:
        """Let a record say something else."""
        values = self._values(authority, said, restricted, None)
        with self.store.writing() as unit:
            old = unit.records.find(authority, local_id)
            assert old is not None
            old_keys = blocking_keys(Prepared.from_json(old.prepared))
            unit.records.change(old, values, old_keys, event=_event(Action.RECORD_UPDATED))

    def merge_record(self, authority: str, subsumed: str, surviving: str) -> None:
        """Merge one number into another, as an A40 does."""
        survivor = self.id_of(authority, surviving)
        with self.store.writing() as unit:
            old = unit.records.find(authority, subsumed)
            assert old is not None
            unit.records.set_status(old, MERGED, survivor, (), event=_event(Action.RECORD_MERGED))
            link = unit.persons.current_link(old.id)
            assert link is not None
            unit.persons.end_link(link, "test", "merged", event=_event(Action.UNLINKED))

    def delete_record(self, authority: str, local_id: str) -> None:
        """Take a record out of use."""
        with self.store.writing() as unit:
            old = unit.records.find(authority, local_id)
            assert old is not None
            unit.records.set_status(old, DELETED, None, (), event=_event(Action.RECORD_UPDATED))

    def merge_persons(self, subsumed: int, surviving: int) -> None:
        """Move all records of one person to another, who then stands for both."""
        with self.store.writing() as unit:
            for link in unit.persons.members([subsumed]):
                unit.persons.end_link(link, "test", "merged", event=_event(Action.UNLINKED))
                unit.persons.link(link.record_id, surviving, Grounds(NEW, "test"), event=_event(Action.LINKED))
            unit.persons.merge_into(subsumed, surviving, event=_event(Action.PERSON_MERGED))

    def open_task(self, left: int, right: int | None) -> None:
        """Ask a human about two records."""
        task = NewTask(TaskType.POSSIBLE_DUPLICATE, left, right, "a question")
        with self.store.writing() as unit:
            unit.tasks.open(task, event=_event(Action.TASK_OPENED))

    def keep_apart(self, one: int, other: int) -> None:
        """Write down that two records are different people."""
        with self.store.writing() as unit:
            unit.persons.keep_apart(one, other, "test", "different people", None, event=_event(Action.KEPT_APART))


def _event(action: Action) -> AuditEvent:
    return AuditEvent(BUILDER, action)
