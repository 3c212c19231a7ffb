"""Outside studies in a real browser: from sign-in to the override, its confirmation and its undoing."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.browser.test_pages import enter, press, violations
from tests.study_site import MISSPELLED, UNKNOWN, put_studies
from tests.website import PASSWORD, Site, open_website_index, served

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


@pytest.fixture
def site(migrated_sqlite_url: str) -> Iterator[Site]:
    """A site of the test's own, to decide on."""
    app = open_website_index(migrated_sqlite_url)
    put_studies(app)
    with served(app) as site:
        yield site
    app.close()


def test_a_held_study_is_overridden_confirmed_and_detached_and_axe_finds_nothing(page: "Page", site: Site) -> None:
    enter(page, site, "gate-operator", "/studies")
    found = {"the day": violations(page)}
    page.get_by_role("link", name=MISSPELLED).click()
    found["a held study"] = violations(page)
    press(page, "Save")
    found["a study with errors"] = violations(page)
    page.get_by_label("Attach it in spite of the rules").check()
    page.get_by_label("Hospital number").fill("K100")
    page.get_by_label("Reason in the policy").select_option("spelling")
    page.get_by_label("Why?").fill("The sender says that it is a slip")
    press(page, "Save")
    assert "Attached, identity not verified" in page.inner_text("main")
    found["an overridden study"] = violations(page)
    press(page, "Sign out")
    page.goto(f"{site.url}/studies/{MISSPELLED}")
    page.get_by_label("Name", exact=True).fill("senior-reviewer")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    press(page, "Sign in")
    page.get_by_label("Confirm the override").check()
    page.get_by_label("Why?").fill("I have seen the letter")
    press(page, "Save")
    assert "Confirmed override" in page.inner_text("main")
    page.get_by_label("Take it away from this person").check()
    page.get_by_label("Why?").fill("It was the other sister")
    press(page, "Save")
    assert "Detached: It was the other sister" in page.inner_text("main")
    page.goto(f"{site.url}/studies/figures")
    found["the figures"] = violations(page)
    page.goto(f"{site.url}/studies/{UNKNOWN}")
    found["a study of nobody"] = violations(page)
    assert {place: wrong for place, wrong in found.items() if wrong} == {}


def test_everything_works_on_a_phone_without_javascript(phone_page: "Page", site: Site) -> None:
    page = phone_page
    enter(page, site, "gate-operator", f"/studies/{MISSPELLED}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.get_by_label("Turn it away").check()
    page.get_by_label("Why?").fill("Sent to us by mistake")
    press(page, "Save")
    assert "Refused" in page.inner_text("main")
    page.goto(f"{site.url}/studies?place=refused")
    assert MISSPELLED in page.inner_text("main")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
