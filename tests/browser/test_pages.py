"""The pages in a real browser: working the queue, searching, keyboard, phone, no JavaScript, accessibility."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mpi.domain.audit import Actor
from mpi.domain.review import Sample, TaskState, Verdict
from mpi.domain.roles import Role
from tests.builders import nhs_number
from tests.history import last_change
from tests.website import MARKUP, PASSWORD, REVIEWER, Site, open_website_index, put_people, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

SAVE = "Save and go to the next task"


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory: pytest.TempPathFactory, _migrated_file: Path) -> Iterator[Site]:
    """A site on which nothing is decided."""
    file = tmp_path_factory.mktemp("browser") / "mpi.db"
    file.write_bytes(_migrated_file.read_bytes())
    app = open_website_index(f"sqlite:///{file}")
    put_people(app)
    with served(app) as site:
        yield site
    app.close()


@pytest.fixture
def site(migrated_sqlite_url: str) -> Iterator[Site]:
    """A site of the test's own, to decide on."""
    app = open_website_index(migrated_sqlite_url)
    put_people(app)
    with served(app) as site:
        yield site
    app.close()


def enter(page: "Page", site: Site, name: str = "reviewer", path: str = "/") -> None:
    """Open `path` and sign in on the way."""
    page.goto(site.url + path)
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    press(page, "Sign in")
    page.wait_for_url(site.url + path)


def press(page: "Page", button: str) -> None:
    """Send a form and wait for the answer, also where it comes under the same address."""
    with page.expect_navigation():
        page.get_by_role("button", name=button).click()


def decide(page: "Page", verdict: str, reason: str) -> None:
    """Fill in the form of a task."""
    page.get_by_label(verdict, exact=True).check()
    page.get_by_label("Why?").fill(reason)
    press(page, SAVE)


def task_of(page: "Page") -> int:
    """The number of the task that is open."""
    found = re.search(r"/review/(\d+)$", page.url)
    assert found, page.url
    return int(found.group(1))


def test_a_reviewer_works_the_queue_to_each_verdict_and_signs_out(page: "Page", site: Site) -> None:
    enter(page, site)
    page.get_by_role("link", name="Review queue").click()
    page.get_by_role("link", name=re.compile("Two different NHS numbers")).first.click()
    decided = []
    for verdict, state in (
        ("Same person", TaskState.CLOSED),
        ("Different people", TaskState.CLOSED),
        ("Not sure", TaskState.WAITING),
    ):
        task = task_of(page)
        decide(page, verdict, f"because {verdict.lower()}")
        banner = page.get_by_role("alert")
        assert f"Task {task}: {verdict.lower()}" in banner.inner_text()
        decided.append((task, state))
    assert page.url == f"{site.url}/review"
    assert "The queue is empty" in page.inner_text("main")
    for task, state in decided:
        assert site.app.review.task(REVIEWER, task).summary.state is state
    press(page, "Sign out")
    assert page.url.startswith(f"{site.url}/sign-in")
    page.goto(f"{site.url}/review")
    assert "/sign-in" in page.url


def test_a_search_leads_to_the_person(page: "Page", looked_at: Site) -> None:
    enter(page, looked_at, "registration-clerk", "/search")
    page.get_by_label("Family name", exact=True).fill("Featherstone")
    for label, value in (("Day", "2"), ("Month", "11"), ("Year", "1951")):
        page.get_by_label(label).fill(value)
    press(page, "Search by name")
    heading = page.locator("#results")
    assert heading.inner_text() == "1 person found"
    assert page.evaluate("document.activeElement.id") == "results"
    page.get_by_role("cell", name=re.compile("FEATHERSTONE")).wait_for()
    page.locator("main table a").click()
    assert "/persons/P" in page.url
    assert page.get_by_role("heading", level=1).inner_text().endswith("FEATHERSTONE, Zephaniah")
    text = page.inner_text("main")
    assert "999 000 0034" in text
    assert "Verified" in text


def test_the_error_summary_takes_the_focus_and_leads_to_the_field(page: "Page", looked_at: Site) -> None:
    task = looked_at.app.review.queue(REVIEWER).tasks[0].id
    enter(page, looked_at, path=f"/review/{task}")
    page.get_by_label("Same person", exact=True).check()
    press(page, SAVE)
    assert page.title().startswith("Error: ")
    assert page.evaluate("document.activeElement.className").startswith("nhsuk-error-summary")
    assert page.get_by_label("Same person", exact=True).is_checked()
    page.get_by_role("link", name="Enter a reason").click()
    assert page.evaluate("document.activeElement.id") == "reason"


