"""Changes of identities become notifications: which, with what in them, and nothing when nothing changed."""

import json
import threading
from dataclasses import replace

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message
from sqlalchemy import text

from mpi.bootstrap import App, build
from mpi.config import Config, Subscriber
from mpi.domain.audit import Actor
from mpi.domain.errors import Conflict, NotFound, TemporaryFailure
from mpi.domain.messages import MergePair, Register, Rename
from mpi.domain.person import Identifier
from mpi.domain.review import Verdict
from mpi.hl7.notify import write
from mpi.services.courier import Courier
from mpi.store.outbox import DEAD, StoredNotification
from tests.builders import a_record, nhs_number
from tests.history import last_change
from tests.index import REVIEWER, SENIOR, config_for, merge, message, register
from tests.notified import Taker, hurry, refusals, tell

OPERATOR = Actor("command line", "administrator")
PACS = Subscriber("PACS", "127.0.0.1", 1, ("RXX", "RYY"))
TWINS = {"family_name": "Ellwood", "birth_date": "1987-06-14", "nhs_number": nhs_number(7), "nhs_number_status": "01"}


@pytest.fixture
def taker() -> Taker:
    return Taker()


def told(app: App, taker: Taker, subscriber: Subscriber = PACS) -> list[dict[str, list[str]]]:
    """What is sent now, by domain; everything that was sent before is forgotten."""
    tell(app, taker, subscriber)
    sent, taker.taken = taker.taken, []
    return [by_domain(one) for one in sent]


def by_domain(one: StoredNotification) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for authority, value in one.told.identifiers:
        found.setdefault(authority, []).append(value)
    return found


@pytest.fixture
def index(app: App) -> App:
    """The index of `app` with subscribers."""
    config = replace(app.config, subscribers=(PACS, Subscriber("NUMBERS", "127.0.0.1", 1, ("NHS",))))
    for service in (app.outbox, app.changes):
        object.__setattr__(service, "_config", config)
    return app


def test_a_new_person_and_a_number_that_joins(index: App, taker: Taker) -> None:
    register(index, "RXX", "1", **TWINS)
    assert told(index, taker) == [{"RXX": ["1"]}]
    register(index, "RYY", "2", **TWINS)
    assert told(index, taker) == [{"RXX": ["1"], "RYY": ["2"]}]
    register(index, "RZZ", "3", **TWINS)
    assert told(index, taker) == []


def test_an_update_that_moves_nobody_is_not_told(index: App, taker: Taker) -> None:
    register(index, "RXX", "1", **TWINS)
    told(index, taker)
    register(index, "RXX", "1", **TWINS, address_line="9 New Street")
    assert told(index, taker) == []
    with index.store.reading() as unit:
        assert unit.outbox.count_changes(0, 10) == 1


def test_a_number_of_the_nhs_is_told_to_who_wants_it(index: App, taker: Taker) -> None:
    numbers = Subscriber("NUMBERS", "127.0.0.1", 1, ("NHS",))
    register(index, "RXX", "1", family_name="Ellwood")
    assert told(index, taker, numbers) == []
    register(index, "RXX", "1", family_name="Ellwood", nhs_number=nhs_number(7))
    assert told(index, taker, numbers) == [{"NHS": [nhs_number(7)]}]


def test_a_merge_tells_the_survivor_and_what_the_other_one_has_left(index: App, taker: Taker) -> None:
    register(index, "RXX", "1", **TWINS)
    register(index, "RXX", "2", **TWINS, given_name="Maria", phone="0113 496 0001")
    register(index, "RYY", "3", **TWINS)
    before = told(index, taker)
    assert before[-1] == {"RXX": ["1", "2"], "RYY": ["3"]}
    merge(index, "2", "1")
    assert told(index, taker) == [{"RXX": ["1"], "RYY": ["3"]}]


def other_person() -> dict[str, str | None]:
    return {
        "family_name": "Szabo",
        "given_name": "Zoltan",
        "birth_date": "1951-02-03",
        "sex": "male",
        "postcode": "LS1 1AA",
        "address_line": "7 Mill Lane",
    }


