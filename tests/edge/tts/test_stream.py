"""POST /tts/stream, with the test in the place of the workers."""

from __future__ import annotations

import asyncio

import pytest

from edge.settings import EdgeSettings
from schemas.claim import Claimed
from schemas.session import SessionClosed
from schemas.tts import SpeakRequest
from subjects.catalog import Place, place_of, subject_of
from subjects.tokens import new_token
from tests.bus import CELL, bus_at
from tests.edge.running import served

BODY = b'{"text": "The sea is wide today."}'


@pytest.mark.parametrize("is_claimed", [False, True], ids=["waiting", "being made"])
async def test_a_client_that_leaves_before_the_first_audio_ends_the_work(
    nats_server: str, is_claimed: bool
) -> None:
    """Whether a worker has its text or not: nobody waits for what nobody hears."""
    edge = new_token("e")
    kinds = (SpeakRequest, SessionClosed)
    async with (
        bus_at(nats_server) as bus,
        served(bus, edge, EdgeSettings(claim_s=120)) as serving,
        bus.listen(*(subject_of(kind, Place(CELL, edge, "*")) for kind in kinds)) as inbox,
        asyncio.timeout(30),
    ):
        await bus.flush()
        host, port = serving.http.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        head = f"POST /tts/stream HTTP/1.1\r\nhost: {host}\r\ncontent-length: {len(BODY)}\r\n\r\n"
        writer.write(head.encode() + BODY)
        subject, asked = await inbox.next()
        while not isinstance(asked, SpeakRequest):
            subject, asked = await inbox.next()
        if is_claimed:
            claimed = Claimed(role="tts", worker="w", turn=asked.turn)
            await bus.claim(claimed, place_of(subject), "1-0", 0)
        writer.close()
        _, closed = await inbox.next()

    assert isinstance(closed, SessionClosed)
