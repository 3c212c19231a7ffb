"""Traffic for the gate: studies of the synthetic population, a good part of them with a labelled fault.

The population is registered as hospitals would; then things happen to it that make headers wrong (numbers given out
again, shared, replaced, merged). Each study knows whose images it holds, so that each answer can be held against the
truth.
"""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from random import Random

from mpi.bootstrap import App, build
from mpi.config import NHS_AUTHORITY, Authority, Config, Source
from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.messages import Merge, MergePair, Register
from mpi.domain.person import DEMOGRAPHIC_FIELDS, Identifier, SourceRecord
from mpi.domain.review import Verdict
from mpi.domain.roles import Role
from mpi.domain.study import GateAnswer, GateDecision, PatientId, RuleResult, StudyHeader
from mpi.matching.nhs_number import check_digit
from mpi.store.records import StoredRecord
from mpi.synth.population import HOSPITALS, Row, make
from tests.index import message

OPERATOR = Actor("gate", Role.GATE_OPERATOR.value)
SENIOR = Actor("sunil", Role.SENIOR_REVIEWER.value)
PERSONS_FOR_STUDIES = 4
"""So many studies a person there are, about."""
FAULTY = 0.4
_SEX = {"male": "M", "female": "F", "other": "O"}


@dataclass(frozen=True)
class Study:
    """A study as it comes: its header, what is wrong with it (None: nothing), and whose images it holds."""

    header: StudyHeader
    fault: str | None
    truth: str


@dataclass
class Tally:
    """What became of the studies of one kind."""

    studies: int = 0
    attached: int = 0
    wrong: int = 0
    held: int = 0
    refused: int = 0
    right_data: int = 0
    right_attached: int = 0
    unexplained: int = 0
    """Held or refused although no rule failed."""
    reasons: Counter[str] = field(default_factory=Counter)


def config_for(url: str) -> Config:
    """The hospitals of the synthetic population, all trusted, on the database at `url`."""
    hospitals = tuple(Authority(one.code, one.code, test=True) for one in HOSPITALS)
    sources = tuple(Source("PAS", one.code, one.code, test=True) for one in HOSPITALS)
    return Config(database_url=url, authorities=(NHS_AUTHORITY, *hospitals), sources=sources)


