"""A server with users and streams, for the tests that ask it what it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.secured import Secured, secured_server


@pytest.fixture(scope="package")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """The server; nobody restarts it or changes its users."""
    with secured_server(tmp_path_factory.mktemp("secured")) as running:
        asyncio.run(running.make_layout())
        yield running
