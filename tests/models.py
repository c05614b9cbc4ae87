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
