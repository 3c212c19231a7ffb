"""The web pages for tests: the real application over a real index, an account for each role, people to look at."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import waitress
import waitress.server
import waitress.wasyncore
from argon2 import PasswordHasher
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from mpi.bootstrap import App
from mpi.cli.options import OPERATOR
from mpi.domain.audit import Actor
from mpi.domain.roles import Role
from mpi.services.own_account import OwnAccount
from mpi.services.passwords import Passwords
from mpi.services.users import Users
from mpi.web.app import create_app
from tests.builders import nhs_number
from tests.index import open_index, register

PASSWORD = "seven lanterns over the canal"
SECRET = b"a key that signs the cookies of tests"
MARKUP = "<script>alert(1)</script>"
REVIEWER = Actor("reviewer", Role.REVIEWER.value)


def open_website_index(url: str, **policy: object) -> App:
    """The services, with password hashes that are made quickly and an account for each role, named like it."""
    app = open_index(url, **policy)
    quick = Passwords(PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
    users = Users(app.store, app.config, quick)
    app = replace(app, users=users, own_account=OwnAccount(app.store, users))
    for role in Role:
        app.users.add(OPERATOR, role.value, role, PASSWORD)
    return app


def put_people(app: App) -> None:
    """Three questions for a reviewer, one linked pair, and one person whose every field is markup."""
    register(app, "RXX", "A1001", nhs_number=nhs_number(0), nhs_number_status="01", phone="0113 496 0001")
    register(app, "RYY", "B2001", nhs_number=nhs_number(1), nhs_number_status="01", phone="0113 496 0001")
    other = {"family_name": "Featherstone", "given_name": "Zephaniah", "birth_date": "1951-11-02", "sex": "male"}
    number = nhs_number(2)
    register(app, "RXX", "A1002", nhs_number=number, nhs_number_status="01", postcode="YO1 7HH", **other)
    register(app, "RYY", "B2002", nhs_number=number, nhs_number_status="01", postcode="YO1 7HH", **other)
    child = {"family_name": "Brathwaite", "birth_date": "2011-06-30", "address_line": "3 Mill Lane", "sex": "male"}
    register(app, "RXX", "A1003", given_name="Oliver", nhs_number=nhs_number(3), postcode="BD1 1AA", **child)
    register(app, "RYY", "B2003", given_name="Olivier", nhs_number=nhs_number(4), postcode="BD1 1AA", **child)
    put_markup(app)


def put_markup(app: App) -> None:
    """Two people in question, whose every field that a feed can fill is markup."""
    said = dict.fromkeys(
        ("given_name", "middle_names", "previous_family_name", "address_line", "town", "postcode", "phone", "email",
         "gp_practice", "other_identifier", "multiple_birth_order", "death_date", "sex", "nhs_number_status"),
        MARKUP,
    )  # fmt: skip
    said |= {"family_name": MARKUP, "birth_date": "1970-01-31"}
    register(app, "RXX", MARKUP, nhs_number=nhs_number(5), **said)
    register(app, "RYY", f"{MARKUP}2", nhs_number=nhs_number(6), **said)


def make_web(app: App, **options: object) -> FlaskClient:
    """A client that speaks to the application without a socket."""
    return create_app(app, secret_key=SECRET, secure_cookies=False, **options).test_client()  # type: ignore[arg-type]


def csrf_of(answer: TestResponse) -> str:
    """The token in the first form of a page."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', answer.text)
    assert found, "no form on this page"
    return found.group(1)


def sign_in(client: FlaskClient, name: str, password: str = PASSWORD, **more: str) -> TestResponse:
    """Fill in the sign-in form."""
    token = csrf_of(client.get("/sign-in"))
    return client.post("/sign-in", data={"csrf_token": token, "name": name, "password": password, **more})


def post(client: FlaskClient, path: str, data: dict[str, str], form: str | None = None) -> TestResponse:
    """Send a form with the token that stands on the page `form`, by default the same path."""
    return client.post(path, data={"csrf_token": csrf_of(client.get(form or path)), **data})


@dataclass(frozen=True)
class Site:
    """A website on a port of this machine."""

    url: str
    app: App


@contextmanager
def served(app: App) -> Iterator[Site]:
    """The application behind the same server that `mpi serve` starts, on a free port."""
    web = create_app(app, secret_key=SECRET, secure_cookies=False)
    server = waitress.create_server(web, host="127.0.0.1", port=0, threads=4, clear_untrusted_proxy_headers=True)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield Site(f"http://127.0.0.1:{server.effective_port}", app)
    finally:
        _stop(server)
        thread.join(timeout=10)


def _stop(server: waitress.server.BaseWSGIServer) -> None:
    """End a running server from its own loop: closing its sockets under a thread that waits on them is a race."""
    server.task_dispatcher.shutdown(timeout=10)
    server.trigger.pull_trigger(lambda: waitress.wasyncore.close_all(server._map))
