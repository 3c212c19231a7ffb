"""What the gate decides, case by case: the table that every way to the gate is held to.

In the index, and nothing else unless a case says so: Maria Ashworth, female, born 24 March 1968, with the number 100 at
RXX and a verified NHS number; her twin sister Marta, number 101; Peter Holt, number 200. The header is a right one of
Maria's, with her number 100 and the issuer RXX, changed by what the case says.
"""

# ruff: noqa: E501 - one line a case: the table is read line by line

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.known_study import StudyNews, StudyState
from mpi.domain.person import Identifier
from mpi.domain.study import NO_ARRIVAL, Arrival, GateDecision, Origin, PatientId, StudyHeader, Urgency
from mpi.store.known_studies import Told
from tests.gate_world import (
    MARIA,
    MARIA_NHS,
    MARTA_NHS,
    OPERATOR,
    OTHER_STUDY,
    PETER,
    PETER_NHS,
    STUDY,
    UNUSED_NHS,
    World,
    a_header,
    nhs,
    rxx,
)

ATTACH, HOLD, REFUSE = GateDecision.ATTACH, GateDecision.HOLD, GateDecision.REFUSE
Arrange = Callable[[World], Any]


class Case(NamedTuple):
    """One line of the table: the header's changes, the index's changes, the decision, exactly the rules that fail."""

    name: str
    header: dict[str, Any]
    index: Arrange | None
    decision: GateDecision
    failed: str = ""
    ours: tuple[str, ...] = ()
    """The hospitals whose gate it is: their own studies may come back."""
    arrival: Arrival = NO_ARRIVAL


def both_hospitals(world: World) -> None:
    """Maria is also known at RYY, as 900."""
    world.record(world.maria, "RYY", "900", MARIA)


def unverified(world: World) -> None:
    """Maria's NHS number was never traced."""
    world.change("RXX", "100", MARIA | {"nhs_number_status": "02"})


def shared_number(world: World) -> None:
    """A second person carries Maria's NHS number."""
    world.record(world.person(), "RYY", "901", PETER | {"nhs_number": MARIA_NHS, "nhs_number_status": "01"})


def merged_number(world: World) -> None:
    """Maria's number 99 at RXX was merged into 100."""
    world.record(world.maria, "RXX", "99", MARIA)
    world.merge_record("RXX", "99", "100")


def merged_person(world: World) -> None:
    """Maria was two persons, who were merged; the number 98 came from the other."""
    other = world.person()
    world.record(other, "RYY", "98", MARIA)
    world.merge_persons(other, world.maria)


def says(authority: str = "RYY", local_id: str = "900", **said: str | None) -> Arrange:
    """Maria has a second record that says something else."""
    return lambda world: world.record(world.maria, authority, local_id, MARIA | said)


def now_says(**said: str | None) -> Arrange:
    """Maria's only record says something else."""
    return lambda world: world.change("RXX", "100", MARIA | said)


def attached_to_maria(world: World) -> None:
    """The study was attached to Maria before."""
    assert world.check(a_header()).decision is ATTACH


def detached(world: World) -> None:
    """The study was attached to Maria, and a human took it away from her."""
    attached_to_maria(world)
    world.decisions.detach(OPERATOR, STUDY, "not hers")


def came_otherwise(**said: Any) -> Arrange:
    """Another object of the study came before, and was held; its header says otherwise."""
    return lambda world: world.check(replace(a_header(study_date=None), **said))


def held_for_peter(world: World) -> None:
    """The study came before, with Peter's number and no birth date."""
    header = a_header(patient_id=rxx("200"), family_name="HOLT", given_name="PETER", birth_date=None, sex="M")
    assert world.check(header).decision is HOLD


def task_about_maria(world: World) -> None:
    """A human is asked whether Maria and Marta are one."""
    world.open_task(world.id_of("RXX", "100"), world.id_of("RXX", "101"))


