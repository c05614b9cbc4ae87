"""One conversation of a visitor and of whoever brings its code, over the real edge."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.browser import Page
from tests.e2e.client import connected
from tests.e2e.sites import host, system_with_sites
from tests.e2e.test_conversations import WRITTEN, conversation_of, kept
from tests.e2e.test_conversations import type_turn as type_at_ws
from tests.e2e.upstream import LanguageModel
from tests.models import model_path
from tests.system import SYNTHETIC, System
from tests.talk_page import SAMPLE
from tests.widget_page import (
    Host,
    element,
    events,
    go,
    inside,
    open_sites,
    press,
    type_turn,
    visited,
    widget,
)

__all__ = ["host"]

pytestmark = [pytest.mark.browser, pytest.mark.model, pytest.mark.timeout(200)]

SHOP = element("shop")
TEA = "You sell tea, and nothing else."
PIRATE = "You are a pirate."


@pytest.fixture(scope="module")
def noting(
    tmp_path_factory: pytest.TempPathFactory, language_model: LanguageModel
) -> Iterator[System]:
    """An edge with widgets, and a language model that notes what it is told."""
    model_path("silero-vad")
    settings = {**SYNTHETIC, "LLM_ENGINE": "openai", "LLM_URL": language_model.url}
    with system_with_sites(tmp_path_factory.mktemp("noting"), settings) as system:
        yield system


@pytest.fixture
async def page(chromium: str, tmp_path: Path, noting: System, host: Host) -> AsyncIterator[Page]:
    """A tab with the shop's widget, opened."""
    async with visited(chromium, tmp_path, SAMPLE) as tab:
        await open_sites(noting, host, shop=f'session.instructions = "{TEA}"', plain="")
        host.body = widget("shop", opened="")
        await go(tab, host, "shop")
        yield tab


async def ask(page: Page, text: str) -> None:
    """Type into the widget, and wait for the end of the answer."""
    await type_turn(page, "shop", text)
    newest = f"{SHOP}.turns.at(-1)"
    await page.until(f"{newest}?.text === {text!r} && {newest}.outcome === 'completed'")


async def bring(page: Page, code: str) -> None:
    """Enter a code into the widget; the next session is in the code's conversation."""
    before = await page.evaluate(f"{SHOP}.sessionId")
    await press(page, "shop", "#link")
    await page.until(f"{inside('shop', '#linking form')}")
    await page.evaluate(f"{inside('shop', '#linking input')}.value = {code!r}")
    await page.evaluate(f"{inside('shop', '#linking form')}.requestSubmit()")
    await page.until(f"{SHOP}.state === 'ready' && {SHOP}.sessionId !== {before!r}")


async def code_of(page: Page) -> str:
    """Have the widget show a code."""
    await press(page, "shop", "#link")
    await page.until(f"{inside('shop', 'output')}?.innerText.includes('-')")
    return str(await page.evaluate(f"{inside('shop', 'output')}.innerText"))


def whole(model: LanguageModel) -> list[tuple[str, str]]:
    """All that the model was told last: who, and what."""
    return [(message["role"], message["content"]) for message in model.asked[-1]]


async def test_a_conversation_goes_on_elsewhere_with_the_sites_persona(
    page: Page, noting: System, language_model: LanguageModel
) -> None:
    """Whoever has the code is answered by the same assistant, who knows what was said."""
    await ask(page, "my name is Ada")
    code = await code_of(page)
    await press(page, "shop", "#linking > button")
    async with connected(noting, {"link_code": code, **WRITTEN}) as phone:
        await type_at_ws(phone, "what is my name")
        there = whole(language_model)
        await kept(noting, phone, 2)
        await ask(page, "and what did I ask")
        here = whole(language_model)
        async with connected(noting) as late:
            await late.send("start", link_code=code)
            again = await late.until("error")
    remembered = await page.evaluate("sessionStorage.getItem('voicebus.conversation.shop.shop')")

    before = [
        ("system", TEA),
        ("user", "my name is Ada"),
        ("assistant", "You said: my name is Ada."),
        ("user", "what is my name"),
    ]
    assert there == before
    assert here == [
        *before,
        ("assistant", "You said: what is my name."),
        ("user", "and what did I ask"),
    ]
    assert conversation_of(phone) == remembered
    assert again["code"] == "link_refused", "a code is good once"


@pytest.mark.parametrize(("site", "persona"), [("plain", PIRATE), ("shop", TEA)])
async def test_a_conversation_from_elsewhere_goes_on_in_the_widget(
    page: Page, noting: System, language_model: LanguageModel, site: str, persona: str
) -> None:
    """What was said is known. The persona comes along, unless the site has one of its own."""
    await page.evaluate(f"{SHOP}.setAttribute('site', {site!r})")
    await page.until(f"{SHOP}.isReady")
    await ask(page, "hello")
    begin = {"instructions": PIRATE, "conversation": "new", **WRITTEN}
    async with connected(noting, begin) as phone:
        await type_at_ws(phone, "my name is Bob")
        await kept(noting, phone, 1)
        await phone.send("link")
        await bring(page, (await phone.until("link_code"))["code"])
        await ask(page, "what is my name")
        here = whole(language_model)
    remembered = await page.evaluate(f"sessionStorage.getItem('voicebus.conversation.{site}.shop')")

    assert here == [
        ("system", persona),
        ("user", "my name is Bob"),
        ("assistant", "You said: my name is Bob."),
        ("user", "what is my name"),
    ]
    assert remembered == conversation_of(phone)
    assert await events(page, "shop", "error") == []


async def test_a_code_that_was_never_made_is_refused_in_the_widget(page: Page) -> None:
    """It says so, the code is not tried again, and the visitor goes on where they were."""
    await ask(page, "hello")
    kept_before = await page.evaluate("sessionStorage.getItem('voicebus.conversation.shop.shop')")
    await press(page, "shop", "#link")
    await page.until(f"{inside('shop', '#linking form')}")
    await page.evaluate(f"{inside('shop', '#linking input')}.value = 'AAAA-AAAA'")
    await page.evaluate(f"{inside('shop', '#linking form')}.requestSubmit()")
    await page.until(f"{SHOP}.state === 'lost'")
    (told,) = await events(page, "shop", "error")
    await ask(page, "are you there")
    kept_after = await page.evaluate("sessionStorage.getItem('voicebus.conversation.shop.shop')")

    assert told["code"] == "link_refused"
    assert kept_after == kept_before
