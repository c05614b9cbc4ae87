"""One loaded voice for all tests: loading takes longer than any of them."""

from __future__ import annotations

import pytest

from services.tts.engines.piper import PiperEngine, PiperSettings
from tests.models import model_path


@pytest.fixture(scope="session")
def piper() -> PiperEngine:
    """The default voice; loads when it first speaks."""
    return PiperEngine(PiperSettings(voices={"joe": model_path("piper-en_US-joe-medium")}))