def pending(app: App) -> int:
    [task] = app.review.queue(REVIEWER).tasks
    return task.id


def likely_twins(app: App) -> None:
    """Two records that a reviewer is asked about, of two persons."""
    register(app, "RXX", "1", nhs_number=nhs_number(41))
    register(app, "RYY", "2", nhs_number=nhs_number(42))


def test_two_that_a_reviewer_joins_and_splits_again(index: App, taker: Taker) -> None:
    likely_twins(index)
    assert told(index, taker) == [{"RXX": ["1"]}, {"RYY": ["2"]}]
    task = pending(index)
    index.review.decide(REVIEWER, task, Verdict.SAME, "one chart")
    assert told(index, taker) == [{"RXX": ["1"], "RYY": ["2"]}]


def test_a_split_tells_each_group_that_results(index: App, taker: Taker) -> None:
    likely_twins(index)
    index.review.decide(REVIEWER, pending(index), Verdict.SAME, "one chart")
    assert told(index, taker) == [{"RXX": ["1"], "RYY": ["2"]}]
    index.undo.do(SENIOR, last_change(index), "two charts after all")
    assert sorted(told(index, taker), key=str) == [{"RXX": ["1"]}, {"RYY": ["2"]}]


def test_a_merge_that_is_taken_back_gives_both_numbers_again(index: App, taker: Taker) -> None:
    register(index, "RXX", "1", birth_date=None, address_line=None, postcode=None, town=None, sex=None)
    register(index, "RXX", "2")
    assert told(index, taker) == [{"RXX": ["1"]}, {"RXX": ["2"]}]
    merge(index, "1", "2")
    assert told(index, taker) == [{"RXX": ["2"]}]
    index.undo.do(SENIOR, last_change(index), "another person", keep_apart=False)
    assert sorted(told(index, taker), key=str) == [{"RXX": ["1"]}, {"RXX": ["2"]}]


def test_a_change_of_number_is_told_under_the_new_one(index: App, taker: Taker) -> None:
    register(index, "RXX", "1", **TWINS)
    register(index, "RYY", "2", **TWINS)
    told(index, taker)
    pair = MergePair(Identifier("RXX", "9"), Identifier("RXX", "1"))
    index.inbox.process([message(Rename(pair))])
    assert told(index, taker) == [{"RXX": ["9"], "RYY": ["2"]}]


def test_what_was_changed_and_changed_back_is_not_told(index: App, taker: Taker) -> None:
    register(index, "RXX", "1", **TWINS)
    numbers = Subscriber("NUMBERS", "127.0.0.1", 1, ("NHS",))
    told(index, taker, numbers)
    register(index, "RXX", "1", family_name="Ellwood", birth_date="1987-06-14")
    register(index, "RXX", "1", **TWINS)
    assert told(index, taker, numbers) == []


def test_the_message_has_all_that_the_standard_asks_for(index: App, taker: Taker) -> None:
    register(index, "RXX", "A^1", **TWINS)
    register(index, "RYY", "2", **TWINS)
    everything = Subscriber("PACS", "127.0.0.1", 1, ("RXX", "RYY", "NHS", "INS"), application="ARCHIVE", facility="RXX")
    tell(index, taker, everything)
    [one] = taker.taken
    message = write(index.config, everything, one)
    assert message == write(index.config, everything, one)
    msh, evn, pid, pv1, end = message.decode().split("\r")
    assert end == ""
    fields = ["", *msh.split("|")]
    assert fields[3:7] == ["MPI", "MPI", "ARCHIVE", "RXX"]
    assert (fields[9], fields[10], fields[12], fields[21]) == ("ADT^A31^ADT_A05", one.control_id, "2.5", "ITI-10^IHE")
    assert len(one.control_id) == 20
    assert evn.split("|")[1] == "A31"
    number = nhs_number(7)
    assert pid.split("|")[3].split("~") == [
        f"{number}^^^NHS&2.16.840.1.113883.2.1.4.1&ISO^NH",
        "A\\S\\1^^^RXX&2.999.1&ISO^MR",
        "2^^^RYY^MR",
    ]
    assert pid.split("|")[5:] == [" ", ""]
    strict = parse_message(message.decode(), validation_level=VALIDATION_LEVEL.STRICT)
    assert (strict.name, strict.pv1.pv1_2.to_er7()) == ("ADT_A05", "N")
    assert pv1.split("|")[2] == "N"


