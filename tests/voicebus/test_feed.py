"""The caller's audio out of two sources, live hop and log, neither twice nor with a hole."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import numpy as np
import pytest

from schemas.audio import AudioChunk, AudioEnded
from schemas.event import Event
from schemas.session import ClientLost, ClientReturned, Played, SessionClosed
from schemas.stt import TranscribeRequest
from subjects.catalog import Place, subject_of
from tests.bus import bus_at, place_here
from tests.metered import Growth
from voicebus.bus.client import Bus
from voicebus.bus.delivery import Delivery
from voicebus.bus.inbox import Inbox
from voicebus.bus.replay import Recorded
from voicebus.claim import Claim
from voicebus.feed import AudioStalled, Beginning, caller_audio

STEP = 320
Heard = AudioChunk | AudioEnded | AudioStalled
AUDIO = np.arange(40 * STEP, dtype=np.int16)


def chunk(number: int) -> AudioChunk:
    """The chunk of this number: 20 ms that occur nowhere else."""
    start = number * STEP
    return AudioChunk(pcm=AUDIO[start : start + STEP].tobytes(), offset=start)


def claim_of(bus: Bus, place: Place) -> Claim:
    """A claim on a session's audio, as a worker gets it."""
    subject = subject_of(TranscribeRequest, place, job="session")
    delivery = Delivery(subject=subject, payload=b"", ack="", attempt=1, sequence=1, stored_ns=0)
    return Claim(bus, "stt", delivery, TranscribeRequest(), "session")


async def heard(
    bus: Bus, place: Place, live: list[Event], start: int = 0, ended: int = -1
) -> list[Heard]:
    """What the feed yields when these messages come live, and then the session closes."""
    inbox = Inbox(100)
    for event in (*live, SessionClosed()):
        inbox.put("", event)
    claim = claim_of(bus, place)
    return [event async for event in caller_audio(claim, inbox, Beginning(start, ended))]


def audio_in(events: list[Heard]) -> bytes:
    """The audio, in the order in which it was yielded."""
    return b"".join(event.pcm for event in events if isinstance(event, AudioChunk))


async def test_a_log_that_is_ahead_of_the_live_hop_gives_nothing_twice(nats_server: str) -> None:
    """A repair may bring more than was missing: what comes live afterwards is known already."""
    place = place_here()
    async with bus_at(nats_server) as bus:
        feed: list[Heard] = []
        inbox = Inbox(100)
        events = caller_audio(claim_of(bus, place), inbox, Beginning())
        inbox.put("", chunk(0))
        feed.append(await anext(events))
        for number in range(40):
            await bus.store(chunk(number), place)
        for event in (*map(chunk, range(5, 40)), SessionClosed()):
            inbox.put("", event)
        feed += [event async for event in events]

    assert audio_in(feed) == AUDIO.tobytes()


async def test_an_end_comes_once(nats_server: str) -> None:
    """The end of a caller's audio is in the log and comes live; it is yielded once."""
    place = place_here()
    async with bus_at(nats_server) as bus:
        inbox = Inbox(100)
        events = caller_audio(claim_of(bus, place), inbox, Beginning())
        inbox.put("", chunk(0))
        feed = [await anext(events)]
        for number in range(40):
            await bus.store(chunk(number), place)
        ended = AudioEnded(offset=len(AUDIO))
        await bus.store(ended, place)
        for event in (ended, SessionClosed()):
            inbox.put("", event)
        feed += [event async for event in events]

    assert audio_in(feed) == AUDIO.tobytes()
    assert [event for event in feed if isinstance(event, AudioEnded)] == [ended]


async def test_what_is_nowhere_becomes_silence(nats_server: str) -> None:
    """Audio that neither the log nor the live hop has is silence of the same length."""
    place = place_here()
    growth = Growth()
    async with bus_at(nats_server) as bus:
        feed = await heard(bus, place, [chunk(0), chunk(30)])

    expected = bytearray(AUDIO[: 31 * STEP].tobytes())
    expected[2 * STEP : 2 * 30 * STEP] = bytes(2 * 29 * STEP)
    assert audio_in(feed) == bytes(expected)
    assert growth.of("voicebus_audio_gaps_total", outcome="lost") == 1
    assert growth.of("voicebus_audio_gaps_total", outcome="repaired") == 0


async def test_live_audio_comes_in_order_and_duplicates_are_dropped(nats_server: str) -> None:
    """What was delivered twice, whole or in part, is heard once."""
    overlap = AudioChunk(pcm=AUDIO[2 * STEP + 100 : 4 * STEP].tobytes(), offset=2 * STEP + 100)
    live: list[Event] = [chunk(0), chunk(1), chunk(1), chunk(0), chunk(2), overlap, chunk(4)]
    async with bus_at(nats_server) as bus:
        feed = await heard(bus, place_here(), live)

    assert audio_in(feed) == AUDIO[: 5 * STEP].tobytes()
    offsets = [event.offset for event in feed if isinstance(event, AudioChunk)]
    assert offsets == [0, STEP, 2 * STEP, 3 * STEP, 4 * STEP]


async def test_what_came_before_the_claim_is_read_from_the_log(nats_server: str) -> None:
    """A client may speak before a worker has its session."""
    place = place_here()
    async with bus_at(nats_server) as bus:
        for number in range(10):
            await bus.store(chunk(number), place)
        feed = await heard(bus, place, [chunk(9), chunk(10)])

    assert audio_in(feed) == AUDIO[: 11 * STEP].tobytes()


async def test_a_takeover_begins_in_the_middle_of_a_chunk(nats_server: str) -> None:
    """The first sample wanted need not be the first of a message."""
    place, start = place_here(), 3 * STEP + 17
    async with bus_at(nats_server) as bus:
        for number in range(6):
            await bus.store(chunk(number), place)
        feed = await heard(bus, place, [chunk(6)], start)

    assert audio_in(feed) == AUDIO[start : 7 * STEP].tobytes()
    first = feed[0]
    assert isinstance(first, AudioChunk)
    assert first.offset == start


