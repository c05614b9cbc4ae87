"""The widget in a real browser, on a page of another site with a strict policy: in writing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from edge.widget.sites import Site
from tests.browser import Page, shared, tab
from tests.edge.widget.pages import SILENT, SITE, answer, begin, forget, shop
from tests.edge_script import Line
from tests.talk_page import ALLOW
from tests.widget_page import (
    element,
    events,
    go,
    inside,
    press,
    text_of,
    type_turn,
    widget,
)

pytestmark = pytest.mark.browser


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


def grave(page: Page) -> list[str]:
    """What the browser complains about, but for pages without an icon."""
    return [one for one in page.complaints if "favicon" not in one]


async def test_a_typed_turn_is_answered_in_writing(page: Page) -> None:
    """No sound is asked for; words are shown as they come, and the page hears of all of it."""
    async with shop(page, answer, widget("shop")) as (running, _):
        assert running.lines == [], "an idle page must not hold workers"
        await press(page, "shop", "#launch")
        await type_turn(page, "shop", "Is there tea?")
        await page.until(f"{inside('shop', '.assistant')}?.innerText.includes('Tea is ready.')")
        line = running.lines[0]
        await page.until("noted.some(([, name]) => name === 'turnend')")
        typed = await page.evaluate(f"{inside('shop', '#text')}.value")
        told = {name: await events(page, "shop", name) for name in ("turn", "reply", "turnend")}
        opened = await events(page, "shop", "open")

    assert line.start["output"] == {"audio": False}
    assert line.start["conversation"] == "new"
    assert typed == ""
    assert told["turn"] == [{"turn": 1, "text": "Is there tea?", "said": ""}]
    assert [one["done"] for one in told["reply"]] == [False, False, False, True]
    assert told["turnend"] == [{"turn": 1, "outcome": "completed"}]
    assert len(opened) == 1
    assert grave(page) == [], "nothing that a strict policy forbids"


async def test_one_script_tag_is_enough(page: Page) -> None:
    """With a site in its address the script puts a widget on the page; its attributes go along."""
    async with shop(page, answer, "<p>…</p>" + widget("shop")) as (_, host):
        host.body = ""
        host.script = "/widget/widget.js?site=shop&amp;id=shop&amp;text-open=Ask"
        await go(page, host, "shop")
        label = await text_of(page, "shop", "#launch")
        count = await page.evaluate("document.querySelectorAll('voicebus-widget').length")

    assert (label, count) == ("Ask", 1)
    assert grave(page) == []


async def test_texts_are_the_sites_and_the_pages_and_never_markup(page: Page) -> None:
    """Russian for a Russian page, a site's own title, a page's own welcome; all of it is text."""
    evil = "<img src=x onerror=alert(1)>"
    tea = Site(origins=("self",), texts={"ru": {"title": "Чайная"}, "en": {"title": evil}})
    body = (
        widget("tea", lang="ru", text_welcome="Заходите!")
        + widget("evil", language="en", placement="left")
    ).replace('site="evil"', 'site="tea"')
    async with shop(page, answer, body, "tea", "evil", tea=tea):
        await press(page, "tea", "#launch")
        await press(page, "evil", "#launch")
        shown = [await text_of(page, "tea", part) for part in ("#title", "#welcome", "#launch")]
        title = await text_of(page, "evil", "#title")
        images = await page.evaluate(f"{element('evil')}.shadowRoot.querySelectorAll('img').length")
        tongue = await page.evaluate(f"{inside('tea', 'section')}.lang")

    assert shown == ["Чайная", "Заходите!", "Поговорить с нами"]
    assert (title, images, tongue) == (evil, 0, "ru")


async def test_an_unknown_site_shows_nothing(page: Page) -> None:
    """A page is better off without a widget than with a broken one; page and console are told."""
    gone = element("shop")
    async with shop(page, answer, widget("shop")):
        await page.evaluate("window.logged = []; console.error = (...words) => logged.push(words)")
        await page.evaluate(f"{gone}.setAttribute('site', 'gone')")
        await page.until("noted.some(([, name]) => name === 'error')")
        told = await events(page, "shop", "error")
        logged = await page.evaluate("logged")
        size = await page.evaluate(f"{gone}.shadowRoot.childElementCount")
        refused = await page.evaluate(f"{gone}.say('Hello').catch(({{ name }}) => name)")

    assert refused == "InvalidStateError"
    assert told == [{"code": "site_unknown"}]
    assert logged == [["voicebus-widget: site_unknown", ""]]
    assert size == 0


async def test_errors_are_told_in_the_widgets_words(page: Page) -> None:
    """By their code where the widget has words for it, else in the server's; as an alarm."""

    async def busy(line: Line) -> None:
        await line.until(lambda: bool(line.messages))
        if len(lines := line.messages) and len(refusals) > 1:
            await line.say("error", code="engine", message="<b>It failed.</b>", lines=len(lines))
        else:
            refusals.append("busy")
            await line.say("error", code="busy", message="no place", retryable=True)
            await line.socket.close(1013, "busy")

    refusals = ["first"]
    async with shop(page, busy, widget("shop", language="ru")):
        await press(page, "shop", "#launch")
        await type_turn(page, "shop", "Hello")
        await page.until(f"{element('shop')}.state === 'lost'")
        first = await text_of(page, "shop", "#problem p")
        role = await page.evaluate(f"{inside('shop', '#problem')}.getAttribute('role')")
        await type_turn(page, "shop", "Hello")
        await page.until(f"{inside('shop', '#problem p')}.innerText.includes('failed')")
        second = await text_of(page, "shop", "#problem p")
        await press(page, "shop", "#dismiss")
        is_hidden = await page.evaluate(f"{inside('shop', '#problem')}.hidden")

    assert first == "Все линии заняты. Попробуйте чуть позже."
    assert second == "<b>It failed.</b>"
    assert (role, is_hidden) == ("alert", True)