def test_nothing_of_a_restricted_person_but_identifiers_of_the_domains(index: App, taker: Taker) -> None:

    record = replace(a_record("RXX", "1", **TWINS), restricted=True)
    index.inbox.process([message(Register(record))])
    register(index, "RZZ", "3", **TWINS)
    assert told(index, taker) == []
    index.outbox.again(OPERATOR, "PACS")
    assert told(index, taker, replace(PACS, restricted=True)) == [{"RXX": ["1"]}]


def test_a_refusal_waits_and_is_given_up_in_the_end(index: App, taker: Taker) -> None:
    patient = Subscriber("PACS", "127.0.0.1", 1, ("RXX", "RYY"), refusals=2)
    register(index, "RXX", "1", **TWINS)
    taker.answers = refusals(1)
    assert told(index, taker, patient) == []
    [pacs] = [one for one in index.outbox.deliveries() if one.name == "PACS"]
    assert (pacs.waiting, pacs.given_up, pacs.problem) == (1, 0, "AE 204")
    hurry(index)
    taker.answers = refusals(1)
    assert told(index, taker, patient) == []
    [dead] = index.outbox.given_up()
    assert (dead.state, dead.attempts, dead.problem) == (DEAD, 2, "AE 204")
    assert index.outbox.retry(OPERATOR, dead.id)
    assert [one["RXX"] for one in told(index, taker, patient)] == [["1"]]
    with pytest.raises(Conflict):
        index.outbox.retry(OPERATOR, dead.id)
    with pytest.raises(NotFound):
        index.outbox.retry(OPERATOR, 9999)


def test_what_a_later_one_has_overtaken_is_not_sent_again(index: App, taker: Taker) -> None:
    impatient = Subscriber("PACS", "127.0.0.1", 1, ("RXX", "RYY"), refusals=1)
    register(index, "RXX", "1", **TWINS)
    taker.answers = refusals(1)
    told(index, taker, impatient)
    register(index, "RYY", "2", **TWINS)
    assert told(index, taker, impatient) == [{"RXX": ["1"], "RYY": ["2"]}]
    [dead] = index.outbox.given_up()
    assert not index.outbox.retry(OPERATOR, dead.id)
    assert told(index, taker, impatient) == []


def test_a_refused_one_holds_back_what_comes_after_it_and_nothing_else(index: App, taker: Taker) -> None:
    register(index, "RXX", "1", **TWINS)
    register(index, "RXX", "8", **other_person())
    taker.answers = refusals(1)
    assert told(index, taker) == [{"RXX": ["8"]}]
    register(index, "RYY", "2", **TWINS)
    assert told(index, taker) == []
    hurry(index)
    assert told(index, taker) == [{"RXX": ["1"]}, {"RXX": ["1"], "RYY": ["2"]}]


