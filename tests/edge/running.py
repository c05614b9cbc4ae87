"""An edge's application on a real socket and a real bus, with no worker behind it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import connect

from edge.access import Door
from edge.app import create_app
from edge.keys import Keys
from edge.server import options
from edge.settings import EdgeSettings
from edge.widget.app import Sites, routes
from edge.widget.settings import WidgetSettings
from schemas.audio import AudioChunk
from schemas.claim import Claimed
from schemas.event import Event
from schemas.session import KeysPressed, Played
from schemas.stt import TranscribeRequest
from schemas.turn import ConverseRequest
from subjects.catalog import Place, place_of, subject_of
from subjects.tokens import new_token
from tests.bus import CELL, bus_at
from tests.e2e.client import Client, Listener
from tests.plain import PLAIN
from voicebus import health
from voicebus.bus.client import Bus
from voicebus.sessions.sessions import Sessions


@asynccontextmanager
async def edge_at(
    url: str, settings: EdgeSettings, keys: Keys | None = None
) -> AsyncIterator[httpx2.AsyncClient]:
    """Serve the application; yield a client of it."""
    async with (
        bus_at(url) as bus,
        served(bus, new_token("e"), settings, keys) as edge,
        httpx2.AsyncClient(base_url=edge.http, timeout=10, **PLAIN) as client,
    ):
        yield client


@dataclass(frozen=True)
class Served:
    """An edge that serves, and its address."""

    sessions: Sessions
    http: str

    @property
    def ws(self) -> str:
        """The address of its WebSocket."""
        return f"{self.http.replace('http', 'ws')}/ws"


class Scene:
    """A client of ``/ws`` on one side, and the test in the place of all workers on the other."""

    def __init__(self, bus: Bus, client: Client, served: Served, sockets: AsyncExitStack) -> None:
        self.url = served.ws
        self.drain = served.sessions.drain
        self.enter = sockets.enter_async_context
        self._bus = bus
        self._place = Place(CELL, "", "")
        self.client = client
        self.heard: list[Event] = []
        self.has_news = asyncio.Event()

    async def listen(self, edge: str, ready: asyncio.Event) -> None:
        """Collect what the edge says, until cancelled."""
        everywhere = Place(CELL, edge, "*")
        kinds = (ConverseRequest, TranscribeRequest, KeysPressed, Played, AudioChunk)
        subjects = [subject_of(kind, everywhere) for kind in kinds]
        async with self._bus.listen(*subjects) as inbox:
            await self._bus.flush()
            ready.set()
            async for subject, event in inbox:
                self._place = place_of(subject)
                self.heard.append(event)
                self.has_news.set()

    async def take(self, **start: Any) -> ConverseRequest:
        """Let the client begin, take its session, and return what it asked for."""
        await self.client.send("start", **start)
        asked = await self.until(ConverseRequest)
        assert isinstance(asked, ConverseRequest)
        for role in ("turn", "stt"):
            await self.claim(Claimed(role=role, worker="w"))
        await self.client.until("ready")
        return asked

    async def claim(self, claimed: Claimed) -> None:
        """Take the session as a worker does."""
        await self._bus.claim(claimed, self._place, "session", 0)

    async def say(self, *events: Event) -> None:
        """Publish as a worker does."""
        for event in events:
            await self._bus.publish(event, self._place)

    async def until(self, kind: type[Event], count: int = 1, within_s: float = 5.0) -> Event:
        """Wait for what the edge says, the ``count``-th of a kind."""
        try:
            async with asyncio.timeout(within_s):
                while len(self.said(kind)) < count:
                    self.has_news.clear()
                    await self.has_news.wait()
        except TimeoutError:
            pytest.fail(f"no {count} of {kind.__name__} in {self.heard}")
        return self.said(kind)[count - 1]

    def said(self, kind: type[Event]) -> list[Event]:
        """What the edge said of a kind."""
        return [event for event in self.heard if type(event) is kind]


@asynccontextmanager
async def scene(url: str, settings: EdgeSettings | None = None) -> AsyncIterator[Scene]:
    """Serve the application and connect a client to it."""
    edge = new_token("e")
    async with (
        bus_at(url) as bus,
        served(bus, edge, settings or EdgeSettings()) as serving,
        connect(serving.ws, proxy=None, close_timeout=1) as socket,
        asyncio.TaskGroup() as group,
        AsyncExitStack() as sockets,
    ):
        client = Client(socket)
        client.listener = Listener.SILENT
        opened, ready = Scene(bus, client, serving, sockets), asyncio.Event()
        hearing = group.create_task(opened.listen(edge, ready))
        reading = group.create_task(client.listen())
        await ready.wait()
        yield opened
        hearing.cancel()
        await socket.close()
        await reading


@asynccontextmanager
async def served(
    bus: Bus,
    edge: str,
    settings: EdgeSettings,
    keys: Keys | None = None,
    listener: socket.socket | None = None,
    widget: WidgetSettings | None = None,
) -> AsyncIterator[Served]:
    """Serve the application, with the widget if there are settings of it."""
    keys = keys or Keys(None)
    sessions = Sessions(bus, edge, "websocket", settings.max_sessions)
    listener = listener or health.bind("127.0.0.1", 0)
    door = Door(settings, keys)
    widget = widget or WidgetSettings()
    sites = Sites(widget)
    further = routes(sites, sessions, settings, door, widget) if widget.is_on else ()
    app = create_app(sessions, settings, door, lambda: {"bus": bus.is_connected}, further)
    serving = {**options(settings), "timeout_graceful_shutdown": 1}
    async with asyncio.TaskGroup() as group:
        helpers = [
            group.create_task(following)
            for following in (sessions.run(), keys.follow(), sites.follow())
        ]
        async with health.serve(app, listener, **serving):
            yield Served(sessions, f"http://{health.address(listener)}")
        for helper in helpers:
            helper.cancel()
