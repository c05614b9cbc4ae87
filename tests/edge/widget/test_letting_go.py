"""What a widget lets go of while it is still coming: a microphone, a connection, a text."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.browser import Page
from tests.edge.widget.pages import SILENT, SITE, answer, begin, shop
from tests.edge_script import Line
from tests.talk_page import SAMPLE
from tests.widget_page import element, inside, press, text_of, type_turn, visited, widget

pytestmark = pytest.mark.browser

HOLD_MICROPHONES = """
window.streams = [];
window.allowed = [];
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (asked) => {
  await new Promise((resolve) => { allowed.push(resolve); });
  const stream = await open(asked);
  streams.push(stream);
  return stream;
};
"""
"""Keeps the browser's question open until the test allows it: ``allowed[0]()``."""

IS_LIVE = "streams.flatMap((one) => one.getTracks()).some((one) => one.readyState === 'live')"

HOLD_SOCKETS = """
window.sockets = [];
const Socket = window.WebSocket;
window.WebSocket = class extends Socket {
  #onopen = null;
  constructor(url) {
    super(url);
    this.wasClosed = false;
    super.onopen = () => { this.isThere = true; };
    sockets.push(this);
  }
  set onopen(take) { this.#onopen = take; }
  get onopen() { return this.#onopen; }
  close(...how) { this.wasClosed = true; super.close(...how); }
  admit() { this.#onopen?.(); }
};
"""
"""Keeps connections from being open until the test lets them: ``sockets[0].admit()``."""


@pytest.fixture
async def page(chromium: str, tmp_path: Path) -> AsyncIterator[Page]:
    """A tab of a browser whose microphone is allowed, and plays the sample once."""
    async with visited(chromium, tmp_path, SAMPLE) as tab:
        yield tab


@pytest.mark.parametrize(
    "gesture",
    [
        f"{element('shop')}.close()",
        f"{element('shop')}.hangUp()",
        f"{element('shop')}.stop()",
        f"{inside('shop', '#talk')}.click()",
        f"{element('shop')}.remove()",
    ],
    ids=["close", "hangUp", "stop", "button", "remove"],
)
async def test_a_microphone_that_nobody_wants_any_more_is_not_opened(
    page: Page, gesture: str
) -> None:
    """The browser still asks the person when the gesture comes; what it allows then is let go."""
    async with shop(page, answer, widget("shop", **SILENT)) as (running, _):
        await page.evaluate(HOLD_MICROPHONES)
        await press(page, "shop", "#launch")
        await press(page, "shop", "#talk")
        await page.until("allowed.length === 1")
        await page.evaluate(f"void (window.taken = {element('shop')})")
        starting = await page.evaluate("taken.microphone")
        await page.evaluate(gesture)
        stopped = await page.evaluate("taken.microphone")
        await page.evaluate("allowed[0]()")
        await page.until("streams.length === 1")
        await page.until(f"!({IS_LIVE})")
        await asyncio.sleep(0.2)
        later = await page.evaluate("taken.microphone")

    assert (starting, stopped, later) == ("starting", "off", "off")
    assert running.lines == [], "no worker waits for it"


async def test_who_speaks_to_a_second_widget_stops_the_first_that_is_still_coming(
    page: Page,
) -> None:
    """One microphone at a time, also where the first had no connection yet."""
    body = widget("shop", placement="left", **SILENT) + widget("tea", **SILENT)
    async with shop(page, answer, body, "shop", "tea", tea=SITE):
        await page.evaluate(HOLD_MICROPHONES)
        for number, site in enumerate(("shop", "tea")):
            await press(page, site, "#talk")
            await page.until(f"allowed.length === {number + 1}")
        await page.evaluate("allowed.forEach((allow) => allow())")
        await page.until(f"{element('tea')}.microphone === 'on'")
        await page.until("streams.length === 2")
        live = "streams.filter((one) => one.active).length"
        await page.until(f"{live} === 1")
        first = await page.evaluate(f"{element('shop')}.microphone")

    assert first == "off"


async def test_a_microphone_may_be_asked_for_again_at_once(page: Page) -> None:
    """The first answer, which comes last, is not the one that counts."""
    async with shop(page, answer, widget("shop", **SILENT)):
        await page.evaluate(HOLD_MICROPHONES)
        await press(page, "shop", "#launch")
        for count in (1, 2):
            await press(page, "shop", "#talk")
            await page.until(f"allowed.length === {count}")
            if count == 1:
                await press(page, "shop", "#talk")
        await page.evaluate("allowed[1]()")
        await page.until(f"{element('shop')}.microphone === 'on'")
        await page.evaluate("allowed[0]()")
        await page.until("streams.length === 2")
        await page.until("!streams[1].active")
        states = await page.evaluate(f"[{element('shop')}.microphone, streams[0].active]")

    assert states == ["on", True]


