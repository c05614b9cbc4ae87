"""A shop's page with widgets, against a scripted edge."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from edge.widget.sites import Site
from tests.browser import Page
from tests.edge_script import Edge, Line, Script, edge, tone
from tests.widget_page import Host, go, hosted

SITE = Site(origins=("self",), language="en")
SILENT = {"text_consent": ""}
"""Attributes of a widget that asks for no consent."""


@asynccontextmanager
async def shop(
    page: Page, script: Script, body: str, *ids: str, **sites: Site
) -> AsyncIterator[tuple[Edge, Host]]:
    """Open a page with this body; its sites are ``shop`` and those given."""
    async with edge(script) as running, hosted() as host:
        running.sites = {"shop": SITE, **sites}
        host.edge, host.body = running.root, body
        await go(page, host, *(ids or ("shop",)))
        yield running, host


async def begin(line: Line, conversation: str = "c1") -> None:
    """Take the session; its client may come back."""
    await line.until(lambda: bool(line.messages))
    line.start = line.messages[0]
    audio_info = {"format": "pcm_s16le", "sample_rate": line.rate_hz, "channels": 1}
    await line.say(
        "metadata", session_id="s-1", audio_info=audio_info, conversation_id=conversation
    )
    await line.say("ready")


async def answer(line: Line) -> None:
    """Answer what is typed, in writing."""
    await begin(line)
    for turn in itertools.count(1):
        while len(line.got("text")) < turn:
            line.has_news.clear()
            await line.has_news.wait()
        text = line.got("text")[turn - 1]["text"]
        await line.say("turn_started", turn=turn, text=text)
        for word in ("Tea", "is", "ready."):
            await line.say("reply_text", turn=turn, text=f"{word} ")
        await line.say("reply_done", turn=turn, text="Tea is ready.")
        await line.say("turn_ended", turn=turn, outcome="completed")


async def forget(line: Line) -> None:
    """Answer what is typed until the conversation is to be forgotten, and hang up."""
    talking = asyncio.create_task(answer(line))
    await line.until(lambda: bool(line.got("forget")))
    talking.cancel()
    await line.say("hang_up", reason="forgotten")
    await line.socket.close(1000)


async def speak(line: Line) -> None:
    """Hear a second, show a partial, and speak for long."""
    await begin(line)
    await line.until(lambda: len(line.audio) > 32_000)
    await line.say("speech_started", start_ms=100)
    await line.say("partial", utterance=1, text="What leisure", stable=4, start_ms=0, end_ms=900)
    await line.until(lambda: len(line.audio) > 64_000)
    await line.say(
        "final", utterance=1, text="What leisure have we?", start_ms=0, end_ms=1900, language="en"
    )
    await line.say("turn_started", turn=1, text="What leisure have we?")
    await line.say("reply_text", turn=1, text="As much as you like.")
    await line.say("audio_start", turn=1, sample_rate=line.rate_hz)
    await line.say(
        "spoken", turn=1, text="As much as you like.", start_ms=0, end_ms=8000,
        word_ends_ms=[300, 600, 900, 7000, 8000],
    )  # fmt: skip
    await line.socket.send_bytes(tone(8.0, line.rate_hz).tobytes())
