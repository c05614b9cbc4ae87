"""A conversation through a real socket and a real bus: the test says what the workers say."""

from __future__ import annotations

import pytest

from edge.settings import EdgeSettings
from schemas.event import Event
from schemas.failure import Failure
from schemas.llm import ClauseReady, TokenDelta
from schemas.session import CancelAsked, KeysPressed, PlaybackEnded, Played, SessionClosed
from schemas.tts import ClauseSpoken, ReplyChunk, SpeechDone
from schemas.turn import (
    HangUp,
    ReplyPaused,
    ReplyResumed,
    TurnCancelled,
    TurnEnded,
    TurnStarted,
)
from tests.edge.running import Scene, scene

RATE_HZ = 24_000


def speech(turn: int, chunks: int, first: int = 0) -> list[Event]:
    """Stretches of 100 ms of a turn's audio."""
    size = RATE_HZ // 10
    return [
        ReplyChunk(turn=turn, seq=n, pcm=bytes(2 * size), rate_hz=RATE_HZ, offset=n * size)
        for n in range(first, first + chunks)
    ]


def done(turn: int, chunks: int) -> SpeechDone:
    """The turn's audio is complete."""
    return SpeechDone(turn=turn, samples=chunks * RATE_HZ // 10, rate_hz=RATE_HZ)


def started(turn: int) -> TurnStarted:
    """A turn begins."""
    return TurnStarted(turn=turn, text="x", typed=True)


def ended(turn: int, **fields: object) -> TurnEnded:
    """A turn is over."""
    return TurnEnded(turn=turn, outcome="interrupted", **fields)  # type: ignore[arg-type]


def kinds(opened: Scene) -> list[str]:
    """What the client was told, with ``audio`` for each frame."""
    return [m["type"] if isinstance(m, dict) else "audio" for m in opened.client.heard]


async def test_what_is_speculative_reaches_no_client(nats_server: str) -> None:
    """A dropped draft is never heard of; the released one comes whole, behind its turn."""
    async with scene(nats_server) as opened:
        await opened.take()
        await opened.say(TokenDelta(turn=1, text="No."), *speech(1, 2), TurnCancelled(turn=1))
        draft = [TokenDelta(turn=1, revision=1, text="Yes."), ClauseReady(turn=1, text="Yes.")]
        await opened.say(*draft)
        await opened.client.send("ping")
        await opened.client.until("pong")
        assert kinds(opened) == ["metadata", "ready", "pong"]
        await opened.say(TurnStarted(turn=1, revision=1, text="x", speculated=True))
        told = await opened.client.until("reply_text")

    assert told == {"type": "reply_text", "turn": 1, "text": "Yes."}
    assert opened.client.audio().size == 0


async def test_an_interruption_is_told_to_both_sides(nats_server: str) -> None:
    """Pause, flush, the client's exact answer, the end with the words that were heard."""
    async with scene(nats_server) as opened:
        await opened.take()
        spoken = ClauseSpoken(turn=1, text="Plenty", start_ms=0, end_ms=300, word_ends_ms=(300,))
        await opened.say(started(1), *speech(1, 2), spoken, *speech(1, 1, first=2))
        await opened.client.until("spoken")
        await opened.client.send("played", turn=1, played_ms=100)
        await opened.until(Played)
        await opened.say(ReplyPaused(turn=1), *speech(1, 5, first=3))
        await opened.client.until("pause", turn=1)
        await opened.say(TurnCancelled(turn=1))
        await opened.client.until("flush", turn=1)
        await opened.client.send("flushed", turn=1, played_ms=240)
        heard = await opened.until(PlaybackEnded)
        await opened.say(ended(1, reply="Plenty", heard_ms=240))
        told = await opened.client.until("turn_ended")

    assert heard == PlaybackEnded(turn=1, played_ms=240, seq=heard.seq)
    assert told == {
        "type": "turn_ended",
        "turn": 1,
        "outcome": "interrupted",
        "reply": "Plenty",
        "heard_ms": 240,
    }
    assert kinds(opened)[2:] == [
        *("turn_started", "audio_start", "audio", "latency", "audio", "spoken", "audio"),
        *("pause", "flush", "turn_ended"),
    ]


async def test_a_false_interruption_costs_no_audio(nats_server: str) -> None:
    """What came during the pause is sent after it, and all of it was heard in the end."""
    async with scene(nats_server) as opened:
        await opened.take()
        await opened.say(started(1), *speech(1, 1))
        await opened.client.until("latency")
        await opened.say(ReplyPaused(turn=1), *speech(1, 2, first=1), done(1, 3))
        await opened.client.until("pause")
        await opened.say(ReplyResumed(turn=1))
        await opened.client.until("audio_complete")
        heard = await opened.until(PlaybackEnded)

    assert heard == PlaybackEnded(turn=1, played_ms=300, estimated=True, seq=heard.seq)
    assert opened.client.audio().size == 3 * RATE_HZ // 10
    assert kinds(opened)[-4:] == ["resume", "audio", "audio", "audio_complete"]


async def test_absurd_reports_harm_nobody(nats_server: str) -> None:
    """Unknown turns, an hour at once, answers to nothing: the session goes on, within bounds."""
    async with scene(nats_server) as opened:
        await opened.take()
        for turn, played_ms in ((9, 5), (1, 3_600_000), (2**31, 0)):
            await opened.client.send("flushed", turn=turn, played_ms=played_ms)
            await opened.client.send("played", turn=turn, played_ms=played_ms)
        await opened.say(started(1), *speech(1, 2))
        await opened.client.until("latency")
        await opened.client.send("flushed", turn=1, played_ms=5)
        await opened.client.send("played", turn=1, played_ms=3_600_000)
        report = await opened.until(Played)
        await opened.say(TurnCancelled(turn=1))
        heard = await opened.until(PlaybackEnded)

    assert isinstance(report, Played)
    assert 0 < report.played_ms <= 200
    assert isinstance(heard, PlaybackEnded)
    assert report.played_ms <= heard.played_ms <= 200
    assert opened.client.messages("error") == []


async def test_keys_go_to_the_conversation(nats_server: str) -> None:
    """Digits are handed on as they were pressed; other letters are refused, and nothing else."""
    async with scene(nats_server) as opened:
        await opened.take()
        await opened.client.send("keys", digits="12#")
        await opened.client.send("keys", digits="12x")
        error = await opened.client.until("error")
        await opened.client.send("keys", digits="*")
        await opened.until(KeysPressed, 2)

    pressed = opened.said(KeysPressed)
    assert [event.digits for event in pressed if isinstance(event, KeysPressed)] == ["12#", "*"]
    assert error["code"] == "bad_field"


@pytest.mark.parametrize("reason", ["silence", "limit"])
async def test_hanging_up_waits_for_the_reply_that_runs(nats_server: str, reason: str) -> None:
    """The client is told, hears the reply to its end, and is closed with a goodbye."""
    async with scene(nats_server) as opened:
        await opened.take()
        await opened.say(started(1), *speech(1, 2), done(1, 2), HangUp(reason=reason))
        await opened.client.until("hang_up", reason=reason)
        await opened.until(PlaybackEnded)
        assert opened.client.closed is None
        await opened.say(TurnEnded(turn=1, outcome="completed", heard_ms=200))
        assert await opened.client.until_closed() == 1000
        closed = await opened.until(SessionClosed)

    assert opened.client.messages("turn_ended")[0]["heard_ms"] == 200
    assert opened.client.messages("error") == []
    assert closed == SessionClosed(reason=reason, seq=closed.seq)


async def test_hanging_up_in_silence_is_at_once(nats_server: str) -> None:
    """Nothing runs: nothing is waited for."""
    async with scene(nats_server) as opened:
        await opened.take()
        await opened.say(HangUp(reason="silence"))

        assert await opened.client.until_closed(within_s=3) == 1000


async def test_a_session_is_asked_for_with_its_settings(nats_server: str) -> None:
    """What the client chose reaches the workers, within the edge's limits."""
    settings = {"greeting": "Hi.", "end_of_turn": {"policy": "eager"}, "max_session_s": 9_000}
    async with scene(nats_server, EdgeSettings(max_session_s=600)) as opened:
        asked = await opened.take(**settings, output={"sample_rate": 8_000})

    assert (asked.settings.greeting, asked.settings.end_of_turn.policy) == ("Hi.", "eager")
    assert (asked.settings.max_session_s, asked.output_rate_hz) == (600, 8_000)


@pytest.mark.parametrize(
    ("start", "reports"),
    [({"turn_taking": "manual"}, 0), ({"output": {"audio": False}}, 0), ({}, 1)],
)
async def test_playback_is_followed_where_somebody_waits_for_it(
    nats_server: str, start: dict[str, object], reports: int
) -> None:
    """Manual and written sessions end their turns by themselves."""
    async with scene(nats_server) as opened:
        await opened.take(**start)
        await opened.say(started(1), *speech(1, 1), done(1, 1))
        await opened.client.until("audio_complete")
        await opened.client.send("played", turn=1, played_ms=100)
        await opened.client.send("cancel")
        await opened.until(CancelAsked)
        await opened.say(ended(1))
        await opened.client.until("turn_ended")

    assert len(opened.said(PlaybackEnded)) == reports


async def test_what_could_not_be_held_is_given_up(nats_server: str) -> None:
    """An answer without its head is none: the client is told, and the turn is cancelled."""
    async with scene(nats_server) as opened:
        await opened.take()
        await opened.say(*speech(1, 500), started(1))
        error = await opened.client.until("error")
        await opened.until(CancelAsked)

    assert (error["turn"], error["stage"], error["retryable"]) == (1, "edge", True)
    assert opened.client.audio().size == 0


async def test_a_stages_failure_cancels_nothing_by_itself(nats_server: str) -> None:
    """The conversation's worker decides what becomes of the turn."""
    async with scene(nats_server) as opened:
        await opened.take()
        failure = Failure(stage="llm", code="engine", message="m", turn=1)
        await opened.say(started(1), failure, TurnCancelled(turn=1))
        await opened.client.until("flush")
        heard = await opened.until(PlaybackEnded)

    assert heard == PlaybackEnded(turn=1, played_ms=0, seq=heard.seq)
    assert opened.said(CancelAsked) == []
