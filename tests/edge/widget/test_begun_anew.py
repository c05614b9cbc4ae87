"""The widget, and the page around it, when a reply begins anew."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.browser import Page, shared, tab
from tests.edge.widget.pages import begin, shop
from tests.edge_script import Line
from tests.talk_page import ALLOW
from tests.widget_page import events, inside, press, type_turn, widget

pytestmark = pytest.mark.browser

PIECES: tuple[tuple[str, dict[str, bool]], ...] = (
    ("Well, ", {}),
    ("the", {}),
    ("Oh, ", {"anew": True}),
    ("yes.", {}),
)


@pytest.fixture
async def page(chromium: str, tmp_path: Path) -> AsyncIterator[Page]:
    """A tab of a browser."""
    with shared(chromium, tmp_path, *ALLOW) as address:
        async with tab(address) as opened:
            await opened.look("light", 900, 800)
            yield opened


async def waver(line: Line) -> None:
    """Begin to answer what is typed, and begin anew; the end does not come."""
    await begin(line)
    await line.until(lambda: bool(line.got("text")))
    await line.say("turn_started", turn=1, text="Is there tea?")
    for text, fields in PIECES:
        await line.say("reply_text", turn=1, text=text, **fields)
    await line.until(lambda: bool(line.got("cancel")))


async def test_words_that_are_taken_back_are_not_shown_any_more(page: Page) -> None:
    """The others stand in their place at once, and the page hears which pieces count."""
    async with shop(page, waver, widget("shop")):
        await press(page, "shop", "#launch")
        await type_turn(page, "shop", "Is there tea?")
        await page.until(f"{inside('shop', '.assistant')}?.innerText.includes('yes.')")
        shown = await page.evaluate(f"{inside('shop', '.assistant')}.innerText")
        told = await events(page, "shop", "reply")

    assert shown.splitlines()[-1] == "Oh, yes."
    assert "Well" not in shown
    assert [(one["text"], one["anew"]) for one in told] == [
        (text, bool(fields)) for text, fields in PIECES
    ]
