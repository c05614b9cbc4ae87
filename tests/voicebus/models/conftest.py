"""Fixtures of the model store's tests."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator

import pytest

from tests.voicebus.models.place import Notes, Place, serving


@pytest.fixture
def place() -> Iterator[Place]:
    """A server on loopback."""
    with serving(Place()) as running:
        yield running


@pytest.fixture
def notes() -> Notes:
    """A progress that remembers what it was told."""
    return Notes()


@pytest.fixture
def weights() -> bytes:
    """Three million bytes that do not compress."""
    return random.Random(7).randbytes(3_000_000)


@pytest.fixture
def dead_url() -> str:
    """An address at which nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{held.getsockname()[1]}"
