"""What every test may use: databases, a browser, and how hard generated tests try."""

import os

import pytest
from hypothesis import HealthCheck, settings

from tests.effort import SOAK

pytest_plugins = [
    "tests.fixtures.postgres",
    "tests.fixtures.databases",
    "tests.fixtures.browser",
    "tests.fixtures.provider",
]

# No deadline: two test processes share two cores, and speed is measured in tests/benchmarks.
_QUIET = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("test", max_examples=100, **_QUIET)
settings.register_profile("soak", max_examples=1000, **_QUIET)
settings.load_profile("soak" if SOAK else "test")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads the configuration or database of the person who runs it."""
    for name in [name for name in os.environ if name.startswith("MPI_") and name != "MPI_SOAK"]:
        monkeypatch.delenv(name)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests did not run, also when there are none."""
    skipped = len(terminalreporter.stats.get("skipped", []))
    terminalreporter.write_line(f"{skipped} skipped")
