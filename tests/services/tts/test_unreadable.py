"""A voice while the session's log cannot be read: it says what it hears live."""

from __future__ import annotations

import asyncio

from schemas.tts import SpeakRequest
from services.tts.worker import speak
from tests.bus import unreadable
from tests.nats_server import NatsServer
from tests.services.tts.speaking import Toy, clause, last, turn_at
from tests.workers import claim_on


async def test_a_reply_is_spoken_while_the_log_cannot_be_read(own_nats_server: NatsServer) -> None:
    """Neither what may be in it nor whether the turn has begun is worth ending the turn for."""
    async with turn_at(own_nats_server.url) as turn:
        request = SpeakRequest(turn=1, ahead_s=0.2, filler="One moment.", filler_after_s=30)
        claim = await claim_on(turn.bus, turn.place, "tts", request)
        async with unreadable(turn.bus, "SESSION"):
            speaking = asyncio.create_task(speak(claim, Toy()))
            await asyncio.wait((speaking,), timeout=0.3)
            await turn.tell(clause(0, "The sea is wide."), clause(1, "It is deep."), last(2))
            await asyncio.wait_for(speaking, 30)
        async with asyncio.timeout(10):
            while not turn.done():
                await asyncio.sleep(0.01)

    assert [told.text for told in turn.spoken()] == ["The sea is wide.", "It is deep."]
