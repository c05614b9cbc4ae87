"""A session that is over holds nothing any more, and needs no collector for that."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from edge.call import Call
from edge.line import Line
from edge.settings import EdgeSettings
from edge.uplink import Uplink
from schemas.turn import ConverseRequest, HangUp
from tests.edge.running import Scene, scene

SETTINGS = EdgeSettings(resume_s=0.2)


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> Iterator[weakref.WeakSet[Any]]:
    """What was made of sessions and is still there, while nobody collects."""
    known: weakref.WeakSet[Any] = weakref.WeakSet()
    for made in (Call, Uplink, Line):
        begin = made.__init__

        def noted(self: Any, *args: Any, begin: Any = begin, **kwargs: Any) -> None:
            known.add(self)
            begin(self, *args, **kwargs)

        monkeypatch.setattr(made, "__init__", noted)
    gc.collect()
    gc.disable()
    try:
        yield known
    finally:
        gc.enable()


async def say_goodbye(opened: Scene) -> None:
    """The client leaves."""
    await opened.client.leave(1000)


async def break_off(opened: Scene) -> None:
    """The client's connection breaks, and it does not come back."""
    opened.client.vanish()


async def hang_up(opened: Scene) -> None:
    """The conversation's worker ends the call."""
    await opened.say(HangUp(reason="done"))
    await opened.client.until_closed()


@pytest.mark.parametrize("end", [say_goodbye, break_off, hang_up])
@pytest.mark.parametrize("returns", [False, True], ids=["for once", "may return"])
async def test_all_of_it_is_freed(
    nats_server: str,
    alive: weakref.WeakSet[Any],
    end: Any,
    returns: bool,
) -> None:
    """Whoever ends it, and whether its client may come back."""
    async with scene(nats_server, SETTINGS) as opened:
        await opened.take(resume=returns)
        await opened.client.send_raw(bytes(6400))
        assert len(alive) == 3
        await end(opened)
        async with asyncio.timeout(10):
            while alive:
                await asyncio.sleep(0.02)

    assert opened.said(ConverseRequest)