async def test_an_end_that_was_dealt_with_is_not_yielded_again(nats_server: str) -> None:
    """After a takeover, the next end of audio is the first one that counts."""
    place = place_here()
    known, new = AudioEnded(offset=2 * STEP), AudioEnded(offset=4 * STEP)
    async with bus_at(nats_server) as bus:
        for event in (chunk(0), chunk(1), known, chunk(2), chunk(3)):
            await bus.store(event, place)
        feed = await heard(bus, place, [known, new], 2 * STEP, 2 * STEP)

    assert audio_in(feed) == AUDIO[2 * STEP : 4 * STEP].tobytes()
    assert [event for event in feed if isinstance(event, AudioEnded)] == [new]


async def test_ends_stand_between_the_audio_that_they_end(nats_server: str) -> None:
    """Several streams of one session come in their order, live or from the log."""
    place = place_here()
    events: list[Event] = [
        chunk(0),
        AudioEnded(offset=STEP),
        chunk(1),
        chunk(2),
        AudioEnded(offset=3 * STEP),
    ]
    async with bus_at(nats_server) as bus:
        live = await heard(bus, place, events)
        for event in events:
            await bus.store(event, place)
        logged = await heard(bus, place, [])

    assert live == events
    assert logged == events


async def test_a_session_that_was_closed_before_is_read_and_left(nats_server: str) -> None:
    """Nobody waits for a client that is gone already."""
    place = place_here()
    async with bus_at(nats_server) as bus:
        await bus.store(chunk(0), place)
        await bus.store(SessionClosed(), place)
        feed = [event async for event in caller_audio(claim_of(bus, place), Inbox(10), Beginning())]

    assert feed == [chunk(0)]


async def test_a_stall_is_told_while_it_lasts(nats_server: str) -> None:
    """Every half second, whatever else the client says."""
    place = place_here()
    async with bus_at(nats_server) as bus:
        inbox = Inbox(100)
        inbox.put("", chunk(0))

        async def talk() -> None:
            for _ in range(15):
                await asyncio.sleep(0.25)
                inbox.put("", Played(turn=1, played_ms=0))
            inbox.put("", chunk(1))
            inbox.put("", SessionClosed())

        talking = asyncio.create_task(talk())
        feed = [event async for event in caller_audio(claim_of(bus, place), inbox, Beginning())]
        await talking

    stalls = [event.seconds for event in feed if isinstance(event, AudioStalled)]
    assert stalls == [0.5 * number for number in range(1, len(stalls) + 1)]
    assert 7 <= len(stalls) <= 10
    assert feed[0] == chunk(0)
    assert feed[-1] == chunk(1)


@pytest.mark.parametrize(("start", "is_skipped"), [(25, True), (10, False)])
async def test_what_is_older_than_anybody_wants_is_not_read(
    nats_server: str, monkeypatch: pytest.MonkeyPatch, start: int, is_skipped: bool
) -> None:
    """Unless the time was wrong: then it is looked for earlier, and nothing is lost."""
    place = place_here()
    async with bus_at(nats_server) as bus:
        sequences = [await bus.store(chunk(number), place) for number in range(20)]
        await asyncio.sleep(0.01)
        between_ns = time.time_ns()
        await asyncio.sleep(0.01)
        sequences += [await bus.store(chunk(number), place) for number in range(20, 40)]
        read_from = []
        read = bus.read

        def noted(*args: str, sequence: int = 1) -> AsyncIterator[Recorded]:
            read_from.append(sequence)
            return read(*args, sequence=sequence)

        monkeypatch.setattr(bus, "read", noted)
        inbox = Inbox(10)
        inbox.put("", SessionClosed())
        feed = caller_audio(
            claim_of(bus, place), inbox, Beginning(start * STEP, since_ns=between_ns)
        )
        events: list[Heard] = [event async for event in feed]

    assert audio_in(events) == AUDIO[start * STEP :].tobytes()
    assert read_from[0] == sequences[20 if is_skipped else 0]


async def test_no_stall_is_told_while_the_client_is_lost(nats_server: str) -> None:
    """A broken connection is no silence of the caller; when it is back the clock begins anew."""
    async with bus_at(nats_server) as bus:
        inbox = Inbox(100)
        for event in (chunk(0), ClientLost(seq=-2)):
            inbox.put("", event)

        async def talk() -> None:
            await asyncio.sleep(1.6)
            inbox.put("", ClientReturned(seq=-3))
            inbox.put("", ClientLost(seq=-2))  # stored late, and heard late
            await asyncio.sleep(0.7)
            inbox.put("", chunk(1))
            inbox.put("", SessionClosed())

        talking = asyncio.create_task(talk())
        feed = [
            event async for event in caller_audio(claim_of(bus, place_here()), inbox, Beginning())
        ]
        await talking

    assert feed == [chunk(0), AudioStalled(0.5), chunk(1)]


async def test_a_worker_that_takes_over_knows_that_the_client_is_lost(nats_server: str) -> None:
    """It reads so in the log, and still finds what was stored behind its back."""
    place = place_here()
    async with bus_at(nats_server) as bus:
        await bus.store(ClientLost(), place)
        inbox = Inbox(100)

        async def talk() -> None:
            await bus.store(chunk(0), place)
            await asyncio.sleep(1.2)
            inbox.put("", SessionClosed())

        talking = asyncio.create_task(talk())
        feed = [event async for event in caller_audio(claim_of(bus, place), inbox, Beginning())]
        await talking

    assert feed == [chunk(0)]
