"""A bus that restarts, freezes or cannot store any more, under sessions that are running."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import msgspec
import numpy as np
import pytest

from subjects.streams import Limits, streams
from tests.e2e.client import (
    PAUSE,
    Client,
    connected,
    expect_eventually,
    expect_healthy,
)
from tests.models import model_path
from tests.nats_server import CONFIG, NatsServer
from tests.system import SYNTHETIC, System
from tests.voicebus.audio.recordings import WHOLE_S, seconds_heard, sentence
from voicebus.bus.client import Bus
from voicebus.bus.client import connect as connect_bus
from voicebus.settings import BusSettings

pytestmark = [pytest.mark.model, pytest.mark.fault]

_SIZE = 16 << 20
SMALL = Limits(
    audio_bytes=_SIZE, reply_bytes=_SIZE, session_bytes=_SIZE, conversation_bytes=_SIZE // 2
)
STORE_BYTES = sum(stream.max_bytes for stream in streams(SMALL)) + (32 << 20)
SIZES = {
    name.upper(): str(size)
    for name, size in msgspec.structs.asdict(SMALL).items()
    if name.endswith("_bytes")
}


class SmallNats(NatsServer):
    """The project's configuration with a small store."""

    def _command(self) -> list[str]:
        small = self.folder / "small.conf"
        text = CONFIG.read_text(encoding="utf-8")
        assert "max_file_store: 3GB" in text
        small.write_text(text.replace("max_file_store: 3GB", f"max_file_store: {STORE_BYTES}"))
        return [str(small) if part == str(CONFIG) else part for part in super()._command()]


@pytest.fixture(scope="module")
def fragile_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system whose bus the tests restart, freeze and fill up."""
    model_path("silero-vad")
    folder = tmp_path_factory.mktemp("fragile")
    (folder / "nats").mkdir()
    with (
        SmallNats(folder / "nats") as nats,
        System(folder, {**SYNTHETIC, **SIZES}, nats) as system,
    ):
        yield system


async def speak_a_turn(client: Client, turn: int) -> None:
    """Speak a sentence and hear its answer."""
    await client.speak(np.concatenate([sentence(), PAUSE]))
    await client.until("turn_ended", turn=turn, outcome="completed")


async def test_a_session_outlives_a_restart_of_the_bus(fragile_system: System) -> None:
    """The bus goes away and comes back within a session: the next turn on it is answered."""
    async with connected(fragile_system, {}) as client:
        await speak_a_turn(client, 1)
        await asyncio.to_thread(fragile_system.nats.restart)
        await expect_eventually(
            lambda: all(process.is_ready() for process in fragile_system.processes.values()),
            "every process is ready again",
        )
        await speak_a_turn(client, 2)
        await client.send("text", text="and a typed one")
        await client.until("turn_ended", turn=3, outcome="completed")

    assert seconds_heard(client.messages("turn_started", turn=2)[0]["text"]) >= WHOLE_S
    await expect_healthy(fragile_system)
    assert fragile_system.metric("edge", "voicebus_bus_reconnects_total") >= 1


async def test_without_a_bus_clients_are_told_so(fragile_system: System) -> None:
    """While the bus is away a new client gets ``bus_unavailable`` at once; later it is served."""
    fragile_system.nats.kill()
    try:
        await expect_eventually(
            lambda: not fragile_system.processes["edge"].is_ready(), "the edge notices"
        )
        async with connected(fragile_system) as client:
            await client.send("text", text="hello")
            error = await client.until("error", within_s=5)
            assert await client.until_closed(5) == 1013
    finally:
        fragile_system.nats.start()
    assert (error["code"], error["retryable"]) == ("bus_unavailable", True)
    await expect_eventually(
        lambda: all(process.is_ready() for process in fragile_system.processes.values()),
        "every process is ready again",
    )
    await expect_healthy(fragile_system)


async def test_audio_sent_while_the_bus_is_away_is_not_lost(fragile_system: System) -> None:
    """A sentence that is spoken across the death of the bus is recognised whole."""

    def die() -> None:
        fragile_system.nats.kill()
        fragile_system.nats.start()

    said = np.concatenate([sentence(), PAUSE])
    async with connected(fragile_system, {}) as client:
        await client.speak(said[:40_000])
        await client.until("speech_started")
        await asyncio.gather(
            asyncio.to_thread(die),
            client.speak(said[40_000:80_000], pace=1.0),
        )
        await client.speak(said[80_000:])
        await client.until("turn_ended", turn=1, outcome="completed", within_s=40)

    assert seconds_heard(client.messages("final")[0]["text"]) >= WHOLE_S


async def fill(bus: Bus) -> None:
    """Fill the store with a stream of somebody else until it refuses."""
    config = b'{"name":"OTHERS","subjects":["others"],"storage":"file"}'
    created = await bus.request("$JS.API.STREAM.CREATE.OTHERS", config)
    assert b'"error"' not in created, created
    for _ in range(STORE_BYTES // (900 << 10) + 2):
        answer = await bus.request("others", bytes(900 << 10))
        if b'"error"' in answer:
            assert b"10023" in answer, answer
            return
    pytest.fail("the store takes more than it may")


async def test_a_full_store_is_reported_and_live_speech_recovers(fragile_system: System) -> None:
    """A store that refuses gives a typed error and a metric; after a purge all is as before."""
    await expect_healthy(fragile_system)
    bus = await connect_bus(BusSettings(nats_url=fragile_system.nats.url), "filler")
    try:
        await fill(bus)
        async with connected(fragile_system) as client:
            await client.send("text", text="hello")
            error = await client.until("error", within_s=15)
            assert (error["code"], error["retryable"]) == ("storage_full", True)
            refused = fragile_system.metric(
                "edge", "voicebus_bus_ack_failures_total", code="storage_full"
            )
            assert refused >= 1
        await bus.request("$JS.API.STREAM.DELETE.OTHERS", b"")
    finally:
        await bus.close()
    await expect_healthy(fragile_system)


async def test_a_session_goes_on_when_the_store_fills_up(fragile_system: System) -> None:
    """A running session whose turn cannot be stored is told so, and works when there is room."""
    bus = await connect_bus(BusSettings(nats_url=fragile_system.nats.url), "filler")
    try:
        async with connected(fragile_system, {}) as client:
            await speak_a_turn(client, 1)
            await fill(bus)
            await client.send("text", text="is there room")
            await client.until("turn_ended", turn=2, outcome="failed", within_s=30)
            errors = client.messages("error", turn=2)
            assert "storage_full" in {message["code"] for message in errors}
            await bus.request("$JS.API.STREAM.DELETE.OTHERS", b"")
            await speak_a_turn(client, 3)
    finally:
        await bus.close()
    await expect_healthy(fragile_system)
