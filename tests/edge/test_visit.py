"""What a caller who is inside may do: its share of turns, tokens, audio and messages."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from edge.budgets import Meter, Uploads
from edge.clock import now_s
from edge.guest import Keyed
from edge.keys import Keys
from edge.settings import EdgeSettings
from edge.visit import Visit
from schemas.llm import GenerationDone, TokenDelta
from schemas.session import CancelAsked, UserText
from schemas.turn import TurnEnded, TurnStarted
from tests.edge.running import edge_at, scene
from voicebus.audio.wav import wav_header
from voicebus.errors import LimitReached, ProtocolError
from voicebus.keys import Allowance, add_key, new_key


def visit(settings: EdgeSettings | None = None, **allowance: int) -> Visit:
    """A caller with this share."""
    meter = Meter(Allowance(**allowance), "this key")
    return Visit(settings or EdgeSettings(), (meter,), Keyed(None, Keys(None)), None, Uploads(0))


def nobody(err: ProtocolError) -> None:
    """Tell it nobody."""


async def test_a_typed_turn_too_many_is_refused_before_it_costs_anything(nats_server: str) -> None:
    """The workers never hear of it; the session goes on."""
    settings = EdgeSettings(session_turns_per_min=1)
    async with scene(nats_server, settings) as opened:
        await opened.take()
        await opened.client.send("text", text="one")
        await opened.until(UserText)
        await opened.say(TurnStarted(turn=1, text="one"), TurnEnded(turn=1, outcome="completed"))
        await opened.client.until("turn_ended")
        await opened.client.send("text", text="two")
        error = await opened.client.until("error")
        await opened.client.send("ping")
        await opened.client.until("pong")

    assert (error["code"], error["retryable"]) == ("too_many_turns", True)
    assert 50 < error["retry_after_s"] <= 60
    assert len(opened.said(UserText)) == 1


async def test_a_spoken_turn_too_many_is_cancelled(nats_server: str) -> None:
    """What was said cannot be unsaid: the turn is given up, with its reason."""
    settings = EdgeSettings(session_turns_per_min=1)
    async with scene(nats_server, settings) as opened:
        await opened.take()
        await opened.say(TurnStarted(turn=1, text="a"), TurnEnded(turn=1, outcome="completed"))
        await opened.say(TurnStarted(turn=2, text="b"))
        error = await opened.client.until("error", turn=2)
        await opened.until(CancelAsked)

    assert error["code"] == "too_many_turns"


async def test_a_reply_of_too_many_tokens_is_cut_off(nats_server: str) -> None:
    """Once, and the next turn is refused until the tokens are paid back."""
    settings = EdgeSettings(session_tokens_per_min=10)
    async with scene(nats_server, settings) as opened:
        await opened.take()
        await opened.say(TurnStarted(turn=1, text="tell me all"))
        for number in range(20):
            await opened.say(TokenDelta(turn=1, seq=number, text=" word"))
        error = await opened.client.until("error", turn=1)
        await opened.until(CancelAsked)
        await opened.say(TurnEnded(turn=1, outcome="interrupted"))
        await opened.client.until("turn_ended")
        await opened.client.send("text", text="more")
        refused = await opened.client.until("error", 2)

    assert error["code"] == refused["code"] == "too_many_tokens"
    assert "turn" not in refused
    assert len(opened.said(CancelAsked)) == 1
    assert opened.said(UserText) == []


def test_tokens_are_guessed_until_they_are_known() -> None:
    """A reply's end says how many there were; an attempt that was cancelled counts as guessed."""
    caller = visit(tokens_per_min=100)
    caller.count(TurnStarted(turn=1, text=""))
    for _ in range(9):
        assert caller.count(TokenDelta(turn=1, text="x" * 40)) == []
    caller.count(GenerationDone(turn=1, text="", tokens=20))
    assert caller.count(TokenDelta(turn=1, revision=1, text="x" * 320)) == []
    told = caller.count(TokenDelta(turn=1, revision=2, text="x" * 8))

    assert [error["code"] for error in told] == ["too_many_tokens"]


