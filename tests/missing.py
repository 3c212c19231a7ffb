"""A test that cannot run here fails and says what to install; it never passes by not running."""

import os
from typing import NoReturn

import pytest


def cannot_run(what: str, install: str) -> NoReturn:
    """Fail the test because `what` is missing, or skip it when ALLOW_MISSING=1."""
    message = f"{what} is missing: {install} (ALLOW_MISSING=1 skips the tests that need it)"
    if os.environ.get("ALLOW_MISSING") == "1":
        pytest.skip(message)
    pytest.fail(message, pytrace=False)