def test_much_that_waits_for_a_refused_one_holds_back_nobody_else(
    index: App, taker: Taker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mpi.services.courier.BATCH", 2)
    numbers = Subscriber("NUMBERS", "127.0.0.1", 1, ("NHS",))
    register(index, "RXX", "1", family_name="Ellwood", nhs_number=nhs_number(20))
    taker.answers = refusals(1)
    assert told(index, taker, numbers) == []
    for n in range(21, 26):
        register(index, "RXX", "1", family_name="Ellwood", nhs_number=nhs_number(n))
        assert told(index, taker, numbers) == []
    register(index, "RXX", "8", **other_person(), nhs_number=nhs_number(30))
    assert told(index, taker, numbers) == [{"NHS": [nhs_number(30)]}]
    hurry(index)
    assert told(index, taker, numbers) == [{"NHS": [nhs_number(n)]} for n in range(20, 26)]


def test_what_names_the_same_number_waits_too_though_it_is_another_person(index: App, taker: Taker) -> None:
    likely_twins(index)
    index.review.decide(REVIEWER, pending(index), Verdict.SAME, "one chart")
    told(index, taker)
    split = index.undo.do(SENIOR, last_change(index), "two charts after all").change_id
    taker.refused = {("RYY", "2")}
    assert told(index, taker) == [{"RXX": ["1"]}]
    index.undo.do(SENIOR, split, "one chart, for sure")
    taker.refused = set()
    assert told(index, taker) == [], "the last word about the number would be overtaken by the one that was refused"
    hurry(index)
    assert told(index, taker) == [{"RYY": ["2"]}, {"RXX": ["1"], "RYY": ["2"]}]


def test_one_that_chokes_the_receiver_can_be_given_up_by_hand(index: App, taker: Taker) -> None:
    register(index, "RXX", "1", **TWINS)
    taker.answers = refusals(1)
    told(index, taker)
    with index.store.reading() as unit:
        [waiting] = unit.outbox.put_off("PACS")
    index.outbox.give_up(OPERATOR, waiting.id)
    hurry(index)
    assert told(index, taker) == []
    assert [one.id for one in index.outbox.given_up("PACS")] == [waiting.id]
    with pytest.raises(Conflict):
        index.outbox.give_up(OPERATOR, waiting.id)


def test_a_subscriber_that_starts_now_hears_nothing_of_before(app: App, taker: Taker) -> None:
    late = Subscriber("LATE", "127.0.0.1", 1, ("RXX",), start="now")
    register(app, "RXX", "1", **TWINS)
    object.__setattr__(app.outbox, "_config", config_with(app, late))
    assert told(app, taker, late) == []
    register(app, "RXX", "8", **other_person())
    assert told(app, taker, late) == [{"RXX": ["8"]}]


def config_with(app: App, *subscribers: Subscriber) -> Config:
    return replace(app.config, subscribers=subscribers)


def test_another_look_at_everybody_tells_only_what_differs(index: App, taker: Taker) -> None:
    register(index, "RXX", "1", **TWINS)
    register(index, "RZZ", "3", **TWINS)
    register(index, "RXX", "8", **other_person())
    assert len(told(index, taker)) == 2
    index.outbox.again(OPERATOR, "PACS")
    assert told(index, taker) == []
    index.outbox.again(OPERATOR, "PACS")
    wider = Subscriber("PACS", "127.0.0.1", 1, ("RXX", "RYY", "RZZ"))
    assert told(index, taker, wider) == [{"RXX": ["1"], "RZZ": ["3"]}]
    index.outbox.again(OPERATOR, "PACS", anew=True)
    assert sorted(told(index, taker, wider), key=str) == [{"RXX": ["1"], "RZZ": ["3"]}, {"RXX": ["8"]}]
    with pytest.raises(NotFound):
        index.outbox.again(OPERATOR, "NOBODY")


def test_every_notification_that_was_taken_is_in_the_audit(index: App, taker: Taker) -> None:
    register(index, "RXX", "1", **TWINS)
    told(index, taker)
    with index.store.reading() as unit:
        [body] = unit.connection.execute(
            text("SELECT body FROM audit_event WHERE action = 'person.notified'")
        ).scalars()
    detail = json.loads(body)["detail"]
    assert (detail["subscriber"], detail["identifiers"]) == ("PACS", [["RXX", "1"]])


def test_what_was_sent_long_ago_is_forgotten_but_the_last_word_stays(index: App, taker: Taker) -> None:
    register(index, "RXX", "1", **TWINS)
    told(index, taker)
    register(index, "RYY", "2", **TWINS)
    told(index, taker)
    with index.store.writing(identities=False) as unit:
        unit.connection.execute(text("UPDATE notification SET finished_at = '2020-01-01T00:00:00.000000Z'"))
    assert index.outbox.forget() == 1
    register(index, "RXX", "1", **TWINS, phone="0113 496 0002")
    assert told(index, taker) == []


def test_two_couriers_do_not_send_at_once(index: App, taker: Taker) -> None:
    register(index, "RXX", "1", **TWINS)
    index.outbox.enrol()
    first, second = (Courier(index.store, index.outbox, PACS, lambda _: taker) for _ in range(2))
    assert first.step()
    assert not second.step()
    assert (first.holds, second.holds) == (True, False)
    first.release()
    second.step()
    assert second.holds
    second.release()
    assert len(taker.taken) == 1


def test_a_subscriber_that_is_away_for_weeks_is_still_told(
    index: App, taker: Taker, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(index, "RXX", "1", **TWINS)
    index.outbox.enrol()
    away = [True]

    def connect(_: Subscriber) -> Taker:
        if away[0]:
            raise TemporaryFailure("does not answer")
        return taker

    clock = [0.0]
    monkeypatch.setattr("mpi.services.courier.time.monotonic", lambda: clock[0])
    courier = Courier(index.store, index.outbox, PACS, connect)
    courier._failures = 1200
    for _ in range(3):
        courier.step()
        clock[0] += 400
    away[0] = False
    courier.step()
    assert [by_domain(one) for one in taker.taken] == [{"RXX": ["1"]}]
    [pacs] = [one for one in index.outbox.deliveries() if one.name == "PACS"]
    assert (pacs.failures, pacs.problem) == (0, None)
    courier.release()


def test_of_many_that_try_at_once_one_sends(index: App, taker: Taker) -> None:
    families = ("Quigley", "Rasmussen", "Bielska", "Tomlin", "Oyelaran")
    for n, family in enumerate(families):
        register(
            index, "RXX", str(n), family_name=family, birth_date=f"19{n + 3}0-0{n + 1}-1{n}", postcode=f"YO{n} 1AA"
        )
    index.outbox.enrol()
    couriers = [Courier(index.store, index.outbox, PACS, lambda _: taker) for _ in range(6)]
    gate = threading.Barrier(len(couriers))

    def go(courier: Courier) -> None:
        gate.wait()
        courier.step()

    threads = [threading.Thread(target=go, args=(courier,)) for courier in couriers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    [holder] = [courier for courier in couriers if courier.holds]
    holder.release()
    assert sorted(by_domain(one)["RXX"] for one in taker.taken) == [[str(n)] for n in range(5)]


def test_a_number_full_of_marks_and_control_characters_harms_no_frame(index: App, taker: Taker) -> None:
    register(index, "RXX", "1\x1c\r2\x0b|^~\\&\n3", **TWINS)
    tell(index, taker, PACS)
    [one] = taker.taken
    message = write(index.config, PACS, one)
    assert not set(message) & {0x0B, 0x1C, 0x0A}
    [pid] = [line for line in message.decode().split("\r") if line.startswith("PID")]
    written = pid.split("|")[3].split("^")[0]
    assert written.count("\\") % 2 == 0 and "|" not in written


def test_a_courier_that_gives_no_sign_of_life_is_replaced_and_marks_nothing_any_more(
    index: App, taker: Taker, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(index, "RXX", "1", **TWINS)
    index.outbox.enrol()
    stuck, other = (Courier(index.store, index.outbox, PACS, lambda _: taker) for _ in range(2))
    clock = [0.0]
    monkeypatch.setattr("mpi.services.courier.time.monotonic", lambda: clock[0])
    assert stuck.step()
    other.step()
    clock[0] += 41
    register(index, "RYY", "2", **TWINS)
    assert other.step()
    assert not stuck.step()
    assert not stuck.holds
    other.release()
    assert [by_domain(one) for one in taker.taken] == [{"RXX": ["1"]}, {"RXX": ["1"], "RYY": ["2"]}]


def test_an_index_without_subscribers_knows_none(migrated_url: str) -> None:
    app = build(config_for(migrated_url))
    app.outbox.enrol()
    assert app.outbox.deliveries() == []
    app.close()
