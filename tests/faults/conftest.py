"""A crew that all tests share who do not need one of their own, whole before each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.e2e.client import connected
from tests.faults.account import Samples, audio_of
from tests.faults.crew import LIMIT_S, Crew, crew_in


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    """Synthetic engines, two workers of each role, a supervisor and an edge."""
    with crew_in(tmp_path_factory.mktemp("crew")) as crew:
        yield crew


@pytest.fixture
async def crew(running: Crew) -> Crew:
    """The crew, all of them there."""
    await running.heal()
    return running


@pytest.fixture(scope="package")
def unharmed(running: Crew) -> Samples:
    """The audio of a reply to which nothing happened."""

    async def heard() -> Samples:
        async with connected(running, {}) as client:
            await client.send("text", text="What of the sea?")
            await client.until("turn_ended", within_s=LIMIT_S, turn=1, outcome="completed")
        return audio_of(client, 1)

    return asyncio.run(heard())