def task_about_merged_number(world: World) -> None:
    """A human is asked about a number that was merged into Maria's."""
    merged_number(world)
    world.open_task(world.id_of("RXX", "99"), world.id_of("RXX", "101"))


def kept_apart(world: World) -> None:
    """A human said that Maria and Marta are different people."""
    world.keep_apart(world.id_of("RXX", "100"), world.id_of("RXX", "101"))


def restricted(world: World) -> None:
    """Maria's record is restricted."""
    world.change("RXX", "100", MARIA, restricted=True)


def restricted_elsewhere(world: World) -> None:
    """Maria's record at the other hospital is restricted."""
    world.record(world.maria, "RYY", "900", MARIA, restricted=True)


def restricted_before_merge(world: World) -> None:
    """A restricted record was merged into Maria's."""
    world.record(world.maria, "RXX", "99", MARIA, restricted=True)
    world.merge_record("RXX", "99", "100")


def live_record_with_test_number(world: World) -> None:
    """A hospital that is no test authority holds a number of the test range (a test feed brought it, say)."""
    world.record(world.person(), "RZZ", "77", MARIA | {"nhs_number": UNUSED_NHS}, admits=True)


def used_again(world: World) -> None:
    """Maria's study was attached; then her number was used again for Peter."""
    attached_to_maria(world)
    world.change("RXX", "100", PETER | {"nhs_number": None})


def mended(**before: str | None) -> Arrange:
    """Maria's record said something else of her at first."""
    return lambda world: (world.change("RXX", "100", MARIA | before), world.change("RXX", "100", MARIA))


def made_here(number: str = "100", uid: str = STUDY) -> Arrange:
    """RXX has told that it made the study, of the patient with this number."""

    def tell(world: World) -> None:
        with world.store.writing() as unit:
            told = Told(Identifier("RXX", number), world.id_of("RXX", number), "{}", None, "PAS", None)
            event = AuditEvent(Actor("PAS", "feed"), Action.STUDY_TOLD)
            unit.known_studies.keep(StudyNews(uid, StudyState.AVAILABLE), told, event=event)

    return tell


BY_RYY: dict[str, Any] = {"patient_id": PatientId("900", "RYY")}
PETERS: dict[str, Any] = {"family_name": "HOLT", "given_name": "PETER", "birth_date": "19511102", "sex": "M"}
MARTAS: dict[str, Any] = {"patient_id": rxx("101"), "given_name": "MARTA"}
NOBODY: dict[str, Any] = {"patient_id": None}

EMERGENCY = Arrival(Origin.PARTNER, "PARTNER1", Urgency.EMERGENCY)