def test_the_whole_way_can_be_gone_by_keyboard(page: "Page", site: Site) -> None:
    task = site.app.review.queue(REVIEWER).tasks[0].id
    page.goto(f"{site.url}/review/{task}")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent").strip() == "Skip to main content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "maincontent"
    tab_to(page, "name")
    page.keyboard.type("reviewer")
    tab_to(page, "password")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{site.url}/review/{task}")
    tab_to(page, "verdict")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    tab_to(page, "reason")
    page.keyboard.type("two birth certificates")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: not url.endswith(f"/{task}"))
    assert [v.verdict.value for v in site.app.review.task(REVIEWER, task).verdicts] == ["different-people"]


def tab_to(page: "Page", element_id: str) -> None:
    """Press Tab until the element has the focus; each stop on the way shows where it is."""
    for _ in range(80):
        if page.evaluate("document.activeElement.id") == element_id:
            return
        page.keyboard.press("Tab")
        outline = page.evaluate(
            "(() => { const s = getComputedStyle(document.activeElement);"
            " return s.outlineStyle + s.boxShadow + s.backgroundColor })()"
        )
        assert outline != "nonenonergba(0, 0, 0, 0)", "an element has the focus and does not show it"
    pytest.fail(f"#{element_id} is not reached by the Tab key")


def test_markup_in_a_record_runs_nothing(page: "Page", looked_at: Site) -> None:
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    task = next(
        t for t in looked_at.app.review.queue(REVIEWER).tasks if t.left and t.left.recorded.family_name == MARKUP
    )
    assert task.left is not None
    enter(page, looked_at, path=f"/review/{task.id}")
    assert MARKUP in page.inner_text("main")
    page.goto(f"{looked_at.url}/persons/{task.left.enterprise_id}")
    assert MARKUP in page.inner_text("main")
    page.goto(f"{looked_at.url}/review")
    assert dialogs == []


def paths_of(site: Site) -> list[str]:
    """Every page that a reviewer can open; of tasks and persons the plain one and the one of markup."""
    queue = site.app.review.queue(REVIEWER).tasks
    tasks = [queue[-1], next(t for t in queue if t.left and t.left.recorded.family_name == MARKUP)]
    people = [side.enterprise_id for task in tasks for side in (task.left, task.right) if side]
    linked = site.app.people.search(REVIEWER, local_id="A1002")[0].enterprise_id
    return [
        "/",
        "/review",
        "/review?state=closed",
        *(f"/review/{task.id}" for task in tasks),
        f"/persons/{people[-1]}",
        f"/persons/{linked}",
        "/search",
        "/decide",
        f"/changes/{last_change(site.app)}",
        "/nope",
    ]


def violations(page: "Page") -> list[tuple[str, str, list[str]]]:
    """What axe finds wrong on the page, of any weight: rule, impact, places."""
    from axe_playwright_python.sync_playwright import Axe

    found: dict[str, Any] = Axe().run(page).response
    return [(one["id"], one["impact"], [node["html"][:120] for node in one["nodes"]]) for one in found["violations"]]


def test_axe_finds_nothing_on_any_page(page: "Page", site: Site) -> None:
    page.goto(f"{site.url}/sign-in")
    found = {"/sign-in": violations(page)}
    press(page, "Sign in")
    found["/sign-in with errors"] = violations(page)
    enter(page, site)
    for path in paths_of(site):
        page.goto(site.url + path)
        found[path] = violations(page)
    task = site.app.review.queue(REVIEWER).tasks[0].id
    page.goto(f"{site.url}/review/{task}")
    for opened in page.locator("summary").all():
        opened.click()
    press(page, SAVE)
    found["a task with errors"] = violations(page)
    decide(page, "Different people", "two birth certificates")
    found["a task after a decision"] = violations(page)
    page.goto(f"{site.url}/review/{task}")
    found["a closed task"] = violations(page)
    page.goto(f"{site.url}/search")
    page.get_by_label("NHS number", exact=True).fill(nhs_number(2))
    press(page, "Search by NHS number")
    found["search results"] = violations(page)
    page.get_by_label("Hospital number", exact=True).fill("")
    press(page, "Search by hospital number")
    press(page, "Search by name")
    found["a search with errors"] = violations(page)
    assert {place: wrong for place, wrong in found.items() if wrong} == {}


