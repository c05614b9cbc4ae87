"""A bus on the tests' server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from subjects.catalog import Place
from subjects.tokens import new_token
from voicebus.bus.client import Bus
from voicebus.bus.layout import ensure_layout
from voicebus.process import attached
from voicebus.settings import BusSettings, ProcessSettings

CELL = "test"


def bus_settings(url: str) -> BusSettings:
    """Return small limits, so that many tests fit one server."""
    return BusSettings(
        nats_url=url,
        cell=CELL,
        audio_bytes=64 << 20,
        reply_bytes=64 << 20,
        session_bytes=64 << 20,
    )


@asynccontextmanager
async def bus_at(url: str, name: str = "test") -> AsyncIterator[Bus]:
    """Connect as a process does."""
    async with attached(ProcessSettings(worker_id=name), bus_settings(url), asyncio.Event()) as bus:
        yield bus


def place_here() -> Place:
    """Return the place of a new session."""
    return Place(CELL, new_token("e"), new_token("s"))


@asynccontextmanager
async def unreadable(bus: Bus, stream: str) -> AsyncIterator[None]:
    """Let a stream store and not answer: its other readers are to be in want of a leader."""
    info = msgspec.json.decode(await bus.request(f"$JS.API.STREAM.INFO.{stream}", b""))
    config = msgspec.json.encode({**info["config"], "allow_direct": False})
    await bus.request(f"$JS.API.STREAM.UPDATE.{stream}", config)
    try:
        yield
    finally:
        await ensure_layout(bus, bus_settings("").limits())
