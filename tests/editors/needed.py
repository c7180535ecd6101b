"""What a test with a real editor needs."""

from __future__ import annotations

import os

import pytest


def need(there: object, reason: str) -> None:
    """Skip the test when something is not there; with REQUIRE_EDITORS=1 it fails."""
    if there:
        return
    if os.environ.get("REQUIRE_EDITORS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
