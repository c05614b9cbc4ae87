"""The page's connection breaks: it says so quietly, keeps what is said, and goes on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from starlette.websockets import WebSocketDisconnect

from tests.browser import Page
from tests.cutting import Proxy, proxy
from tests.edge_script import Edge, Line, Script, edge, tone
from tests.talk_page import (
    NOTE_STATES,
    click,
    keep_screenshots,
    talk_page,
    text_of,
    type_turn,
)

pytestmark = pytest.mark.browser


@pytest.fixture
async def page(chromium: str, tmp_path: Path) -> AsyncIterator[Page]:
    """A tab of a browser whose microphone is allowed, and plays the sample once."""
    async with talk_page(chromium, tmp_path) as tab:
        yield tab


async def begin(line: Line) -> None:
    """Take the session, and let its client come back."""
    await line.until(lambda: bool(line.messages))
    line.start = line.messages[0]
    audio_info = {"format": "pcm_s16le", "sample_rate": line.rate_hz, "channels": 1}
    coming_back = {"resume_token": "secret", "resume_s": 30.0}
    await line.say("metadata", seq=1, session_id="s-1", audio_info=audio_info, **coming_back)
    await line.say("ready", seq=2)


async def live(line: Line) -> None:
    """Give signs of life, and acknowledge nothing."""
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while True:
            await asyncio.sleep(0.25)
            await line.say("ack", frames=0)


@asynccontextmanager
async def served(*scripts: Callable[[Line], Awaitable[None]]) -> AsyncIterator[tuple[Edge, Proxy]]:
    """Serve the page through a proxy; each connection to /ws has a script of its own."""
    left = list(scripts)

    async def script(line: Line) -> None:
        await asyncio.gather(left.pop(0)(line), live(line))

    following: Script = script
    async with edge(following) as running, proxy(running.page) as standing:
        yield running, standing


async def test_the_voice_goes_on_where_the_connection_was_cut(page: Page) -> None:
    """What the server had not taken is sent again, frame by frame, and what was said meanwhile."""

    async def first(line: Line) -> None:
        await begin(line)

    async def second(line: Line) -> None:
        await line.until(lambda: bool(line.messages))
        await line.say("resumed", frames=taken)
        await line.until(lambda: len(line.frame_bytes) > 50)

    async with served(first, second) as (running, standing):
        await page.goto(standing.url)
        await page.evaluate(NOTE_STATES)
        await click(page, "talk")
        await page.until("voicebus.state === 'ready'")
        line = running.lines[0]
        await line.until(lambda: len(line.frame_bytes) > 50)
        # What was sent besides audio counts, too: nothing was, in so short a time.
        taken = len(line.frame_bytes) - 20 + len(line.got("received"))
        standing.refuses = True
        standing.cut_all()
        await page.until("voicebus.state === 'away'")
        state = await text_of(page, "#state")
        floor = await page.evaluate("voicebus.floor")
        await keep_screenshots(page, "talk-away")
        standing.refuses = False
        await page.until("voicebus.state === 'ready'")
        resumed = running.lines[1]
        await resumed.until(lambda: len(resumed.frame_bytes) > 60)
        states = await page.evaluate("states")
        microphone = await page.evaluate("voicebus.microphone")

    assert (state, floor) == ("Reconnecting…", "waiting")
    assert states[-3:] == ["ready", "away", "ready"]
    assert microphone == "on", "the microphone stays open"
    assert line.start["resume"] is True
    resume = resumed.messages[0]
    assert resume.pop("attempt") >= 1
    assert resume == {
        "type": "resume",
        "session_id": "s-1",
        "token": "secret",
        "received": 2,
        "start": line.start,
        "at": {},
        "has": {
            "utterance": 0,
            "turn": 0,
            "characters": 0,
            "audio_bytes": 0,
            "spoken": 0,
            "told": [],
        },
    }
    before = bytes(line.audio[-20 * 640 :])
    assert before.strip(b"\0"), "the microphone is heard"
    assert bytes(resumed.audio[: len(before)]) == before
    assert [one for one in page.complaints if "WebSocket" not in one and "favicon" not in one] == []


async def test_the_reply_plays_on_and_its_rest_follows(page: Page) -> None:
    """What has arrived is played while the page is away; a turn is no failure for that."""

    async def first(line: Line) -> None:
        await begin(line)
        await line.until(lambda: bool(line.got("text")))
        await line.say("turn_started", seq=3, turn=1, text="one")
        await line.say("reply_text", seq=4, turn=1, text="Long.")
        await line.say("audio_start", seq=5, turn=1, sample_rate=line.rate_hz)
        await line.socket.send_bytes(tone(1.0, line.rate_hz).tobytes())

    async def second(line: Line) -> None:
        await line.until(lambda: bool(line.messages))
        await line.say("resumed", frames=1)
        await line.socket.send_bytes(tone(0.5, running.lines[0].rate_hz).tobytes())
        await line.say("audio_complete", seq=8, turn=1, audio_seconds=1.5)
        await line.until(lambda: any(p["played_ms"] == 1500 for p in line.got("played")))
        await line.say("turn_ended", seq=9, turn=1, outcome="completed")

    async with served(first, second) as (running, standing):
        await page.goto(standing.url)
        await type_turn(page, "one")
        await page.until("voicebus.turns[0]?.playedMs > 100")
        standing.refuses = True
        standing.cut_all()
        await page.until("voicebus.state === 'away'")
        await page.until("voicebus.playedMs[1] === 1000")
        standing.refuses = False
        await page.until("voicebus.turns[0].outcome === 'completed'")
        turn = await page.evaluate("voicebus.turns[0]")
        resume = running.lines[1].messages[0]

    assert (turn["playedMs"], turn["reply"], turn["error"]) == (1500, "Long.", "")
    assert resume["received"] == 6, "audio counts, too"


async def test_a_session_that_is_over_is_said_in_words(page: Page) -> None:
    """The page does not begin anew behind its user's back."""

    async def second(line: Line) -> None:
        await line.until(lambda: bool(line.messages))
        error = {"code": "session_expired", "message": "This session is over.", "stage": "edge"}
        await line.say("error", retryable=False, **error)

    async with served(begin, second) as (running, standing):
        await page.goto(standing.url)
        await type_turn(page, "one")
        await page.until("voicebus.state === 'ready'")
        standing.cut_all()
        await page.until("voicebus.state === 'lost'")
        problem = await text_of(page, "#problem p")
        reconnect = await page.evaluate("document.getElementById('reconnect').hidden")

    assert problem == "The connection was lost. This session is over."
    assert not reconnect
    assert len(running.lines) == 2