async def test_a_widget_that_is_taken_away_leaves_its_session(page: Page) -> None:
    """It says goodbye, so that no worker waits for it; one that is only moved goes on."""
    async with shop(page, answer, widget("shop", opened="")) as (running, _):
        await type_turn(page, "shop", "Is there tea?")
        await page.until(f"{element('shop')}.state === 'ready'")
        await page.evaluate(f"document.body.append({element('shop')})")
        await asyncio.sleep(0.2)
        assert await page.evaluate(f"{element('shop')}.state") == "ready"
        await page.evaluate(f"{element('shop')}.remove()")
        async with asyncio.timeout(20):
            while running.lines[0].code is None:
                await asyncio.sleep(0.05)

    assert running.lines[0].code == 1000


async def test_a_code_leads_to_another_device_and_from_there(page: Page) -> None:
    """The code that is asked for is shown; one from elsewhere is what the next session brings."""

    async def linking(line: Line) -> None:
        await begin(line)
        await line.until(lambda: bool(line.got("link")))
        await line.say("link_code", code="K7QF-3MXZ", expires_s=300)

    async with shop(page, linking, widget("shop", opened="")) as (running, _):
        await press(page, "shop", "#link")
        await page.until(f"{inside('shop', 'output')}?.innerText === 'K7QF-3MXZ'")
        await page.evaluate(f"{inside('shop', '#linking input')}.value = 'ABCD-2345'")
        await page.evaluate(f"{inside('shop', '#linking form')}.requestSubmit()")
        async with asyncio.timeout(20):
            while len(running.lines) < 2 or not running.lines[1].start:
                await asyncio.sleep(0.05)
        gone = await page.evaluate(f"{inside('shop', '#linking')} === null")
        joined = running.lines[1].start

    assert running.lines[0].start["conversation"] == "new"
    assert joined["link_code"] == "ABCD-2345"
    assert "conversation" not in joined
    assert gone
    assert grave(page) == []


async def test_a_visitor_deletes_the_conversation(page: Page) -> None:
    """It is gone from the page, too, and what follows is a new one."""
    async with shop(page, forget, widget("shop", opened="")) as (running, _):
        await type_turn(page, "shop", "Is there tea?")
        await page.until(f"{element('shop')}.turns[0]?.outcome === 'completed'")
        await press(page, "shop", "#link")
        await page.until(f"{inside('shop', '#forget')}?.innerText === 'Delete this conversation'")
        await press(page, "shop", "#forget")
        await page.until(f"{element('shop')}.state === 'ended'")
        told = await text_of(page, "shop", "#problem p")
        shown = await text_of(page, "shop", "#log")
        await type_turn(page, "shop", "Is there coffee?")
        await page.until(f"{element('shop')}.turns[0]?.outcome === 'completed'")
        joined = running.lines[1].start

    assert told.startswith("The conversation is deleted.")
    assert "tea?" not in shown
    assert joined["conversation"] == "new"
    assert grave(page) == []


@pytest.mark.parametrize("site", [Site(origins=("self",), mode="text"), SITE])
async def test_a_site_for_writing_has_no_microphone(page: Page, site: Site) -> None:
    """Neither a button nor a method opens it."""
    async with shop(page, answer, widget("tea", opened="", **SILENT), "tea", tea=site) as (one, _):
        is_hidden = await page.evaluate(f"{inside('tea', '#talk')}.hidden")
        if site.mode == "text":
            await page.evaluate(f"{element('tea')}.talk()")
            assert await page.evaluate(f"{element('tea')}.microphone") == "off"
            assert one.lines == []

    assert is_hidden is (site.mode == "text")
