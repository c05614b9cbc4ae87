"""A crew that all tests share who do not need one of their own, whole before each of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.faults.account import Samples, unharmed_reply
from tests.faults.crew import Crew, crew_in


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    """Synthetic engines, two workers of each role, a supervisor and an edge."""
    with crew_in(tmp_path_factory.mktemp("crew")) as crew:
        yield crew


@pytest.fixture
async def crew(running: Crew) -> AsyncIterator[Crew]:
    """The crew, all of them there. Whatever is done to them, the bus has to refuse nobody a thing:
    who takes over, comes back or is handed something has the right to all that it then does.
    """
    await running.heal()
    before = len(running.secured.violations())
    yield running
    assert running.secured.violations()[before:] == []


@pytest.fixture(scope="package")
def unharmed(running: Crew) -> Samples:
    """The audio of a reply to which nothing happened."""
    return asyncio.run(unharmed_reply(running))
