"""One loaded voice for all tests: loading takes longer than any of them."""

from __future__ import annotations

import pytest

from services.tts.engines.piper import PiperEngine
from tests.pipers import joe


@pytest.fixture(scope="session")
def piper() -> PiperEngine:
    """The default voice; loads when it first speaks."""
    return PiperEngine(joe())
