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
from edge.errand import Errand, open_errand
from edge.settings import EdgeSettings
from edge.tts.asked import Cancel, End, Manner, Ping, Start, Text, message
from edge.tts.stream import KIND, patience
from edge.tts.utterance import Utterance
from edge.visit import Visit
from voicebus import metrics
from voicebus.errors import ProtocolError, VoicebusError
from voicebus.sessions.sessions import Sessions

log: Final = structlog.get_logger()

_EXCUSE_EVERY_S: Final = 5.0
"""Much sooner than a client that sends nothing is sent away."""

MOST_WAITING: Final = 16
"""Texts that wait to be spoken; a client with more of them is read again when there is room."""


async def talk(socket: WebSocket, sessions: Sessions, settings: EdgeSettings, visit: Visit) -> None:
    """Serve one client until it leaves."""
    await socket.accept(visit.subprotocol)
    connection = Connection(socket)
    speech = Speech(connection, sessions, settings, visit)
    works = (speech.serve(), speech.speak(), _watch(visit))
    tasks = [asyncio.create_task(work) for work in works]
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
        self._growing: Utterance | None = None
        self._texts: asyncio.Queue[tuple[int, Utterance]] = asyncio.Queue(MOST_WAITING)
        self._saying: asyncio.Task[None] | None = None
        self._more = asyncio.Event()
        self._number = 0
        self._started = 0

    async def serve(self) -> None:
        """Read until the client leaves.

        Raises:
            WebSocketDisconnect: It has.
        """
        while True:
            frame = await self._connection.receive()
            await self._visit.pace_frame(frame, lambda _: None)
            try:
                await self._take(frame)
            except ProtocolError as err:
                metrics.CLIENT_ERRORS.labels(KIND, wire.error(err)["code"]).inc()
                await self._tell(wire.error(err))

    async def speak(self) -> None:
        """Speak the texts, one after the other. Runs until cancelled."""
        while True:
            number, utterance = await self._texts.get()
            self._saying = saying = asyncio.create_task(self._say(utterance, number))
            try:
                await asyncio.wait((saying,))
            finally:
                saying.cancel()
                await asyncio.wait((saying,))
            if not saying.cancelled():
                saying.result()

    async def _take(self, frame: str | bytes) -> None:
        if isinstance(frame, bytes):
            raise ProtocolError("text comes in text frames", "bad_frame")
        match message(frame):
            case Start() as manner:
                if self._growing is not None:
                    raise ProtocolError("a text has no end yet; end it first", "bad_state")
                if manner.format == "wav":
                    raise ProtocolError("a socket carries no WAV - at `format`", "bad_field")
                self._manner = manner
            case Text(text=text):
                (await self._begun()).add(text)
                self._more.set()
            case End():
                (await self._begun()).end()
                self._growing = None
                self._more.set()
            case Cancel():
                await self._stop()
                await self._tell({"type": "cancelled", "utterance": self._number})
            case Ping():
                await self._tell({"type": "pong"})

    async def _begun(self) -> Utterance:
        """Return the text that has no end yet: a new one once there is room for it."""
        if self._growing is None:
            self._growing = Utterance(self._manner)
            self._number += 1
            await self._queue(self._number, self._growing)
        return self._growing

    async def _queue(self, number: int, utterance: Utterance) -> None:
        while True:
            try:
                async with asyncio.timeout(_EXCUSE_EVERY_S):
                    return await self._texts.put((number, utterance))
            except TimeoutError:
                self._visit.excuse()

    async def _stop(self) -> None:
        """Drop what is said, and what waits behind it."""
        self._growing = None
        while not self._texts.empty():
            self._texts.get_nowait()
        if self._saying is not None:
            self._saying.cancel()
            await asyncio.wait((self._saying,))

    async def _say(self, utterance: Utterance, number: int) -> None:
        try:
            opening = open_errand(
                self._sessions, self._visit, KIND, ("tts",), patience(self._settings)
            )
            async with opening as errand:
                await self._carry(errand, utterance, number)
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

    async def _carry(self, errand: Errand, utterance: Utterance, number: int) -> None:
        """Ask for a text while it grows, and send its audio, to the last sample of it."""
        events = errand.events()
        coming = asyncio.ensure_future(anext(events))
        try:
            while not utterance.is_done:
                self._more.clear()
                for request in utterance.due():
                    await errand.ask(request)
                growing = asyncio.ensure_future(self._more.wait())
                try:
                    await asyncio.wait((coming, growing), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    growing.cancel()
                if coming.done():
                    for audio in utterance.take(coming.result()):
                        await self._send(audio, utterance, number)
                    coming = asyncio.ensure_future(anext(events))
            # Nobody may have said anything since the text's end came: what the filter holds waits.
            await self._send(utterance.flush(), utterance, number)
        finally:
            coming.cancel()
            await asyncio.wait((coming,))

    async def _send(self, audio: bytes, utterance: Utterance, number: int) -> None:
        if not audio:
            return
        if number != self._started:
            self._started = number
            sound = utterance.sound
            await self._tell(
                {
                    "type": "audio_start",
                    "utterance": number,
                    "format": sound.coding.value,
                    "sample_rate": sound.rate_hz,
                }
            )
        await self._connection.send(audio)

    async def _tell(self, told: dict[str, Any]) -> None:
        await self._connection.send(wire.encode(told))
