"""Who may come back to a session, for how long, and who may not."""

from __future__ import annotations

from typing import Any

import pytest

from edge.settings import EdgeSettings
from schemas.session import ClientLost, ClientReturned, SessionClosed
from schemas.turn import HangUp, TurnStarted
from tests.edge.handset import begin, cut, socket
from tests.edge.running import scene


async def test_who_does_not_ask_for_it_gets_no_token(nats_server: str) -> None:
    """A client that knows nothing of this sees no numbers, and its session ends with its socket."""
    async with scene(nats_server) as opened:
        await opened.take()
        opened.client.vanish()
        closed = await opened.until(SessionClosed)

    assert not any("seq" in m or "resume_token" in m for m in opened.client.messages())
    assert closed == SessionClosed(reason="lost", seq=closed.seq)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"token": "A" * 43}, "bad_token"),
        ({"token": ""}, "bad_token"),
        ({"session_id": "s0123456789abcdef"}, "session_expired"),
        ({"received": 10_000}, "bad_field"),
    ],
)
async def test_nobody_else_gets_into_a_session(
    nats_server: str, wrong: dict[str, Any], code: str
) -> None:
    """Who cannot prove it is refused with the reason, and the real client is not disturbed."""
    async with scene(nats_server) as opened:
        handset = await begin(opened)
        async with socket(opened.url, handset.resume(**wrong)) as stranger:
            assert await stranger.until_closed() == 1008
        await opened.client.send("ping")
        await opened.client.until("pong")
        await cut(opened, handset)
        async with socket(opened.url, handset.resume()) as client:
            await client.until("resumed")

    assert [message["code"] for message in stranger.messages("error")] == [code]
    assert len(stranger.heard) == 1


async def test_a_session_waits_for_its_grace_time_and_no_longer(nats_server: str) -> None:
    """Then the workers are told, and who comes too late is told so."""
    async with scene(nats_server, EdgeSettings(resume_s=0.3)) as opened:
        handset = await begin(opened)
        await cut(opened, handset)
        closed = await opened.until(SessionClosed)
        async with socket(opened.url, handset.resume()) as late:
            assert await late.until_closed() == 1008

    assert handset.metadata["resume_s"] == 0.3
    assert closed == SessionClosed(reason="lost", seq=closed.seq)
    assert late.messages("error")[0]["code"] == "session_expired"


@pytest.mark.parametrize("code", [1000, 1001])
async def test_a_goodbye_ends_the_session_at_once(nats_server: str, code: int) -> None:
    """Who closes the page will not come back, although it asked for a token."""
    async with scene(nats_server) as opened:
        handset = await begin(opened)
        await opened.client.leave(code)
        closed = await opened.until(SessionClosed)
        async with socket(opened.url, handset.resume()) as late:
            await late.until_closed()

    assert closed == SessionClosed(reason="client", seq=closed.seq)
    assert late.messages("error")[0]["code"] == "session_expired"
    assert opened.said(ClientLost) == []


async def test_a_close_that_is_no_goodbye_lets_the_client_come_back(nats_server: str) -> None:
    """A client gives up a connection that it takes for dead, to go on over another one."""
    async with scene(nats_server) as opened:
        handset = await begin(opened)
        await opened.client.leave(4000)
        await opened.until(ClientLost)
        async with socket(opened.url, handset.resume()) as second:
            await second.until("resumed")

            assert opened.said(SessionClosed) == []


async def test_the_newer_socket_wins(nats_server: str) -> None:
    """A dead network is noticed late: a client that is back need not wait until it is."""
    async with scene(nats_server) as opened:
        handset = await begin(opened)
        handset.received = 2
        async with socket(opened.url, handset.resume()) as second:
            await second.until("resumed")
            assert await opened.client.until_closed() == 4001
            async with socket(opened.url, handset.resume()) as third:
                await third.until("resumed")
                assert await second.until_closed() == 4001
                await opened.say(TurnStarted(turn=1, text="x", typed=True))
                await third.until("turn_started", turn=1)
                await third.leave(1000)
                await opened.until(SessionClosed)

    assert second.messages("turn_started") == []
    assert opened.said(ClientLost) == []
    assert len(opened.said(ClientReturned)) == 2


async def test_a_try_that_was_overtaken_takes_nothing_away(nats_server: str) -> None:
    """A slow network may deliver the first try after the second."""
    async with scene(nats_server) as opened:
        handset = await begin(opened)
        await cut(opened, handset)
        async with socket(opened.url, handset.resume(attempt=2)) as client:
            await client.until("resumed")
            async with socket(opened.url, handset.resume(attempt=1)) as overtaken:
                assert await overtaken.until_closed() == 4001
            await client.send("ping")
            await client.until("pong")

    assert overtaken.heard == []


async def test_what_a_client_has_is_not_kept(nats_server: str) -> None:
    """Whoever confirms frames cannot have them again."""
    async with scene(nats_server) as opened:
        handset = await begin(opened)
        await opened.client.send("received", seq=2)
        await opened.client.send("ping")
        await opened.client.until("pong")
        await cut(opened, handset)
        async with socket(opened.url, handset.resume(received=1)) as client:
            await client.until_closed()

    assert client.messages("error")[0]["code"] == "session_expired"


async def test_a_session_that_ends_while_nobody_is_there_ends(nats_server: str) -> None:
    """The workers hang up: who comes back is told that it is over."""
    async with scene(nats_server) as opened:
        handset = await begin(opened)
        await cut(opened, handset)
        await opened.say(HangUp(reason="silence"))
        closed = await opened.until(SessionClosed)
        async with socket(opened.url, handset.resume()) as late:
            await late.until_closed()

    assert closed == SessionClosed(reason="silence", seq=closed.seq)
    assert late.messages("error")[0]["code"] == "session_expired"


async def test_an_edge_that_goes_sends_its_client_on(nats_server: str) -> None:
    """Without closing the session; here nobody can go on with it, and another try is worth it."""
    async with scene(nats_server) as opened:
        handset = await begin(opened)
        opened.drain()
        code = await opened.client.until_closed()
        resume = handset.resume(start={"type": "start", "resume": True})
        async with socket(opened.url, resume) as early:
            await early.until_closed()

    assert (code, len(opened.client.messages("going_away"))) == (1012, 1)
    assert early.messages("error")[0]["retryable"]
    assert [event for event in opened.heard if isinstance(event, SessionClosed)] == []
