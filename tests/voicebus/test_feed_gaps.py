"""Gaps in the caller's audio, as the metrics count them by how they ended."""

from __future__ import annotations

from schemas.session import SessionClosed
from tests.bus import bus_at, place_here
from tests.metered import Growth
from tests.voicebus.test_feed import AUDIO, STEP, Heard, audio_in, chunk, claim_of
from voicebus.bus.inbox import Inbox
from voicebus.feed import Beginning, caller_audio


async def test_a_gap_that_the_log_fills_is_counted_as_repaired(nats_server: str) -> None:
    """Once, however much was missing; and what was read for it is counted by messages."""
    place, growth, inbox = place_here(), Growth(), Inbox(100)
    async with bus_at(nats_server) as bus:
        events = caller_audio(claim_of(bus, place), inbox, Beginning())
        inbox.put("", chunk(0))
        feed: list[Heard] = [await anext(events)]
        for number in range(20):
            await bus.store(chunk(number), place)
        for event in (chunk(20), chunk(21), SessionClosed()):
            inbox.put("", event)
        feed += [event async for event in events]

    assert audio_in(feed) == AUDIO[: 22 * STEP].tobytes()
    assert growth.of("voicebus_audio_gaps_total", outcome="repaired") == 1
    assert growth.of("voicebus_audio_gaps_total", outcome="lost") == 0
    assert growth.of("voicebus_bus_replayed_total", stream="AUDIO") == 20
