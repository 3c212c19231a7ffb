"""The hazard log as a page, out of docs/safety/hazards.toml."""

import tomllib
from pathlib import Path
from typing import Any

SAFETY = Path(__file__).parent.parent / "docs" / "safety"
SEVERITIES = ("minor", "significant", "considerable", "major", "catastrophic")
LIKELIHOODS = ("very low", "low", "medium", "high", "very high")
MATRIX = ((1, 1, 2, 2, 3), (1, 2, 2, 3, 4), (2, 2, 3, 3, 4), (2, 3, 3, 4, 5), (3, 4, 4, 5, 5))
"""The risk by likelihood (rows) and severity (columns), as the NHS guidance to DCB0129 proposes it."""
_HEAD = """\
# Hazard log

<!-- Written by `make docs` out of hazards.toml: change it there. -->

What can go wrong for patients, why, what stands against it, where that is in the code and which test shows it. In the
form that DCB0129 asks of a manufacturer. **It claims no compliance**: no clinical safety officer has approved it, and
the scores are the developers' proposal. What an organisation must add: [plan](plan.md), [safety case
report](safety-case-report.md).

Severity and likelihood go from 1 to 5; the risk follows from both. 1 and 2 are acceptable, 3 only where more cannot be
done in reason, 4 must be lowered, 5 is unacceptable. The residual risk is that with the controls in place.

| likelihood | minor 1 | significant 2 | considerable 3 | major 4 | catastrophic 5 |
| --- | --- | --- | --- | --- | --- |
"""


def hazards() -> list[dict[str, Any]]:
    """The hazards of the log, in its order."""
    found: list[dict[str, Any]] = tomllib.loads((SAFETY / "hazards.toml").read_text(encoding="utf-8"))["hazard"]
    return found


def risk(severity: int, likelihood: int) -> int:
    """The risk from 1 (acceptable) to 5 (unacceptable)."""
    return MATRIX[likelihood - 1][severity - 1]


def page() -> str:
    """The whole page."""
    lines = [_HEAD.rstrip()]
    for number, row in reversed(list(enumerate(MATRIX, 1))):
        lines.append(f"| {LIKELIHOODS[number - 1]} {number} | " + " | ".join(map(str, row)) + " |")
    lines += ["", "| | hazard | initial risk | residual risk |", "| --- | --- | --- | --- |"]
    every = hazards()
    lines += [f"| {one['id']} | {one['name']} | {_initial(one)} | {_residual(one)} |" for one in every]
    for one in every:
        lines += _section(one)
    return "\n".join(lines) + "\n"


def _initial(one: dict[str, Any]) -> str:
    return _risk_text(one["severity"], one["likelihood"])


def _residual(one: dict[str, Any]) -> str:
    return _risk_text(one["residual_severity"], one["residual_likelihood"])


def _risk_text(severity: int, likelihood: int) -> str:
    return f"{risk(severity, likelihood)} ({severity} x {likelihood})"


def _section(one: dict[str, Any]) -> list[str]:
    lines = ["", f"## {one['id']} {one['name']}", ""]
    lines += [f"- **Cause**: {'; '.join(one['causes'])}.", f"- **Effect**: {one['effect']}"]
    for label, kind in (("Initial", ""), ("Residual", "residual_")):
        severity, likelihood = one[f"{kind}severity"], one[f"{kind}likelihood"]
        words = f"{SEVERITIES[severity - 1]} x {LIKELIHOODS[likelihood - 1]}"
        lines.append(f"- **{label} risk**: {risk(severity, likelihood)} ({words})")
    lines += [
        f"- **What remains**: {one['residual']}",
        "",
        "| control | in the code | shown by |",
        "| --- | --- | --- |",
    ]
    for control in one["control"]:
        code = "<br>".join(f"`{place}`" for place in control["code"]) or "the organisation's"
        tests = "<br>".join(f"`{test.replace('tests/', '', 1)}`" for test in control["tests"]) or "-"
        lines.append(f"| {control['what']} | {code} | {tests} |")
    return lines