CASES = [
    # --- right studies ---------------------------------------------------------------------------------------------
    Case("a local number under a trusted issuer, and everything equal", {}, None, ATTACH),
    Case("a verified NHS number, and everything equal", {"patient_id": nhs(MARIA_NHS)}, None, ATTACH),
    Case("the NHS number with spaces", {"patient_id": nhs(f"{MARIA_NHS[:3]} {MARIA_NHS[3:6]} {MARIA_NHS[6:]}")}, None, ATTACH),
    Case("the NHS number among the other patient ids", {"patient_id": PatientId("555", "ELSEWHERE"), "other_patient_ids": (nhs(MARIA_NHS),)}, None, ATTACH),
    Case("the issuer given by an alias", {"patient_id": PatientId("100", "reh")}, None, ATTACH),
    Case("the issuer given by its OID", {"patient_id": PatientId("100", None, "2.999.1")}, None, ATTACH),
    Case("issuer and OID say the same", {"patient_id": PatientId("100", "RXX", "2.999.1")}, None, ATTACH),
    Case("the numbers of two hospitals and of the NHS agree", {"other_patient_ids": (PatientId("900", "RYY"), nhs(MARIA_NHS))}, both_hospitals, ATTACH),
    Case("a merged number leads to the surviving one", {"patient_id": rxx("99")}, merged_number, ATTACH),
    Case("a number of a merged person leads to the survivor", {"patient_id": PatientId("98", "RYY")}, merged_person, ATTACH),
    Case("capitals, accents and titles are folded", {"family_name": "Ashwörth", "given_name": "Mrs María"}, None, ATTACH),
    Case("a listed short form of the given name", {"given_name": "LIZ"}, now_says(given_name="Elizabeth"), ATTACH),
    Case("the middle name as an initial", {"middle_name": "J"}, None, ATTACH),
    Case("a title where the middle name stands", {"middle_name": "MRS"}, None, ATTACH),
    Case("a title behind the given name", {"given_name": "MARIA MRS"}, None, ATTACH),
    Case("a title and another middle name", {"given_name": "MARIA MRS", "middle_name": "ROSE"}, None, HOLD, "middle-names"),
    Case("a title that may be a name", {"middle_name": "MAJOR"}, None, HOLD, "middle-names"),
    Case("no sex in the header", {"sex": None}, None, ATTACH),
    Case("no sex in the index", {}, now_says(sex=None), ATTACH),
    Case("an unknown number of an unknown issuer says nothing", {"other_patient_ids": (PatientId("200", "ELSEWHERE"),)}, None, ATTACH),
    Case("the person's NHS number without an issuer confirms", {"other_patient_ids": (PatientId(MARIA_NHS),)}, None, ATTACH),
    Case("a number of ten equal digits stands for none", {"other_patient_ids": (nhs("4444444444"),)}, None, ATTACH),
    Case("not traced, but the local number identifies", {}, unverified, ATTACH),
    Case("a study made on the day of death", {"study_date": "20240110"}, now_says(death_date="2024-01-10"), ATTACH),
    Case("the same study again, for the same person", {}, attached_to_maria, ATTACH),
    Case("a filler as death date stands for none", {}, now_says(death_date="9999-12-31"), ATTACH),
    # --- what the objects say of themselves ------------------------------------------------------------------------
    Case("several patients in one study", {"several_patients": True}, None, REFUSE, "one-patient"),
    Case("an animal", {"veterinary": True}, None, REFUSE, "not-veterinary"),
    Case("a phantom", {"quality_control": True}, None, REFUSE, "not-quality-control"),
    Case("de-identified", {"identity_removed": True}, None, REFUSE, "not-de-identified"),
    Case("of a clinical trial", {"trial": True}, None, REFUSE, "not-trial"),
    # --- numbers -----------------------------------------------------------------------------------------------------
    Case("no number at all", NOBODY, None, HOLD, "identified-by-trusted-number"),
    Case("an empty number", {"patient_id": rxx("  ")}, None, HOLD, "identified-by-trusted-number"),
    Case("the right number without its issuer", {"patient_id": PatientId("100")}, None, HOLD, "identified-by-trusted-number"),
    Case("an empty issuer is none", {"patient_id": PatientId("100", " ", "")}, None, HOLD, "identified-by-trusted-number"),
    Case("the verified NHS number without an issuer is only a hint", {"patient_id": PatientId(MARIA_NHS)}, None, HOLD, "identified-by-trusted-number"),
    Case("an issuer that is not configured", {"patient_id": PatientId("100", "ELSEWHERE")}, None, HOLD, "identified-by-trusted-number"),
    Case("an issuer of an insurer is not trusted", {"patient_id": PatientId("5", "INS")}, lambda w: w.record(w.maria, "INS", "5", MARIA), HOLD, "identified-by-trusted-number"),
    Case("a number that is not in the index", {"patient_id": rxx("12345")}, None, HOLD, "identified-by-trusted-number"),
    Case("digits of another script", {"patient_id": rxx("\uff11\uff10\uff10")}, None, HOLD, "identified-by-trusted-number"),
    Case("an NHS number in digits of another script", {"patient_id": nhs("".join(chr(ord(d) + 0xFEE0) for d in MARIA_NHS))}, None, HOLD, "identified-by-trusted-number numbers-known"),
    Case("an issuer whose capitals would read NHS", {"patient_id": PatientId(MARIA_NHS, "NH\u017f")}, None, HOLD, "identified-by-trusted-number"),
    Case("issuer and number in one text", {"patient_id": PatientId("100^^^RXX")}, None, HOLD, "identified-by-trusted-number"),
    Case("a visit number that is also a person's number", {"patient_id": PatientId("100", "RXX", None, "VN")}, None, HOLD, "identified-by-trusted-number"),
    Case("the number said to be a medical record's", {"patient_id": PatientId("100", "RXX", None, "MR")}, None, ATTACH),
    Case("somebody else's number that is a visit's here", {"other_patient_ids": (PatientId("200", "RXX", None, "an"),)}, None, ATTACH),
    Case("a control character in the number", {"patient_id": rxx("1\x0000")}, None, HOLD, "identified-by-trusted-number numbers-known"),
    Case("spaces around the number are padding", {"patient_id": rxx(" 100 ")}, None, ATTACH),
    Case("a leading zero makes another number", {"patient_id": rxx("0100")}, None, HOLD, "identified-by-trusted-number"),
    Case("a number whose record was deleted", {}, lambda w: w.delete_record("RXX", "100"), HOLD, "identified-by-trusted-number"),
    Case("an NHS number that the index has not verified", {"patient_id": nhs(MARIA_NHS)}, unverified, HOLD, "identified-by-trusted-number"),
    Case("an NHS number verified only on a merged record", {"patient_id": nhs(UNUSED_NHS)}, lambda w: (w.change("RXX", "100", MARIA | {"nhs_number": None}), w.record(w.maria, "RXX", "99", MARIA | {"nhs_number": UNUSED_NHS}), w.merge_record("RXX", "99", "100")), HOLD, "identified-by-trusted-number"),
    Case("an NHS number with a wrong check digit beside a right local number", {"other_patient_ids": (nhs(MARIA_NHS[:9] + "5"),)}, None, HOLD, "numbers-known"),
    Case("another NHS number than the person's, in nobody's record", {"other_patient_ids": (nhs(UNUSED_NHS),)}, None, HOLD, "numbers-known"),
    Case("a number of the issuer that knows the person by another", {"patient_id": nhs(MARIA_NHS), "other_patient_ids": (rxx("777"),)}, None, HOLD, "numbers-known"),
    Case("issuer and OID name two authorities", {"patient_id": PatientId("100", "RXX", "2.999.2")}, None, HOLD, "identified-by-trusted-number numbers-known"),
    Case("a known issuer with an unknown OID", {"patient_id": PatientId("100", "RXX", "1.2.3")}, None, HOLD, "identified-by-trusted-number numbers-known"),
    Case("numbers of two different people", {"other_patient_ids": (nhs(PETER_NHS),)}, None, REFUSE, "identified-by-trusted-number numbers-lead-to-one-person"),
    Case("the twin's NHS number beside the right local number", {"other_patient_ids": (nhs(MARTA_NHS),)}, None, REFUSE, "identified-by-trusted-number numbers-lead-to-one-person"),
    Case("an NHS number that two persons carry", {"patient_id": nhs(MARIA_NHS)}, shared_number, HOLD, "identified-by-trusted-number number-on-one-person"),
    Case("a shared NHS number beside the right local number", {"other_patient_ids": (nhs(MARIA_NHS),)}, shared_number, HOLD, "number-on-one-person"),
    Case("a shared NHS number beside a number of an insurer", {"patient_id": nhs(MARIA_NHS), "other_patient_ids": (PatientId("5", "INS"),)}, lambda w: (shared_number(w), w.record(w.maria, "INS", "5", MARIA)), HOLD, "identified-by-trusted-number number-on-one-person"),
    Case("a number without issuer that is somebody else's NHS number", {"other_patient_ids": (PatientId(PETER_NHS),)}, None, HOLD, "bare-numbers-agree"),
    Case("a number of an unknown issuer that is somebody else's NHS number", {"other_patient_ids": (PatientId(PETER_NHS, "NHS NUMBER"),)}, None, HOLD, "bare-numbers-agree"),
    Case("the person's NHS number under an issuer that is not configured", {"other_patient_ids": (PatientId(MARIA_NHS, "NHS NUMBER"),)}, None, ATTACH),
    Case("a test number on a record of a live hospital", {"patient_id": nhs(UNUSED_NHS)}, live_record_with_test_number, HOLD, "identified-by-trusted-number"),
    # --- whose number is it ------------------------------------------------------------------------------------------
    Case("a number of somebody with another name and birth date", {"patient_id": rxx("200"), "sex": None}, None, REFUSE, "number-belongs-to-patient birth-date family-name given-name"),
    Case("the twin's number", {"patient_id": rxx("101")}, None, HOLD, "given-name"),
    Case("the twin's NHS number", {"patient_id": nhs(MARTA_NHS)}, None, HOLD, "given-name"),
    Case("a merged number used again for somebody else", {"patient_id": rxx("99"), "family_name": "HOLT", "given_name": "PETER", "birth_date": "19511102", "sex": "M"}, merged_number, REFUSE, "number-belongs-to-patient birth-date family-name given-name sex"),
    Case("another hospital's abbreviation that is an alias here", {"patient_id": PatientId("200", "REH")}, None, REFUSE, "number-belongs-to-patient birth-date family-name given-name sex"),
    # --- name, birth date, sex ---------------------------------------------------------------------------------------
    Case("birth date with day and month exchanged", {"birth_date": "19682403"}, None, HOLD, "birth-date"),
    Case("birth date one day off", {"birth_date": "19680325"}, None, HOLD, "birth-date"),
    Case("no birth date", {"birth_date": None}, None, HOLD, "birth-date"),
    Case("a birth year only", {"birth_date": "1968"}, None, HOLD, "birth-date"),
    Case("a filler as birth date", {"birth_date": "19000101"}, None, HOLD, "birth-date"),
    Case("the same filler in header and index", {"birth_date": "19000101"}, now_says(birth_date="1900-01-01"), HOLD, "birth-date"),
    Case("no birth date in the index", {}, now_says(birth_date=None), HOLD, "birth-date"),
    Case("family and given name exchanged", {"family_name": "MARIA", "given_name": "ASHWORTH"}, None, HOLD, "family-name given-name"),
    Case("the whole name in the family name", {"family_name": "ASHWORTH MARIA", "given_name": None}, None, HOLD, "family-name given-name"),
    Case("another family name", {"family_name": "ASHWORTH-HOLT"}, None, HOLD, "family-name"),
    Case("the family name one letter off", {"family_name": "ASHWORT"}, None, HOLD, "family-name"),
    Case("no family name", {"family_name": None}, None, HOLD, "family-name"),
    Case("an empty family name", {"family_name": ""}, None, HOLD, "family-name"),
    Case("a placeholder as family name, on both sides", {"family_name": "UNKNOWN"}, now_says(family_name="Unknown"), HOLD, "family-name records-agree"),
    Case("a letter that only looks Latin", {"family_name": "ASHWORTH\u041c"}, None, HOLD, "family-name"),
    Case("a character of no width in the name", {"family_name": "ASH\u200bWORTH"}, None, HOLD, "family-name"),
    Case("a character that could not be decoded", {"family_name": "ASHWORTH\ufffd"}, None, HOLD, "family-name"),
    Case("a digit in the name", {"family_name": "ASHWORTH2"}, None, HOLD, "family-name"),
    Case("something in brackets behind the name", {"family_name": "ASHWORTH (HOLT)"}, None, HOLD, "family-name"),
    Case("a hyphen for a space in the name", {"family_name": "ASHWORTH HOLT"}, now_says(family_name="Ashworth-Holt"), ATTACH),
    Case("a full stop behind an initial", {"given_name": "MARIA J."}, None, ATTACH),
    Case("an ampersand between two given names", {"given_name": "MARIA & MARTA"}, now_says(middle_names=None), HOLD, "given-name"),
    Case("a slash between two given names", {"given_name": "MARIA/MARTA"}, now_says(middle_names=None), HOLD, "given-name"),
    Case("a control character between two given names", {"given_name": "MARIA\x00MARTA"}, now_says(middle_names=None), HOLD, "given-name"),
    Case("another given name behind 500 spaces", {"given_name": "MARIA" + 500 * " " + "MARTA"}, now_says(middle_names=None), HOLD, "given-name"),
    Case("a long family name with another end", {"family_name": 99 * "A" + "SMITH"}, now_says(family_name=99 * "A" + "STONE"), HOLD, "family-name"),
    Case("a long family name, written alike", {"family_name": 99 * "A" + "SMITH"}, now_says(family_name=99 * "a" + "Smith"), ATTACH),
    Case("no given name", {"given_name": None}, None, HOLD, "given-name"),
    Case("only the initial of the given name", {"given_name": "M"}, None, HOLD, "given-name"),
    Case("two short forms of one name", {"given_name": "BETTY"}, now_says(given_name="Liz"), HOLD, "given-name"),
    Case("a newborn without a given name", {"given_name": "BABY OF MARIA"}, None, HOLD, "given-name"),
    Case("twin one against twin two", {"given_name": "MARIA TWIN 1"}, now_says(given_name="Maria Twin 2"), HOLD, "given-name"),
    Case("another middle name", {"middle_name": "ANNE"}, None, HOLD, "middle-names"),
    Case("the other of two double given names", {"given_name": "MARIA LOUISE"}, None, HOLD, "middle-names"),
    Case("another sex", {"sex": "M"}, None, HOLD, "sex"),
    Case("a sex that cannot be read", {"sex": "W?"}, None, HOLD, "sex"),
    Case("no sex in the header where the records disagree", {"sex": None}, says(sex="male"), HOLD, "records-agree"),
    # --- the person --------------------------------------------------------------------------------------------------
    Case("a second record with another birth date", {}, says(birth_date="1969-03-24"), HOLD, "birth-date records-agree"),
    Case("a second record with another family name", {}, says(family_name="Holt"), HOLD, "family-name"),
    Case("the second record's family name, by its number", {"patient_id": PatientId("900", "RYY"), "family_name": "HOLT"}, says(family_name="Holt"), HOLD, "family-name"),
    Case("a second record that knows only the birth year", {}, says(birth_date="1968"), ATTACH),
    Case("a second record with another birth year", {}, says(birth_date="1967"), HOLD, "birth-date"),
    Case("a second record with another NHS number", {}, says(nhs_number=UNUSED_NHS), HOLD, "records-agree"),
    Case("a second record that was deleted says nothing any more", {}, lambda w: (says(birth_date="1969-03-24")(w), w.delete_record("RYY", "900")), ATTACH),
    Case("the same study, after the number was used again for the one it now names", PETERS, used_again, HOLD, "records-agree"),
    Case("a new study of the one for whom a number was used again", PETERS | {"study_uid": OTHER_STUDY}, used_again, HOLD, "records-agree"),
    Case("a birth date that was mended", {}, mended(birth_date="1986-04-23"), ATTACH),
    Case("a name that was mended", {}, mended(family_name="Holt", given_name="Eve"), ATTACH),
    Case("somebody else's name and birth date, which were mended", {}, mended(family_name="Holt", given_name="Eve", birth_date="1991-07-15"), HOLD, "records-agree"),
    Case("a restricted person", {}, restricted, HOLD, "not-restricted"),
    Case("restricted at another hospital", {}, restricted_elsewhere, HOLD, "not-restricted"),
    Case("a restricted record was merged into the person's", {}, restricted_before_merge, HOLD, "not-restricted"),
    Case("an open review task", {}, task_about_maria, HOLD, "no-open-review"),
    Case("an open review task about a merged number", {}, task_about_merged_number, HOLD, "no-open-review"),
    Case("party to a do-not-link", {}, kept_apart, HOLD, "no-do-not-link"),
    Case("the other party to the do-not-link", MARTAS, kept_apart, HOLD, "no-do-not-link"),
    # --- the study ---------------------------------------------------------------------------------------------------
    Case("a study before the birth", {"study_date": "19680301"}, None, HOLD, "study-date"),
    Case("a study long after the death", {"study_date": "20240110"}, now_says(death_date="2023-12-01"), HOLD, "study-date"),
    Case("dead, on a day that is not known", {}, now_says(death_date="2023"), HOLD, "study-date"),
    Case("a study from the future", {"study_date": "20990101"}, None, HOLD, "study-date"),
    Case("no study date", {"study_date": None}, None, HOLD, "study-date"),
    Case("a study date that cannot be read", {"study_date": "20241341"}, None, HOLD, "study-date"),
    Case("attached to somebody else already", MARTAS, attached_to_maria, REFUSE, "study-of-no-other-person earlier-checks-agree"),
    Case("detached by a human before", {}, detached, HOLD, "not-set-aside"),
    Case("an object that came before names another birth date", {}, came_otherwise(birth_date="19680325"), HOLD, "earlier-checks-agree"),
    Case("an object that came before names another patient of nobody known", {}, came_otherwise(patient_id=PatientId("5", "ELSEWHERE"), given_name="EVE"), HOLD, "earlier-checks-agree"),
    Case("an object that came before has another number of the same issuer", {}, came_otherwise(patient_id=rxx("12345")), HOLD, "earlier-checks-agree"),
    Case("an object that came before says less", {}, came_otherwise(patient_id=None, birth_date=None, sex=None), ATTACH),
    Case("attached, and now without a number", NOBODY, attached_to_maria, HOLD, "identified-by-trusted-number"),
    Case("an earlier check led to somebody else", {}, held_for_peter, HOLD, "earlier-checks-agree"),
    Case("an earlier check of another study says nothing", {"study_uid": OTHER_STUDY}, held_for_peter, ATTACH),
    # --- our own studies coming back: the gate is that of RXX ----------------------------------------------------------
    Case("a study of another hospital, where nothing says that it is ours", BY_RYY, both_hospitals, ATTACH, ours=("RXX",)),
    Case("our own study comes back", BY_RYY, lambda w: (both_hospitals(w), made_here()(w)), HOLD, "not-our-own", ours=("RXX",)),
    Case("our own study comes back under another patient", MARTAS, made_here(), REFUSE, "not-our-own study-of-no-other-person", ours=("RXX",)),
    Case("our own study comes back without a number", NOBODY, made_here(), HOLD, "identified-by-trusted-number not-our-own", ours=("RXX",)),
    Case("a study of which another hospital has told is not ours", BY_RYY, lambda w: (both_hospitals(w), made_here()(w)), ATTACH, ours=("RZZ",)),
    Case("another study of ours says nothing of this one", BY_RYY, lambda w: (both_hospitals(w), made_here(uid=OTHER_STUDY)(w)), ATTACH, ours=("RXX",)),
    Case("its number was ours before a system on the way changed it", BY_RYY | {"original_patient_ids": (rxx("100"),)}, both_hospitals, HOLD, "not-our-own", ours=("RXX",)),
    Case("its number was another hospital's before", BY_RYY | {"original_patient_ids": (PatientId("7", "ELSEWHERE"),)}, both_hospitals, ATTACH, ours=("RXX",)),
    Case("it carries a number of ours", {}, None, HOLD, "not-our-own", ours=("RXX",)),
    Case("it carries an accession number of ours", BY_RYY | {"accession_number": "A77", "accession_issuer": "2.999.1"}, both_hospitals, HOLD, "not-our-own", ours=("RXX",)),
    Case("an accession number without an issuer says nothing", BY_RYY | {"accession_number": "A77"}, both_hospitals, ATTACH, ours=("RXX",)),
    Case("an institution that is called like ours is only a hint", BY_RYY | {"institution": "Royal Example Hospital"}, both_hospitals, ATTACH, ours=("RXX",)),
    Case("its number was ours before, and nobody has said who we are", BY_RYY | {"original_patient_ids": (rxx("100"),)}, both_hospitals, ATTACH),
    # --- how it came -------------------------------------------------------------------------------------------------
    Case("an emergency is decided by the same rules", {}, None, ATTACH, arrival=EMERGENCY),
    Case("an emergency without a birth date is held", {"birth_date": None}, None, HOLD, "birth-date", arrival=EMERGENCY),
    Case("an emergency with an animal is refused", {"veterinary": True}, None, REFUSE, "not-veterinary", arrival=EMERGENCY),
    Case("from a disc, everything equal", {}, None, ATTACH, arrival=Arrival(Origin.DISC, "READER1")),
    Case("from a partner, with a number of nobody", {"patient_id": rxx("12345")}, None, HOLD, "identified-by-trusted-number", arrival=Arrival(Origin.PARTNER, "PARTNER1")),
    # --- several things at once --------------------------------------------------------------------------------------
    Case("what is refused is refused, whatever else would hold", {"veterinary": True, "birth_date": None}, None, REFUSE, "not-veterinary birth-date"),
    Case("a right name alone", {"patient_id": None, "birth_date": None, "sex": None}, None, HOLD, "identified-by-trusted-number"),
    Case("nothing but a study UID", {"patient_id": None, "family_name": None, "given_name": None, "birth_date": None, "sex": None, "study_date": None}, None, HOLD, "identified-by-trusted-number"),
]  # fmt: skip