def test_a_change_is_shown_taken_back_and_axe_finds_nothing(page: "Page", site: Site) -> None:
    change = last_change(site.app)
    enter(page, site, "senior-reviewer", f"/changes/{change}")
    page.goto(f"{site.url}/changes/{change}")
    found = {"a change": violations(page)}
    press(page, "Take this change back")
    found["a change with errors"] = violations(page)
    page.get_by_label("Why?").fill("two people")
    press(page, "Take this change back")
    assert f"Change {change} was taken back" in page.inner_text("main")
    found["its undo"] = violations(page)
    page.goto(f"{site.url}/decide")
    page.get_by_label("Different people").check()
    page.get_by_label("Hospital number").first.fill("A1001")
    page.get_by_label("Issued by").nth(1).select_option("RYY")
    page.get_by_label("Hospital number").nth(1).fill("B2001")
    press(page, "Show what it would touch")
    found["a decision before it is made"] = violations(page)
    press(page, "Do it")
    found["a decision with errors"] = violations(page)
    assert {place: wrong for place, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize("width", [360, 1280])
def test_the_quality_pages_have_no_faults_and_do_not_scroll_sideways(
    browser: "Browser", site: Site, width: int
) -> None:
    administrator = Actor("ada", Role.ADMINISTRATOR.value)
    context = browser.new_context(viewport={"width": width, "height": 740}, locale="en-GB")
    page = context.new_page()
    enter(page, site, "senior-reviewer")
    page.goto(f"{site.url}/quality")
    found = {"quality, nothing drawn": violations(page)}
    for kind in Sample:
        site.app.sampler.draw(administrator, kind, 5)
    for task in site.app.review.queue(REVIEWER).tasks:
        site.app.review.decide(REVIEWER, task.id, Verdict.DIFFERENT, "two people")
    site.app.source_cards.look(administrator)
    for path in ("/quality/sources", "/quality/sources/RXX", "/quality/work"):
        page.goto(site.url + path)
        found[path] = violations(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    page.goto(f"{site.url}/quality")
    found["quality"] = violations(page)
    assert "Links, by weight" in page.inner_text("main")
    assert {place: wrong for place, wrong in found.items() if wrong} == {}
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


def test_axe_finds_nothing_on_a_phone(browser: "Browser", looked_at: Site) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740}, locale="en-GB")
    page = context.new_page()
    enter(page, looked_at)
    for path in paths_of(looked_at):
        page.goto(looked_at.url + path)
        assert violations(page) == [], path
    context.close()


WIDTHS = [
    pytest.param(320, id="320 pixels"),
    pytest.param(360, id="a phone"),
    pytest.param(640, id="200 per cent zoom"),
]


@pytest.mark.parametrize("width", WIDTHS)
def test_no_page_scrolls_sideways(browser: "Browser", looked_at: Site, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 740}, locale="en-GB")
    page = context.new_page()
    enter(page, looked_at)
    for path in paths_of(looked_at):
        page.goto(looked_at.url + path)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{path} is {wide} pixels wide"
    context.close()


def test_without_javascript_on_a_phone_everything_works(phone_page: "Page", site: Site) -> None:
    page = phone_page
    enter(page, site, path="/search")
    page.get_by_label("NHS number", exact=True).fill("999 000 0034")
    press(page, "Search by NHS number")
    assert "1 person found" in page.inner_text("main")
    page.locator("main table a").click()
    assert "FEATHERSTONE" in page.inner_text("h1")
    page.goto(f"{site.url}/review")
    page.locator("main table a").first.click()
    task = task_of(page)
    press(page, SAVE)
    assert "There is a problem" in page.inner_text("main")
    decide(page, "Not sure", "asked the ward")
    assert f"Task {task}: not sure" in page.inner_text("main")
    press(page, "Sign out")
    assert "/sign-in" in page.url


def test_nothing_is_fetched_from_elsewhere_and_the_policy_stops_nothing_of_ours(page: "Page", looked_at: Site) -> None:
    fetched: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: fetched.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    enter(page, looked_at)
    for path in paths_of(looked_at):
        page.goto(looked_at.url + path)
    assert fetched
    assert [url for url in fetched if not url.startswith(looked_at.url)] == []
    # That a page was not found is said on purpose; anything else is a script or a style that did not work.
    assert [text for text in complaints if "404 (NOT FOUND)" not in text] == []


def test_every_page_has_one_heading_one_main_part_and_a_title_of_its_own(page: "Page", looked_at: Site) -> None:
    enter(page, looked_at)
    titles = []
    for path in paths_of(looked_at):
        page.goto(looked_at.url + path)
        assert page.locator("h1").count() == 1, path
        assert page.locator("main").count() == 1, path
        titles.append(page.title())
    assert all(title.endswith("Master patient index") for title in titles)
    assert len(set(titles)) >= len(titles) - 1  # the queue, open and closed, is one page


def test_pictures_of_the_pages_can_be_taken(page: "Page", looked_at: Site, tmp_path: Path) -> None:
    enter(page, looked_at)
    for number, path in enumerate(paths_of(looked_at)):
        page.goto(looked_at.url + path)
        page.screenshot(path=str(tmp_path / f"{number}.png"), full_page=True)
    assert all(file.stat().st_size > 5_000 for file in tmp_path.glob("*.png"))
