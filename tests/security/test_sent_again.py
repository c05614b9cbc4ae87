"""What is sent again needs no right that was not needed the first time, and no other encryption."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from schemas.audio import AudioChunk
from schemas.claim import Claimed
from schemas.llm import TokenDelta
from schemas.session import UserText
from subjects.catalog import Place
from subjects.inboxes import edge_inbox
from subjects.tokens import new_token
from tests.bus import bus_settings
from tests.certificates import Authority
from tests.secured import CELL, EDGES, Secured
from tests.security.test_tls import server_with, tls_of
from tests.voicebus.bus.sending import Outcomes
from tests.workers import until
from voicebus import credentials
from voicebus.bus.client import connect
from voicebus.bus.layout import make_layout
from voicebus.settings import BusSettings

# nats-py leaves the socket of a handshake that failed to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


async def test_users_of_an_encrypted_bus_lose_nothing_when_it_dies(tmp_path: Path) -> None:
    """An edge and a worker publish across the death of the server: all of it is stored, and the
    edge hears the worker.
    """
    authority, users = Authority(tmp_path / "ca"), tmp_path / "users"
    credentials.create(users, CELL, EDGES)
    encrypted = {"users": credentials.config_of(users), "tls": tls_of(authority)}
    with server_with(tmp_path / "nats", **encrypted) as server:

        def settings(user: str) -> BusSettings:
            return msgspec.structs.replace(
                bus_settings(server.url.replace("tls://", "nats://")),
                nats_ca_file=str(authority.ca_file),
                nats_nkey_file=str(credentials.seed_of(users, user)),
            )

        await make_layout(settings("admin"))
        place, outcomes = Place(CELL, "one", new_token("s")), Outcomes()
        edge = await connect(settings("edge-one"), "edge")
        llm = await connect(settings("llm"), "llm")
        try:
            async with edge.listen(edge_inbox(CELL, "one")) as inbox:
                await edge.flush()
                fence = await llm.claim(Claimed(role="llm", worker="a"), place, "1-0", 0)
                await asyncio.wait_for(inbox.next(), 5)
                await asyncio.to_thread(server.kill)
                for number in range(5):
                    frame = AudioChunk(pcm=b"\x00\x00", offset=number)
                    await edge.publish(frame, place, None, outcomes)
                    await edge.publish(UserText(text="x", seq=number), place, None, outcomes)
                    token = TokenDelta(turn=1, seq=number, text="x")
                    await llm.publish(token, place, fence, outcomes)
                await asyncio.to_thread(server.start)
                await until(lambda: len(outcomes) == 15, limit_s=15)
                heard = [(await asyncio.wait_for(inbox.next(), 5))[1] for _ in range(5)]
        finally:
            await llm.close()
            await edge.close()

        assert outcomes.errors() == []
        assert [event.seq for event in heard if isinstance(event, TokenDelta)] == [*range(5)]
        assert Secured(server, users).violations() == []
