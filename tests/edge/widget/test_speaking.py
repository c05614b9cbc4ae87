"""The widget in a real browser, on a page of another site with a strict policy: in speech."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.browser import Page
from tests.edge.widget.pages import SILENT, SITE, answer, begin, shop, speak
from tests.edge_script import Line
from tests.talk_page import SAMPLE
from tests.widget_page import (
    consent,
    element,
    events,
    inside,
    press,
    text_of,
    type_turn,
    visited,
    widget,
)

pytestmark = pytest.mark.browser

NOTE_MICROPHONES = """
window.opened = 0;
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = (asked) => { opened += 1; return open(asked); };
"""


@pytest.fixture
async def page(chromium: str, tmp_path: Path) -> AsyncIterator[Page]:
    """A tab of a browser whose microphone is allowed, and plays the sample once."""
    async with visited(chromium, tmp_path, SAMPLE) as tab:
        yield tab


async def test_nothing_is_heard_before_the_person_agrees(page: Page) -> None:
    """The text comes first; who declines types, and who has agreed is not asked again."""
    async with shop(page, answer, widget("shop")) as (running, _):
        await page.evaluate(NOTE_MICROPHONES)
        await page.evaluate(f"{element('shop')}.talk()")
        asked = await text_of(page, "shop", "#consent-text")
        await asyncio.sleep(0.3)
        before = await page.evaluate("opened"), len(running.lines)
        await press(page, "shop", "#consent div button:last-child")
        is_typing = await page.evaluate(f"{element('shop')}.shadowRoot.activeElement.id")
        declined = await events(page, "shop", "consent")
        await consent(page, "shop")
        await page.until(f"{element('shop')}.microphone === 'on'")
        await page.evaluate(f"{element('shop')}.hangUp()")
        await press(page, "shop", "#talk")
        await page.until(f"{element('shop')}.microphone === 'on'")
        again = await page.evaluate(f"{inside('shop', '#consent')}.hidden")

    assert running.root.removeprefix("http://") in asked, "it says where the voice goes"
    assert before == (0, 0)
    assert (is_typing, declined) == ("text", [{"given": False}])
    assert again
    assert len(running.lines) == 2


async def test_a_spoken_turn_has_live_captions_and_is_answered_aloud(page: Page) -> None:
    """20 ms frames go up; partials, the final and the reply's words are shown as they come."""
    async with shop(page, speak, widget("shop", **SILENT)) as (running, _):
        await press(page, "shop", "#launch")
        await press(page, "shop", "#talk")
        await page.until(f"{inside('shop', '.unstable')}?.textContent === ' leisure'")
        stable = await text_of(page, "shop", ".stable")
        floor = await page.evaluate(f"{element('shop')}.floor")
        await page.until(f"{inside('shop', '.user')}?.innerText.includes('have we?')")
        await page.until(f"{inside('shop', '.spoken')}?.innerText.startsWith('As much')")
        line = running.lines[0]
        await line.until(lambda: bool(line.got("played")))
        captions = await events(page, "shop", "caption")
        status = await text_of(page, "shop", "#status")
        complaints = [one for one in page.complaints if "favicon" not in one]

    assert set(line.frame_bytes) == {640}
    assert line.start["output"]["audio"] is True
    assert (stable, floor) == ("What", "caller")
    assert [one["text"] for one in captions] == ["What leisure", "What leisure have we?"]
    assert status == "Speaking"
    assert complaints == [], "the worklets are files, which a strict policy allows"


async def test_a_barge_in_is_heard_at_once_and_told_to_the_millisecond(page: Page) -> None:
    """The rest is dropped here; the server learns how much was heard, and the words end there."""

    async def interrupted(line: Line) -> None:
        await speak(line)
        await line.until(lambda: any(one["played_ms"] >= 900 for one in line.got("played")))
        await line.say("pause", turn=1)
        await line.say("flush", turn=1)
        await line.until(lambda: bool(line.got("flushed")))
        await line.say(
            "turn_ended", turn=1, outcome="interrupted", reply="As much as", heard_ms=950
        )

    async with shop(page, interrupted, widget("shop", opened="", **SILENT)) as (running, _):
        await press(page, "shop", "#talk")
        await page.until(f"{inside('shop', '.cut')}?.innerText === 'cut off here'", 30)
        heard = await text_of(page, "shop", ".spoken")
        rest = await text_of(page, "shop", ".unheard")
        line = running.lines[0]
        frames = len(line.frame_bytes)
        await line.until(lambda: len(line.frame_bytes) > frames + 10)

    (flushed,) = line.got("flushed")
    assert 900 <= flushed["played_ms"] < 7000
    assert (heard, rest) == ("As much as", "you like.")


