"""/tts/stream over a WebSocket: text in pieces, audio out, one text after the other.

See docs/reference/tts-stream.md.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from edge import wire
from edge.call import refusal
from edge.connection import Connection
from edge.errand import open_errand
from edge.settings import EdgeSettings
from edge.tts.asked import Cancel, End, Manner, Ping, Start, Text, message
from edge.tts.stream import KIND, patience
from edge.tts.utterance import Utterance
from edge.visit import Visit
from voicebus import metrics
from voicebus.errors import ProtocolError, VoicebusError
from voicebus.sessions.sessions import Sessions

log: Final = structlog.get_logger()


async def talk(socket: WebSocket, sessions: Sessions, settings: EdgeSettings, visit: Visit) -> None:
    """Serve one client until it leaves."""
    await socket.accept(visit.subprotocol)
    connection = Connection(socket)
    serving = asyncio.create_task(Speech(connection, sessions, settings, visit).serve())
    watching = asyncio.create_task(_watch(visit))
    tasks = (serving, watching)
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    for task in tasks:
        err = None if task.cancelled() else task.exception()
        if isinstance(err, VoicebusError):
            told = wire.error(err)
            metrics.CLIENT_ERRORS.labels(KIND, told["code"]).inc()
            await connection.close(refusal(err), str(err), told)
        elif err is not None and not isinstance(err, WebSocketDisconnect):
            raise err


async def _watch(visit: Visit) -> None:
    while True:
        await asyncio.sleep(1.0)
        visit.check()


class Speech:
    """One client's texts."""

    def __init__(
        self, connection: Connection, sessions: Sessions, settings: EdgeSettings, visit: Visit
    ) -> None:
        self._connection = connection
        self._sessions = sessions
        self._settings = settings
        self._visit = visit
        self._manner: Manner = Manner()
        self._utterance: Utterance | None = None
        self._speaking: asyncio.Task[None] | None = None
        self._more = asyncio.Event()
        self._number = 0

    async def serve(self) -> None:
        """Read until the client leaves.

        Raises:
            WebSocketDisconnect: It has.
        """
        try:
            while True:
                frame = await self._connection.receive()
                await self._visit.pace_frame(frame, lambda _: None)
                try:
                    await self._take(frame)
                except ProtocolError as err:
                    metrics.CLIENT_ERRORS.labels(KIND, wire.error(err)["code"]).inc()
                    await self._tell(wire.error(err))
        finally:
            await self._stop()

    async def _take(self, frame: str | bytes) -> None:
        if isinstance(frame, bytes):
            raise ProtocolError("text comes in text frames", "bad_frame")
        match message(frame):
            case Start() as manner:
                if self._utterance is not None:
                    raise ProtocolError("a text is being spoken; end it first", "bad_state")
                if manner.format == "wav":
                    raise ProtocolError("a socket carries no WAV - at `format`", "bad_field")
                self._manner = manner
            case Text(text=text):
                self._begun().add(text)
                self._more.set()
            case End():
                self._begun().end()
                self._more.set()
            case Cancel():
                await self._stop()
                await self._tell({"type": "cancelled", "utterance": self._number})
            case Ping():
                await self._tell({"type": "pong"})

    def _begun(self) -> Utterance:
        if self._utterance is None:
            self._number += 1
            self._utterance = Utterance(self._manner)
            self._speaking = asyncio.create_task(self._speak(self._utterance, self._number))
        return self._utterance

    async def _stop(self) -> None:
        speaking, self._speaking, self._utterance = self._speaking, None, None
        if speaking is not None:
            speaking.cancel()
            await asyncio.wait((speaking,))

    async def _speak(self, utterance: Utterance, number: int) -> None:
        try:
            opening = open_errand(
                self._sessions, self._visit, KIND, ("tts",), patience(self._settings)
            )
            async with opening as errand:
                asking = asyncio.create_task(self._ask(errand.ask, utterance))
                hearing = asyncio.create_task(self._hear(errand.events(), utterance, number))
                try:
                    # Whichever ends, either all was spoken or something is wrong.
                    await asyncio.wait((asking, hearing), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for task in (asking, hearing):
                        task.cancel()
                    await asyncio.wait((asking, hearing))
                for task in (asking, hearing):
                    if not task.cancelled():
                        task.result()
        except WebSocketDisconnect:
            return  # whoever reads notices
        except VoicebusError as err:
            metrics.CLIENT_ERRORS.labels(KIND, wire.error(err)["code"]).inc()
            log.info("tts.failed", code=wire.error(err)["code"])
            await self._tell({**wire.error(err), "utterance": number})
        else:
            done: dict[str, Any] = {
                "type": "done",
                "utterance": number,
                "audio_seconds": round(utterance.seconds, 3),
            }
            await self._tell({**done, "synthetic": True} if utterance.is_synthetic else done)
        metrics.EDGE_AUDIO_SECONDS.labels(KIND, "down").inc(utterance.seconds)
        if self._utterance is utterance:
            self._utterance = self._speaking = None

    async def _ask(self, ask: Any, utterance: Utterance) -> None:
        while not utterance.is_done:
            self._more.clear()
            for request in utterance.due():
                await ask(request)
            await self._more.wait()

    async def _hear(self, events: Any, utterance: Utterance, number: int) -> None:
        is_begun = False
        async for event in events:
            for audio in utterance.take(event):
                if not is_begun:
                    is_begun = True
                    await self._tell(self._start_told(number))
                await self._connection.send(audio)
            self._more.set()
            if utterance.is_done:
                return

    def _start_told(self, number: int) -> dict[str, Any]:
        sound = self._manner.sound
        return {
            "type": "audio_start",
            "utterance": number,
            "format": sound.coding.value,
            "sample_rate": sound.rate_hz,
        }

    async def _tell(self, told: dict[str, Any]) -> None:
        await self._connection.send(wire.encode(told))
