"""What a caller says of its playback, and what it makes of pauses and of an unasked voice."""

from __future__ import annotations

import asyncio

import pytest

from tests.edge_script import Line, edge, tone
from voicebus.caller import Start, call


async def answer(line: Line) -> None:
    """Answer what is typed first with 0.6 s of audio."""
    await line.open()
    await line.until(lambda: bool(line.got("text")))
    await line.say("turn_started", turn=1, text="first")
    await line.reply(1, "Hello to you.", tone(0.6))


async def test_caller_says_how_much_it_heard() -> None:
    """After the answer the server is told that all of it was played."""

    async def script(line: Line) -> None:
        await answer(line)
        await line.until(lambda: len(line.got("text")) > 1)
        await line.say("turn_started", turn=2, text="typed")
        await line.reply(2, "Second.", tone(0.1), synthetic=True)

    async with edge(script) as running, call(running.url) as caller:
        await caller.type_text("first")
        second = await caller.type_text("typed")
        line = running.lines[0]

    assert line.got("played")[:2] == [
        {"type": "played", "turn": 1, "played_ms": 0},
        {"type": "played", "turn": 1, "played_ms": 600},
    ]
    assert (second.transcript, second.reply, second.synthetic) == ("typed", "Second.", True)
    assert second.response_ms is not None


async def test_caller_says_that_it_heard_all_as_soon_as_all_is_there() -> None:
    """A server that waits for the playback of a reply needs not wait for its length."""

    async def script(line: Line) -> None:
        await line.open()
        await line.until(lambda: bool(line.got("text")))
        await line.say("turn_started", turn=1, text="hi")
        await line.say("audio_start", turn=1, sample_rate=24_000)
        await line.socket.send_bytes(tone(30).tobytes())
        await line.say("spoken", turn=1, text="Oh", start_ms=0, end_ms=9, word_ends_ms=[9])
        await line.say("audio_complete", turn=1, audio_seconds=30.0)
        await line.until(lambda: line.got("played")[-1:] == [whole])
        await line.say("turn_ended", turn=1, outcome="completed")

    whole = {"type": "played", "turn": 1, "played_ms": 30_000}
    async with edge(script) as running, call(running.url) as caller, asyncio.timeout(5):
        heard = await caller.type_text("hi")

    assert (heard.turns, heard.audio_seconds) == (1, 30.0)


async def test_caller_answers_a_flush_with_what_a_player_would_have_played() -> None:
    """What has not had the time to be played is not in its result, and the server is told."""

    async def script(line: Line) -> None:
        await line.open()
        await line.until(lambda: bool(line.got("text")))
        await line.say("turn_started", turn=1, text="hi")
        await line.say("audio_start", turn=1, sample_rate=24_000)
        await line.socket.send_bytes(tone(5).tobytes())
        await asyncio.sleep(0.3)
        await line.say("flush", turn=1)
        await line.until(lambda: bool(line.got("flushed")))
        await line.say("turn_ended", turn=1, outcome="interrupted", reply="Oh", heard_ms=300)

    async with edge(script) as running, call(running.url) as caller:
        heard = await caller.type_text("hi")
        (answer,) = running.lines[0].got("flushed")

    assert answer["turn"] == 1
    assert 0 < answer["played_ms"] < 2_000
    assert heard.audio_seconds == pytest.approx(answer["played_ms"] / 1000, abs=0.01)


async def test_flush_before_any_audio_is_answered_with_nothing() -> None:
    """Nothing was there to be heard, and the answer says so."""

    async def script(line: Line) -> None:
        await line.open()
        await line.until(lambda: bool(line.got("text")))
        await line.say("turn_started", turn=1, text="hi")
        await line.say("flush", turn=1)
        await line.until(lambda: bool(line.got("flushed")))
        await line.say("turn_ended", turn=1, outcome="interrupted", reply="")

    async with edge(script) as running, call(running.url) as caller:
        heard = await caller.type_text("hi")
        answers = running.lines[0].got("flushed")

    assert answers == [{"type": "flushed", "turn": 1, "played_ms": 0}]
    assert (heard.audio, heard.response_ms) == (b"", None)


async def test_a_greeting_is_no_answer() -> None:
    """What the assistant says by itself is heard to its end, and is in no result."""

    async def script(line: Line) -> None:
        await line.open()
        await line.say("turn_started", turn=1, text="", said="Welcome.")
        await line.reply(1, "Welcome.", tone(0.2))
        await line.until(lambda: bool(line.got("text")))
        await asyncio.sleep(0.1)
        await line.say("turn_started", turn=2, text="hi")
        await line.reply(2, "Hello.", tone(0.3))

    async with edge(script) as running, call(running.url) as caller:
        heard = await caller.type_text("hi")

    assert (heard.transcript, heard.reply, heard.turns) == ("hi", "Hello.", 1)
    assert heard.audio_seconds == pytest.approx(0.3)


async def test_caller_asks_for_any_setting_of_a_session() -> None:
    """Settings go into the first message as they are, before what the caller says by itself."""
    settings = {"greeting": "Hi.", "end_of_turn": {"policy": "eager"}, "language": "de"}
    start = Start(language="en", voice="joe", settings=settings)

    async def script(line: Line) -> None:
        await line.open()

    async with edge(script) as running, call(running.url, start):
        asked = running.lines[0].start

    assert asked["greeting"] == "Hi."
    assert asked["end_of_turn"] == {"policy": "eager"}
    assert (asked["language"], asked["voice"]) == ("de", "joe")
