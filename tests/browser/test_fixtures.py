"""The browser itself: it starts, renders and runs without JavaScript where a test asks for that."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

PAGE = "data:text/html,<h1>static</h1><script>document.querySelector('h1').textContent='scripted'</script>"


def test_a_page_runs_its_scripts(page: "Page") -> None:
    page.goto(PAGE)
    assert page.inner_text("h1") == "scripted"


def test_the_phone_page_runs_none(phone_page: "Page") -> None:
    phone_page.goto(PAGE)
    assert phone_page.inner_text("h1") == "static"
