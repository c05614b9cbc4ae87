"""Model files for tests that carry the marker ``model``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from voicebus.errors import ModelError
from voicebus.models.store import ModelStore, default_folder


def model_path(name: str) -> Path:
    """Return the folder of a model.

    A model that is missing fails the test: ``make test`` pulls them all first.
    """
    try:
        return ModelStore(default_folder(os.environ)).path(name)
    except ModelError as err:
        pytest.fail(str(err))


def require_real_models() -> None:
    """Fail the test unless all models of :data:`tests.system.REAL` are there."""
    for name in ("silero-vad", "whisper-tiny.en", "smollm2-135m-instruct-q4_1"):
        model_path(name)
    model_path("piper-en_US-joe-medium")
