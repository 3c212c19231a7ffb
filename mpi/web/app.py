"""The web application: pages, machine interface and health, put together."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from apiflask import APIFlask
from flask import Flask, url_for
from flask_login import LoginManager
from flask_wtf.csrf import CSRFProtect
from jinja2 import ChainableUndefined, ChoiceLoader, FileSystemLoader, PackageLoader

from mpi import __version__
from mpi.bootstrap import App
from mpi.domain.roles import Permission
from mpi.domain.study import StudyHeader
from mpi.services.users import SESSION_LIMIT
from mpi.web import api, branding, current, health, study_words, words
from mpi.web.access_log import install_access_log
from mpi.web.errors import install_errors
from mpi.web.pages import (
    account,
    accounts,
    audit,
    changes,
    home,
    persons,
    provider,
    quality,
    queue,
    search,
    sign_in,
    studies,
)
from mpi.web.security import install_headers

HERE = Path(__file__).parent
LARGEST_FORM = 256 * 1024
"""Bytes of a request that a page takes; the machine interface has limits of its own."""

# The queue adds its pages to those of the tasks: `queue.bp` is `review.bp`.
_PAGES = (
    home,
    account,
    accounts,
    audit,
    queue,
    changes,
    persons,
    quality,
    search,
    sign_in,
    studies,
    health,
)

ReadStudy = Callable[[bytes], StudyHeader]


class _Web(APIFlask):
    """Flask with the NHS.UK templates beside ours, and everything escaped, whatever a template's name ends in."""

    jinja_options = {  # noqa: RUF012 - Flask declares it without ClassVar
        "undefined": ChainableUndefined,
        "autoescape": True,
        "trim_blocks": True,
        "lstrip_blocks": True,
        "loader": ChoiceLoader([FileSystemLoader(HERE / "templates"), PackageLoader("nhsuk_frontend_jinja")]),
    }


def create_app(
    app: App,
    *,
    secret_key: bytes,
    secure_cookies: bool = True,
    read_study_json: ReadStudy | None = None,
    read_study_file: ReadStudy | None = None,
    testing: bool = False,
) -> Flask:
    """The WSGI application over the services of `app`.

    `read_study_json` and `read_study_file` read the header of a study out of DICOM JSON and of a Part 10 file; where
    one is missing, the gate answers 501. `secure_cookies` False is for plain http on the same machine only.
    """
    web = _Web(__name__, title="Master patient index", version=__version__, docs_path=None, json_errors=False,
               spec_path="/api/v1/openapi.json", static_folder=str(HERE / "static"))  # fmt: skip
    web.config.update(
        SECRET_KEY=secret_key,
        TRUSTED_HOSTS=list(app.config.hosts) or None,
        TESTING=testing,
        MAX_CONTENT_LENGTH=LARGEST_FORM,
        MAX_FORM_MEMORY_SIZE=LARGEST_FORM,
        # The prefix makes browsers refuse the cookie from other hosts and without TLS.
        SESSION_COOKIE_NAME="__Host-mpi" if secure_cookies else "mpi",
        SESSION_COOKIE_SECURE=secure_cookies,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=timedelta(seconds=SESSION_LIMIT.total_seconds()),
        WTF_CSRF_TIME_LIMIT=None,  # a form is good for as long as its session
    )
    web.extensions[current.EXTENSION] = app
    install_access_log(web)
    install_headers(web, secure=secure_cookies)
    install_errors(web)
    _install_sign_in(web, app)
    _install_words(web, app)
    csrf = CSRFProtect(web)
    machine = api.blueprint(read_study_json, read_study_file)
    csrf.exempt(machine)  # it takes bearer tokens and no cookies, so that a foreign page gains nothing by posting
    api.describe(web)
    web.register_blueprint(machine)
    for blueprint in _PAGES:
        web.register_blueprint(blueprint.bp)
    health.install_metrics(web, app)
    if app.config.provider is not None:
        provider.install(web, app.config.provider)
    if app.config.nhs_branding:
        branding.install(web, app.config)
    return web


def _install_sign_in(web: Flask, app: App) -> None:
    manager = LoginManager()
    manager.session_protection = None  # sessions are checked in the database; addresses change on hospital networks
    manager.init_app(web)

    @manager.user_loader  # type: ignore[untyped-decorator]
    def load(session_id: str) -> current.Visitor | None:
        found = app.users.session(session_id)
        return current.Visitor(found) if found else None

    manager.unauthorized_handler(sign_in.ask)


def _install_words(web: Flask, app: App) -> None:
    web.jinja_env.filters.update(words.FILTERS)
    web.jinja_env.globals.update(
        words=words.WORDS | study_words.WORDS,
        organisation=app.config.organisation,
        branding=app.config.nhs_branding,
        may=current.may,
        visitor=current.visitor,
        Permission=Permission,
        asset=_asset,
    )


def _asset(name: str) -> str:
    """The address of a static file; the version in it makes browsers fetch afresh after an upgrade."""
    return url_for("static", filename=name, v=__version__)
