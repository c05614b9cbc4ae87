"""Visitors of the widget who are gone: the tab, the browser, the network, in mid-sentence."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from schemas.event import Event
from schemas.session import ClientLost, SessionClosed
from schemas.turn import TurnEnded
from tests.browser import Page
from tests.cutting import Proxy, proxy
from tests.e2e.client import expect_eventually
from tests.e2e.sites import system_with_sites
from tests.e2e.test_bad_clients import ROLES, expect_all_slots_free
from tests.e2e.test_widget import overheard
from tests.models import require_real_models
from tests.system import REAL, System
from tests.talk_page import SAMPLE
from tests.widget_page import (
    UNPROCESSED,
    element,
    go,
    hosted,
    inside,
    open_sites,
    press,
    visited,
    widget,
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.model,
    pytest.mark.fault,
    pytest.mark.timeout(300),
]

RESUME_S = 3.0
"""How long the edge of these tests waits for who was lost."""

STORY = 'session.instructions = "Tell a long story about a house by the sea."'

IN_MID_UTTERANCE = f"{inside('shop', '.unstable')}?.textContent"
IN_MID_REPLY = f"{element('shop')}.turns[0]?.playedMs > 300 && !{element('shop')}.turns[0].outcome"


@pytest.fixture(scope="module")
def brief_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Real engines, long replies, and an edge that does not wait long for who was lost."""
    require_real_models()
    settings = {**REAL, "LLM_MAX_TOKENS": "120", "EDGE_RESUME_S": str(RESUME_S)}
    with system_with_sites(tmp_path_factory.mktemp("brief"), settings) as system:
        yield system


@dataclass(frozen=True)
class Visitor:
    """Somebody on a page, and what is between them and the edge."""

    page: Page
    profile: Path
    line: Proxy

    async def close_tab(self) -> None:
        """As people do: the browser still says goodbye for the page."""
        await self.page.command("Page.close")

    async def kill_browser(self) -> None:
        """It crashes, or the machine has no power: nothing says goodbye for the page."""
        port, path = (self.profile / "DevToolsActivePort").read_text(encoding="utf-8").split()
        async with connect(f"ws://127.0.0.1:{port}{path}", proxy=None) as control:
            told = await Page(control).command("SystemInfo.getProcessInfo")
        # A process of its own has the sockets. It says goodbye for a page whose process dies first.
        for one in sorted(told["processInfo"], key=lambda one: "Network" not in one["type"]):
            os.kill(one["id"], signal.SIGKILL)

    async def cut_line(self) -> None:
        """The network is gone, and does not come back."""
        self.line.refuses = True
        self.line.cut_all()


@pytest.fixture
async def visitor(chromium: str, tmp_path: Path, brief_system: System) -> AsyncIterator[Visitor]:
    """Somebody who speaks the sample to the widget of a shop."""
    async with (
        hosted() as host,
        proxy(brief_system.root) as line,
        visited(chromium, tmp_path, SAMPLE) as page,
    ):
        await open_sites(brief_system, host, shop=STORY)
        host.edge, host.body = line.url, widget("shop", text_consent="")
        await go(page, host, "shop")
        await page.evaluate(UNPROCESSED)
        yield Visitor(page, tmp_path / "profile", line)


def counted(system: System, reason: str) -> float:
    """How many sessions ended for this reason."""
    return system.metric("edge", "voicebus_sessions_total", edge="websocket", reason=reason)


def of(heard: list[Event], kind: type[Event]) -> list[Event]:
    """What was said of a kind."""
    return [one for one in heard if isinstance(one, kind)]


Way = Callable[[Visitor], Awaitable[None]]


@dataclass(frozen=True)
class Gone:
    """What became of a visitor's session.

    Attributes:
        busy: The sessions and jobs that each role worked on just before.
        after_s: When the session was closed, seconds after the visitor was gone.
        heard: What was said on the bus.
    """

    busy: dict[str, float]
    after_s: float
    heard: list[Event]


async def gone(system: System, visitor: Visitor, moment: str, vanish: Way) -> Gone:
    """Have the visitor speak, and vanish at a moment; wait for the end of all work for them."""
    clock = asyncio.get_running_loop().time
    async with overheard(system, SessionClosed, TurnEnded) as heard:
        await press(visitor.page, "shop", "#launch")
        await press(visitor.page, "shop", "#talk")
        await visitor.page.until(moment, 60)
        busy = {one: system.metric(one, "voicebus_worker_busy", role=one) for one in ROLES}
        await vanish(visitor)
        gone_s = clock()
        await expect_eventually(lambda: bool(of(heard, SessionClosed)), "the session is closed")
        after_s = clock() - gone_s
        await expect_all_slots_free(system)
        await asyncio.sleep(0.2)  # what was said last is on its way to us
    return Gone(busy, after_s, list(heard))


def expect_closed(end: Gone, reason: str) -> None:
    """The session ended at once after a goodbye, else when the time to come back was over."""
    (closed,) = of(end.heard, SessionClosed)
    assert isinstance(closed, SessionClosed)
    assert closed.reason == reason
    if reason == "client":
        assert of(end.heard, ClientLost) == []
        assert end.after_s < RESUME_S / 2
    else:
        assert len(of(end.heard, ClientLost)) == 1
        assert RESUME_S - 0.5 < end.after_s < RESUME_S + 3.0


WAYS = pytest.mark.parametrize(
    ("vanish", "reason"),
    [
        (Visitor.close_tab, "client"),
        (Visitor.kill_browser, "lost"),
        (Visitor.cut_line, "lost"),
    ],
    ids=["tab", "browser", "network"],
)


@WAYS
async def test_nobody_listens_to_a_visitor_who_is_gone_in_mid_sentence(
    visitor: Visitor, brief_system: System, vanish: Way, reason: str
) -> None:
    """The session is closed with its reason, no worker holds it, and nothing is answered."""
    before = counted(brief_system, reason)
    end = await gone(brief_system, visitor, IN_MID_UTTERANCE, vanish)

    expect_closed(end, reason)
    assert (end.busy["turn"], end.busy["stt"]) == (1, 1), "somebody had listened"
    assert counted(brief_system, reason) == before + 1


@WAYS
async def test_nobody_answers_a_visitor_who_is_gone_in_mid_reply(
    visitor: Visitor, brief_system: System, vanish: Way, reason: str
) -> None:
    """The reply ends with the session: neither model nor voice works on, and no slot is held."""
    before = counted(brief_system, reason)
    end = await gone(brief_system, visitor, IN_MID_REPLY, vanish)

    expect_closed(end, reason)
    assert (end.busy["turn"], end.busy["stt"], end.busy["tts"]) == (1, 1, 1), "it was spoken"
    assert [one.outcome for one in end.heard if isinstance(one, TurnEnded)] == ["interrupted"]
    assert counted(brief_system, reason) == before + 1