@pytest.mark.parametrize("gesture", [f"{element('shop')}.hangUp()", f"{element('shop')}.remove()"])
async def test_a_connection_that_nobody_wants_any_more_begins_no_session(
    page: Page, gesture: str
) -> None:
    """Hung up or taken away while it is opened: it is closed, and the server hears no start."""
    async with shop(page, answer, widget("shop", opened="")) as (running, _):
        await page.evaluate(HOLD_SOCKETS)
        await page.evaluate(f"void (window.taken = {element('shop')})")
        await page.evaluate(
            "void taken.say('Is there tea?').catch((error) => { window.told = error.name; })"
        )
        await page.until("sockets[0]?.isThere")
        connecting = await page.evaluate("taken.state")
        await page.evaluate(gesture)
        await page.evaluate("sockets[0].admit()")
        await page.until("window.told")
        told = await page.evaluate("[told, sockets[0].wasClosed, sockets.length]")
        async with asyncio.timeout(20):
            while not running.lines or running.lines[0].code is None:
                await asyncio.sleep(0.05)
        state = await page.evaluate("taken.state")

    assert connecting == "connecting"
    assert told == ["ConnectionLost", True, 1]
    assert running.lines[0].messages == []
    assert state == "idle"


async def test_who_hangs_up_while_it_connects_may_begin_anew(page: Page) -> None:
    """At once: the connection that was given up is not the one that is waited for."""
    async with shop(page, answer, widget("shop", opened="")) as (running, _):
        await page.evaluate(HOLD_SOCKETS)
        again = f"""{{
          const widget = {element("shop")};
          widget.say("One").catch(() => {{}});
          widget.hangUp();
          void widget.say("Two");
        }}"""
        await page.evaluate(again)
        await page.until("sockets[1]?.isThere")
        await page.evaluate("sockets.forEach((socket) => socket.admit())")
        await page.until(f"{element('shop')}.turns[0]?.outcome === 'completed'")

    texts = [one["text"] for line in running.lines for one in line.got("text")]
    assert texts == ["Two"]


async def test_a_text_is_sent_once_however_often_enter_is_pressed(page: Page) -> None:
    """Until there is a connection the text stands in its field; it is under way all the same."""
    async with shop(page, answer, widget("shop", opened="")) as (running, _):
        await page.evaluate(HOLD_SOCKETS)
        for _ in range(3):
            await type_turn(page, "shop", "Is there tea?")
        await page.until("sockets[0]?.isThere")
        await page.evaluate("sockets[0].admit()")
        await page.until(f"{element('shop')}.turns[0]?.outcome === 'completed'")
        await page.until(f"{inside('shop', '#text')}.value === ''")
        await type_turn(page, "shop", "And coffee?")
        await page.until(f"{element('shop')}.turns[1]?.outcome === 'completed'")

    assert [one["text"] for one in running.lines[0].got("text")] == ["Is there tea?", "And coffee?"]


async def test_a_session_that_gets_its_sound_while_it_connects_is_one_with_sound(
    page: Page,
) -> None:
    """Typed first, and the microphone pressed before there is a connection: what plays is told."""

    async def aloud(line: Line) -> None:
        await begin(line)
        await line.until(lambda: bool(line.got("text")))
        await line.say("turn_started", turn=1, text="Is there tea?")
        await line.say("audio_start", turn=1, sample_rate=line.rate_hz)
        await line.socket.send_bytes(bytes(line.rate_hz * 2))
        await line.say("audio_complete", turn=1, audio_seconds=1.0)

    async with shop(page, aloud, widget("shop", opened="", **SILENT)) as (running, _):
        await page.evaluate(HOLD_SOCKETS)
        await type_turn(page, "shop", "Is there tea?")
        await page.until("sockets[0]?.isThere")
        await page.evaluate(HOLD_MICROPHONES)
        await press(page, "shop", "#talk")
        await page.until("allowed.length === 1")
        await page.evaluate("allowed[0](); sockets[0].admit()")
        await page.until(f"{element('shop')}.microphone === 'on'")
        async with asyncio.timeout(20):
            await running.lines[0].until(lambda: bool(running.lines[0].got("played")))

    assert running.lines[0].start["output"]["audio"] is True
    assert len(running.lines) == 1


async def test_a_link_button_whose_script_did_not_come_says_so(page: Page) -> None:
    """And can be pressed again."""
    async with shop(page, answer, widget("shop", opened="")):
        await page.command("Network.enable")
        await page.command("Network.setBlockedURLs", urls=["*link.js"])
        for _ in range(2):
            await press(page, "shop", "#link")
            await page.until(f"!{inside('shop', '#problem')}.hidden")
            told = await text_of(page, "shop", "#problem p")
            await press(page, "shop", "#dismiss")

    assert told
