"""/tts/stream over a WebSocket, with the test in the place of the workers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from edge.settings import EdgeSettings
from edge.tts.asked import MAX_CHARACTERS
from edge.tts.socket import MOST_WAITING
from schemas.claim import Claimed
from schemas.event import Event
from schemas.session import SessionClosed
from schemas.tts import ReplyChunk, SpeakRequest, SpeechDone
from subjects.catalog import Place, place_of, subject_of
from subjects.tokens import new_token
from tests.bus import CELL, bus_at
from tests.edge.running import served
from voicebus.bus.client import Bus
from voicebus.bus.inbox import Inbox

RATE_HZ = 24_000
SECOND = b"\1\0" * RATE_HZ


class Scene:
    """A client on one side, and the test in the place of all workers on the other."""

    def __init__(self, bus: Bus, inbox: Inbox, client: ClientConnection) -> None:
        self._bus = bus
        self._inbox = inbox
        self._subject = ""
        self.client = client

    async def send(self, *messages: dict[str, Any]) -> None:
        """Send as the client."""
        for message in messages:
            await self.client.send(json.dumps(message))

    async def text(self, text: str) -> None:
        """Send a whole text."""
        await self.send({"type": "text", "text": text}, {"type": "end"})

    async def told(self) -> tuple[dict[str, Any], bytes]:
        """The next message to the client, and the audio before it."""
        audio = b""
        async with asyncio.timeout(60):
            async for data in self.client:
                if not isinstance(data, bytes):
                    return json.loads(data), audio
                audio += data
        raise AssertionError("closed")

    @property
    def unread(self) -> int:
        """How much the edge has said that nobody has read."""
        return len(self._inbox)

    async def said(self) -> Event:
        """The next thing that the edge says."""
        async with asyncio.timeout(20):
            self._subject, event = await self._inbox.next()
        return event

    async def job(self) -> tuple[Place, SpeakRequest]:
        """The next thing that workers are asked for; it is taken."""
        while not isinstance(request := await self.said(), SpeakRequest):
            pass
        place = place_of(self._subject)
        await self._bus.claim(Claimed(role="tts", worker="w", turn=request.turn), place, "1-0", 0)
        return place, request

    async def speak(self, place: Place, *pieces: bytes) -> None:
        """Publish what a worker says, a second if nothing is said of it, with its end."""
        offset = 0
        for seq, pcm in enumerate(pieces or (SECOND,)):
            chunk = ReplyChunk(turn=1, seq=seq, pcm=pcm, rate_hz=RATE_HZ, offset=offset)
            offset += len(pcm) // 2
            await self._bus.publish(chunk, place)
            await self._bus.flush()  # no worker is faster than the bus
        await self._bus.publish(SpeechDone(turn=1, samples=offset, rate_hz=RATE_HZ), place)


@asynccontextmanager
async def scene(url: str) -> AsyncIterator[Scene]:
    """Serve an edge without workers, and connect a client to it."""
    edge = new_token("e")
    kinds = (SpeakRequest, SessionClosed)
    subjects = [subject_of(kind, Place(CELL, edge, "*")) for kind in kinds]
    async with (
        bus_at(url) as bus,
        served(bus, edge, EdgeSettings(claim_s=60)) as serving,
        bus.listen(*subjects) as inbox,
        connect(serving.http.replace("http", "ws") + "/tts/stream", proxy=None) as client,
    ):
        await bus.flush()
        yield Scene(bus, inbox, client)


async def test_the_next_text_may_come_before_the_one_before_it_is_done(nats_server: str) -> None:
    """Each is spoken as was said when it began, and each has an end of its own."""
    async with scene(nats_server) as opened:
        await opened.text("One.")
        await opened.send({"type": "start", "voice": "sea"})
        await opened.text("Two.")
        said = []
        for number in (1, 2):
            place, request = await opened.job()
            said.append((request.text, request.voice))
            await opened.speak(place)
            started, _ = await opened.told()
            done, audio = await opened.told()
            assert (started["type"], started["utterance"]) == ("audio_start", number)
            assert (done["type"], done["utterance"]) == ("done", number)
            assert len(audio) == len(SECOND)

    assert said == [("One.", ""), ("Two.", "sea")]


async def test_a_cancel_drops_the_texts_that_wait_too(nats_server: str) -> None:
    """The one behind it is spoken."""
    async with scene(nats_server) as opened:
        for text in ("One.", "Two.", "Three."):
            await opened.text(text)
        await opened.job()
        await opened.send({"type": "cancel"})
        cancelled, _ = await opened.told()
        await opened.text("Four.")
        _, request = await opened.job()

    assert (cancelled["type"], cancelled["utterance"]) == ("cancelled", 3)
    assert request.text == "Four."


async def test_a_cancel_leaves_no_task_that_waits_for_more_of_the_text(nats_server: str) -> None:
    """Nobody will say more of it: the task would stay as long as the server does."""
    async with scene(nats_server) as opened:
        before = len(asyncio.all_tasks())
        for _ in range(3):
            await opened.text("One.")
            await opened.job()
            await opened.send({"type": "cancel"})
            while (await opened.told())[0]["type"] != "cancelled":
                pass
        async with asyncio.timeout(20):
            while (left := len(asyncio.all_tasks())) > before:
                await asyncio.sleep(0.05)

    assert left <= before


async def test_more_texts_than_may_wait_are_read_when_there_is_room(nats_server: str) -> None:
    """None is lost."""
    count = MOST_WAITING + 4
    async with scene(nats_server) as opened:
        for number in range(count):
            await opened.text(f"Number {number}.")
        said = []
        for _ in range(count):
            place, request = await opened.job()
            said.append(request.text)
            await opened.speak(place)
            await opened.told()
            await opened.told()

    assert said == [f"Number {number}." for number in range(count)]


async def test_an_end_behind_all_of_the_audio_brings_its_last_samples(nats_server: str) -> None:
    """They waited in the filter for more; no worker says anything any more."""
    async with scene(nats_server) as opened:
        await opened.send({"type": "start", "sample_rate": 22_050})
        await opened.send({"type": "text", "text": "The sea is wide today.\n"})
        place, _ = await opened.job()
        await opened.speak(place)
        started, _ = await opened.told()
        audio = b""
        async with asyncio.timeout(20):
            while len(audio) < 0.8 * 2 * 22_050:
                audio += bytes(await opened.client.recv(decode=False))
        await asyncio.sleep(0.2)  # the end of the piece has reached the edge
        await opened.send({"type": "end"})
        done, rest = await opened.told()

    assert started["sample_rate"] == 22_050
    assert abs(len(audio + rest) - 2 * 22_050) <= 4
    assert done["audio_seconds"] == round(len(audio + rest) / 2 / 22_050, 3)


async def test_a_client_that_reads_slowly_gets_all_of_the_audio(nats_server: str) -> None:
    """An end that comes while audio waits for it loses nothing."""
    pieces = [SECOND * 10] * 40  # 19 MB: more than the sockets between them hold
    async with scene(nats_server) as opened:
        await opened.send({"type": "text", "text": "The sea is wide today.\n"})
        place, _ = await opened.job()
        opened.client.transport.pause_reading()
        await opened.speak(place, *pieces)
        await asyncio.sleep(0.5)
        await opened.send({"type": "end"})
        await asyncio.sleep(0.5)
        opened.client.transport.resume_reading()
        await opened.told()
        done, audio = await opened.told()

    assert (done["type"], done["audio_seconds"]) == ("done", 400.0)
    assert len(audio) == sum(map(len, pieces))


async def test_a_text_that_is_too_long_in_pieces_is_refused(nats_server: str) -> None:
    """The piece that passes the bound is; the words before it are spoken, and the next text is."""
    async with scene(nats_server) as opened:
        await opened.send(
            {"type": "text", "text": "One. "},
            {"type": "text", "text": "a" * (MAX_CHARACTERS - 4)},
        )
        error, _ = await opened.told()
        await opened.send({"type": "end"})
        place, request = await opened.job()
        await opened.speak(place)
        await opened.told()
        done, _ = await opened.told()
        await opened.text("Two.")
        _, following = await opened.job()

    assert (error["type"], error["code"]) == ("error", "text_too_long")
    assert (request.text, done["type"], done["utterance"]) == ("One.", "done", 1)
    assert following.text == "Two."


async def test_a_client_that_leaves_ends_what_is_said_and_what_waits(nats_server: str) -> None:
    """The session of the text that is spoken is closed, and no other is opened."""
    async with scene(nats_server) as opened:
        await opened.text("One.")
        await opened.text("Two.")
        await opened.job()
        await opened.client.close()
        while not isinstance(event := await opened.said(), SessionClosed):
            pass
        await asyncio.sleep(0.2)

        assert event.reason == "lost"
        assert opened.unread == 0
