"""Whether a client is still there: pings, and who answers them late."""

from __future__ import annotations

from typing import Any

import pytest

from edge.server import options
from edge.settings import EdgeSettings
from tests.edge import running
from tests.edge.openai import serving
from tests.edge.openai.realtime.connecting import socket
from tests.edge.openai.realtime.sending import append, until
from tests.edge.raw import TEXT, frame, raw


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Edges ask every fifth of a second, and wait as long."""

    def asking(settings: EdgeSettings) -> dict[str, Any]:
        return {**options(settings), "ws_ping_interval": 0.2, "ws_ping_timeout": 0.2}

    monkeypatch.setattr(running, "options", asking)
    monkeypatch.setattr(serving, "options", asking)


async def test_who_is_gone_is_noticed(nats_server: str) -> None:
    """It sends nothing, and no answer: the connection ends with 1011."""
    async with running.edge_at(nats_server, EdgeSettings(claim_s=30)) as edge:
        assert edge.base_url.port
        async with raw(edge.base_url.port) as client:
            assert "101" in await client.upgrade()
            await client.send(frame(TEXT, b'{"type":"start"}'))
            closed, _ = await client.closed()

    assert closed == 1011


async def test_who_has_sent_ahead_is_not_gone(nats_server: str) -> None:
    """Its audio is taken at the pace of speech: its answers wait behind what it has sent."""
    settings = {"claim_s": 60, "ahead_s": 0.5}
    async with (
        serving.api(nats_server, settings=settings) as served,
        socket(served, "?intent=transcription") as opened,
    ):
        for _ in range(3):
            await opened.send(append(seconds=1.0))
        await opened.send('{"type":"input_audio_buffer.clear"}')
        told = await until(opened, "input_audio_buffer.cleared")

    assert "event_id" in told