async def test_escape_silences_the_reply_without_asking_the_server(page: Page) -> None:
    """The first Escape stops the reply, the second closes the panel."""
    async with shop(page, speak, widget("shop", **SILENT)) as (running, _):
        await press(page, "shop", "#launch")
        await press(page, "shop", "#talk")
        await page.until(f"{element('shop')}.turns[0]?.playedMs > 300", 30)
        await page.evaluate(f"{inside('shop', '#text')}.focus()")
        await page.key("Escape")
        await page.until(f"!{element('shop')}.turns[0].playing")
        line = running.lines[0]
        await line.until(lambda: bool(line.got("cancel")))
        is_open = await page.evaluate(f"{element('shop')}.isOpen")
        await page.key("Escape")
        is_closed = not await page.evaluate(f"{element('shop')}.isOpen")
        microphone = await page.evaluate(f"{element('shop')}.microphone")

    assert line.got("played")[-1]["played_ms"] < 8000
    assert (is_open, is_closed) == (True, True)
    assert microphone == "off", "a closed widget hears nothing"


async def test_two_widgets_are_two_conversations_and_one_microphone(page: Page) -> None:
    """Each has its own session; who speaks to the second one does not speak to the first."""
    body = widget("shop", placement="left", **SILENT) + widget("tea", **SILENT)
    async with shop(page, speak, body, "shop", "tea", tea=SITE) as (running, _):
        for site in ("shop", "tea"):
            await page.evaluate(f"{element(site)}.talk()")
            await page.until(f"{element(site)}.microphone === 'on'")
        microphones = [await page.evaluate(f"{element(s)}.microphone") for s in ("shop", "tea")]
        first, second = running.lines
        frames = len(first.frame_bytes)
        await second.until(lambda: len(second.frame_bytes) > 20)
        await page.until(f"{element('tea')}.turns.length === 1", 30)

    assert microphones == ["off", "on"]
    assert len(first.frame_bytes) <= frames + 1
    assert first.got("end_stream") == [{"type": "end_stream"}]


async def test_who_typed_first_may_speak_then(page: Page) -> None:
    """A session without sound gives way to one with it, in the same conversation."""
    async with shop(page, answer, widget("shop", opened="", **SILENT)) as (running, _):
        await type_turn(page, "shop", "Is there tea?")
        await page.until(f"{element('shop')}.turns[0]?.outcome === 'completed'")
        await press(page, "shop", "#talk")
        await page.until(f"{element('shop')}.microphone === 'on'")
        async with asyncio.timeout(20):
            while len(running.lines) < 2 or not running.lines[1].start:
                await asyncio.sleep(0.05)
        shown = await text_of(page, "shop", ".assistant")
        starts = [line.start for line in running.lines]

    assert [start["output"]["audio"] for start in starts] == [False, True]
    assert [start["conversation"] for start in starts] == ["new", "c1"]
    assert "Tea is ready." in shown, "what was said stays on the page"


async def test_a_muted_microphone_sends_silence(page: Page) -> None:
    """The server is told, and the samples are zero."""

    async def quiet(line: Line) -> None:
        await begin(line)

    async with shop(page, quiet, widget("shop", opened="", **SILENT)) as (running, _):
        await press(page, "shop", "#talk")
        await page.until(f"{element('shop')}.microphone === 'on'")
        line = running.lines[0]
        await line.until(lambda: len(line.frame_bytes) > 60)
        await press(page, "shop", "#mute")
        await line.until(lambda: line.got("mute") == [{"type": "mute", "muted": True}])
        muted_at = len(line.audio)
        await line.until(lambda: len(line.audio) > muted_at + 32_000)
        pressed = await page.evaluate(f"{inside('shop', '#mute')}.ariaPressed")

    assert any(line.audio[:muted_at])
    assert not any(line.audio[muted_at + 6_400 :]), "but for what was on its way"
    assert pressed == "true"


async def test_without_a_microphone_the_reason_is_told(chromium: str, tmp_path: Path) -> None:
    """In the page's language, and typing works."""

    async def reply(line: Line) -> None:
        await answer(line)

    async with (
        visited(chromium, tmp_path, SAMPLE, "--deny-permission-prompts") as page,
        shop(page, reply, widget("shop", opened="", language="ru", **SILENT)),
    ):
        await press(page, "shop", "#talk")
        await page.until(f"!{inside('shop', '#problem')}.hidden")
        told = await text_of(page, "shop", "#problem p")
        await type_turn(page, "shop", "Чай?")
        await page.until(f"{inside('shop', '.assistant')}?.innerText.includes('ready')")

    assert told.startswith("Браузер не даёт этой странице микрофон")
