"""Whole systems, shared by the tests that do not break them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.sites import system_with_sites
from tests.e2e.upstream import LanguageModel
from tests.models import model_path, require_real_models
from tests.system import REAL, SYNTHETIC, System


@pytest.fixture(scope="package")
def synthetic_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Synthetic engines with the defaults of everything else."""
    model_path("silero-vad")
    with System(tmp_path_factory.mktemp("synthetic"), SYNTHETIC) as system:
        yield system


@pytest.fixture(scope="package")
def real_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Whisper tiny.en, SmolLM2 behind llama.cpp, and Piper."""
    require_real_models()
    with system_with_sites(tmp_path_factory.mktemp("real"), REAL) as system:
        yield system


@pytest.fixture(scope="package")
def language_model() -> Iterator[LanguageModel]:
    """A language model server that follows scripts; without one it says what was said to it."""
    with LanguageModel() as running:
        yield running


@pytest.fixture(scope="package")
def echo_system(
    tmp_path_factory: pytest.TempPathFactory, language_model: LanguageModel
) -> Iterator[System]:
    """Synthetic ears and voice, and the real client of a language model of our own."""
    model_path("silero-vad")
    settings = {
        **SYNTHETIC,
        "LLM_ENGINE": "openai",
        "LLM_URL": language_model.url,
        "LLM_FIRST_TOKEN_S": "1.5",
        "LLM_NEXT_TOKEN_S": "1.5",
        "LLM_SLOTS": "16",
    }
    with System(tmp_path_factory.mktemp("echo"), settings) as system:
        yield system