class Traffic:
    """A population in an index, and studies of it."""

    def __init__(self, url: str, studies: int, seed: int) -> None:
        self.app: App = build(config_for(url))
        self.random = Random(seed)
        self.studies = studies
        self.rows = list(make(max(studies // PERSONS_FOR_STUDIES, 50), seed))
        self.truth = {(row["authority"], row["record_id"]): row["true_person"] for row in self.rows}
        self._first_truth = dict(self.truth)
        self.of_person: dict[str, list[Row]] = defaultdict(list)
        for row in self.rows:
            self.of_person[row["true_person"]].append(row)
        self._free = [row for row in self.rows if not row["death_date"]]
        self.random.shuffle(self._free)
        self._next = 0
        self._unused = (
            f"{nine}{digit}" for nine in range(900_000_000, 901_000_000) if (digit := check_digit(str(nine)))
        )
        self.prepared: dict[str, list[tuple[Row, StudyHeader]]] = defaultdict(list)
        self.attached_before: list[Study] = []

    def close(self) -> None:
        """Close the database."""
        self.app.close()

    def uid(self) -> str:
        """The next Study Instance UID."""
        self._next += 1
        return f"1.2.826.0.1.3680043.10.511.9.{self._next}"

    # The index -------------------------------------------------------------------------------------------------

    def register(self) -> None:
        """Register everybody, then let happen what makes headers wrong later."""
        waiting = []
        for row in self.rows:
            waiting.append(message(Register(_record(row))))
            if len(waiting) == 200:
                self.app.inbox.process(waiting)
                waiting = []
        self.app.inbox.process(waiting)
        few = max(self.studies // 250, 3)
        for _ in range(few):
            self._reuse_number()
            self._share_number()
            self._supersede()
            self._merge(wrongly=False)
            self._merge(wrongly=True)
            self._restrict()

    def _take(self, fits: Callable[[Row], bool] = lambda row: True) -> Row | None:
        """A record that nothing else has happened to; None where there is no more."""
        for place, row in enumerate(self._free):
            if fits(row) and row["family_name"] and row["given_name"] and row["birth_date"]:
                del self._free[place]
                return row
        return None

    def _reuse_number(self) -> None:
        """The hospital gives the number of one patient to another; a human says so."""
        old, new = self._take(), self._take()
        if old is None or new is None:
            return
        before = self.header(old)
        given = {name: new[name] for name in DEMOGRAPHIC_FIELDS if new[name]}
        record = SourceRecord(old["authority"], old["record_id"], given, complete=True)
        done = self.app.inbox.process([message(Register(record))])[0]
        if self._decide_last(old, done.message_id, Verdict.REUSED):
            self.truth[old["authority"], old["record_id"]] = new["true_person"]
            self.prepared["reused-number"].append((old, before))

    def _share_number(self) -> None:
        """Somebody else's verified NHS number stands on a patient's new record."""
        one, other = self._take(lambda row: bool(row["nhs_number"])), self._take()
        if one is None or other is None:
            return
        number = f"S{one['record_id']}"
        said = {name: other[name] for name in DEMOGRAPHIC_FIELDS if other[name]}
        said |= {"nhs_number": one["nhs_number"], "nhs_number_status": "01"}
        self.truth[other["authority"], number] = other["true_person"]
        self.app.inbox.process([message(Register(SourceRecord(other["authority"], number, said)))])
        by_number = PatientId(one["nhs_number"], "NHS")
        self.prepared["shared-number"].append((other, replace(self.header(other), patient_id=by_number)))
        self.prepared["shared-number"].append((one, replace(self.header(one), patient_id=by_number)))

    def _supersede(self) -> None:
        """The national service replaces a patient's NHS number by another one, which somebody else's slip had."""
        row = self._take(lambda row: bool(row["nhs_number"]) and row["nhs_number_status"] == "01")
        if row is None:
            return
        old = row["nhs_number"]
        with self.app.store.writing() as unit:
            if unit.numbers.survivor(old) != old:
                return
            event = AuditEvent(OPERATOR, Action.NUMBER_SUPERSEDED)
            unit.numbers.supersede(old, next(self._unused), "test", event=event)
        self.prepared["superseded-number"].append((row, replace(self.header(row), patient_id=PatientId(old, "NHS"))))

    def _merge(self, *, wrongly: bool) -> None:
        """A hospital merges two numbers: of one patient, or by mistake of two (a human lets it through)."""
        row = self._take(lambda row: self._sibling(row) is not None) if not wrongly else self._take()
        if row is None:
            return
        same = self._sibling(row) if not wrongly else None
        other = self._take(lambda one: one["authority"] == row["authority"]) if wrongly else same
        if other is None:
            return
        name = "wrongly-merged-number" if wrongly else "moved-by-merge"
        before = self.header(row)
        if not wrongly:
            self.app.gate.check(OPERATOR, before)
        pair = MergePair(
            Identifier(other["authority"], other["record_id"]), Identifier(row["authority"], row["record_id"])
        )
        done = self.app.inbox.process([message(Merge((pair,)))])[0]
        self._decide_last(row, done.message_id, Verdict.SAME)
        self.prepared[name].append((row, before))

    def _sibling(self, row: Row) -> Row | None:
        same = self.of_person[row["true_person"]]
        return next((one for one in same if one is not row and one["authority"] == row["authority"]), None)

    def _restrict(self) -> None:
        row = self._take()
        if row is not None:
            record = SourceRecord(row["authority"], row["record_id"], {}, restricted=True)
            self.app.inbox.process([message(Register(record))])
            self.prepared["restricted"].append((row, self.header(row)))

    def _decide_last(self, row: Row, message_id: int | None, verdict: Verdict) -> bool:
        """Let a human answer the question that a message has raised about a record, if it raised one."""
        with self.app.store.reading() as unit:
            record = unit.records.find(row["authority"], row["record_id"])
            tasks = unit.tasks.open_of([record.id]) if record else []
        for task in tasks:
            if task.message_id == message_id:
                self.app.review.decide(SENIOR, task.id, verdict, "said by the hospital")
                return True
        return False

    # Headers ---------------------------------------------------------------------------------------------------

    def header(self, row: Row) -> StudyHeader:
        """The header of a study made where this record stands, as that hospital knows the patient."""
        born = row["birth_date"].replace("-", "")
        died = next((one["death_date"] for one in self.of_person[row["true_person"]] if one["death_date"]), "")
        return StudyHeader(
            study_uid=self.uid(),
            patient_id=PatientId(row["record_id"], row["authority"]),
            family_name=row["family_name"].upper() or None,
            given_name=row["given_name"].upper() or None,
            middle_name=row["middle_names"].upper() or None,
            birth_date=born or None,
            sex=_SEX.get(row["sex"]),
            study_date=max(min("20241210", died.replace("-", "") or "20241210"), born),
            modality=self.random.choice(("CT", "MR", "DX", "US")),
        )

    def __iter__(self) -> Iterator[Study]:
        """The studies, in an order that the seed decides."""
        kinds = list(FAULTS)
        for _ in range(self.studies):
            if self.random.random() >= FAULTY:
                row = self.random.choice(self.rows)
                yield Study(self.header(row), None, row["true_person"])
                continue
            study = None
            while study is None:
                study = self._faulty(self.random.choice(kinds))
            yield study

    def _faulty(self, fault: str) -> Study | None:
        make_it = FAULTS[fault]
        if make_it is None:
            if not self.prepared[fault]:
                return None
            row, header = self.random.choice(self.prepared[fault])
            uid = header.study_uid if fault == "moved-by-merge" else self.uid()
            return Study(replace(header, study_uid=uid), fault, row["true_person"])
        row = self.random.choice(self.rows)
        header = make_it(self, row, self.header(row))
        return None if header is None else Study(header, fault, row["true_person"])

    # Looking ---------------------------------------------------------------------------------------------------

    def run(self, seen: Callable[[int, dict[str, Tally]], None] = lambda done, found: None) -> dict[str, Tally]:
        """Send every study through the gate; what became of each kind, `no fault` first. `seen` hears of each."""
        found: dict[str, Tally] = defaultdict(Tally)
        for done, study in enumerate(self):
            seen(done, found)
            right = self.data_are_right(study)
            answer = self.app.gate.check(OPERATOR, study.header)
            self._count(found[study.fault or "no fault"], study, answer, right=right)
            if answer.decision is GateDecision.ATTACH and study.fault is None and len(self.attached_before) < 500:
                self.attached_before.append(study)
        return {kind: found[kind] for kind in ("no fault", *FAULTS) if kind in found}

    def _count(self, tally: Tally, study: Study, answer: GateAnswer, *, right: bool) -> None:
        failed = [rule.rule for rule in answer.rules if rule.result is RuleResult.FAILED]
        attached = answer.decision is GateDecision.ATTACH
        tally.studies += 1
        tally.attached += attached
        tally.wrong += attached and self.truths_of(answer.person or "") != {study.truth}
        tally.held += answer.decision is GateDecision.HOLD
        tally.refused += answer.decision is GateDecision.REFUSE
        tally.right_data += right
        tally.right_attached += right and attached
        tally.unexplained += not attached and not failed
        tally.reasons.update(failed)

    def truths_of(self, enterprise_id: str) -> set[str]:
        """Who the active records of a person of the index truly are."""
        with self.app.store.reading() as unit:
            person = unit.persons.by_enterprise_id(enterprise_id)
            assert person is not None
            ids = [link.record_id for link in unit.persons.members([person.id])]
            return {self._truth_of(record) for record in unit.records.get(ids).values()}

    def _truth_of(self, record: StoredRecord) -> str:
        number, given_away, _ = record.local_id.partition(" (until ")
        return (self._first_truth if given_away else self.truth)[record.authority, number]

    def data_are_right(self, study: Study) -> bool:
        """Whether a study should get through by itself, found without the gate's own rules.

        A trusted issuer's number or a verified NHS number leads to one person whose every active record says the
        same name, birth date and sex as the header after folding; nothing is open about the person, and the study
        was not seen with another patient.
        """
        header = study.header
        if header.identity_removed or header.quality_control or header.other_patient_ids or not header.birth_date:
            return False
        if any(one.header.study_uid == header.study_uid for one in self.attached_before):
            return False
        with self.app.store.reading() as unit:
            number = header.patient_id
            if number is None or number.issuer is None:
                return False
            if number.issuer == "NHS" and unit.numbers.survivor(number.value) != number.value:
                return False
            if number.issuer == "NHS":
                rows = unit.records.get(unit.records.with_number("NHS", number.value)).values()
                found = [row for row in rows if row.status == "active"]
                if not any(row.recorded.nhs_number_status == "01" for row in found):
                    return False
            else:
                row = unit.records.find(number.issuer, number.value)
                found = [unit.records.survivor(row)] if row else []
            persons = {link.person_id for link in unit.persons.current_links([row.id for row in found])}
            if len(persons) != 1:
                return False
            ids = [link.record_id for link in unit.persons.members(persons)]
            records = list(unit.records.get(ids).values())
            every = [*ids, *(row.id for row in unit.records.absorbed(ids))]
            if any(row.restricted for row in unit.records.get(every).values()) or unit.tasks.open_of(every):
                return False
            if any(unit.persons.kept_apart_from(one) for one in every):
                return False
            return all(_agrees(header, record.recorded.as_dict()) for record in records)


def _agrees(header: StudyHeader, said: dict[str, str]) -> bool:
    """Every one of name, birth date and sex that the record has is the header's."""
    pairs = (
        (header.family_name, said.get("family_name")),
        ((header.given_name or "").split(" ")[0], (said.get("given_name") or "").split(" ")[0]),
        (header.birth_date, (said.get("birth_date") or "").replace("-", "")),
        (header.sex or "", _SEX.get(said.get("sex", ""), "")),
    )
    return all(_folded(one) == _folded(other) for one, other in pairs)


def _folded(text: str | None) -> str:
    plain = unicodedata.normalize("NFKD", text or "").upper()
    return "".join(letter for letter in plain if letter.isalnum())


def _record(row: Row) -> SourceRecord:
    said = {name: row[name] for name in DEMOGRAPHIC_FIELDS if row[name]}
    return SourceRecord(row["authority"], row["record_id"], said, complete=True)


# What is wrong with a header; None where the fault does not fit this record. ---------------------------------------

Fault = Callable[[Traffic, Row, StudyHeader], StudyHeader | None]


def _number_of(traffic: Traffic, other: Row | None, header: StudyHeader) -> StudyHeader | None:
    if other is None:
        return None
    return replace(header, patient_id=PatientId(other["record_id"], other["authority"]))


def _other(traffic: Traffic, row: Row, same: Callable[[Row], bool]) -> Row | None:
    """A record of somebody else that has this in common with `row`."""
    fitting = [one for one in traffic.rows if one["true_person"] != row["true_person"] and same(one)]
    return traffic.random.choice(fitting) if fitting else None


def _twin(traffic: Traffic, row: Row, header: StudyHeader) -> StudyHeader | None:
    birth = row["true_birth"]
    return _number_of(traffic, _other(traffic, row, lambda one: one["true_birth"] == birth) if birth else None, header)


def _relative(traffic: Traffic, row: Row, header: StudyHeader) -> StudyHeader | None:
    if not row["postcode"]:
        return None
    home = row["postcode"], row["family_name"].upper()
    return _number_of(
        traffic, _other(traffic, row, lambda one: (one["postcode"], one["family_name"].upper()) == home), header
    )


def _namesake(traffic: Traffic, row: Row, header: StudyHeader) -> StudyHeader | None:
    if not row["given_name"]:
        return None
    name = row["given_name"].upper(), row["family_name"].upper()
    return _number_of(
        traffic,
        _other(traffic, row, lambda one: (one["given_name"].upper(), one["family_name"].upper()) == name),
        header,
    )


def _same_birthday(traffic: Traffic, row: Row, header: StudyHeader) -> StudyHeader | None:
    born = row["birth_date"]
    return _number_of(traffic, _other(traffic, row, lambda one: one["birth_date"] == born) if born else None, header)


def _second_patient(traffic: Traffic, row: Row, header: StudyHeader) -> StudyHeader | None:
    if not traffic.attached_before:
        return None
    before = traffic.random.choice(traffic.attached_before)
    return replace(header, study_uid=before.header.study_uid) if before.truth != row["true_person"] else None


def _one_off(traffic: Traffic, row: Row, header: StudyHeader) -> StudyHeader | None:
    return _number_of(traffic, _other(traffic, row, lambda one: one["authority"] == row["authority"]), header)


def _other_number(traffic: Traffic, row: Row, header: StudyHeader) -> StudyHeader | None:
    other = _other(traffic, row, lambda one: bool(one["nhs_number"]))
    return other and replace(header, other_patient_ids=(PatientId(other["nhs_number"], "NHS"),))


def _old_name(traffic: Traffic, row: Row, header: StudyHeader) -> StudyHeader | None:
    old = row["previous_family_name"].upper()
    return replace(header, family_name=old) if old and old != header.family_name else None


def _slip(traffic: Traffic, row: Row, header: StudyHeader) -> StudyHeader | None:
    name = header.family_name or ""
    if len(name) < 4 or name[1] == name[2]:
        return None
    return replace(header, family_name=name[0] + name[2] + name[1] + name[3:])


def _swapped(traffic: Traffic, row: Row, header: StudyHeader) -> StudyHeader | None:
    if header.family_name == header.given_name:
        return None
    return replace(header, family_name=header.given_name, given_name=header.family_name)


def _wrong_sex(traffic: Traffic, row: Row, header: StudyHeader) -> StudyHeader | None:
    other = {"M": "F", "F": "M"}.get(header.sex or "")
    return replace(header, sex=other) if other else None


FAULTS: dict[str, Fault | None] = {
    "missing-issuer": lambda t, row, h: replace(h, patient_id=PatientId(row["record_id"])),
    "unknown-issuer": lambda t, row, h: replace(h, patient_id=PatientId(row["record_id"], "ELSEWHERE")),
    "number-of-a-twin": _twin,
    "number-of-a-relative": _relative,
    "number-of-a-namesake": _namesake,
    "number-of-same-birthday": _same_birthday,
    "number-of-anybody": _one_off,
    "another-persons-second-number": _other_number,
    "shared-number": None,
    "superseded-number": None,
    "reused-number": None,
    "moved-by-merge": None,
    "wrongly-merged-number": None,
    "restricted": None,
    "swapped-names": _swapped,
    "slip-in-the-name": _slip,
    "former-name": _old_name,
    "filler-birth-date": lambda t, row, h: replace(h, birth_date="19000101"),
    "missing-birth-date": lambda t, row, h: replace(h, birth_date=None),
    "wrong-sex": _wrong_sex,
    "second-patient-in-one-study": _second_patient,
    "de-identified": lambda t, row, h: replace(h, identity_removed=True),
    "phantom": lambda t, row, h: replace(h, quality_control=True),
}
"""Each fault by its label; None: prepared beforehand in the index."""


def total(found: dict[str, Tally]) -> Tally:
    """All kinds together."""
    every = Tally()
    for tally in found.values():
        for name in ("studies", "attached", "wrong", "held", "refused", "right_data", "right_attached", "unexplained"):
            setattr(every, name, getattr(every, name) + getattr(tally, name))
    return every


def table(found: dict[str, Tally]) -> str:
    """The figures as Markdown."""
    lines = [
        "| fault | studies | attached | of these to a wrong person | held | refused | data right | of these attached |"
    ]
    lines.append("| --- |" + " ---: |" * 7)
    for kind, tally in [*found.items(), ("all", total(found))]:
        share = f"{100 * tally.right_attached / tally.right_data:.1f} %" if tally.right_data else "-"
        lines.append(
            f"| {kind} | {tally.studies:,} | {tally.attached:,} | {tally.wrong} | {tally.held:,} | {tally.refused:,}"
            f" | {tally.right_data:,} | {share} |"
        )
    return "\n".join(lines)
