"""The configuration of an installation: `mpi.toml` read, checked and typed.

A configuration that contradicts itself is refused at start, with the file and the line at fault.
"""

import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mpi.config.dicom import TABLE_KEYS, DicomForward, DicomNode, DicomPartner, read_node
from mpi.config.provider import PROVIDER_KEYS, Provider, read_provider
from mpi.config.review import SECOND_READER as SECOND_READER

__all__ = [
    "Authority",
    "Config",
    "DicomForward",
    "DicomNode",
    "DicomPartner",
    "InvalidConfiguration",
    "Provider",
    "Source",
    "Subscriber",
    "load",
    "parse",
]

DEFAULT_DATABASE_URL = "sqlite:///var/mpi.db"
DEFAULT_FILE = "mpi.toml"
NHS_OID = "2.16.840.1.113883.2.1.4.1"
KINDS = ("hospital", "national", "other")
GOLDEN_CRITERIA = ("verified", "source", "agreement", "recency")
GOLDEN_FIELDS = (
    "nhs_number", "family_name", "given_name", "middle_names", "birth_date", "sex", "multiple_birth_order",
    "death_date", "address_line", "phone", "email", "gp_practice", "other_identifier",
)  # fmt: skip
"""Fields of the golden record that have a rule of their own; others are taken with one of them."""


class InvalidConfiguration(Exception):
    """The file cannot be used; the message starts with file and line."""


@dataclass(frozen=True, slots=True)
class Authority:
    """Who issues identifiers (HL7 assigning authority)."""

    code: str
    name: str
    kind: str = "hospital"
    oid: str | None = None
    aliases: tuple[str, ...] = ()
    test: bool = False
    personal: bool = True
    """False for numbers that several people share (a family's policy): kept, and no evidence of a person."""


NHS_AUTHORITY = Authority("NHS", "NHS number", "national", NHS_OID, ("NH", "NHSNBR", "NHSNMBR"))


