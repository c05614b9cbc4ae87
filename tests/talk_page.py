"""The talk page under test: a browser whose microphone is allowed, and what people do in it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.browser import Page, browse

SAMPLE = Path(__file__).parents[1] / "examples" / "samples" / "austen-leisure.wav"
ALLOW = (
    "--use-fake-ui-for-media-stream",
    f"--use-file-for-fake-audio-capture={SAMPLE}%noloop",
)

NOTE_FLOORS = """
window.floors = [document.body.dataset.floor];
new MutationObserver(() => floors.push(document.body.dataset.floor))
  .observe(document.body, { attributeFilter: ["data-floor"] });
"""
"""Keeps every state of the floor, however short, in ``floors``."""


NOTE_STATES = """
window.states = [document.body.dataset.state];
new MutationObserver(() => states.push(document.body.dataset.state))
  .observe(document.body, { attributeFilter: ["data-state"] });
"""
"""Keeps every state of the connection in ``states``."""


@asynccontextmanager
async def talk_page(chromium: str, folder: Path, *flags: str) -> AsyncIterator[Page]:
    """Open a tab; by default its microphone is allowed, and plays the sample once."""
    async with browse(chromium, folder / "profile", *(flags or ALLOW)) as tab:
        await tab.look("light", 900, 860)
        yield tab


async def click(page: Page, name: str) -> None:
    """Click the element with this id."""
    await page.evaluate(f"document.getElementById('{name}').click()")


async def type_turn(page: Page, text: str) -> None:
    """Type a turn and send it."""
    await page.evaluate(f"document.getElementById('text').value = {text!r}")
    await page.evaluate("document.getElementById('typed').requestSubmit()")


async def text_of(page: Page, selector: str) -> str:
    """What stands in the first element of this kind."""
    return str(await page.evaluate(f"document.querySelector({selector!r})?.textContent ?? ''"))


async def keep_screenshots(page: Page, name: str) -> None:
    """Write pictures to the folder VOICEBUS_TEST_SCREENSHOTS, if it is set: for people and docs."""
    if folder := os.environ.get("VOICEBUS_TEST_SCREENSHOTS"):
        for scheme, width in (("light", 900), ("dark", 900), ("light", 360)):
            await page.look(scheme, width, 860)
            picture = await page.screenshot()
            path = Path(folder, f"{name}-{scheme}{'-narrow' if width < 600 else ''}.png")
            await asyncio.to_thread(path.write_bytes, picture)
        await page.look("light", 900, 860)
