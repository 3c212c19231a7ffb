"""Accounts, tokens, the audit trail and break glass in a real browser, and what axe finds on their pages."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.builders import a_record
from tests.index import persons_of, send
from tests.website import PASSWORD, Site, open_website_index, served

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


@pytest.fixture
def site(migrated_sqlite_url: str) -> Iterator[Site]:
    """A site with one restricted person."""
    app = open_website_index(migrated_sqlite_url)
    send(app, replace(a_record("RXX", "A9001", address_line="9 Hidden Close"), restricted=True))
    with served(app) as site:
        yield site
    app.close()


def enter(page: "Page", site: Site, name: str, path: str) -> None:
    page.goto(site.url + path)
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    press(page, "Sign in")


def press(page: "Page", button: str) -> None:
    with page.expect_navigation():
        page.get_by_role("button", name=button, exact=True).click()


def check(page: "Page") -> None:
    """Fail for anything that axe finds, and where the page is wider than its window."""
    found = Axe().run(page).response["violations"]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_senior_reviewer_breaks_the_glass_and_an_auditor_sees_it(page: "Page", site: Site) -> None:
    [person] = persons_of(site.app, ("RXX", "A9001"))
    enter(page, site, "senior-reviewer", f"/persons/{person}")
    assert "Hidden Close" not in page.inner_text("main")
    page.get_by_text("Show what is withheld of this person").click()
    check(page)
    page.get_by_label("Why do you need to see this?").fill("the ward cannot reach the patient")
    press(page, "Show what is withheld")
    assert "Hidden Close" in page.inner_text("main")
    check(page)
    press(page, "Sign out")
    enter(page, site, "ig-auditor", "/audit")
    check(page)
    page.get_by_label("Kind of event").select_option("break-glass")
    press(page, "Find events")
    row = page.get_by_role("row").nth(1).inner_text()
    assert "senior-reviewer" in row
    assert "the ward cannot reach the patient" in row
    press(page, "Check the whole trail now")
    assert "was whole when it was checked" in page.inner_text("main")
    page.set_viewport_size({"width": 360, "height": 740})
    check(page)


def test_an_administrator_adds_an_account_that_chooses_its_password(page: "Page", site: Site) -> None:
    enter(page, site, "administrator", "/accounts")
    check(page)
    page.locator("main").get_by_label("Name").fill("nadia")
    page.get_by_label("Role").select_option("reviewer")
    page.get_by_label("Royal Example Hospital").check()
    press(page, "Add account")
    given = page.locator("main code").inner_text()
    check(page)
    for path in ("/accounts/nadia", "/tokens"):
        page.goto(site.url + path)
        check(page)
    press(page, "Sign out")
    page.get_by_label("Name", exact=True).fill("nadia")
    page.get_by_label("Password", exact=True).fill(given)
    press(page, "Sign in")
    assert page.url.endswith("/account/password")
    press(page, "Change password")
    assert page.title().startswith("Error:")
    check(page)
    page.get_by_label("The password you have").fill(given)
    page.get_by_label("The password you want").fill("eleven herons by the weir")
    page.get_by_label("The same once more").fill("eleven herons by the weir")
    press(page, "Change password")
    assert page.url.endswith("/account")
    assert "RXX" in page.inner_text("main")
    check(page)
