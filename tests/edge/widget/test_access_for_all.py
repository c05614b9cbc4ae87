"""The widget for everybody: keyboard, screen readers, colours, motion."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from edge.widget.colours import Colours
from edge.widget.sites import Site
from tests.browser import Page, shared, tab
from tests.conformance.npm import installed
from tests.edge.widget.pages import SILENT, SITE, answer, shop, speak
from tests.talk_page import ALLOW
from tests.widget_page import element, inside, press, text_of, type_turn, widget

pytestmark = pytest.mark.browser

PALE = Site(origins=("self",), language="ru", colours=Colours(accent="#ffe9a8"))


@pytest.fixture(scope="module")
def browser(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A browser for all tests of this file, whose microphone is allowed."""
    with shared(chromium, tmp_path_factory.mktemp("profile"), *ALLOW) as address:
        yield address


@pytest.fixture
async def page(browser: str) -> AsyncIterator[Page]:
    """A tab of it."""
    async with tab(browser) as opened:
        await opened.look("light", 900, 800)
        yield opened


@pytest.fixture(scope="module")
def axe() -> str:
    """The source of axe-core."""
    return (installed().folder / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")


ALL_HAS_COME_IN = """
Promise.all([...document.querySelectorAll("*")]
  .flatMap((one) => one.shadowRoot?.getAnimations({ subtree: true }) ?? [])
  .filter((one) => one.effect.getComputedTiming().iterations !== Infinity)
  .map((one) => one.finished)).then(() => true)
"""
"""What fades in has little contrast until it is there."""


async def found_by(page: Page, axe: str) -> list[Any]:
    """Return what axe-core finds on the page as it is: rule, and where."""
    assert await page.evaluate(ALL_HAS_COME_IN)
    await page.evaluate(f"void (window.axe || (() => {{ {axe} }})())")
    return list(
        await page.evaluate(
            "axe.run(document).then(({ violations }) => "
            "violations.map(({ id, nodes }) => [id, nodes.map((one) => one.html)]))"
        )
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing(page: Page, axe: str, scheme: str) -> None:
    """Closed, open, asking for consent, in conversation, with a problem, with a code."""
    body = widget("shop", placement="inline") + widget("pale")
    found = []
    async with shop(page, answer, body, "shop", "pale", pale=PALE) as (running, _):
        await page.look(scheme, 900, 800)
        found.append(await found_by(page, axe))
        await press(page, "pale", "#launch")
        await press(page, "pale", "#talk")
        found.append(await found_by(page, axe))
        await press(page, "pale", "#consent div button:last-child")
        await type_turn(page, "pale", "Есть чай?")
        await page.until(f"{inside('pale', '.assistant')}?.innerText.includes('ready')")
        await press(page, "pale", "#link")
        await page.until(f"{inside('pale', '#linking')} !== null")
        found.append(await found_by(page, axe))
        await running.lines[0].socket.close(1013)
        await page.until(f"!{inside('pale', '#problem')}.hidden")
        found.append(await found_by(page, axe))

    assert found == [[], [], [], []]


async def test_everything_is_reached_with_the_keyboard(page: Page) -> None:
    """Open, consent, type, close: with Tab, Enter, Space and Escape alone."""
    async with shop(page, answer, widget("shop")):
        focused = f"{element('shop')}.shadowRoot.activeElement?.id"
        await page.key("Tab")
        assert await page.evaluate(focused) == "launch"
        await page.key("Enter", "\r")
        expanded = await page.evaluate(f"{inside('shop', '#launch')}.ariaExpanded")
        assert await page.evaluate(focused) == "panel"
        reached = []
        for _ in range(6):
            await page.key("Tab")
            reached.append(await page.evaluate(focused))
        await page.evaluate(f"{inside('shop', '#talk')}.focus()")
        await page.key(" ", " ")
        agreeing = await page.evaluate(f"{element('shop')}.shadowRoot.activeElement.innerText")
        await page.key("Tab")
        await page.key("Enter", "\r")
        assert await page.evaluate(focused) == "text"
        await page.command("Input.insertText", text="Tea?")
        await page.key("Enter", "\r")
        await page.until(f"{inside('shop', '.assistant')}?.innerText.includes('ready')")
        await page.until(f"{element('shop')}.turns[0].outcome === 'completed'")
        await page.key("Escape")
        closed = await page.evaluate(f"{inside('shop', '#launch')}.ariaExpanded")

    assert expanded == "true"
    assert reached[:5] == ["link", "close", "log", "talk", "text"]
    assert agreeing == "Agree and speak"
    assert closed == "false"
    assert await page.evaluate(focused) == "launch", "focus comes back to where it began"


async def test_turns_are_announced_and_partials_are_not(page: Page) -> None:
    """A screen reader would read each partial from its beginning."""
    async with shop(page, speak, widget("shop", opened="", **SILENT)):
        await page.evaluate(
            f"window.read = []; new MutationObserver(() => "
            f"read.push({inside('shop', '.unseen[aria-live]')}.textContent))"
            f".observe({inside('shop', '.unseen[aria-live]')}, {{ childList: true }})"
        )
        await press(page, "shop", "#talk")
        await page.until("read.length > 0", 30)
        read = await page.evaluate("read")
        live = await page.evaluate(f"{inside('shop', '#log')}.ariaLive")

    assert read == ["You: What leisure have we?"]
    assert live == "off"


async def test_colours_are_the_sites_and_the_persons(page: Page) -> None:
    """Light and dark by the person's choice, unless the page chooses; the ink can be read."""
    body = widget("pale") + widget("shop", placement="left", theme="dark")
    colour = "getComputedStyle({}).{}".format
    async with shop(page, answer, body, "shop", "pale", pale=PALE):
        seen = {}
        for scheme in ("light", "dark"):
            await page.look(scheme, 900, 800)
            for site in ("pale", "shop"):
                launch = inside(site, "#launch")
                seen[scheme, site] = [
                    await page.evaluate(colour(launch, name))
                    for name in ("backgroundColor", "color")
                ]
        await page.evaluate(f"{element('shop')}.style.setProperty('--voicebus-accent', '#123456')")
        own = await page.evaluate(colour(inside("shop", "#launch"), "backgroundColor"))

    assert seen["light", "pale"] == ["rgb(255, 233, 168)", "rgb(0, 0, 0)"]
    assert seen["light", "shop"] == seen["dark", "shop"] == ["rgb(92, 200, 187)", "rgb(0, 0, 0)"]
    assert own == "rgb(18, 52, 86)"


@pytest.mark.parametrize(("motion", "moves"), [("no-preference", True), ("reduce", False)])
async def test_nothing_moves_for_who_wants_no_motion(page: Page, motion: str, moves: bool) -> None:
    """The panel is there at once."""
    async with shop(page, answer, widget("shop")):
        features = [{"name": "prefers-reduced-motion", "value": motion}]
        await page.command("Emulation.setEmulatedMedia", features=features)
        counted = await page.evaluate(
            f"{element('shop')}.open(), {element('shop')}.shadowRoot.getAnimations().length"
        )

    assert bool(counted) is moves


async def test_a_narrow_window_has_room_for_all(page: Page) -> None:
    """On a telephone nothing is cut off, and buttons are large enough for fingers."""
    async with shop(page, speak, widget("shop", **SILENT)):
        await page.look("light", 320, 560)
        await press(page, "shop", "#launch")
        await press(page, "shop", "#talk")
        await page.until(f"{element('shop')}.microphone === 'on'")
        await asyncio.sleep(0.3)
        boxes = await page.evaluate(
            f"[...{element('shop')}.shadowRoot.querySelectorAll('button, input, #panel')]"
            ".filter((one) => one.checkVisibility()).map((one) => one.getBoundingClientRect())"
            ".map(({ left, right, top, bottom }) => [left, 320 - right, top, 560 - bottom,"
            " bottom - top])"
        )
        title = await text_of(page, "shop", "#title")

    assert title == SITE.texts.get("en", {}).get("title", "Voice assistant")
    assert len(boxes) >= 6
    assert all(min(box[:4]) >= 0 and box[4] >= 44 for box in boxes), boxes
