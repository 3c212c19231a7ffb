"""The configuration: what it says, and what is refused with the line at fault."""

from pathlib import Path

import pytest

from mpi.bootstrap import build
from mpi.config import Config, InvalidConfiguration, load, parse
from mpi.matching.model import load_default

GOOD = """\
[database]
url = "sqlite:///x.db"

[[authorities]]
code = "RXX"
oid = "2.999.1"
aliases = ["REH"]
test = true

[[authorities]]
code = "POLICY"
kind = "other"
personal = false

[[sources]]
application = "PAS"
facility = "RXX"
feeds = "reh"
may_query = ["rxx", "nhs"]
"""


def read(text: str) -> Config:
    return parse(text, Path("mpi.toml"))


def test_an_authority_is_known_by_code_alias_and_oid_in_any_case() -> None:
    config = read(GOOD)
    assert [config.authority(name).code for name in ("RXX", "reh", "2.999.1", "nh")] == ["RXX", "RXX", "RXX", "NHS"]
    assert config.authority("unknown") is None
    assert config.authority(None) is None


def test_a_source_names_authorities_by_their_codes() -> None:
    source = read(GOOD).source("PAS", "RXX")
    assert source is not None
    assert (source.feeds, source.may_query) == ("RXX", ("RXX", "NHS"))
    assert read(GOOD).source("PAS", "RYY") is None


def test_the_command_line_goes_before_the_environment_and_that_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mpi.toml"
    file.write_text(GOOD, encoding="utf-8")
    assert load(file).database_url == "sqlite:///x.db"
    monkeypatch.setenv("MPI_DATABASE_URL", "sqlite:///y.db")
    assert load(file).database_url == "sqlite:///y.db"
    assert load(file, database_url="sqlite:///z.db").database_url == "sqlite:///z.db"


def test_without_any_file_there_are_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = load()
    assert (config.database_url, [a.code for a in config.authorities]) == ("sqlite:///var/mpi.db", ["NHS"])


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        pytest.param('[databse]\nurl = "x"', 1, "unknown table", id="misspelt table"),
        pytest.param('\n[database]\nulr = "x"', 3, "unknown key", id="misspelt key"),
        pytest.param("[database]\nurl = 5", 2, "wrong type", id="wrong type"),
        pytest.param('[[authorities]]\nname = "x"', 1, "code is missing", id="authority without code"),
        pytest.param(
            '[[authorities]]\ncode = "A"\n[[authorities]]\ncode = "A"', 3, "already names", id="authority twice"
        ),
        pytest.param(
            '[[authorities]]\ncode = "A"\n[[authorities]]\ncode = "B"\naliases = ["a"]', 3, "already names", id="alias"
        ),
        pytest.param('[[authorities]]\ncode = "A"\naliases = ["NH"]', 1, "NHS", id="alias of the NHS"),
        pytest.param('[[authorities]]\ncode = "A"\nkind = "clinic"', 3, "kind must be", id="unknown kind"),
        pytest.param(
            '[[sources]]\napplication = "P"\nfacility = "F"\nfeeds = "A"', 4, "unknown authority", id="feeds nobody"
        ),
        pytest.param(
            '[[sources]]\napplication = "P"\nfacility = "F"\nfeeds = "NHS"', 4, "no source feeds", id="feeds the NHS"
        ),
        pytest.param(
            '[[sources]]\napplication = "P"\nfacility = "F"\nmay_query = ["A"]',
            4,
            "unknown authority",
            id="asks nobody",
        ),
        pytest.param(
            '[[sources]]\napplication = "P"\nfacility = "F"\ncharset = "ebcdic-x"', 4, "charset", id="unknown charset"
        ),
        pytest.param(
            '[[sources]]\napplication = "P"\nfacility = "F"\n[[sources]]\napplication = "P"\nfacility = "F"',
            5,
            "stand twice",
            id="source twice",
        ),
        pytest.param(
            '[[subscribers]]\nname = "x"\nhost = "h"\nport = 70000', 4, "port must be", id="port out of range"
        ),
        pytest.param("[matching]\npopulation = 10", 2, "population", id="population too small"),
        pytest.param("[sources]\nx = 1", 1, "one for each", id="table instead of a list of tables"),
    ],
)
def test_a_configuration_that_contradicts_itself_is_refused_with_its_line(text: str, line: int, says: str) -> None:
    with pytest.raises(InvalidConfiguration, match=says) as refusal:
        read(text)
    assert str(refusal.value).startswith(f"mpi.toml:{line}: ")


def test_a_file_that_is_no_toml_or_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match=r"line 2"):
        read("[database]\nurl = \n")
    with pytest.raises(InvalidConfiguration, match="cannot be read"):
        load(tmp_path / "none.toml")


def test_in_a_larger_index_the_same_agreement_weighs_less(tmp_path: Path) -> None:
    small = build(Config(database_url=f"sqlite:///{tmp_path}/x.db"))
    large = build(Config(database_url=f"sqlite:///{tmp_path}/x.db", population=16_000_000))
    assert small.model.hash == load_default().hash
    assert large.model.hash != small.model.hash
    assert large.model.prior_bits == pytest.approx(small.model.prior_bits - 4, abs=0.001)
    for app in (small, large):
        app.close()
