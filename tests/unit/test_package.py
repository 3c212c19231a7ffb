"""What is installed is what was tested: every file of the package that is no Python goes into the wheel."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_data_file_of_the_package_is_declared() -> None:
    package = ROOT / "mpi"
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["mpi"]
    declared = {file for pattern in patterns for file in package.glob(pattern) if file.is_file()}
    there = {file for file in package.rglob("*") if file.is_file() and "__pycache__" not in file.parts}
    assert sorted(str(f.relative_to(ROOT)) for f in there - declared if f.suffix not in {".py", ".pyc"}) == []


def test_every_room_is_a_package_so_that_it_is_installed() -> None:
    folders = {file.parent for file in (ROOT / "mpi").rglob("*.py") if "migrations" not in file.parts}
    assert [str(f.relative_to(ROOT)) for f in sorted(folders) if not (f / "__init__.py").is_file()] == []


def test_constraints_are_plain_versions_and_pin_every_direct_dependency() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.!+-]+", line)] == []
    pinned = {normal(line.split("==")[0]) for line in lines}
    extras = PROJECT["project"]["optional-dependencies"]
    wanted = PROJECT["project"]["dependencies"] + extras["dev"] + extras["dicom"] + extras["postgresql"]
    names = {normal(re.match(r"[\w.-]+", requirement)[0]) for requirement in wanted} - {"mpi"}
    assert sorted(names - pinned) == []


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
