"""The widget on a page of another site, in a real browser, against the real system."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from schemas.claim import Claimed
from schemas.event import Event
from schemas.session import SessionClosed
from schemas.stt import TranscriptFinal, TranscriptPartial
from schemas.turn import ConverseRequest
from subjects.catalog import Place, subject_of
from tests.browser import Page
from tests.e2e.client import PAUSE, connected, word_error_rate
from tests.e2e.sites import host
from tests.system import System
from tests.talk_page import SAMPLE
from tests.widget_page import (
    UNPROCESSED,
    Host,
    consent,
    element,
    events,
    go,
    inside,
    open_sites,
    press,
    text_of,
    type_turn,
    visited,
    widget,
)
from voicebus.audio.wav import read_wav
from voicebus.bus.client import connect as connect_bus
from voicebus.settings import BusSettings

__all__ = ["host"]

pytestmark = [pytest.mark.browser, pytest.mark.model, pytest.mark.timeout(300)]

WORDS = (
    "and mister john dashwood had then leisure to consider how much there might be prudently in "
    "his power to do for them"
)

GREETING = (
    "Welcome. " + "We have many kinds of tea, and each of them has a long story. " * 3
).strip()

ON_COMMAND = """
const context = new AudioContext();
const spoken = context.createMediaStreamDestination();
navigator.mediaDevices.getUserMedia = async () => spoken.stream;
window.utter = async (base64) => {
  const source = context.createBufferSource();
  const bytes = Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
  source.buffer = await context.decodeAudioData(bytes.buffer);
  source.connect(spoken);
  source.start();
};
void context.resume();
"""
"""Makes a microphone that is silent until the test lets it hear a recording."""


@pytest.fixture
async def page(chromium: str, tmp_path: Path) -> AsyncIterator[Page]:
    """A tab of a browser whose microphone is allowed, and plays the sample once."""
    async with visited(chromium, tmp_path, SAMPLE) as tab:
        yield tab


@asynccontextmanager
async def overheard(system: System, *kinds: type[Event]) -> AsyncIterator[list[Event]]:
    """Collect what is said on the bus, of these kinds and of all sessions."""
    bus = await connect_bus(BusSettings(nats_url=system.nats.url), "overheard")
    heard: list[Event] = []
    everywhere = Place(bus.cell, "*", "*")

    async def collect() -> None:
        # Several kinds may come on one subject, and each of them is to be heard once.
        async with bus.listen(*{subject_of(kind, everywhere) for kind in kinds}) as inbox:
            async for _, event in inbox:
                heard.append(event)

    collecting = asyncio.create_task(collect())
    try:
        await asyncio.sleep(0.1)
        yield heard
    finally:
        collecting.cancel()
        await asyncio.wait((collecting,))
        await bus.close()


async def hand_on_claim(system: System, claim: Claimed) -> None:
    """Have what a dead worker held given to the next one, as the supervisor does."""
    bus = await connect_bus(BusSettings(nats_url=system.nats.url), "supervisor")
    try:
        await bus.publish_raw(claim.ack, b"-NAK")
        await bus.flush()
    finally:
        await bus.close()


async def understood_at_ws(system: System) -> str:
    """What a program is understood to have said that speaks the sample to /ws."""
    async with connected(system, {"input": {"format": "pcm_s16le"}}) as client:
        await client.speak(read_wav(SAMPLE)[1], pace=1.0)
        for _ in range(4):
            await client.speak(PAUSE, pace=1.0)
            if client.messages("turn_started"):
                break
        started = await client.until("turn_started")
    return str(started["text"])


async def test_a_visitor_speaks_and_is_understood_as_well_as_a_program(
    page: Page, host: Host, real_system: System
) -> None:
    """Consent, captions that follow the bus word for word, and a spoken answer; under a policy."""
    await open_sites(real_system, host, shop="")
    host.body = widget("shop")
    async with overheard(real_system, TranscriptPartial, TranscriptFinal) as heard:
        await go(page, host, "shop")
        await page.evaluate(UNPROCESSED)
        await press(page, "shop", "#launch")
        await consent(page, "shop")
        await page.until(f"{inside('shop', '.unstable')}?.textContent", 30)
        await page.until(f"{element('shop')}.turns[0]?.playedMs > 300", 60)
        await page.until(f"{element('shop')}.turns[0].outcome", 60)
        (turn,) = await page.evaluate(f"{element('shop')}.turns")
        shown = await text_of(page, "shop", ".spoken")
        captions = await events(page, "shop", "caption")
    program = await understood_at_ws(real_system)

    said = [event for event in heard if isinstance(event, TranscriptPartial | TranscriptFinal)]
    assert [caption["text"] for caption in captions if caption["text"]] == [
        event.text for event in said if event.text
    ], "no caption is lost, late or made up"
    assert word_error_rate(WORDS, turn["text"]) <= word_error_rate(WORDS, program) + 0.02
    assert (turn["outcome"], turn["playedMs"] > 0) == ("completed", True)
    assert shown == turn["reply"].strip()
    assert [one for one in page.complaints if "favicon" not in one] == []


async def test_two_widgets_have_two_personas(page: Page, host: Host, real_system: System) -> None:
    """One page, two sites: each session is as its own site says, at the same time."""
    personas = {"shop": "You sell shoes.", "tea": "You sell tea."}
    lines = {k: f'mode = "text"\nsession.instructions = "{v}"' for k, v in personas.items()}
    await open_sites(real_system, host, **lines)
    host.body = widget("shop", placement="inline") + widget("tea")
    async with overheard(real_system, ConverseRequest) as heard:
        await go(page, host, *personas)
        await press(page, "tea", "#launch")
        for site in personas:
            await type_turn(page, site, "Hello")
        for site in personas:
            await page.until(f"{element(site)}.turns[0]?.outcome === 'completed'", 60)
    replies = [await text_of(page, site, ".assistant") for site in personas]
    ids = [await page.evaluate(f"{element(site)}.sessionId") for site in personas]

    asked = [one.settings.instructions for one in heard if isinstance(one, ConverseRequest)]
    assert sorted(asked) == sorted(personas.values())
    assert all(len(reply) > len("Assistant: ") for reply in replies)
    assert len(set(ids)) == 2


@pytest.mark.fault
async def test_a_visitor_goes_on_when_the_edge_was_killed(
    page: Page, host: Host, real_system: System
) -> None:
    """In the middle of a sentence: what is said meanwhile is kept, and no word is missing."""
    await open_sites(real_system, host, shop="")
    host.body = widget("shop", text_consent="")
    await go(page, host, "shop")
    await page.evaluate(UNPROCESSED)
    await press(page, "shop", "#launch")
    await press(page, "shop", "#talk")
    await page.until(f"{inside('shop', '.unstable')}?.textContent", 30)
    with real_system.without("edge"):
        await page.until(f"{element('shop')}.state === 'away'")
        status = await text_of(page, "shop", "#status")
    await page.until(f"{element('shop')}.state === 'ready'", 30)
    await page.until(f"{element('shop')}.turns[0]?.outcome", 90)
    (turn,) = await page.evaluate(f"{element('shop')}.turns")
    problems: list[Any] = await events(page, "shop", "error")

    assert status == "Reconnecting…"
    assert word_error_rate(WORDS, turn["text"]) <= 0.2, turn["text"]
    assert (turn["outcome"], problems) == ("completed", [])
    assert turn["playedMs"] == pytest.approx(1000 * turn["audioSeconds"], abs=1)


@pytest.mark.fault
@pytest.mark.parametrize(
    ("role", "until"),
    [
        ("stt", f"{inside('shop', '.unstable')}?.textContent"),
        ("turn", f"{inside('shop', '.unstable')}?.textContent"),
        ("llm", f"{element('shop')}.turns[0]?.reply"),
    ],
    ids=["listener", "leader", "model"],
)
async def test_a_visitor_is_answered_though_a_worker_was_killed(
    page: Page, host: Host, real_system: System, role: str, until: str
) -> None:
    """In the middle of a sentence, or of its answer: another one goes on and loses no word."""
    await open_sites(real_system, host, shop="")
    host.body = widget("shop", text_consent="")
    await go(page, host, "shop")
    await page.evaluate(UNPROCESSED)
    async with overheard(real_system, Claimed) as heard:
        await press(page, "shop", "#launch")
        await press(page, "shop", "#talk")
        await page.until(until, 60)
        with real_system.without(role):
            pass
        held = [one for one in heard if isinstance(one, Claimed) and one.role == role]
        await hand_on_claim(real_system, held[-1])
        await page.until(f"{element('shop')}.turns[0]?.outcome", 90)
    (turn,) = await page.evaluate(f"{element('shop')}.turns")
    problems = await events(page, "shop", "error")

    assert word_error_rate(WORDS, turn["text"]) <= 0.2, turn["text"]
    assert (turn["outcome"], problems) == ("completed", [])
    assert turn["playedMs"] == pytest.approx(1000 * turn["audioSeconds"], abs=1)
    assert await text_of(page, "shop", ".spoken") == turn["reply"].strip()


@pytest.mark.fault
async def test_a_visitor_hears_all_though_the_voice_was_killed(
    page: Page, host: Host, real_system: System
) -> None:
    """In mid-sentence: another worker goes on with the word, and the page cannot tell."""
    await open_sites(real_system, host, shop=f'session.greeting = "{GREETING}"')
    host.body = widget("shop", text_consent="")
    await go(page, host, "shop")
    await page.evaluate(ON_COMMAND)
    async with overheard(real_system, Claimed, SessionClosed) as heard:
        await press(page, "shop", "#launch")
        await press(page, "shop", "#talk")
        await page.until(f"{element('shop')}.turns[0]?.playedMs > 300", 60)
        with real_system.without("tts"):
            pass
        speaking = [one for one in heard if isinstance(one, Claimed) and one.role == "tts"]
        await hand_on_claim(real_system, speaking[-1])
        await page.until(f"{element('shop')}.turns[0]?.outcome", 90)
        (turn,) = await page.evaluate(f"{element('shop')}.turns")
        problems = await events(page, "shop", "error")

        await page.command("Page.navigate", url="about:blank")
        async with asyncio.timeout(30):
            while not (closed := [one for one in heard if isinstance(one, SessionClosed)]):
                await asyncio.sleep(0.05)

    assert (turn["outcome"], turn["reply"].strip(), problems) == ("completed", GREETING, [])
    assert turn["playedMs"] == pytest.approx(1000 * turn["audioSeconds"], abs=1)
    assert turn["audioSeconds"] > 6
    assert closed[0].reason == "client", "nobody works for a page that was left"


async def test_a_visitor_interrupts_the_reply_by_speaking(
    page: Page, host: Host, real_system: System
) -> None:
    """The greeting is cut where it was heard; the history and the page agree on the words."""
    await open_sites(real_system, host, shop=f'session.greeting = "{GREETING}"')
    host.body = widget("shop", text_consent="")
    await go(page, host, "shop")
    await page.evaluate(ON_COMMAND)
    await press(page, "shop", "#launch")
    await press(page, "shop", "#talk")
    await page.until(f"{element('shop')}.turns[0]?.playedMs > 700", 60)
    await page.evaluate(f"utter({base64.b64encode(SAMPLE.read_bytes()).decode()!r})")
    await page.until(f"{element('shop')}.turns[0]?.outcome", 60)
    cut = (await page.evaluate(f"{element('shop')}.turns"))[0]
    await page.until(f"{element('shop')}.turns[1]?.text", 60)
    heard = await text_of(page, "shop", ".spoken")

    assert cut["outcome"] == "interrupted"
    assert cut["flushed"]
    assert 700 < cut["playedMs"] < 8_000
    assert cut["heardMs"] == pytest.approx(cut["playedMs"], abs=60)
    assert heard == (cut["heard"] or "").strip()
    assert GREETING.startswith(heard)
