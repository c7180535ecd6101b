"""The shipped model, loaded once for all tests of this folder."""

from __future__ import annotations

import pytest

from engine import LoadedModel, load


@pytest.fixture(scope="session")
def model() -> LoadedModel:
    return load(device="cpu", dtype="float32")  # the same numbers on every CPU
