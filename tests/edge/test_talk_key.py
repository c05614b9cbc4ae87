"""The talk page of a server that wants a key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from edge.keys import Keys
from edge.settings import EdgeSettings
from tests.browser import Page
from tests.edge.running import edge_at
from tests.talk_page import talk_page, type_turn
from voicebus.keys import Allowance, add_key, new_key

pytestmark = pytest.mark.browser

STATE = "document.getElementById('state').textContent"
PROBLEM = "document.querySelector('#problem p').textContent"


@pytest.fixture
async def page(chromium: str, tmp_path: Path) -> AsyncIterator[Page]:
    """A tab of a browser."""
    async with talk_page(chromium, tmp_path) as tab:
        yield tab


@pytest.fixture
async def edge(nats_server: str, tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """A server that wants a key; nobody answers behind it."""
    settings = EdgeSettings(claim_s=60)
    async with edge_at(nats_server, settings, Keys(tmp_path / "keys.json")) as client:
        yield client


@pytest.fixture
def key(tmp_path: Path) -> str:
    """The key that it wants."""
    secret, stored = new_key("page", Allowance())
    add_key(tmp_path / "keys.json", stored)
    return secret


async def test_the_page_brings_the_key_that_its_address_had(
    page: Page, key: str, edge: httpx2.AsyncClient
) -> None:
    """It is taken out of the address, kept in the browser, and the connection is opened with it."""
    await page.goto(f"{edge.base_url}#key={key}")
    await type_turn(page, "hello")
    await page.until(f"{STATE} === 'Waiting for workers…'")
    assert await page.evaluate("location.hash") == ""
    await page.goto(str(edge.base_url))
    await type_turn(page, "hello")
    await page.until(f"{STATE} === 'Waiting for workers…'")

    assert await page.evaluate(PROBLEM) == ""


async def test_the_page_says_that_a_key_is_wanted(
    page: Page, key: str, edge: httpx2.AsyncClient
) -> None:
    """A browser tells a page nothing of a refused connection; the person is told all the same."""
    await page.goto(str(edge.base_url))
    await type_turn(page, "hello")
    await page.until(f"{PROBLEM} !== ''")
    missing = await page.evaluate(PROBLEM)
    await page.goto(f"{edge.base_url}?again#key={key[:-1]}{'0' if key[-1] != '0' else '1'}")
    await type_turn(page, "hello")
    await page.until(f"{PROBLEM} !== ''")

    assert "this server wants a key" in str(missing)
    assert "#key=" in str(missing)
    assert "this key is not known here" in str(await page.evaluate(PROBLEM))
