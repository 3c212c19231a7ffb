"""Logo and font of the NHS: only where the installation says that it may use them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mpi.bootstrap import App
from mpi.web.app import HERE
from tests.website import make_web, open_website_index, sign_in

LOGO = "nhsuk-header__logo"


@pytest.fixture
def app(migrated_sqlite_url: str) -> Iterator[App]:
    index = open_website_index(migrated_sqlite_url)
    yield index
    index.close()


@pytest.fixture
def branded(app: App, tmp_path: Path) -> App:
    """The same installation, of an NHS body that has put its font where it belongs."""
    folder = tmp_path / "branding"
    folder.mkdir()
    (folder / "FrutigerLTW01-55Roman.woff2").write_bytes(b"a font")
    (tmp_path / "secret.key").write_bytes(b"a secret")
    config = replace(app.config, nhs_branding=True, organisation="Example NHS Trust", path=tmp_path / "mpi.toml")
    return replace(app, config=config)


def test_without_branding_there_is_neither_logo_nor_font(app: App) -> None:
    client = make_web(app)
    sign_in(client, "reviewer")
    page = client.get("/").text
    assert LOGO not in page
    assert "branding" not in page
    assert client.get("/branding/FrutigerLTW01-55Roman.woff2").status_code == 404


def test_with_branding_the_header_has_the_logo_and_the_same_menu(app: App, branded: App) -> None:
    plain, client = make_web(app), make_web(branded)
    for one in (plain, client):
        sign_in(one, "reviewer")
    page = client.get("/").text
    assert LOGO in page
    assert "branding.css" in page
    assert "Example NHS Trust" in page
    for shown in ('href="/review"', 'href="/search"', "reviewer (reviewer)", 'action="/sign-out"'):
        assert shown in page
        assert shown in plain.get("/").text


def test_the_font_is_served_from_beside_the_configuration_and_nothing_else_is(branded: App) -> None:
    client = make_web(branded)
    with client.get("/branding/FrutigerLTW01-55Roman.woff2") as found:
        assert (found.status_code, found.mimetype, found.data) == (200, "font/woff2", b"a font")
    for name in ("FrutigerLTW01-65Bold.woff2", "secret.key", "..%2fsecret.key", "../secret.key"):
        assert client.get(f"/branding/{name}").status_code == 404


def test_what_is_shipped_names_no_foreign_host_and_carries_its_licence() -> None:
    static = HERE / "static"
    for file in static.rglob("*"):
        if file.suffix in (".css", ".js"):
            text = file.read_text(encoding="utf-8").replace("http://www.w3.org/", "")
            assert "http:" not in text, file.name
            assert "https:" not in text, file.name
    assert not list(static.rglob("*.woff*"))
    assert "MIT License" in (static / "nhsuk" / "LICENCE").read_text(encoding="utf-8")
