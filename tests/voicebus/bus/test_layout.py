"""Streams and consumers, made by whoever comes first."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from schemas.voice import VoiceKept
from subjects.streams import ACK_WAIT_S, MAX_HANDOVERS, ROLES, Limits, consumer_name, streams
from subjects.voices import voice_subject
from tests.bus import bus_settings
from tests.nats_server import NatsServer
from tests.workers import bus_in
from voicebus.bus.acks import GIVE_UP_S
from voicebus.bus.client import Bus, connect
from voicebus.bus.layout import ensure_layout
from voicebus.errors import BusError, StorageFull


async def stream_configs(bus: Bus) -> dict[str, object]:
    """The streams as the server has them."""
    listed = msgspec.json.decode(await bus.request("$JS.API.STREAM.LIST", b""))
    return {stream["config"]["name"]: stream["config"] for stream in listed["streams"]}


async def test_the_layout_is_made_once_and_then_left_alone(own_nats_server: NatsServer) -> None:
    """Making it again changes nothing."""
    async with bus_in(own_nats_server.url, "one") as bus:
        limits = bus_settings(own_nats_server.url).limits()
        before = await stream_configs(bus)
        await ensure_layout(bus, limits)
        await ensure_layout(bus, limits)

        assert await stream_configs(bus) == before
        assert set(before) == {stream.name for stream in streams(limits)}


async def test_processes_that_start_together_agree(own_nats_server: NatsServer) -> None:
    """Eight connections that make the layout at the same time all succeed."""
    settings = bus_settings(own_nats_server.url)
    buses = [await connect(settings, f"p{number}") for number in range(8)]
    try:
        outcomes = await asyncio.gather(
            *(ensure_layout(bus, settings.limits()) for bus in buses), return_exceptions=True
        )

        assert outcomes == [None] * 8
        assert set(await stream_configs(buses[0])) == {stream.name for stream in streams(Limits())}
    finally:
        for bus in buses:
            await bus.close()


async def test_processes_that_start_together_agree_with_the_default_sizes(
    own_nats_server: NatsServer,
) -> None:
    """The full sizes nearly fill what the server may reserve, and still nobody is refused."""
    settings = msgspec.structs.replace(
        type(bus_settings(""))(), nats_url=own_nats_server.url, cell="test"
    )
    buses = [await connect(settings, f"p{number}") for number in range(6)]
    try:
        outcomes = await asyncio.gather(
            *(ensure_layout(bus, settings.limits()) for bus in buses), return_exceptions=True
        )

        assert outcomes == [None] * 6
    finally:
        for bus in buses:
            await bus.close()


async def test_a_changed_limit_is_taken_over(own_nats_server: NatsServer) -> None:
    """A process with other settings updates the streams and keeps what they hold."""
    async with bus_in(own_nats_server.url, "one") as bus:
        limits = bus_settings(own_nats_server.url).limits()
        await ensure_layout(bus, msgspec.structs.replace(limits, audio_age_s=60))

        audio = (await stream_configs(bus))["AUDIO"]

    assert isinstance(audio, dict)
    assert audio["max_age"] == 60 * 10**9


async def test_streams_know_what_they_stored_for_longer_than_it_is_sent_again(
    own_nats_server: NatsServer,
) -> None:
    """The latest copy is refused, too; a stream that keeps nothing for so long knows less long."""
    async with bus_in(own_nats_server.url, "one") as bus:
        limits = bus_settings(own_nats_server.url).limits()
        before = await stream_configs(bus)
        await ensure_layout(bus, msgspec.structs.replace(limits, reply_age_s=20))
        after = await stream_configs(bus)

    assert [known_s(stream) > GIVE_UP_S for stream in before.values()] == [True] * len(before)
    assert known_s(after["REPLY"]) == 20


def known_s(config: object) -> float:
    """For how long a stream knows an id."""
    assert isinstance(config, dict)
    return float(config["duplicate_window"]) / 1e9


async def test_every_role_of_every_cell_has_its_consumer(own_nats_server: NatsServer) -> None:
    """Two cells on one server do not share a consumer."""
    async with bus_in(own_nats_server.url, "one") as bus, bus_in(own_nats_server.url, "two"):
        listed = msgspec.json.decode(await bus.request("$JS.API.CONSUMER.LIST.JOBS", b""))

    configs = {consumer["name"]: consumer["config"] for consumer in listed["consumers"]}
    assert set(configs) == {consumer_name(cell, role) for cell in ("one", "two") for role in ROLES}
    assert {config["ack_wait"] for config in configs.values()} == {ACK_WAIT_S * 10**9}
    assert {config["max_deliver"] for config in configs.values()} == {MAX_HANDOVERS}


async def test_a_voice_that_does_not_fit_is_refused(own_nats_server: NatsServer) -> None:
    """No other one goes for it: whose voice it is would fall silent. Removing one makes room."""
    voice = VoiceKept(model="m", latents=bytes(900_000))
    async with bus_in(own_nats_server.url, "one") as bus:
        config = (await stream_configs(bus))["VOICE"]
        assert isinstance(config, dict)
        small = msgspec.json.encode({**config, "max_bytes": 2_000_000})
        await bus.request("$JS.API.STREAM.UPDATE.VOICE", small)
        first = await bus.keep(voice, voice_subject("one", "anna"), 0)
        await bus.keep(voice, voice_subject("one", "bert"), 0)

        with pytest.raises(StorageFull):
            await bus.keep(voice, voice_subject("one", "carl"), 0)
        there = await bus.last("VOICE", voice_subject("one", "anna"))
        assert there is not None
        assert there.sequence == first
        await bus.keep(VoiceKept(), voice_subject("one", "anna"), first)
        assert await bus.keep(voice, voice_subject("one", "carl"), 0)


async def test_a_server_without_room_refuses_in_words(
    own_nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not fit into the server's limit names the stream."""
    monkeypatch.setattr("voicebus.bus.layout._TRIES", 2)
    settings = bus_settings(own_nats_server.url)
    bus = await connect(settings, "test")
    try:
        huge = msgspec.structs.replace(settings.limits(), audio_bytes=1 << 42)

        with pytest.raises(BusError, match="stream AUDIO: insufficient storage"):
            await ensure_layout(bus, huge)
    finally:
        await bus.close()
