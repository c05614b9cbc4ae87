"""One loaded voice for all tests: loading takes longer than any of them."""

from __future__ import annotations

import pytest

from services.tts.engine import Engine
from services.tts.engines.piper import PiperEngine
from tests.pipers import joe
from tests.services.tts.tiny_xtts import tiny_xtts
from voicebus.parts import project_root
from voicebus.voices import offers


@pytest.fixture(scope="session")
def piper() -> PiperEngine:
    """The default voice; loads when it first speaks."""
    return PiperEngine(joe())


@pytest.fixture(scope="session")
def xtts(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """A small model with a voice that was made of a recording; loads when it warms."""
    from services.tts.cloning import made, read_samples  # noqa: PLC0415 - where XTTS is installed
    from services.tts.engines.xtts import XttsEngine, XttsSettings  # noqa: PLC0415

    folder = tiny_xtts(tmp_path_factory.mktemp("xtts") / "tiny")
    anna = made(
        folder, read_samples([project_root() / "examples" / "samples" / "austen-leisure.wav"])
    )
    settings = XttsSettings(folder=folder, device="cpu", offers=offers("anna"))
    return XttsEngine(settings, lambda: {"anna": anna})
