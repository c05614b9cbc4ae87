"""Exchanges that come by WebSocket."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from types import MappingProxyType
from typing import Any, Final

import structlog
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from edge.answers import denial
from edge.guards import GuardedWebSocket
from edge.telephony.answering import serve
from edge.telephony.binary_stream import BinaryStream
from edge.telephony.chan_websocket import ChanWebSocket
from edge.telephony.dialects import BINARY_DIALECTS, JSON_DIALECTS
from edge.telephony.events import Frame, Wire
from edge.telephony.gate import Gate, Presented
from edge.telephony.json_stream import JsonStream
from edge.telephony.line import MOST_UNSENT, LineLost, too_slow
from edge.telephony.office import Office
from edge.telephony.refusals import note_refusal
from edge.telephony.settings import TelephonySettings
from voicebus.errors import BusError, ProtocolError
from voicebus.http_guard import HEAD_BYTES, GuardedHttp

log: Final = structlog.get_logger()

ASTERISK: Final = "asterisk"
_SUBPROTOCOLS: Final = ("media", "audio.jambonz.org")
"""What exchanges offer, and want to see in the answer."""

_CLOSE_S: Final = 2.0
_CODES: Final = MappingProxyType(
    {**dict.fromkeys(("client", "silence", "limit", "forgotten"), 1000), "shutdown": 1012}
)
_POLICY: Final = 1008

PROTOCOLS: Final = (ASTERISK, *JSON_DIALECTS, *BINARY_DIALECTS)
"""The first parts of all paths."""


def wire_of(protocol: str, query: dict[str, str]) -> Wire:
    """Return how a protocol is spoken.

    Args:
        protocol: One of :data:`PROTOCOLS`.
        query: What stands behind the path.
    """
    if protocol in JSON_DIALECTS:
        return JsonStream(JSON_DIALECTS[protocol])
    if protocol in BINARY_DIALECTS:
        return BinaryStream(BINARY_DIALECTS[protocol])
    return ChanWebSocket(query)


class SocketLine:
    """A WebSocket that was accepted. :meth:`run` has to run."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._unsent: deque[Frame] = deque()
        self._changed = asyncio.Event()
        self._is_closing = False
        self._is_done = asyncio.Event()

    async def receive(self) -> Frame | None:
        """Wait for a frame."""
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            # uvicorn gives a reason, if an empty one, only where the exchange said goodbye.
            if "reason" not in message:
                raise LineLost
            return None
        data = message.get("bytes")
        return message["text"] if data is None else bytes(data)

    def send(self, frame: Frame) -> None:
        """Send a frame."""
        if len(self._unsent) >= MOST_UNSENT:
            raise too_slow()
        self._unsent.append(frame)
        self._changed.set()

    async def run(self) -> None:
        """Send until closed."""
        try:
            await self._send_all()
        finally:
            self._is_done.set()

    async def _send_all(self) -> None:
        while self._unsent or not self._is_closing:
            while self._unsent:
                frame = self._unsent.popleft()
                if isinstance(frame, bytes):
                    await self._socket.send_bytes(frame)
                else:
                    await self._socket.send_text(frame)
            self._changed.clear()
            if not self._is_closing:
                await self._changed.wait()

    async def close(self, reason: str) -> None:
        """Say goodbye."""
        self._is_closing = True
        self._changed.set()
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._is_done.wait()
                await self._socket.close(_CODES.get(reason, _POLICY), reason)
        except (TimeoutError, RuntimeError, WebSocketDisconnect):
            log.info("client.left_unread")


def create_app(office: Office, gate: Gate) -> Starlette:
    """Return the application: a route for each protocol, with and without a secret behind it."""

    async def answer(socket: WebSocket) -> None:
        protocol = socket.path_params["protocol"]
        try:
            if protocol not in PROTOCOLS:
                raise ProtocolError("there is no such protocol here", "not_found")
            gate.check(_presented(socket, protocol))
            with gate.enter():
                await office.sessions.expect_place()
                await _talk(socket, protocol, office)
        except (ProtocolError, BusError) as err:
            note_refusal(err, _label(protocol))
            await socket.send_denial_response(denial(err))

    routes = [
        WebSocketRoute("/{protocol}", answer),
        WebSocketRoute("/{protocol}/{secret}", answer),
    ]
    return Starlette(routes=routes)


def options(chosen: TelephonySettings) -> dict[str, Any]:
    """Return the settings of ``uvicorn.Config`` besides the application."""
    return {
        "http": partial(GuardedHttp, handshake_s=chosen.handshake_s),
        "h11_max_incomplete_event_size": HEAD_BYTES,
        "ws": GuardedWebSocket,
        "ws_max_size": chosen.max_frame_bytes,
        "ws_per_message_deflate": False,
        "proxy_headers": bool(chosen.proxies),
        "forwarded_allow_ips": chosen.proxies,
        "server_header": False,
        "timeout_graceful_shutdown": 3,
    }


def _label(protocol: str) -> str:
    return protocol if protocol in PROTOCOLS else "unknown"


async def _talk(socket: WebSocket, protocol: str, office: Office) -> None:
    offered = socket.scope.get("subprotocols", ())
    await socket.accept(next((name for name in _SUBPROTOCOLS if name in offered), None))
    line = SocketLine(socket)
    sending = asyncio.create_task(_sent(line))
    try:
        await serve(protocol, wire_of(protocol, dict(socket.query_params)), line, office)
    finally:
        sending.cancel()
        await asyncio.wait((sending,))


async def _sent(line: SocketLine) -> None:
    try:
        await line.run()
    except (RuntimeError, WebSocketDisconnect):
        return  # whoever reads from it notices


def _presented(socket: WebSocket, protocol: str) -> Presented:
    return Presented(
        address=socket.client.host if socket.client is not None else "",
        protocol=protocol,
        path=socket.url.path,
        secret=socket.path_params.get("secret", ""),
        query=dict(socket.query_params),
        raw_query=socket.url.query,
        headers=dict(socket.headers),
    )
