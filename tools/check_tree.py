"""What must not be committed: paths of one machine, registry addresses, lock files that carry them, overlong functions.

Run by `make check` over the files that git knows. Prints one line for each finding and exits 1 if there is any.
"""

import ast
import csv
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

LONGEST_FUNCTION = 60
BINARY = {".parquet", ".png", ".jpg", ".ico", ".woff", ".woff2", ".dcm", ".gz", ".zip"}
FETCHED = ("mpi/web/static/",)  # built files of other projects, shipped as they came
FORBIDDEN_NAMES = {"uv.lock", "poetry.lock", "Pipfile.lock", "package-lock.json"}
# Written in pieces, so that this file does not find itself.
MACHINE_PATH = re.compile(r"(?<![\w.:/])/(?:" + "|".join(("home", "root", "Users", "work", "mnt", "opt")) + r")/[\w.-]")
REGISTRY = re.compile(
    "|".join((r"pypi\." + "org", r"files\.python" + "hosted", r"registry\." + "npmjs", "--" + "(extra-)?index-url"))
)
TEN_DIGITS = re.compile(r"(?<![\w.-])\d{10}(?![\w.-])")


def committed() -> list[Path]:
    """The files that git knows or would add, as they lie in the working tree."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], check=True, capture_output=True
    )
    return [path for name in listed.stdout.decode().split("\0") if name and (path := Path(name)).is_file()]


def is_issued_nhs_number(digits: str) -> bool:
    """Whether `digits` could be the NHS number of somebody: a valid check digit in a range that is issued."""
    if len(set(digits)) == 1:
        return False  # 4444444444 and its like pass the check digit, and are what forms are filled with
    remainder = sum(int(digit) * weight for digit, weight in zip(digits[:9], range(10, 1, -1), strict=True)) % 11
    return (11 - remainder) % 11 == int(digits[9]) and ("400" <= digits[:3] <= "499" or "600" <= digits[:3] <= "799")


def in_text(path: Path, text: str) -> Iterator[str]:
    """Findings in any text file."""
    for number, line in enumerate(text.splitlines(), 1):
        if MACHINE_PATH.search(line):
            yield f"{path}:{number}: a path of one machine"
        if REGISTRY.search(line):
            yield f"{path}:{number}: a registry's address"
        if path.suffix != ".csv" and any(is_issued_nhs_number(digits) for digits in TEN_DIGITS.findall(line)):
            yield f"{path}:{number}: an NHS number that may have been issued; use one that begins with 999"


def in_python(path: Path, text: str) -> Iterator[str]:
    """Functions of the package that nobody can read at one glance; a migration is a list, and read as one."""
    if "migrations" in path.parts:
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > LONGEST_FUNCTION:
                yield f"{path}:{node.lineno}: {node.name} has {length} lines, more than {LONGEST_FUNCTION}"


def in_person_file(path: Path) -> Iterator[str]:
    """NHS numbers in a CSV file's column that may belong to somebody."""
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        for number, row in enumerate(csv.DictReader(file), 2):
            digits = re.sub(r"\D", "", row.get("nhs_number") or "")
            if len(digits) == 10 and is_issued_nhs_number(digits):
                yield f"{path}:{number}: an NHS number that may have been issued"


def findings(path: Path) -> Iterator[str]:
    """Everything wrong with one file."""
    if path.name in FORBIDDEN_NAMES:
        yield f"{path}: a lock file that names registries; versions stand in constraints.txt"
    if path.suffix in BINARY or str(path).startswith(FETCHED):
        return
    text = path.read_text(encoding="utf-8", errors="replace")
    yield from in_text(path, text)
    if path.suffix == ".py" and path.parts[0] == "mpi":
        yield from in_python(path, text)
    if path.suffix == ".csv":
        yield from in_person_file(path)


def main() -> int:
    """Print the findings; the number of them decides the exit code."""
    found = [finding for path in committed() for finding in findings(path)]
    for finding in found:
        print(finding)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
