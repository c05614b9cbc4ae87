"""Whole systems, and the official client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from openai import AsyncOpenAI

from tests.conformance.npm import Node, installed
from tests.e2e.upstream import LanguageModel, calling
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
    with System(tmp_path_factory.mktemp("real"), REAL) as system:
        yield system


@pytest.fixture(scope="package")
def language_model() -> Iterator[LanguageModel]:
    """A language model server that calls the function it is offered: SmolLM2 calls none."""
    with LanguageModel() as running:
        running.script = calling("get_weather", {"city": "Paris"})
        yield running


@pytest.fixture(scope="package")
def calling_system(
    tmp_path_factory: pytest.TempPathFactory, language_model: LanguageModel
) -> Iterator[System]:
    """That server behind the real worker; ears and voice are synthetic."""
    model_path("silero-vad")
    settings = {**SYNTHETIC, "LLM_ENGINE": "openai", "LLM_URL": language_model.url}
    with System(tmp_path_factory.mktemp("calling"), settings) as system:
        yield system


@pytest.fixture(scope="package")
def node() -> Node:
    """Node.js with the official npm client."""
    return installed()


@pytest.fixture
async def caller(calling_system: System) -> AsyncIterator[AsyncOpenAI]:
    """The official client of a system whose language model calls functions."""
    async with client_of(calling_system) as client:
        yield client


@pytest.fixture
async def synthetic(synthetic_system: System) -> AsyncIterator[AsyncOpenAI]:
    """The official client of a system with synthetic engines."""
    async with client_of(synthetic_system) as client:
        yield client


@pytest.fixture
async def real(real_system: System) -> AsyncIterator[AsyncOpenAI]:
    """The official client of a system with real engines."""
    async with client_of(real_system) as client:
        yield client


def client_of(system: System) -> AsyncOpenAI:
    """The official client, as people set it up: an address, and any key."""
    url = f"{system.root}/v1"
    # The beta's half of the client takes TLS for granted unless it is told the socket's address.
    sockets = url.replace("http", "ws", 1)
    return AsyncOpenAI(base_url=url, websocket_base_url=sockets, api_key="none", timeout=60)
