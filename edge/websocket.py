"""/ws: a client's session, over one socket or several: see docs/reference/websocket.md."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from edge import wire
from edge.call import Call, counted, refusal
from edge.connection import Connection, Frame
from edge.line import Lines
from edge.opening import opening
from edge.settings import EdgeSettings
from edge.visit import Visit
from voicebus.errors import ProtocolError, VoicebusError
from voicebus.sessions.sessions import Sessions

_FIRST_MESSAGE_S: Final = 30.0


async def talk(
    socket: WebSocket,
    sessions: Sessions,
    settings: EdgeSettings,
    lines: Lines,
    visit: Visit,
    kind: str,
) -> None:
    """Serve one client until it leaves, or until its session goes on over another socket.

    Args:
        socket: The client's.
        sessions: The edge's sessions.
        settings: Its limits.
        lines: The sessions to which clients like this one may come back.
        visit: What it may do.
        kind: Of client, for the log and the metrics.
    """
    await socket.accept(visit.subprotocol)
    connection = Connection(socket)
    connection.released.add_done_callback(lambda _: visit.disconnect())
    try:
        async with asyncio.timeout(_FIRST_MESSAGE_S):
            first = await _first(connection, visit, kind)
        if isinstance(first, wire.Resume) and lines.has(first.session_id):
            line = lines.find(first)
            structlog.contextvars.bind_contextvars(session=first.session_id)
            await line.take_over(connection, first)
            return
        visit.expect_room()
        begun = opening(first, settings.max_session_s, visit.owner, visit.terms)
        if begun.join is not None and begun.join.code:
            visit.try_code()
        async with visit.session(), sessions.open(kind, begun.known_by) as session:
            structlog.contextvars.bind_contextvars(session=session.place.session)
            brought = first if isinstance(first, str | bytes) else None
            with visit.returnable(begun.ticket):
                call = Call(session, settings, lines, visit, kind)
                await call.serve(connection, begun, brought)
    except WebSocketDisconnect:
        return
    except TimeoutError:
        await _refuse(connection, ProtocolError("nothing was sent", "idle"), kind)
    except VoicebusError as err:
        await _refuse(connection, err, kind)


async def _first(
    connection: Connection, visit: Visit, kind: str
) -> Frame | wire.Start | wire.Resume:
    """Wait for the client's first frame; what breaks the rules is answered and skipped.

    Who goes on like that is read more slowly, as later on.
    """
    while True:
        frame = await connection.receive()
        if isinstance(frame, bytes):
            return frame
        try:
            message = wire.parse(frame)
        except ProtocolError as err:
            await connection.send(wire.encode(counted(err, kind)))
            notices: list[ProtocolError] = []
            await visit.pace_frame(frame, notices.append)
            for notice in notices:
                await connection.send(wire.encode(counted(notice, kind)))
            continue
        return message if isinstance(message, wire.Start | wire.Resume) else frame


async def _refuse(connection: Connection, err: VoicebusError, kind: str) -> None:
    """Tell the client why it is not served, and close."""
    await connection.close(refusal(err), str(err), counted(err, kind))
