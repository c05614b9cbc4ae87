"""What a person may choose and press on the page: settings, muting, keys; and the end of a call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from tests.browser import Page
from tests.edge_script import Edge, Line, edge, tone
from tests.talk_page import click, keep_screenshots, talk_page, text_of, type_turn

pytestmark = pytest.mark.browser

CHOOSE = """
const { language, voice, speed, policy, interruptions, greeting } =
  document.getElementById('settings-form').elements;
language.value = 'EN'; voice.value = 'joe'; speed.value = '1.3'; policy.value = 'patient';
interruptions.checked = false; greeting.value = ' Good day. ';
speed.dispatchEvent(new Event('input'));
"""


@pytest.fixture
async def page(chromium: str, tmp_path: Path) -> AsyncIterator[Page]:
    """A tab of a browser whose microphone is allowed."""
    async with talk_page(chromium, tmp_path) as tab:
        yield tab


async def opened(line: Line) -> None:
    """Take the session and say nothing."""
    await line.open()


async def started(running: Edge, sessions: int) -> None:
    """Wait until as many sessions have begun."""
    async with asyncio.timeout(20):
        while len(running.lines) < sessions or not running.lines[-1].start:
            await asyncio.sleep(0.02)


async def test_settings_go_into_the_next_start_and_stay_in_the_browser(page: Page) -> None:
    """What is chosen counts from the next connection on, and after the page was loaded anew."""
    async with edge(opened) as running:
        await page.goto(running.page)
        await type_turn(page, "one")
        await page.until("voicebus.state === 'ready'")
        await click(page, "settings-open")
        await page.evaluate(CHOOSE)
        await keep_screenshots(page, "talk-settings")
        await click(page, "settings-keep")
        assert not await page.evaluate("document.getElementById('settings').open")
        assert not await page.evaluate("document.getElementById('stale').hidden")
        await click(page, "reconnect")
        await started(running, 2)
        await page.until("voicebus.state === 'ready'")
        assert await page.evaluate("document.getElementById('stale').hidden")
        await page.goto(running.page)
        await click(page, "settings-open")
        shown = await page.evaluate(
            "Object.fromEntries(new FormData(document.getElementById('settings-form')))"
        )
        await page.key("Escape")
        await type_turn(page, "three")
        await started(running, 3)
        before, changed, reloaded = (line.start for line in running.lines)

    plain = {"type", "input", "output", "resume", "conversation"}
    assert set(before) == plain
    assert {name: value for name, value in changed.items() if name not in plain} == {
        "language": "en",
        "voice": "joe",
        "speed": 1.3,
        "end_of_turn": {"policy": "patient"},
        "interruption": {"allowed": False},
        "greeting": "Good day.",
    }
    assert reloaded == changed
    assert shown == {
        "language": "en",
        "voice": "joe",
        "speed": "1.3",
        "policy": "patient",
        "greeting": "Good day.",
    }
    assert page.complaints == []


async def test_settings_that_are_damaged_or_refused_do_not_break_the_page(page: Page) -> None:
    """What another hand wrote into the storage is left out; a bad field cannot be kept."""
    async with edge(opened) as running:
        await page.goto(running.page)
        await page.evaluate(
            'localStorage.setItem(\'voicebus.settings\', \'{"speed": [9], "voice": "joe"}\')'
        )
        await page.goto(running.page)
        chosen = await page.evaluate("voicebus.settings")
        await page.evaluate("localStorage.setItem('voicebus.settings', 'null')")
        await page.goto(running.page)
        nothing = await page.evaluate("voicebus.settings")
        await click(page, "settings-open")
        await page.evaluate(
            "document.getElementById('settings-form').elements.voice.value = 'a b/c'"
        )
        await click(page, "settings-keep")
        still_open = await page.evaluate("document.getElementById('settings').open")
        await click(page, "settings-close")

    assert (chosen["speed"], chosen["voice"]) == (1, "joe")
    assert (nothing["speed"], nothing["voice"], nothing["policy"]) == (1, "", "balanced")
    assert still_open
    assert (await page.evaluate("voicebus.settings"))["voice"] == ""


async def test_a_muted_page_sends_silence_and_says_so(page: Page) -> None:
    """Muting is told to the server and seen; frames go on, without the voice in them."""
    async with edge(opened) as running:
        await page.goto(running.page)
        await click(page, "talk")
        await page.until("voicebus.microphone === 'on'")
        line = running.lines[0]
        await line.until(lambda: bool(np.frombuffer(bytes(line.audio), dtype="<i2").any()))
        await click(page, "mute")
        await line.until(lambda: bool(line.got("mute")))
        floor = await text_of(page, "#floor")
        pressed = await page.evaluate("document.getElementById('mute').ariaPressed")
        await keep_screenshots(page, "talk-muted")
        begin = len(line.audio)
        await line.until(lambda: len(line.audio) > begin + 32_000)
        silence = bytes(line.audio[begin:])
        await click(page, "mute")
        await line.until(lambda: len(line.got("mute")) == 2)

    assert line.got("mute") == [{"type": "mute", "muted": True}, {"type": "mute", "muted": False}]
    assert not any(silence)
    assert (floor, pressed) == ("You are muted", "true")


async def test_keys_are_sent_one_by_one(page: Page) -> None:
    """The keypad opens, takes clicks and the keyboard, and closes with Escape."""
    async with edge(opened) as running:
        await page.goto(running.page)
        await click(page, "keypad-open")
        await page.until("!document.getElementById('keypad').hidden")
        await page.evaluate("document.querySelectorAll('#keys button')[10].click()")
        await page.until("voicebus.state === 'ready'")
        line = running.lines[0]
        await line.until(lambda: len(line.got("keys")) == 1)
        await page.key("#", "#")
        await line.until(lambda: len(line.got("keys")) == 2)
        pressed = await text_of(page, "#keypad-pressed")
        await keep_screenshots(page, "talk-keypad")
        await page.key("Escape")
        hidden = await page.evaluate("document.getElementById('keypad').hidden")
        focused = await page.evaluate("document.activeElement.id")

    assert line.got("keys") == [{"type": "keys", "digits": "0"}, {"type": "keys", "digits": "#"}]
    assert pressed == "0#"
    assert hidden
    assert focused == "keypad-open"


async def test_a_hang_up_is_told_with_its_reason_and_the_last_words_are_heard(page: Page) -> None:
    """The end of a call is no error; what has arrived is played; one may call again."""

    async def script(line: Line) -> None:
        await line.open()
        await line.say("turn_started", turn=1, text="", said="Good bye.")
        await line.say("audio_start", turn=1, sample_rate=line.rate_hz)
        await line.socket.send_bytes(tone(1.0, line.rate_hz).tobytes())
        await line.say("hang_up", reason="silence")
        await line.socket.close(1000)

    async with edge(script) as running:
        await page.goto(running.page)
        await type_turn(page, "one")
        await page.until("voicebus.state === 'ended'")
        notice = await text_of(page, "#notice")
        problem = await page.evaluate("document.getElementById('problem').hidden")
        reconnect = await page.evaluate("document.getElementById('reconnect').hidden")
        await page.until("voicebus.playedMs[1] === 1000")
        await page.until("!voicebus.turns[0].playing")
        await asyncio.sleep(0.1)

    assert notice == "The call has ended: nothing was said for a while."
    assert problem, "a hang-up is not shown as an error"
    assert not reconnect
    assert await text_of(page, ".assistant") == "Good bye."


async def test_every_control_is_reached_by_the_keyboard(page: Page) -> None:
    """Tab goes through all that can be pressed, in the order in which it stands."""
    async with edge(opened) as running:
        await page.goto(running.page)
        reached = []
        for _ in range(9):
            await page.key("Tab")
            reached.append(await page.evaluate("document.activeElement.id"))
        await page.look("light", 320, 640)
        narrow = await page.evaluate("document.documentElement.scrollWidth")

    assert reached[1:6] == ["device-open", "settings-open", "talk", "text", ""]
    assert reached[6] == "keypad-open"
    assert narrow <= 320, "nothing stands out on a narrow screen"