def dicom_json(header: StudyHeader) -> dict[str, Any]:
    """The header as a machine would send it: the DICOM JSON model of one object (PS3.18 annex F)."""
    found: dict[str, Any] = {}

    def put(tag: str, vr: str, *values: Any) -> None:
        if any(value not in (None, "") for value in values):
            found[tag] = {"vr": vr, "Value": list(values)}

    name = "^".join(part or "" for part in (header.family_name, header.given_name, header.middle_name))
    if name.strip("^"):
        put("00100010", "PN", {"Alphabetic": name})
    put("0020000D", "UI", header.study_uid)
    put("00100030", "DA", header.birth_date)
    put("00100040", "CS", header.sex)
    put("00080020", "DA", header.study_date)
    put("00080050", "SH", header.accession_number)
    put("00080060", "CS", header.modality)
    put("00080080", "LO", header.institution)
    put("00120062", "CS", "YES" if header.identity_removed else None)
    put("00120010", "LO", "SPONSOR" if header.trial else None)
    put("00100200", "CS", "YES" if header.quality_control else None)
    put("00102201", "LO", "CANIS LUPUS" if header.veterinary else None)
    if header.accession_issuer:
        put("00080051", "SQ", {"00400032": {"vr": "UT", "Value": [header.accession_issuer]}})
    if header.patient_id:
        found |= _number(header.patient_id)
    put("00101002", "SQ", *(_number(one) for one in header.other_patient_ids))
    if header.original_patient_ids:
        before = [{"04000550": {"vr": "SQ", "Value": [_number(one)]}} for one in header.original_patient_ids]
        put("04000561", "SQ", *before)
    return found


def _number(one: PatientId) -> dict[str, Any]:
    found: dict[str, Any] = {"00100020": {"vr": "LO", "Value": [one.value]}}
    if one.issuer:
        found["00100021"] = {"vr": "LO", "Value": [one.issuer]}
    qualifiers: dict[str, Any] = {}
    if one.issuer_oid:
        qualifiers["00400032"] = {"vr": "UT", "Value": [one.issuer_oid]}
    if one.type_code:
        qualifiers["00400035"] = {"vr": "CS", "Value": [one.type_code]}
    if qualifiers:
        found["00100024"] = {"vr": "SQ", "Value": [qualifiers]}
    return found