@dataclass(frozen=True, slots=True)
class Source:
    """Who may send what: a sending application and facility (MSH-3, MSH-4) and the one authority it feeds."""

    application: str
    facility: str
    feeds: str | None = None
    may_query: tuple[str, ...] = ()
    charset: str | None = None
    test: bool = False
    held: str = "AA"
    """How a message is answered that waits for a human: `AA` (it is kept) or `AE` (the sender should know)."""
    times: bool = True
    """False where PID-33 and EVN-2 say nothing of the order of updates: then the order of arrival counts."""
    studies: str | None = None
    """The authority of whose patients it tells studies (ORU, ORM, OMI), where that is not the one it feeds."""

    @property
    def tells_of(self) -> str | None:
        """The authority whose patients' studies it may tell of; None: nobody's."""
        return self.studies or self.feeds


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Who is told of changes (IHE ITI-10)."""

    name: str
    host: str
    port: int
    domains: tuple[str, ...]
    application: str = ""
    """MSH-5 of what it is sent; its name where nothing is said."""
    facility: str = ""
    timeout: float = 10.0
    """Seconds to connect, send and get one answer."""
    refusals: int = 8
    """So many times one notification is refused (AE, AR) before it is given up and waits for a human."""
    restricted: bool = False
    """Whether it is told of restricted persons (their identifiers in its domains, as of everybody) or never hears."""
    start: str = "beginning"
    """Where it begins when it is new: at the `beginning` of the index, or `now`."""
    tls: bool = False
    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """Everything an installation decides. `path` is the file it came from; None means built-in defaults."""

    database_url: str = DEFAULT_DATABASE_URL
    authorities: tuple[Authority, ...] = (NHS_AUTHORITY,)
    sources: tuple[Source, ...] = ()
    subscribers: tuple[Subscriber, ...] = ()
    model: str = "default"
    population: int | None = None
    """Records the index is expected to hold; None leaves the model's own assumption."""
    gate_policy: str = "default"
    gate_home: tuple[str, ...] = ()
    """The authorities whose studies are our own: they are made here, and come back from outside."""
    gate_uid_roots: tuple[str, ...] = ()
    """The beginnings of the UIDs that our own devices give."""
    organisation: str = "Master patient index"
    nhs_branding: bool = False
    blind: bool = True
    """Whether reviewers answer before they see what the index thinks of a pair."""
    second_reader: tuple[str, ...] = ()
    """Questions that two reviewers answer independently: kinds of task, hard rules, or `restricted` (people)."""
    unverified_days: int = 0
    """Ask about unverified NHS numbers of records heard of in so many days; 0: never."""
    hosts: tuple[str, ...] = ()
    """Names under which the pages are asked for; a request for another is refused. Empty: any."""
    golden_sources: tuple[str, ...] = ()
    """Authorities whose values are trusted first to last in the golden record."""
    golden_rules: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What decides between values there, by field; fields that are left out follow `mpi.domain.survivorship`."""
    sample_links: int = 0
    """Links put into the review queue each week to measure the index; 0: none."""
    sample_non_links: int = 0
    """The same of pairs that were kept apart."""
    dicom: DicomNode = field(default_factory=DicomNode)
    provider: Provider | None = None
    """None: people sign in with passwords of ours only."""
    path: Path | None = None
    _authority_names: Mapping[str, Authority] = field(default_factory=dict, repr=False, compare=False)
    _sources: Mapping[tuple[str, str], Source] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_authority_names", {n.upper(): a for a in self.authorities for n in _spellings(a)})
        object.__setattr__(self, "_sources", {(s.application, s.facility): s for s in self.sources})

    def authority(self, spelling: str | None) -> Authority | None:
        """The authority with this code, alias or OID, or None when there is none (case is ignored)."""
        return self._authority_names.get(spelling.upper()) if spelling else None

    def source(self, application: str, facility: str) -> Source | None:
        """The source that signs its messages so (MSH-3, MSH-4), or None."""
        return self._sources.get((application, facility))

    def admits_test_numbers(self, authority: str) -> bool:
        """Whether NHS numbers of the never-issued test range are admitted in records of this authority."""
        known = self.authority(authority)
        return known is not None and known.test

    @property
    def any_test_authority(self) -> bool:
        """Whether this is an installation with test data in it."""
        return any(authority.test for authority in self.authorities)


def _spellings(authority: Authority) -> Iterable[str]:
    yield authority.code
    yield from authority.aliases
    if authority.oid:
        yield authority.oid


def load(path: str | Path | None = None, *, database_url: str | None = None) -> Config:
    """The configuration of `path`, else of `MPI_CONFIG`, else of `mpi.toml` if there is one, else defaults.

    `database_url` (the command line) goes before `MPI_DATABASE_URL`, and that before the file. Raises
    `InvalidConfiguration`.
    """
    chosen = path or os.environ.get("MPI_CONFIG")
    if chosen is None and Path(DEFAULT_FILE).is_file():
        chosen = DEFAULT_FILE
    url = database_url or os.environ.get("MPI_DATABASE_URL")
    if chosen is None:
        return Config(database_url=url or DEFAULT_DATABASE_URL)
    file = Path(chosen)
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidConfiguration(f"{file}: cannot be read ({error.strerror})") from error
    return parse(text, file, database_url=url)


def parse(text: str, file: Path, *, database_url: str | None = None) -> Config:
    """The configuration written in `text`; `file` only names it in errors."""
    return _Reader(text, file).config(database_url)


_TABLES = {
    "database",
    "authorities",
    "sources",
    "subscribers",
    "matching",
    "gate",
    "golden",
    "quality",
    "web",
    "dicom",
    "oidc",
    "review",
}
_KEYS: dict[str, dict[str, type | tuple[type, ...]]] = {
    **TABLE_KEYS,
    **PROVIDER_KEYS,
    "database": {"url": str},
    "authorities": {"code": str, "name": str, "kind": str, "oid": str, "aliases": list, "test": bool, "personal": bool},
    "sources": {
        "application": str,
        "facility": str,
        "feeds": str,
        "may_query": list,
        "charset": str,
        "test": bool,
        "held": str,
        "times": bool,
        "studies": str,
    },
    "subscribers": {
        "name": str,
        "host": str,
        "port": int,
        "domains": list,
        "application": str,
        "facility": str,
        "timeout": (int, float),
        "refusals": int,
        "restricted": bool,
        "start": str,
        "tls": bool,
        "tls_ca": str,
        "tls_cert": str,
        "tls_key": str,
    },
    "matching": {"model": str, "population": int},
    "gate": {"policy": str, "home": list, "uid_roots": list},
    "quality": {"sample_links": int, "sample_non_links": int},
    "golden": {"sources": list, "rules": dict},
    "review": {"blind": bool, "second_reader": list, "unverified_days": int},
    "web": {"organisation": str, "nhs_branding": bool, "hosts": list},
}


def _contradicts(subscriber: Mapping[str, Any]) -> bool:
    files = [key for key in ("tls_ca", "tls_cert", "tls_key") if key in subscriber]
    return bool(files) and not subscriber.get("tls", "tls_ca" in subscriber)


class _Reader:
    """Reads one file and knows the line of each table, for its errors."""

    def __init__(self, text: str, file: Path) -> None:
        self._lines = text.splitlines()
        self._file = file
        try:
            self._data: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise InvalidConfiguration(f"{file}: {error}") from error

    def config(self, database_url: str | None) -> Config:
        for name in self._data:
            if name not in _TABLES:
                raise self._error(f"unknown table [{name}]", name)
        authorities = self._authorities()
        codes = {spelling.upper(): a.code for a in authorities for spelling in _spellings(a)}
        web = self._table("web")
        return Config(
            database_url=database_url or self._table("database").get("url", DEFAULT_DATABASE_URL),
            authorities=authorities,
            sources=self._sources(codes),
            subscribers=self._subscribers(codes),
            model=self._table("matching").get("model", "default"),
            population=self._population(),
            gate_policy=self._table("gate").get("policy", "default"),
            gate_home=self._home(codes),
            gate_uid_roots=tuple(str(root).rstrip(".") for root in self._table("gate").get("uid_roots", ())),
            organisation=web.get("organisation", "Master patient index"),
            nhs_branding=web.get("nhs_branding", False),
            hosts=tuple(str(host) for host in web.get("hosts", ())),
            golden_sources=self._golden_sources(codes),
            golden_rules=self._golden_rules(),
            sample_links=self._weekly("sample_links"),
            sample_non_links=self._weekly("sample_non_links"),
            dicom=read_node(self._table("dicom"), codes, self._file.parent, self._error, self._check_keys),
            provider=read_provider(self._table("oidc"), codes, self._file.parent, self._error),
            blind=self._table("review").get("blind", True),
            second_reader=self._second_reader(),
            unverified_days=max(0, self._table("review").get("unverified_days", 0)),
            path=self._file,
        )

    def _population(self) -> int | None:
        population: int | None = self._table("matching").get("population")
        if population is not None and population < 1000:
            raise self._error("population must be at least 1000 records", "matching", 0, "population")
        return population

    def _home(self, codes: Mapping[str, str]) -> tuple[str, ...]:
        said = [str(code).upper() for code in self._table("gate").get("home", ())]
        for code in said:
            if code not in codes:
                raise self._error(f"home names {code!r}, which is no configured authority", "gate", 0, "home")
        return tuple(codes[code] for code in said)

    def _weekly(self, key: str) -> int:
        found: int = self._table("quality").get(key, 0)
        if not 0 <= found <= 1000:
            raise self._error(f"{key} must be 0 to 1000 pairs a week", "quality", 0, key)
        return found

    def _golden_sources(self, codes: Mapping[str, str]) -> tuple[str, ...]:
        found = []
        for code in self._table("golden").get("sources", ()):
            if str(code).upper() not in codes:
                raise self._error(f"sources names the unknown authority {code!r}", "golden", 0, "sources")
            found.append(codes[str(code).upper()])
        return tuple(dict.fromkeys(found))

    def _second_reader(self) -> tuple[str, ...]:
        wanted = tuple(self._table("review").get("second_reader", ()))
        unknown = [one for one in wanted if one not in SECOND_READER]
        if unknown:
            raise self._error(f"second_reader names {unknown[0]!r}, which no question is", "review", 0, "second_reader")
        return wanted

    def _golden_rules(self) -> dict[str, tuple[str, ...]]:
        rules: dict[str, tuple[str, ...]] = {}
        for name, criteria in self._table("golden").get("rules", {}).items():
            if name not in GOLDEN_FIELDS:
                raise self._error(f"there is no rule for {name!r}", "golden.rules", 0, name)
            if not isinstance(criteria, list) or not criteria or any(one not in GOLDEN_CRITERIA for one in criteria):
                raise self._error(f"a rule is a list of {', '.join(GOLDEN_CRITERIA)}", "golden.rules", 0, name)
            rules[name] = tuple(dict.fromkeys(criteria))
        return rules

    def _authorities(self) -> tuple[Authority, ...]:
        found: list[Authority] = []
        seen: dict[str, str] = {}
        for index, row in enumerate(self._rows("authorities", required=("code",))):
            authority = Authority(
                row["code"],
                row.get("name", row["code"]),
                row.get("kind", "hospital"),
                row.get("oid"),
                tuple(row.get("aliases", ())),
                row.get("test", False),
                row.get("personal", True),
            )
            if authority.kind not in KINDS:
                raise self._error(f"kind must be one of {', '.join(KINDS)}", "authorities", index, "kind")
            if authority.code == NHS_AUTHORITY.code:
                aliases = tuple(dict.fromkeys(NHS_AUTHORITY.aliases + authority.aliases))
                authority = Authority("NHS", authority.name, "national", authority.oid or NHS_OID, aliases)
            for spelling in _spellings(authority):
                other = seen.setdefault(spelling.upper(), authority.code)
                if other != authority.code or (spelling == authority.code and authority in found):
                    raise self._error(f"{spelling!r} already names the authority {other!r}", "authorities", index)
            if any(a.code == authority.code for a in found):
                raise self._error(f"the authority {authority.code!r} stands twice", "authorities", index, "code")
            found.append(authority)
        if not any(a.code == "NHS" for a in found):
            taken = [s for s in _spellings(NHS_AUTHORITY) if s.upper() in seen]
            if taken:
                raise self._error(f"{taken[0]!r} is a spelling of the authority NHS", "authorities")
            found.append(NHS_AUTHORITY)
        return tuple(found)

    def _sources(self, codes: Mapping[str, str]) -> tuple[Source, ...]:
        found: list[Source] = []
        for index, row in enumerate(self._rows("sources", required=("application", "facility"))):
            feeds = self._own_authority(row, index, "feeds", codes)
            studies = self._own_authority(row, index, "studies", codes)
            asks = []
            for domain in row.get("may_query", ()):
                if str(domain).upper() not in codes:
                    raise self._error(
                        f"may_query names the unknown authority {domain!r}", "sources", index, "may_query"
                    )
                asks.append(codes[str(domain).upper()])
            if row.get("charset") is not None:
                self._check_charset(row["charset"], index)
            held = row.get("held", "AA")
            if held not in ("AA", "AE"):
                raise self._error("held must be AA or AE", "sources", index, "held")
            source = Source(
                row["application"],
                row["facility"],
                feeds,
                tuple(asks),
                row.get("charset"),
                row.get("test", False),
                held,
                row.get("times", True),
                studies,
            )
            if any((s.application, s.facility) == (source.application, source.facility) for s in found):
                raise self._error("this application and facility stand twice", "sources", index, "application")
            found.append(source)
        return tuple(found)

    def _own_authority(self, row: Mapping[str, Any], index: int, key: str, codes: Mapping[str, str]) -> str | None:
        """The code of the authority that a source speaks for by this key; None: it says none."""
        said, does = row.get(key), "feeds" if key == "feeds" else "tells studies of"
        if said is None:
            return None
        found = codes.get(said.upper())
        if found is None:
            raise self._error(f"{does} the unknown authority {said!r}", "sources", index, key)
        if found == "NHS":
            raise self._error(f"no source {does} the authority NHS", "sources", index, key)
        return found

    def _check_charset(self, charset: str, index: int) -> None:
        try:
            "".encode(charset)
        except LookupError:
            raise self._error(f"unknown charset {charset!r}", "sources", index, "charset") from None

    def _subscribers(self, codes: Mapping[str, str]) -> tuple[Subscriber, ...]:
        found: list[Subscriber] = []
        for index, row in enumerate(self._rows("subscribers", required=("name", "host", "port"))):
            self._check_subscriber(row, index, [one.name for one in found])
            domains = []
            for domain in row.get("domains", ()):
                if str(domain).upper() not in codes:
                    raise self._error(f"unknown authority {domain!r}", "subscribers", index, "domains")
                domains.append(codes[str(domain).upper()])
            encrypted = row.get("tls", "tls_ca" in row)
            found.append(Subscriber(**{**row, "domains": tuple(dict.fromkeys(domains)), "tls": encrypted}))
        return tuple(found)

    def _check_subscriber(self, row: Mapping[str, Any], index: int, others: Iterable[str]) -> None:
        faults = {
            "name": "this name stands twice" if row["name"] in others else None,
            "port": None if 0 < row["port"] < 65536 else "port must be 1 to 65535",
            "domains": None if row.get("domains") else "domains is missing: whose identifiers is it told?",
            "timeout": None if 0 < row.get("timeout", 1) <= 300 else "timeout must be above 0 and at most 300 seconds",
            "refusals": None if row.get("refusals", 1) > 0 else "refusals must be at least 1",
            "start": None if row.get("start", "now") in ("beginning", "now") else "start must be beginning or now",
            "tls_key": None if ("tls_key" in row) == ("tls_cert" in row) else "tls_cert and tls_key go together",
            "tls": "tls = false, and TLS files all the same" if _contradicts(row) else None,
        }
        for key, fault in faults.items():
            if fault:
                raise self._error(fault, "subscribers", index, key)

    def _table(self, name: str) -> dict[str, Any]:
        table = self._data.get(name, {})
        if not isinstance(table, dict):
            raise self._error(f"[{name}] must be one table", name)
        self._check_keys(name, table, None)
        return table

    def _rows(self, name: str, required: tuple[str, ...]) -> list[dict[str, Any]]:
        rows = self._data.get(name, [])
        if not isinstance(rows, list):
            raise self._error(f"write [[{name}]], one for each", name)
        for index, row in enumerate(rows):
            self._check_keys(name, row, index)
            for key in required:
                if row.get(key) in (None, ""):
                    raise self._error(f"{key} is missing", name, index)
        return rows

    def _check_keys(self, table: str, row: Mapping[str, Any], index: int | None) -> None:
        for key, value in row.items():
            wanted = _KEYS[table].get(key)
            if wanted is None:
                raise self._error(f"unknown key {key!r} in [{table}]", table, index, key)
            if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
                raise self._error(f"{key} has the wrong type", table, index, key)

    def _error(
        self, message: str, table: str | None = None, index: int | None = None, key: str | None = None
    ) -> InvalidConfiguration:
        line = self._line(table, index or 0, key) if table else None
        return InvalidConfiguration(f"{self._file}:{line}: {message}" if line else f"{self._file}: {message}")

    def _line(self, table: str, index: int, key: str | None) -> int | None:
        header = re.compile(rf"\s*\[{{1,2}}\s*{re.escape(table)}\s*\]{{1,2}}")
        starts = [number for number, line in enumerate(self._lines, 1) if header.match(line)]
        if index >= len(starts):
            return starts[-1] if starts else None
        start = starts[index]
        if key is not None:
            for number in range(start, len(self._lines)):
                if re.match(r"\s*\[", self._lines[number]):
                    break
                if re.match(rf"\s*{re.escape(key)}\s*=", self._lines[number]):
                    return number + 1
        return start
