"""Reading a stream's past."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.audio import AudioChunk
from schemas.codec import decode
from subjects.catalog import subject_of
from tests.bus import bus_at, place_here
from tests.metered import Growth
from tests.nats_server import NatsServer
from tests.workers import bus_in, new_place
from voicebus.bus.replay import Batch, format_time, parse_time_ns
from voicebus.errors import BusError, BusTimeout


@given(st.integers(0, 4_000_000_000 * 10**9))
def test_a_time_survives_the_servers_format(stamp_ns: int) -> None:
    """No nanosecond is lost on the way to the server and back."""
    assert parse_time_ns(format_time(stamp_ns)) == stamp_ns


@pytest.mark.parametrize(
    ("stamp", "stamp_ns"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000_000),
        ("1970-01-01T00:00:01.5Z", 1_500_000_000),
        ("2024-02-29T12:00:00.000000001Z", 1_709_208_000_000_000_001),
    ],
)
def test_the_servers_times_are_read(stamp: str, stamp_ns: int) -> None:
    """The server leaves out trailing zeros."""
    assert parse_time_ns(stamp) == stamp_ns


async def test_a_refused_batch_is_an_error() -> None:
    """What the server cannot read is not taken for an empty log."""
    batch = Batch()

    batch.take({"Status": "413", "Description": "Too Many Results"}, b"")

    with pytest.raises(BusError, match="Too Many Results"):
        await batch.done


async def test_reading_begins_where_it_is_told_to(nats_server: str) -> None:
    """From a sequence, or from a time of the store's clock."""
    place = place_here()
    subject = subject_of(AudioChunk, place)
    async with bus_at(nats_server) as bus:
        sequences = [
            await bus.store(AudioChunk(pcm=b"\x00\x00", offset=offset), place)
            for offset in range(5)
        ]
        growth, begun_s = Growth(), time.perf_counter()
        everything = [m async for m in bus.read("AUDIO", subject)]
        took_s = time.perf_counter() - begun_s
        replayed = growth.of("voicebus_bus_replayed_total", stream="AUDIO")
        replays = growth.of("voicebus_bus_replay_seconds_count", stream="AUDIO")
        replay_s = growth.of("voicebus_bus_replay_seconds_sum", stream="AUDIO")
        later = [m async for m in bus.read("AUDIO", subject, sequence=sequences[3])]
        since = [m async for m in bus.read("AUDIO", subject, since_ns=everything[2].stored_ns)]

    assert [decode(m.payload) for m in everything] == [
        AudioChunk(pcm=b"\x00\x00", offset=offset) for offset in range(5)
    ]
    assert [m.sequence for m in later] == sequences[3:]
    assert [m.sequence for m in since] == sequences[2:]
    assert (replayed, replays) == (5, 1)
    assert 0 < replay_s <= took_s


async def test_the_newest_message_of_a_subject_is_found(nats_server: str) -> None:
    """The last one, and None where there is none."""
    place = place_here()
    async with bus_at(nats_server) as bus:
        assert await bus.last("AUDIO", subject_of(AudioChunk, place)) is None
        for offset in range(3):
            await bus.store(AudioChunk(pcm=b"\x00\x00", offset=offset), place)

        last = await bus.last("AUDIO", subject_of(AudioChunk, place))

    assert last is not None
    assert decode(last.payload) == AudioChunk(pcm=b"\x00\x00", offset=2)


async def test_a_missing_stream_is_an_error(
    own_nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No log is not an empty log."""
    monkeypatch.setattr("voicebus.bus.reader.REQUEST_TIMEOUT_S", 0.5)
    place = new_place()
    async with bus_in(own_nats_server.url, place.cell) as bus:
        await bus.request("$JS.API.STREAM.DELETE.AUDIO", b"")

        with pytest.raises(BusTimeout):
            await bus.last("AUDIO", subject_of(AudioChunk, place))
        with pytest.raises(BusError):
            _ = [m async for m in bus.read("AUDIO", subject_of(AudioChunk, place))]