def test_what_is_begun_early_counts_and_is_no_error_yet() -> None:
    """Only a turn that runs can be cut off."""
    caller = visit(tokens_per_min=10)

    assert caller.count(TokenDelta(turn=1, text="x" * 400)) == []
    told = caller.count(TurnStarted(turn=1, text=""))
    assert [(error["code"], error["turn"]) for error in told] == [("too_many_tokens", 1)]


async def test_messages_that_come_too_fast_are_read_more_slowly(nats_server: str) -> None:
    """Nothing is lost, the client is told, and somebody beside it is not held up."""
    fast = EdgeSettings(messages_per_s=20)
    async with scene(nats_server, fast) as opened, scene(nats_server, fast) as other:
        await opened.take()
        await other.take()
        for _ in range(230):
            await opened.client.send("ping")
        notice = await opened.client.until("error", code="too_fast")
        await other.client.send("ping")
        await other.client.until("pong")
        before = len(opened.client.messages("pong"))
        await opened.client.until("pong", 230)

    assert before < 230
    assert notice["stage"] == "edge"


async def test_audio_beyond_the_share_is_waited_for(nats_server: str) -> None:
    """A minute's worth may come at once; then it is as fast as the share."""
    caller = visit(audio_s_per_min=600)
    told: list[ProtocolError] = []

    begun_s = now_s()
    await caller.pace_audio(600, told.append)
    assert told == []
    await caller.pace_audio(3, told.append)
    caller.hear(1)
    with pytest.raises(LimitReached, match="too much audio"):
        caller.expect_audio()
    assert now_s() - begun_s >= 0.29
    assert [err.reason for err in told] == ["too_fast"]


async def test_files_are_paid_for(nats_server: str, tmp_path: Path) -> None:
    """A recording that is longer than the share is taken; the next one is refused for a while."""
    secret, key = new_key("phone", Allowance(audio_s_per_min=2))
    add_key(tmp_path / "keys.json", key)
    headers = {"authorization": f"Bearer {secret}", "content-type": "audio/wav"}
    recording = wav_header(16_000) + bytes(32_000 * 4)
    settings = EdgeSettings(claim_s=0.3)
    async with edge_at(nats_server, settings, Keys(tmp_path / "keys.json")) as client:
        first = await client.post("/interact", content=recording, headers=headers)
        second = await client.post("/interact", content=recording, headers=headers)

    assert first.json()["error"]["code"] == "no_worker"
    assert second.status_code == 429
    assert second.json()["error"]["code"] == "too_much_audio"
    assert 50 < int(second.headers["retry-after"]) <= 60


async def test_who_sends_nothing_for_too_long_is_sent_away(nats_server: str) -> None:
    """Its workers are for others; pings count as something, and so does audio."""
    async with scene(nats_server, EdgeSettings(idle_s=0.6, claim_s=30)) as opened:
        await opened.take()
        for _ in range(5):
            await asyncio.sleep(0.2)
            await opened.client.send("ping")
        await opened.client.until("pong", 5)
        assert opened.client.closed is None
        error = await opened.client.until("error")
        assert await opened.client.until_closed() == 1008

    assert (error["code"], error["retryable"]) == ("idle", False)


async def test_tiny_frames_are_paced_too() -> None:
    """One sample a frame would make thousands of messages of a second of speech."""
    caller = visit(EdgeSettings(frames_per_s=100))
    begun_s = now_s()
    for _ in range(1_020):
        await caller.pace_frame(b"12", nobody)

    assert now_s() - begun_s >= 0.19


async def test_no_limit_waits_for_nobody() -> None:
    """0 in the settings."""
    caller = visit(EdgeSettings(frames_per_s=0, messages_per_s=0))
    begun_s = now_s()
    for _ in range(20_000):
        await caller.pace_frame(b"12", nobody)
        await caller.pace_frame("{}", nobody)

    assert now_s() - begun_s < 10
