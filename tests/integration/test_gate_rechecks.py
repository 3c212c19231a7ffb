"""Attached studies when the index changes: what does not hold any more waits, and nothing moves unseen."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mpi.domain.errors import TemporaryFailure
from mpi.domain.study import GateDecision, PatientId
from mpi.services.gate import rechecks
from mpi.store.positions import Positions
from tests.gate_world import MARIA, OPERATOR, OTHER_STUDY, PETER, STUDY, World, a_header, rxx

ATTACH, HOLD = GateDecision.ATTACH, GateDecision.HOLD
Change = Callable[[World], Any]


@pytest.fixture
def world(migrated_url: str) -> Iterator[World]:
    built = World(migrated_url)
    yield built
    built.close()


def _unlink(world: World) -> None:
    world.move("RXX", "100", world.person())


def _merge_persons(world: World) -> None:
    world.merge_persons(world.peter, world.maria)


def _merge_number(world: World) -> None:
    world.record(world.maria, "RXX", "99", MARIA)
    world.merge_record("RXX", "99", "100")


def _take_over(world: World) -> None:
    world.change("RXX", "100", PETER | {"nhs_number": None})


WRONG: list[tuple[str, Change]] = [
    ("a birth date that changes", lambda w: w.change("RXX", "100", MARIA | {"birth_date": "1986-04-23"})),
    ("a name that changes", lambda w: w.change("RXX", "100", MARIA | {"family_name": "Holt"})),
    ("a death before the study", lambda w: w.change("RXX", "100", MARIA | {"death_date": "2020-05-01"})),
    ("a number that is deleted", lambda w: w.delete_record("RXX", "100")),
    ("an identity that is left behind", lambda w: w.protect("RXX", "100")),
    ("a number used again for somebody else", _take_over),
    ("two people merged into one", _merge_persons),
    ("a record of somebody else linked to the person", lambda w: w.record(w.maria, "RYY", "900", PETER)),
    ("the NHS number on a second person", lambda w: w.record(w.person(), "RYY", "901", MARIA)),
]
STILL_RIGHT: list[tuple[str, Change]] = [
    ("an address that changes", lambda w: w.change("RXX", "100", MARIA | {"postcode": "LS1 1AA"})),
    ("a second record that agrees", lambda w: w.record(w.maria, "RYY", "900", MARIA)),
    ("a number merged into the person's", _merge_number),
    ("a death after the study", lambda w: w.change("RXX", "100", MARIA | {"death_date": "2024-05-01"})),
    ("a review task about the person", lambda w: w.open_task(w.id_of("RXX", "100"), w.id_of("RXX", "101"))),
    ("a do-not-link of the person", lambda w: w.keep_apart(w.id_of("RXX", "101"), w.id_of("RXX", "100"))),
    ("a restriction of the person", lambda w: w.change("RXX", "100", MARIA, restricted=True)),
    ("a number moved to another person who is the same patient", _unlink),
]  # fmt: skip


def _both() -> list[Any]:
    rows = [(name, change, HOLD) for name, change in WRONG] + [(n, c, ATTACH) for n, c in STILL_RIGHT]
    return [pytest.param(change, then, id=name) for name, change, then in rows]


@pytest.mark.parametrize(("change", "then"), _both())
def test_an_attached_study_is_looked_at_again_after(change: Change, then: GateDecision, world: World) -> None:
    header = a_header(other_patient_ids=(PatientId(MARIA["nhs_number"], "NHS"),))
    if change is _unlink:
        header = a_header()
    assert world.check(header).decision is ATTACH
    change(world)
    world.look_again()
    with world.store.reading() as unit:
        study = unit.studies.get(STUDY)
    assert study is not None
    assert study.person_id is not None  # whatever happened, nobody has taken it away
    assert (study.doubt is None) == (then is ATTACH)
    assert (world.task() is None) == (then is ATTACH)
    assert world.standing().decision is then


@pytest.mark.parametrize(("change", "then"), _both())
def test_who_asks_is_told_what_is_so_now_before_any_job_has_run(
    change: Change, then: GateDecision, world: World
) -> None:
    header = a_header() if change is _unlink else a_header(other_patient_ids=(PatientId(MARIA["nhs_number"], "NHS"),))
    assert world.check(header).decision is ATTACH
    assert world.standing().decision is ATTACH
    change(world)
    assert world.standing().decision is then


def test_a_study_goes_on_by_itself_when_the_index_is_mended(world: World) -> None:
    world.check(a_header())
    world.change("RXX", "100", MARIA | {"birth_date": "1986-04-23"})
    world.look_again()
    assert world.standing().decision is HOLD
    world.change("RXX", "100", MARIA)
    world.look_again()
    assert world.standing().decision is ATTACH
    assert world.steps() == ["attached", "doubted", "cleared"]
    assert world.task() is None


def test_a_held_study_goes_on_by_itself_when_the_index_comes_to_agree(world: World) -> None:
    world.change("RXX", "100", MARIA | {"birth_date": "1986-04-23"})
    assert world.check(a_header()).decision is HOLD
    world.change("RXX", "100", MARIA)
    world.look_again()
    assert world.standing().decision is ATTACH
    assert world.task() is None


def test_what_a_human_has_set_aside_does_not_come_back_by_itself(world: World) -> None:
    world.check(a_header())
    world.decisions.detach(OPERATOR, STUDY, "not hers")
    world.change("RXX", "100", MARIA | {"phone": "0113 496 0001"})
    world.look_again()
    assert world.standing().decision is HOLD
    assert world.steps() == ["attached", "detached"]


def test_only_the_studies_concerned_are_looked_at(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.check(a_header())
    peters = {"patient_id": rxx("200"), "family_name": "HOLT", "given_name": "PETER", "birth_date": "19511102"}
    world.check(a_header(study_uid=OTHER_STUDY, sex="M", **peters))
    world.look_again()
    seen: list[str] = []
    monkeypatch.setattr(world.rechecks, "look_again", seen.append)
    world.change("RXX", "200", PETER | {"phone": "0113 496 0001"})
    world.look_again()
    assert seen == [OTHER_STUDY]
    world.look_again()
    assert seen == [OTHER_STUDY]


def test_a_job_that_dies_on_the_way_looks_at_the_same_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.check(a_header())
    world.look_again()
    world.change("RXX", "100", MARIA | {"birth_date": "1986-04-23"})
    real, died = Positions.advance, []

    def dies_once(self: Positions, job: str, before: int, seq: int) -> None:
        if not died:
            died.append(seq)
            raise TemporaryFailure("gone")
        real(self, job, before, seq)

    monkeypatch.setattr(Positions, "advance", dies_once)
    with pytest.raises(TemporaryFailure):
        world.rechecks.step()
    world.look_again()
    assert world.steps() == ["attached", "doubted"]


def test_a_study_that_cannot_be_judged_again_waits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*_args: object, **_named: object) -> None:
        raise ZeroDivisionError

    world.check(a_header())
    world.change("RXX", "100", MARIA | {"phone": "0113 496 0001"})
    with monkeypatch.context() as patched:
        patched.setattr(rechecks, "judge", bug)
        world.look_again()
    assert world.steps() == ["attached", "doubted"]
    task = world.task()
    assert task is not None
    assert task.evidence["failed"] == ["internal-error"]


def test_small_steps_come_to_the_same_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rechecks, "AT_ONCE", 1)
    world.check(a_header())
    world.change("RXX", "100", MARIA | {"birth_date": "1986-04-23"})
    world.look_again()
    assert world.standing().decision is HOLD
    assert not world.rechecks.step()
