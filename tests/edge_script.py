"""A scripted edge on a real socket: it speaks the protocol of ``/ws`` and understands nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from numpy.typing import NDArray
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from edge.files import Files
from edge.widget.app import Sites
from edge.widget.settings import WidgetSettings
from edge.widget.sites import Site

TALK_PAGE = Path(__file__).parents[1] / "edge" / "talk"
BROWSER = TALK_PAGE.with_name("browser")
WIDGET = TALK_PAGE.with_name("widget") / "page"
POLICY = "default-src 'self'; connect-src 'self' ws: wss:"

STAGES = [
    {"name": "hold", "start_ms": 0.0, "end_ms": 601.0},
    {"name": "stt", "start_ms": 601.0, "end_ms": 697.5},
    {"name": "llm", "start_ms": 697.5, "end_ms": 760.0},
    {"name": "tts", "start_ms": 760.0, "end_ms": 806.0},
    {"name": "edge", "start_ms": 806.0, "end_ms": 812.4},
]


def tone(seconds: float, rate_hz: int = 24_000, lead_s: float = 0.0) -> NDArray[np.int16]:
    """Silence of ``lead_s``, then a tone of 440 Hz at -12 dBFS peak."""
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    wave = np.round(8192 * np.sin(2 * np.pi * 440 * time_s)).astype(np.int16)
    return np.concatenate([np.zeros(round(lead_s * rate_hz), dtype=np.int16), wave])


class Line:
    """The server's end of one connection, and all that it received."""

    def __init__(self, socket: WebSocket) -> None:
        self.socket = socket
        self.audio = bytearray()
        self.frame_bytes: list[int] = []
        self.messages: list[dict[str, Any]] = []
        self.start: dict[str, Any] = {}
        self.code: int | None = None  # with which the client closed
        self.has_news = asyncio.Event()

    async def listen(self) -> None:
        """Collect until the client goes."""
        with contextlib.suppress(WebSocketDisconnect):
            while True:
                received = await self.socket.receive()
                if received["type"] == "websocket.disconnect":
                    self.code = received["code"]
                    return
                if received.get("bytes") is not None:
                    self.audio += received["bytes"]
                    self.frame_bytes.append(len(received["bytes"]))
                else:
                    self.messages.append(json.loads(received["text"]))
                self.has_news.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until what was received meets the condition."""
        while not condition():
            self.has_news.clear()
            await self.has_news.wait()

    async def say(self, kind: str, **fields: Any) -> None:
        """Send one JSON message."""
        await self.socket.send_json({"type": kind, **fields})

    def got(self, kind: str) -> list[dict[str, Any]]:
        """Messages of one type that the client sent."""
        return [message for message in self.messages if message["type"] == kind]

    async def open(self) -> None:
        """Read ``start`` and say that workers are there."""
        await self.until(lambda: bool(self.messages))
        self.start = self.messages[0]
        await self.say(
            "metadata",
            protocol=1,
            session_id="s-1",
            audio_info={"format": "pcm_s16le", "sample_rate": self.rate_hz, "channels": 1},
        )
        await self.say("ready")

    @property
    def rate_hz(self) -> int:
        """The output rate that the client asked for."""
        return int(self.start["output"].get("sample_rate", 24_000))

    async def reply(self, turn: int, text: str, audio: NDArray[np.int16], **fields: Any) -> None:
        """Answer a turn, completely; ``fields`` go to the messages that say who made it."""
        for word in text.split():
            await self.say("reply_text", turn=turn, text=f" {word}")
        await self.say("reply_done", turn=turn, text=text, **fields)
        await self.say("audio_start", turn=turn, sample_rate=self.rate_hz)
        pcm = audio.astype("<i2").tobytes()
        for start in range(0, len(pcm), 9600):
            await self.socket.send_bytes(pcm[start : start + 9600])
            if start == 0:
                await self.say("latency", turn=turn, response_ms=812.4, stages=STAGES)
        seconds = len(audio) / self.rate_hz
        await self.say("audio_complete", turn=turn, audio_seconds=seconds, **fields)
        await self.say("turn_ended", turn=turn, outcome="completed")


Script = Callable[[Line], Awaitable[None]]


class Edge:
    """A running scripted edge."""

    def __init__(self) -> None:
        self.port = 0
        self.lines: list[Line] = []
        self.sites: dict[str, Site] = {}

    @property
    def url(self) -> str:
        """Address of ``/ws``."""
        return f"ws://127.0.0.1:{self.port}/ws"

    @property
    def page(self) -> str:
        """Address of the talk page."""
        return f"{self.root}/"

    @property
    def root(self) -> str:
        """Origin of its pages."""
        return f"http://127.0.0.1:{self.port}"


@contextlib.asynccontextmanager
async def edge(script: Script) -> AsyncIterator[Edge]:
    """Serve the talk page, the widget, and sockets that follow the script, on loopback."""
    running = Edge()

    async def websocket(socket: WebSocket) -> None:
        await socket.accept()
        line = Line(socket)
        running.lines.append(line)
        async with asyncio.TaskGroup() as group:
            acting = group.create_task(_act(script, line))
            await line.listen()
            acting.cancel()

    async def index(_: object) -> Response:
        return FileResponse(TALK_PAGE / "index.html")

    async def site(request: Request) -> Response:
        key, asked = request.path_params["site"], request.query_params
        headers = {"access-control-allow-origin": "*"}
        if key not in running.sites:
            return JSONResponse({"error": {"code": "site_unknown"}}, 404, headers)
        told = known.described(running.sites[key], asked.get("own", ""), asked.getlist("page"))
        return JSONResponse(told, headers=headers)

    known = Sites(WidgetSettings())
    inner = Starlette(
        routes=[
            Route("/", index),
            WebSocketRoute("/ws", websocket),
            Mount("/static", StaticFiles(directory=TALK_PAGE)),
            Mount("/browser", Files(BROWSER)),
            Route("/widget/sites/{site}", site),
            WebSocketRoute("/widget/sites/{site}/ws", websocket),
            Mount("/widget", Files(WIDGET)),
        ]
    )

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def with_policy(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"].append((b"content-security-policy", POLICY.encode()))
            await send(message)

        await inner(scope, receive, with_policy)

    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_level="error", lifespan="off", ws="websockets-sansio"
    )
    server = uvicorn.Server(config)
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server.serve())
        while not server.started:
            assert not serving.done()
            await asyncio.sleep(0.01)
        running.port = server.servers[0].sockets[0].getsockname()[1]
        try:
            yield running
        finally:
            server.should_exit = server.force_exit = True
            await serving


async def _act(script: Script, line: Line) -> None:
    with contextlib.suppress(WebSocketDisconnect):
        await script(line)
