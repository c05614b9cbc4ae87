"""What a page does with a widget from its own scripts, and what it hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.browser import Page
from tests.edge.widget.pages import SILENT, answer, begin, forget, shop, speak
from tests.edge_script import Line
from tests.talk_page import SAMPLE
from tests.widget_page import element, events, inside, text_of, visited, widget

pytestmark = pytest.mark.browser

SHOP = element("shop")

MAKE = """
window.heard = [];
window.made = document.createElement("voicebus-widget");
made.setAttribute("site", "shop");
made.id = "made";
made.addEventListener("load", () => {
  heard.push(made.isReady);
  made.open();
  void made.say("Is there tea?");
});
document.body.append(made);
made.say("Too early").catch(({ name }) => heard.push(name));
"""
"""A page that makes a widget itself, and asks before and after it is there."""


@pytest.fixture
async def page(chromium: str, tmp_path: Path) -> AsyncIterator[Page]:
    """A tab of a browser whose microphone is allowed, and plays the sample once."""
    async with visited(chromium, tmp_path, SAMPLE) as tab:
        yield tab


async def test_a_page_is_told_when_it_may_call(page: Page) -> None:
    """`load` comes once, and from then on the methods work; before that `say` is refused."""
    async with shop(page, answer, widget("shop")) as (running, _):
        before = await page.evaluate(f"{MAKE} made.isReady")
        await page.until("made.turns[0]?.outcome === 'completed'")
        heard = await page.evaluate("heard")
        is_open = await page.evaluate("made.isOpen")

    assert before is False
    assert heard == ["InvalidStateError", True]
    assert is_open
    assert running.lines[0].got("text") == [{"type": "text", "text": "Is there tea?"}]


async def test_a_page_opens_and_closes_the_panel(page: Page) -> None:
    """It hears of what was really done; closing turns the microphone off, and nobody is left."""

    async def quiet(line: Line) -> None:
        await begin(line)

    async with shop(page, quiet, widget("shop", **SILENT)) as (running, _):
        await page.evaluate(f"{SHOP}.close(); {SHOP}.open(); {SHOP}.open()")
        opened = await page.evaluate(f"{SHOP}.isOpen"), await events(page, "shop", "open")
        await page.evaluate(f"{SHOP}.talk()")
        await page.until(f"{SHOP}.microphone === 'on'")
        await page.evaluate(f"{SHOP}.close(); {SHOP}.close()")
        closed = await page.evaluate(f"{SHOP}.isOpen"), await events(page, "shop", "close")
        is_hidden = await page.evaluate(f"{inside('shop', '#panel')}.hidden")
        microphone = await page.evaluate(f"{SHOP}.microphone")
        await running.lines[0].until(lambda: bool(running.lines[0].got("end_stream")))
        state = await page.evaluate(f"{SHOP}.state")

    assert opened == (True, [{}])
    assert closed == (False, [{}])
    assert (is_hidden, microphone, state) == (True, "off", "ready")


async def test_a_panel_in_the_text_stays_open(page: Page) -> None:
    """There is no button to bring it back."""
    async with shop(page, answer, widget("shop", placement="inline")):
        await page.evaluate(f"{SHOP}.close()")
        is_open = await page.evaluate(f"{SHOP}.isOpen")
        closed = await events(page, "shop", "close")

    assert (is_open, closed) == (True, [])


async def is_heard(line: Line) -> bool:
    """Whether the next second is not silent, but for what was on its way."""
    begun = len(line.audio) + 6_400
    await line.until(lambda: len(line.audio) > begun + 32_000)
    return any(line.audio[begun : begun + 32_000])


async def test_a_page_mutes_and_unmutes(page: Page) -> None:
    """While muted, the samples are zero, and it says so; without a microphone there is nothing."""

    async def quiet(line: Line) -> None:
        await begin(line)

    muted = f"{SHOP}.isMuted"
    async with shop(page, quiet, widget("shop", **SILENT)) as (running, _):
        await page.evaluate(f"{SHOP}.mute(true)")
        without = await page.evaluate(muted)
        await page.evaluate(f"{SHOP}.talk()")
        await page.until(f"{SHOP}.microphone === 'on'")
        line = running.lines[0]
        await line.until(lambda: len(line.audio) > 32_000)
        at = []
        for call in ("mute(true)", "mute(false)", "mute()"):
            await page.evaluate(f"{SHOP}.{call}")
            at.append((await page.evaluate(muted), await is_heard(line)))
        floors = [one["floor"] for one in await events(page, "shop", "statechange")]
        told = [one["isMuted"] for one in await events(page, "shop", "statechange")]
        await page.evaluate(f"{SHOP}.stop()")
        after = await page.evaluate(muted)

    assert (without, after) == (False, False), "who stops is not muted the next time"
    assert at == [(True, False), (False, True), (True, False)]
    assert [one["muted"] for one in line.got("mute")][:3] == [True, False, True]
    assert [told[0], *(now for was, now in pairwise(told) if now != was)][:4] == [
        *(False, True, False, True)
    ]
    assert {floor for floor, is_muted in zip(floors, told, strict=True) if is_muted} == {"muted"}


async def test_a_page_that_has_asked_for_consent_says_so(page: Page) -> None:
    """`agree` opens nothing by itself; then the microphone comes without a further question."""
    async with shop(page, speak, widget("shop")) as (running, _):
        await page.evaluate(f"{SHOP}.talk()")
        asked = not await page.evaluate(f"{inside('shop', '#consent')}.hidden")
        await page.evaluate(f"{inside('shop', '#consent div button:last-child')}.click()")
        await page.evaluate(f"{SHOP}.agree()")
        await asyncio.sleep(0.3)
        before = await page.evaluate(f"{SHOP}.microphone"), len(running.lines)
        await page.evaluate(f"{SHOP}.talk()")
        await page.until(f"{SHOP}.microphone === 'on'")
        is_asked_again = not await page.evaluate(f"{inside('shop', '#consent')}.hidden")
        kept = await page.evaluate("localStorage.getItem('voicebus.consent.shop')")
        told = await events(page, "shop", "consent")

    assert asked
    assert before == ("off", 0)
    assert not is_asked_again
    assert running.root.removeprefix("http://") in kept, "the text that was agreed to"
    assert told == [{"given": False}], "the page knows its own answer"


async def test_a_page_cancels_the_reply(page: Page) -> None:
    """Silence at once, here; the server is told once, and how much was heard."""
    async with shop(page, speak, widget("shop", **SILENT)) as (running, _):
        await page.evaluate(f"{SHOP}.talk()")
        await page.until(f"{SHOP}.turns[0]?.playedMs > 300", 30)
        await page.evaluate(f"{SHOP}.cancel()")
        await page.until(f"!{SHOP}.turns[0].playing")
        line = running.lines[0]
        await line.until(lambda: bool(line.got("cancel")))
        (stopped,) = await page.evaluate(f"{SHOP}.turns")
        await asyncio.sleep(0.3)
        (later,) = await page.evaluate(f"{SHOP}.turns")
        floor = await page.evaluate(f"{SHOP}.floor")
        microphone = await page.evaluate(f"{SHOP}.microphone")

    assert line.got("cancel") == [{"type": "cancel"}]
    assert 300 < stopped["playedMs"] < 8_000
    assert later["playedMs"] == stopped["playedMs"]
    assert (floor == "assistant", microphone) == (False, "on"), "who stopped it may speak"


async def test_a_page_forgets_the_conversation(page: Page) -> None:
    """Its words are gone from the page and from the tab, and the next session is a new one."""
    kept = "sessionStorage.getItem('voicebus.conversation.shop.shop')"
    async with shop(page, forget, widget("shop", opened="")) as (running, _):
        await page.evaluate(f"{SHOP}.forget()")
        early = len(running.lines)
        await page.evaluate(f"{SHOP}.say('Is there tea?')")
        await page.until(f"{SHOP}.turns[0]?.outcome === 'completed'")
        before = await page.evaluate(kept)
        await page.evaluate(f"{SHOP}.forget()")
        await page.until(f"{SHOP}.state === 'ended'")
        after = await page.evaluate(kept)
        shown = await text_of(page, "shop", "#log")
        await page.evaluate(f"{SHOP}.say('Is there coffee?')")
        await page.until(f"{SHOP}.turns[0]?.text === 'Is there coffee?'")
        starts = [line.start["conversation"] for line in running.lines]

    assert early == 0, "there was nothing to forget"
    assert (before, after) == ("c1", "")
    assert "tea?" not in shown
    assert running.lines[0].got("forget") == [{"type": "forget"}]
    assert starts == ["new", "new"]


async def test_a_page_hears_of_every_state_and_of_none_twice(page: Page) -> None:
    """What `statechange` tells is what the properties say by then."""
    note = f"""window.seen = [];
    {SHOP}.addEventListener("statechange", ({{ detail: {{ ...told }}, target }}) => {{
      const {{ state, floor, microphone, isMuted }} = target;
      seen.push([told, {{ state, floor, microphone, isMuted }}]);
    }});"""
    async with shop(page, answer, widget("shop")):
        await page.evaluate(note)
        await page.evaluate(f"{SHOP}.say('Is there tea?')")
        await page.until(f"{SHOP}.turns[0]?.outcome === 'completed'")
        await page.evaluate(f"{SHOP}.hangUp()")
        await page.until(f"{SHOP}.state === 'idle'")
        seen = await page.evaluate("seen")

    told = [one for one, _ in seen]
    states = [one["state"] for one in told]
    assert [now for was, now in zip(["", *states], states, strict=False) if now != was] == [
        *("connecting", "connected", "ready", "idle")
    ]
    assert {(one["microphone"], one["isMuted"]) for one in told} == {("off", False)}
    assert "thinking" in {one["floor"] for one in told}
    assert all(was != now for was, now in pairwise(told))
    assert all(one == has for one, has in seen)
