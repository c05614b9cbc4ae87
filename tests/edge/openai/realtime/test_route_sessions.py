"""What becomes of who has come to /v1/realtime."""

from __future__ import annotations

import json

import pytest
from websockets.exceptions import ConnectionClosed

from tests.edge.openai.realtime.connecting import created, socket
from tests.edge.openai.serving import api

SETTINGS = {"needs": ""}


async def test_a_model_that_there_is_not_ends_the_session(nats_server: str) -> None:
    """The client is told on the socket, where pages can read it."""
    async with (
        api(nats_server, settings=SETTINGS) as served,
        socket(served, "?model=nobody") as opened,
    ):
        told = json.loads(await opened.recv())
        with pytest.raises(ConnectionClosed) as caught:
            await opened.recv()

    assert (told["type"], told["error"]["code"]) == ("error", "model_not_found")
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1008


async def test_a_session_that_only_hears_needs_no_model(nats_server: str) -> None:
    """intent=transcription, as Home Assistant's bridge asks for it."""
    async with (
        api(nats_server, settings=SETTINGS) as served,
        socket(served, "?intent=transcription") as opened,
    ):
        session = await created(opened)

    assert (session["type"], session["object"]) == (
        "transcription",
        "realtime.transcription_session",
    )


@pytest.mark.parametrize("frame", [b"\x00\x01", "{", '{"type":"x"}', '"' * 70_000])
async def test_nonsense_is_answered_and_the_socket_stays(
    nats_server: str, frame: str | bytes
) -> None:
    """Whatever a client sends: an error, and the next event is taken."""
    async with api(nats_server, settings=SETTINGS) as served, socket(served) as opened:
        await created(opened)
        await opened.send(frame)
        refused = json.loads(await opened.recv())
        await opened.send('{"type":"input_audio_buffer.clear"}')
        cleared = json.loads(await opened.recv())

    assert refused["type"] == "error"
    assert cleared["type"] == "input_audio_buffer.cleared"


async def test_a_session_that_no_worker_takes_is_told_so(nats_server: str) -> None:
    """It does not wait for ever: there is no turn worker here."""
    settings = {**SETTINGS, "claim_s": 0.5}
    async with api(nats_server, settings=settings) as served, socket(served) as opened:
        await created(opened)
        told = json.loads(await opened.recv())
        with pytest.raises(ConnectionClosed):
            await opened.recv()
        await served.sessions.ended.wait()

    assert told["error"]["code"] == "no_worker"
    assert len(served.sessions) == 0
