"""What there is besides callers: telephones, a messenger, a site's visitors; and trouble.

Each does the same again and again until the time is over, and twice at least: the rate of a counter
is seen from its second step on.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.bridges.telegram.bot_api.people import Person
from tests.carriers import TwilioPhone
from tests.e2e.client import connected
from tests.e2e.upstream import failing
from tests.monitoring.house import BOT, SITE, House
from tests.monitoring.talker import TEA
from tests.telephones import calling
from voicebus import parts
from voicebus.audio.wav import read_wav

_SAMPLE: Final = parts.project_root() / "examples" / "samples" / "austen-amiable.wav"
_WRITTEN: Final = {"output": {"audio": False}}
_AWAY_S: Final = 6.0
_FLOOD_S: Final = 8
_REST_S: Final = 1.5


@dataclass(frozen=True)
class Door:
    """Where clients are let in."""

    ws: str


async def channels(house: House, seconds: float) -> None:
    """Have all of it for a while."""
    await asyncio.gather(
        _again(lambda _: call_by_telephone(house), seconds),
        _again(lambda number: take_along(house, number), seconds),
        _again(lambda _: visit(house), seconds),
        _again(lambda _: shop(house), seconds),
        _again(lambda _: guess(house), seconds),
        lose_provider(house, seconds),
    )


async def _again(once: Callable[[int], Awaitable[None]], seconds: float) -> None:
    end_s = time.monotonic() + seconds
    for number in itertools.count():
        if number >= 2 and time.monotonic() > end_s:
            return
        await once(number)
        await asyncio.sleep(_REST_S)


async def call_by_telephone(house: House) -> None:
    """Be answered; then the network loses half a second and brings too much at once."""
    speech = np.concatenate([read_wav(_SAMPLE)[1], np.zeros(16_000, np.int16)])
    with contextlib.suppress(InvalidStatus):
        async with connect(f"{house.telephones}-wrong", proxy=None):
            raise AssertionError("a wrong secret is let in")
    async with calling(TwilioPhone, house.telephones) as phone:
        await phone.say(speech)
        heard = len(phone.heard)
        await phone.until(lambda: len(phone.heard) > heard, "an answer")
        phone.frames += 25
        await phone.say(np.zeros(16_000 * _FLOOD_S, np.int16), pace=0.01)
        await phone.hang_up()
        await phone.until_closed()


async def take_along(house: House, number: int) -> None:
    """Begin a conversation in a messenger, go on with it on a page, and have it deleted."""
    ann = Person(house.api, BOT, 500_000 + number)
    ann.write("My name is Ada")
    await asyncio.to_thread(ann.until_seen, 1)
    ann.write("/link")
    shown = await asyncio.to_thread(ann.until_seen, 2)
    (code,) = re.findall(r"[2-9A-Z]{4}-[2-9A-Z]{4}", str(shown[-1].given["text"]))
    door = Door(f"ws://{house.edge}/ws")
    async with connected(door, {"link_code": code, **_WRITTEN}) as page:
        await page.send("text", text=TEA)
        ended = await page.until("turn_ended")
        assert ended["outcome"] == "completed"
    ann.write("/forget")
    await asyncio.to_thread(ann.until_seen, 3)


async def visit(house: House) -> None:
    """Ask a widget something."""
    door = Door(f"ws://{house.edge}/widget/sites/{SITE}/ws")
    start = {**_WRITTEN, "conversation": "new"}
    async with connected(door, start, origin=f"http://{house.edge}") as client:
        await client.send("text", text=TEA)
        await client.until("turn_ended", outcome="completed")


async def shop(house: House) -> None:
    """Ask for what a function has to be called for."""
    async with connected(Door(f"ws://{house.edge}/ws"), _WRITTEN) as client:
        await client.send("text", text=TEA)
        await client.until("turn_ended", outcome="completed")
        assert "Seven boxes of mint" in client.messages("reply_done")[0]["text"]


async def guess(house: House) -> None:
    """Try a link code that nobody was given."""
    async with connected(Door(f"ws://{house.edge}/ws")) as client:
        await client.send("start", link_code="AAAA-AAAA", **_WRITTEN)
        await client.until("error")


async def lose_provider(house: House, seconds: float) -> None:
    """Have the provider that is asked first fail for a while; nobody is to hear of it."""
    await asyncio.sleep(seconds / 3)
    with house.cloud.following(failing(500)):
        await asyncio.sleep(_AWAY_S)
