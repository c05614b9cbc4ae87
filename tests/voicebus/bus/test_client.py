"""The bus client against a real server."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import REGISTRY

from schemas.audio import AudioChunk
from schemas.claim import Claimed
from schemas.llm import GenerationDone
from schemas.stt import TranscriptFinal, TranscriptPartial
from subjects.catalog import Place, subject_of
from subjects.tokens import new_token
from tests.bus import bus_at, bus_settings, place_here
from tests.nats_server import NatsServer
from voicebus.bus.client import Fence, connect
from voicebus.errors import Fenced


async def test_a_message_arrives_live_and_is_recorded(nats_server: str) -> None:
    """One publication serves the live listener and the log."""
    place = place_here()
    async with bus_at(nats_server) as bus, bus.listen(subject_of(AudioChunk, place)) as inbox:
        await bus.flush()
        chunk = AudioChunk(pcm=b"\x01\x02", offset=0)

        sequence = await bus.store(chunk, place)
        _, live = await inbox.next()
        logged = [m async for m in bus.read("AUDIO", subject_of(AudioChunk, place))]

        assert live == chunk
        assert [m.sequence for m in logged] == [sequence]


async def test_reading_goes_on_past_one_batch(nats_server: str) -> None:
    """A log longer than one batch is read whole and in order."""
    place = place_here()
    async with bus_at(nats_server) as bus:
        for offset in range(2500):
            await bus.publish(AudioChunk(pcm=b"\x00\x00", offset=offset), place)
        await bus.store(AudioChunk(pcm=b"\x00\x00", offset=2500), place)

        sequences = [m.sequence async for m in bus.read("AUDIO", subject_of(AudioChunk, place))]

        assert len(sequences) == 2501
        assert sequences == sorted(sequences)


async def test_reading_what_is_not_there_ends_at_once(nats_server: str) -> None:
    """A session without a log is empty, not an error."""
    async with bus_at(nats_server) as bus:
        logged = [m async for m in bus.read("AUDIO", subject_of(AudioChunk, place_here()))]

        assert logged == []


async def test_only_one_of_two_claims_on_a_job_wins(nats_server: str) -> None:
    """Compare-and-set decides between two workers that were given the same job."""
    place = place_here()
    async with bus_at(nats_server) as bus:
        claims = await asyncio.gather(
            bus.claim(Claimed(role="stt", worker="a"), place, "session", 0),
            bus.claim(Claimed(role="stt", worker="b"), place, "session", 0),
            return_exceptions=True,
        )

        assert sorted(type(claim).__name__ for claim in claims) == ["Fence", "Fenced"]


async def test_a_zombies_durable_write_is_refused(nats_server: str) -> None:
    """After a takeover the store takes nothing more from the old owner."""
    place = place_here()
    async with bus_at(nats_server) as bus:
        old = await bus.claim(Claimed(role="stt", worker="a"), place, "session", 0)
        new = await bus.claim(Claimed(role="stt", worker="b"), place, "session", old.epoch)
        final = TranscriptFinal(utterance=1, text="x", start_ms=0, end_ms=1, end_offset=16)

        with pytest.raises(Fenced):
            await bus.store(final, place, old)
        await bus.store(final, place, new)

        assert new.epoch > old.epoch


async def test_what_is_not_recorded_needs_no_fence(nats_server: str) -> None:
    """Partials are live only: no stream answers for them and nothing waits."""
    place = place_here()
    async with bus_at(nats_server) as bus:
        partial = TranscriptPartial(utterance=1, text="x", start_ms=0, end_ms=1)
        await bus.publish(partial, place, Fence("none", 1))
        await bus.flush()

        logged = [m async for m in bus.read("SESSION", subject_of(TranscriptPartial, place))]

        assert logged == []


async def test_garbage_on_a_subject_is_dropped(nats_server: str) -> None:
    """Bytes that are no message cost nothing but themselves."""
    place = place_here()
    subject = subject_of(GenerationDone, place)
    async with bus_at(nats_server) as bus, bus.listen(subject) as inbox:
        await bus.flush()
        await bus.publish_raw(subject, b"\xff" * 40)
        done = GenerationDone(text="x")
        await bus.publish(done, place)

        _, first = await inbox.next()

        assert first == done


async def test_a_forged_reply_subject_does_not_reach_a_session(nats_server: str) -> None:
    """JetStream's acknowledgement, directed at a session's subject, is not taken for a message."""
    place = place_here()
    victim = subject_of(GenerationDone, Place("test", "other", new_token("s")))
    async with bus_at(nats_server) as bus, bus.listen(victim) as inbox:
        await bus.flush()
        await bus.publish_raw(subject_of(AudioChunk, place), b"\x80", reply=victim)
        await bus.flush()
        await asyncio.sleep(0.1)

        assert len(inbox) == 0


async def test_a_bus_closes_while_it_connects_anew(own_nats_server: NatsServer) -> None:
    """A process that is asked to end at that moment ends in good order."""
    bus = await connect(bus_settings(own_nats_server.url), "test")
    await asyncio.to_thread(own_nats_server.stop)
    async with asyncio.timeout(10):
        while bus.is_connected:
            await asyncio.sleep(0.005)
    await bus.close()

    assert not bus.is_connected


async def test_a_page_tells_whether_the_process_reaches_a_server(
    own_nats_server: NatsServer,
) -> None:
    """It falls with the server, which may be the last that is known of it, and rises with it."""
    settings = bus_settings(own_nats_server.url)

    def told() -> float | None:
        return REGISTRY.get_sample_value("voicebus_bus_connected", {"cell": settings.cell})

    async def changed(former: float) -> None:
        async with asyncio.timeout(20):
            while told() == former:
                await asyncio.sleep(0.005)

    bus = await connect(settings, "test")
    seen = [told()]
    await asyncio.to_thread(own_nats_server.stop)
    await changed(1)
    seen.append(told())
    await asyncio.to_thread(own_nats_server.start)
    await changed(0)
    seen.append(told())
    await bus.close()

    assert seen == [1, 0, 1]