async def test_a_server_that_falls_silent_is_left(page: Page) -> None:
    """Nobody says that the network is gone: the page notices that nothing is answered."""

    async def second(line: Line) -> None:
        await line.until(lambda: bool(line.messages))
        await line.say("resumed", frames=0)
        await line.until(lambda: bool(line.got("text")))

    async with served(begin, second) as (running, standing):
        await page.goto(standing.url)
        await page.evaluate(NOTE_STATES)
        await type_turn(page, "one")
        await page.until("voicebus.state === 'ready'")
        for wire in standing.wires:
            wire.swallow()
        await type_turn(page, "two")
        await page.until("states.includes('away') && voicebus.state === 'ready'")
        line = running.lines[1]
        await line.until(lambda: len(line.got("text")) == 2)

    assert [message["text"] for message in line.got("text")] == ["one", "two"]


async def test_a_server_that_is_silent_again_gets_twice_the_time(page: Page) -> None:
    """Its path may be slow: coming back every two seconds would never get a word through."""
    clock = asyncio.get_running_loop().time
    times: list[float] = []

    async def script(line: Line) -> None:
        if line is running.lines[0]:
            await begin(line)
            return
        await line.until(lambda: bool(line.messages))
        times.append(clock())
        await line.say("resumed", frames=0)

    async with edge(script) as running:
        await page.goto(running.page)
        await type_turn(page, "one")
        async with asyncio.timeout(60):
            while len(times) < 3:
                await asyncio.sleep(0.1)

    assert times[2] - times[1] > 3.5


async def test_who_begins_anew_does_not_come_back(page: Page) -> None:
    """The button ends the waiting: the next session is a new one."""
    async with served(begin, begin) as (running, standing):
        await page.goto(standing.url)
        await type_turn(page, "one")
        await page.until("voicebus.state === 'ready'")
        standing.refuses = True
        standing.cut_all()
        await page.until("voicebus.state === 'away'")
        await click(page, "reconnect")
        await page.until("voicebus.state === 'lost'")
        standing.refuses = False
        await asyncio.sleep(1.0)
        connections = len(running.lines)
        await click(page, "reconnect")
        await page.until("voicebus.state === 'ready'")
        line = running.lines[1]

    assert connections == 1, "nobody waits any more"
    assert line.messages[0]["type"] == "start"
