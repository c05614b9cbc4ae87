"""Going on with the conversation on another device, and here with one from there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.browser import Page
from tests.edge_script import Line, edge
from tests.talk_page import click, keep_screenshots, talk_page, text_of, type_turn

pytestmark = pytest.mark.browser

LOADED = "performance.getEntriesByType('resource').some((one) => one.name.endsWith('device.js'))"


@pytest.fixture
async def page(chromium: str, tmp_path: Path) -> AsyncIterator[Page]:
    """A tab of a browser."""
    async with talk_page(chromium, tmp_path) as tab:
        yield tab


async def coding(line: Line) -> None:
    """Take the session and make a code when it is asked for."""
    await line.open()
    await line.until(lambda: bool(line.got("link")))
    await line.say("link_code", code="K7QF-3MXZ", expires_s=300)


async def refusing(line: Line) -> None:
    """Refuse every code, as an edge does."""
    await line.until(lambda: bool(line.messages))
    line.start = line.messages[0]
    if "link_code" not in line.start:
        await line.open()
        return
    told = {"code": "link_refused", "message": "this code is not good, or not any more"}
    await line.say("error", stage="edge", retryable=False, **told)
    await line.socket.close(1008, told["message"])


async def test_the_page_shows_a_code_for_another_device(page: Page) -> None:
    """Its session is one that others can join; the script is loaded when it is needed."""
    async with edge(coding) as running:
        await page.goto(running.page)
        await type_turn(page, "hello")
        await page.until("voicebus.state === 'ready'")
        loaded_before = await page.evaluate(LOADED)
        await click(page, "device-open")
        await page.until("document.getElementById('device')?.open")
        await page.evaluate("document.querySelector('#device form button').click()")
        await page.until("document.querySelector('#device .code').textContent === 'K7QF-3MXZ'")
        await keep_screenshots(page, "talk-device")
        note = await text_of(page, "#device .note")

    assert running.lines[0].start["conversation"] == "new"
    assert not loaded_before
    assert note == "Good for 5 min, once."
    assert page.complaints == []


async def test_the_page_goes_on_with_a_conversation_from_elsewhere(page: Page) -> None:
    """The next session brings the code, and no later one: it is good once."""
    async with edge(coding) as running:
        await page.goto(running.page)
        await click(page, "device-open")
        await page.until("document.getElementById('device')?.open")
        await page.evaluate("document.querySelector('#device input').value = 'k7qf 3mxz'")
        await page.evaluate("document.querySelector('#device form').requestSubmit()")
        await page.until("voicebus.state === 'ready'")
        is_open = await page.evaluate("document.getElementById('device').open")
        await page.evaluate("document.getElementById('reconnect').click()")
        async with asyncio.timeout(20):
            while len(running.lines) < 2 or not running.lines[1].start:
                await asyncio.sleep(0.02)

    assert not is_open
    assert running.lines[0].start["link_code"] == "k7qf 3mxz"
    assert "conversation" not in running.lines[0].start
    assert running.lines[1].start["conversation"] == "new"
    assert page.complaints == []


async def test_the_page_says_that_a_code_is_not_good(page: Page) -> None:
    """In the server's words, and not as a lost connection."""
    async with edge(refusing) as running:
        await page.goto(running.page)
        await click(page, "device-open")
        await page.until("document.getElementById('device')?.open")
        await page.evaluate("document.querySelector('#device input').value = 'AAAA-AAAA'")
        await page.evaluate("document.querySelector('#device form').requestSubmit()")
        await page.until("voicebus.state === 'lost'")

        problem = await text_of(page, "#problem p")

    assert problem == "this code is not good, or not any more"
