"""Takes the pictures in docs/images from the running pages, over an index of invented people; part of `make docs`.

Clock and ids are fixed, so that a picture changes only when its page does.
"""

import logging
import random
import secrets
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import waitress
from playwright.sync_api import Page, sync_playwright

from mpi.bootstrap import App, build
from mpi.cli.options import OPERATOR
from mpi.config import NHS_AUTHORITY, Authority, Config, Source
from mpi.domain.audit import Actor
from mpi.domain.messages import Inbound, Register
from mpi.domain.person import SourceRecord
from mpi.domain.roles import Role
from mpi.store import clock
from mpi.store.schema import migrate
from mpi.web.app import create_app

IMAGES = Path(__file__).parent.parent / "docs" / "images"
REVIEWER = Actor("ada", Role.REVIEWER.value)
PASSWORD = secrets.token_urlsafe(16)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"]
SIZE = {"width": 1180, "height": 1180}

# Katherine Ellwood registered at one hospital before she moved; at the other, under a short form of her name, her
# birth date was mistyped, and another NHS number was written down, which nobody has verified.
PEOPLE = (
    ("RXX", "RX404817", {
        "nhs_number": "9990004722", "nhs_number_status": "01", "family_name": "Ellwood", "given_name": "Katherine",
        "middle_names": "Rose", "birth_date": "1987-06-14", "sex": "female", "address_line": "27 Tannery Row",
        "town": "Otley", "postcode": "LS21 1AA", "phone": "0113 496 0178",
    }),
    ("RYY", "00931275", {
        "nhs_number": "9990004730", "nhs_number_status": "03", "family_name": "Ellwood", "given_name": "Kate",
        "birth_date": "1987-06-24", "sex": "female", "address_line": "3 Weaver's Court", "town": "Ilkley",
        "postcode": "LS29 8AB", "phone": "0113 496 0178",
    }),
)  # fmt: skip


def fix_clock_and_ids() -> None:
    """Let time begin on one morning and ids be the same in each run."""
    start, steps = datetime(2026, 3, 2, 9, 30, tzinfo=UTC), iter(range(1_000_000))
    clock.now = lambda: clock.stamp(start + timedelta(seconds=next(steps)))
    secrets.randbits = random.Random(8).getrandbits  # noqa: S311 - invented people need no secrets


def invented_index(folder: Path) -> App:
    """An index of two hospitals with the people above."""
    config = Config(
        database_url=f"sqlite:///{folder / 'mpi.db'}",
        authorities=(
            NHS_AUTHORITY,
            Authority("RXX", "Royal Example Hospital", test=True),
            Authority("RYY", "Second Example Hospital", test=True),
        ),
        sources=(Source("PAS", "RXX", "RXX", test=True), Source("PAS", "RYY", "RYY", test=True)),
    )
    migrate(config.database_url)
    app = build(config)
    app.users.add(OPERATOR, REVIEWER.name, Role.REVIEWER, PASSWORD)
    for number, (authority, local_id, said) in enumerate(PEOPLE):
        record = SourceRecord(authority, local_id, said, complete=True)
        app.inbox.process(
            [Inbound(local_id.encode(), "PAS", authority, f"M{number}", "A28", "screenshots", Register(record))]
        )
    return app


@contextmanager
def served(app: App) -> Iterator[str]:
    """The address of the pages while they are served."""
    web = create_app(app, secret_key=secrets.token_bytes(32), secure_cookies=False)
    server = waitress.create_server(web, host="127.0.0.1", port=0, clear_untrusted_proxy_headers=True)
    threading.Thread(target=server.run, daemon=True).start()
    yield f"http://127.0.0.1:{server.effective_port}"
    server.close()


def take(address: str, task: int) -> list[str]:
    """Sign in as a person would, answer one task, and take pictures on the way; their names."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), headless=True, args=FLAGS)
        page = browser.new_page(viewport=SIZE, locale="en-GB")
        page.goto(f"{address}/review")
        page.get_by_label("Name", exact=True).fill(REVIEWER.name)
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        with page.expect_navigation():
            page.get_by_role("button", name="Sign in").click()
        _picture(page, "queue.png", ".mpi-queue")
        page.goto(f"{address}/review/{task}")
        _picture(page, "task-blind.png", "form[novalidate]:has(#reason)")
        page.get_by_label("Different people", exact=True).check()
        page.get_by_label("What explains it?").select_option("twin-or-sibling")
        page.get_by_label("Why?").fill("Born ten days apart in the records, other numbers, other homes")
        with page.expect_navigation():
            page.get_by_role("button", name="Save and show").click()
        _picture(page, "review.png", ".mpi-total")
        _picture(page, "task-evidence.png", ".mpi-cluster", first="h2:has-text('From the start')")
        browser.close()
    return ["queue.png", "task-blind.png", "review.png", "task-evidence.png"]


def _picture(page: Page, name: str, last: str, *, first: str | None = None) -> None:
    """A picture from the top, or from the element `first`, to the end of the element `last`."""
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement?.blur()")
    end, begin = page.locator(last).last.bounding_box(), page.locator(first).first.bounding_box() if first else None
    if end is None:
        raise RuntimeError(f"{last} is not on the page")
    top = begin["y"] - 16 if begin else 0
    clip = {"x": 0, "y": top, "width": SIZE["width"], "height": end["y"] + end["height"] + 16 - top}
    page.screenshot(path=str(IMAGES / name), full_page=True, clip=clip)


def main() -> int:
    """Take the pictures; 1 without a browser."""
    if shutil.which("chromium") is None:
        print("the pictures need Chromium: make system")
        return 1
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    IMAGES.mkdir(exist_ok=True)
    fix_clock_and_ids()
    with tempfile.TemporaryDirectory() as folder:
        app = invented_index(Path(folder))
        tasks = app.review.queue(REVIEWER).tasks
        if len(tasks) != 1:
            print(f"one task was expected, {len(tasks)} are there: choose other people")
            return 1
        with served(app) as address:
            names = take(address, tasks[0].id)
        app.close()
    for name in names:
        print(f"wrote {IMAGES / name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
