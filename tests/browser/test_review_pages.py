"""Working the queue in a real browser: by keys, blind first, with others at the same task, and without scripts."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from mpi.cli.options import OPERATOR
from mpi.domain.audit import Actor
from mpi.domain.queue import QueueFilter
from mpi.domain.review import TaskState, Verdict
from mpi.domain.roles import Role
from mpi.services.review import Answer
from tests.browser.test_pages import enter, press, violations
from tests.builders import nhs_number
from tests.index import register
from tests.website import MARKUP, PASSWORD, REVIEWER, Site, open_website_index, put_people, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

SENIOR = Actor("senior-reviewer", Role.SENIOR_REVIEWER.value)


@pytest.fixture
def site(migrated_sqlite_url: str) -> Iterator[Site]:
    """A site that is blind, with a person of three records one of which is in doubt."""
    app = open_website_index(migrated_sqlite_url, blind=True)
    put_people(app)
    said = {"family_name": "Okonkwo", "given_name": "Adaeze", "birth_date": "1990-05-05", "postcode": "ZE1 0AA"}
    for authority, number in (("RXX", "A7001"), ("RYY", "B7001"), ("RZZ", "C7001")):
        register(app, authority, number, nhs_number=nhs_number(30), nhs_number_status="01", **said)
    register(app, "RZZ", "C7001", nhs_number=nhs_number(31), nhs_number_status="01", **said)
    with served(app) as site:
        yield site
    app.close()


def test_a_reviewer_works_by_keys_from_the_queue_to_the_next_task(page: "Page", site: Site) -> None:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    enter(page, site)
    page.goto(f"{site.url}/review")
    found = {"the queue": violations(page)}
    with page.expect_navigation():
        page.keyboard.press("t")
    task = page.url
    found["a blind task"] = violations(page)
    assert "bits" not in page.content()
    assert "somebody else" not in page.inner_text("form[action^='/review/'] .nhsuk-radios")
    page.keyboard.press("d")
    page.keyboard.press("w")
    page.keyboard.type("two dates on two cards")
    page.keyboard.press("Escape")
    with page.expect_navigation():
        page.keyboard.press("e")
    assert page.url == task
    assert page.get_by_label("Different people", exact=True).is_checked()
    for opened in page.locator("summary").all():
        opened.click()
    found["a task with all that the index thinks"] = violations(page)
    text = page.inner_text("main")
    assert "the weakest link of this person" in text
    assert "Total" in text
    assert "would touch" in text
    page.get_by_label("Some of these records are somebody else’s").check()
    with page.expect_navigation():
        page.keyboard.press("e")
    assert "Select the records that go" in page.inner_text("main")
    found["a split without records"] = violations(page)
    page.get_by_label("Record A: OKONKWO, Adaeze").check()
    with page.expect_navigation():
        page.keyboard.press("e")
    assert "some of these records are somebody else's. Your decision is kept." in page.inner_text("main")
    number = int(task.rsplit("/", 1)[1])
    view = site.app.review.task(REVIEWER, number)
    assert view.summary.state is TaskState.CLOSED
    assert [(v.verdict, v.blind, v.counts) for v in view.verdicts] == [
        (Verdict.DIFFERENT, True, False),
        (Verdict.SPLIT, False, True),
    ]
    page.locator("#keys-switch").click()
    page.locator("h1").click()
    page.keyboard.press("s")
    assert not page.get_by_label("Same person", exact=True).is_checked()
    assert {place: wrong for place, wrong in found.items() if wrong} == {}
    assert [text for text in complaints if "422" not in text] == []


def test_somebody_elses_task_says_so_and_loses_nothing_that_was_typed(page: "Page", site: Site) -> None:
    task = site.app.queue.page(REVIEWER, QueueFilter()).tasks[-1].id
    enter(page, site, path=f"/review/{task}")
    page.get_by_label("Same person", exact=True).check()
    page.get_by_label("Why?").fill("her mother told us")
    site.app.queue.take(SENIOR, task)
    press(page, "Save and show what the index thinks")
    assert "senior-reviewer has taken this task" in page.inner_text("main")
    assert page.get_by_label("Why?").input_value() == "her mother told us"
    assert page.get_by_label("Same person", exact=True).is_checked()
    found = {"taken by somebody": violations(page)}
    site.app.review.answer(SENIOR, task, Answer(Verdict.DIFFERENT, "brothers"))
    site.app.review.answer(SENIOR, task, Answer(Verdict.DIFFERENT, "brothers"))
    press(page, "Save and show what the index thinks")
    assert "Somebody else decided this task before you" in page.inner_text("main")
    found["decided by somebody"] = violations(page)
    assert {place: wrong for place, wrong in found.items() if wrong} == {}


def test_without_scripts_on_a_narrow_phone_a_team_works_the_queue(phone_page: "Page", site: Site) -> None:
    page = phone_page
    page.set_viewport_size({"width": 320, "height": 640})
    enter(page, site, "senior-reviewer", "/review")
    assert page.locator("#keys").is_hidden()
    page.locator(".mpi-check").first.check()
    page.get_by_label("What to do").select_option("assign")
    page.locator("#to").select_option("reviewer")
    press(page, "Show what it would do")
    assert "Nothing has been done yet" in page.inner_text("main")
    widths = {"bulk": page.evaluate("document.documentElement.scrollWidth")}
    press(page, "Do it")
    assert "1 task: handed over." in page.inner_text("main")
    page.get_by_label("Find by task number").fill("B2001")
    press(page, "Find")
    assert "1 task found" in page.inner_text("h1")
    widths["found"] = page.evaluate("document.documentElement.scrollWidth")
    page.goto(f"{site.url}/review?owner=nobody")
    page.locator("main table a").first.click()
    page.get_by_label("Not sure", exact=True).check()
    page.get_by_label("Why?").fill("asked the ward")
    press(page, "Save and show what the index thinks")
    widths["whole"] = page.evaluate("document.documentElement.scrollWidth")
    page.get_by_label("If you ask the hospital").select_option("3")
    press(page, "Save and go to the next task")
    assert site.app.queue.facets(SENIOR).by_state[TaskState.WAITING] == 1
    assert max(widths.values()) <= 320, widths


def test_markup_in_every_field_stays_text_before_and_after_the_answer(page: "Page", site: Site) -> None:
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    tasks = site.app.queue.page(REVIEWER, QueueFilter()).tasks
    task = next(t.id for t in tasks if t.left and t.left.recorded.family_name == MARKUP)
    enter(page, site, path=f"/review/{task}")
    assert MARKUP in page.inner_text("main")
    page.get_by_label("Same person", exact=True).check()
    page.get_by_label("Why?").fill(MARKUP)
    press(page, "Save and show what the index thinks")
    for opened in page.locator("summary").all():
        opened.click()
    assert page.get_by_label("Why?").input_value() == MARKUP
    assert MARKUP in page.locator("#ticket-A").input_value()
    assert dialogs == []


def test_the_second_reader_sees_nothing_of_the_first(browser: "Browser", migrated_sqlite_url: str) -> None:
    app = open_website_index(migrated_sqlite_url, blind=True, second_reader=("valid-nhs-numbers-differ",))
    put_people(app)
    app.users.add(OPERATOR, "olu", Role.REVIEWER, PASSWORD)
    with served(app) as site:
        task = next(t.id for t in app.queue.page(REVIEWER, QueueFilter()).tasks if t.right and not t.right.nhs_verified)
        for name, verdict, said in (("reviewer", "Same person", "one letter"), ("olu", "Same person", "a nickname")):
            page = browser.new_context(locale="en-GB").new_page()
            enter(page, site, name, f"/review/{task}")
            text = page.inner_text("main")
            assert "one letter" not in text
            assert "Two reviewers answer this question" in text
            assert violations(page) == []
            page.get_by_label(verdict, exact=True).check()
            page.get_by_label("Why?").fill(said)
            press(page, "Save my answer")
            page.context.close()
    assert app.review.task(REVIEWER, task).summary.state is TaskState.CLOSED
    app.close()
