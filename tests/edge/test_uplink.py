"""From the client to the bus: bytes of any kind become the session's audio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from edge.settings import EdgeSettings
from edge.timeline import AudioClock
from edge.uplink import Uplink
from edge.wire import Input, Start
from schemas.audio import AudioChunk, AudioEnded
from schemas.session import TurnTakingSet
from subjects.tokens import new_token
from tests.bus import bus_at
from tests.voicebus.audio.recordings import likeness, recording, sentence
from voicebus.bus.client import Bus
from voicebus.cli.replay import caller_audio, recorded
from voicebus.errors import ProtocolError, UnsupportedAudio, VoicebusError
from voicebus.sessions.session import Session
from voicebus.sessions.sessions import Sessions

PCM = sentence()[:16_000].tobytes()


class Line:
    """An uplink on a real session, and what its client was told."""

    def __init__(self, bus: Bus, session: Session, start: Start, **settings: Any) -> None:
        self._bus = bus
        self._session = session
        self.told: list[dict[str, Any]] = []
        self.errors: list[VoicebusError] = []
        self.paid_s = 0.0
        self.uplink = Uplink(
            session,
            AudioClock(),
            EdgeSettings(**settings),
            start,
            self,
        )

    def tell(self, message: dict[str, Any]) -> None:
        """Take note of a message to the client."""
        self.told.append(message)

    def report(self, err: VoicebusError) -> None:
        """Take note of an error."""
        self.errors.append(err)

    async def pay(self, audio_s: float) -> None:
        """Take note of how much audio is to be paid for."""
        self.paid_s += audio_s

    async def log(self) -> list[Any]:
        """What was published, once it is stored."""
        await self._bus.flush()
        await asyncio.sleep(0.05)
        return [event for _, event in await recorded(self._bus, self._session.place.session)]

    def codes(self) -> list[str]:
        """The errors' codes."""
        return [e.reason if isinstance(e, ProtocolError) else e.code for e in self.errors]


@asynccontextmanager
async def line(url: str, start: Start | None = None, **settings: Any) -> AsyncIterator[Line]:
    """Open a session and its uplink."""
    async with bus_at(url) as bus:
        sessions = Sessions(bus, new_token("e"), "websocket", 10)
        async with sessions.open("test") as session:
            opened = Line(bus, session, start or Start(), **settings)
            try:
                yield opened
            finally:
                await opened.uplink.close()


async def send(uplink: Uplink, data: bytes, size: int) -> None:
    """Send bytes in frames of a size."""
    for start in range(0, len(data), size):
        await uplink.take(data[start : start + size])


@pytest.mark.parametrize("size", [1, 3, 640, 641, 100_000])
async def test_samples_arrive_whole_whatever_the_frames_are(nats_server: str, size: int) -> None:
    """Frames of any size become chunks of at most 200 ms, gapless, bit for bit."""
    pcm = PCM[:4000] if size == 1 else PCM
    async with line(nats_server) as opened:
        await send(opened.uplink, pcm, size)
        assert await opened.uplink.end() is True
        log = await opened.log()

    assert caller_audio(log).tobytes() == pcm
    assert max(len(event.pcm) for event in log if isinstance(event, AudioChunk)) <= 6_400
    ended = [event.offset for event in log if isinstance(event, AudioEnded)]
    assert ended == [len(pcm) // 2]
    assert opened.errors == []


async def test_a_file_is_decoded_and_is_one_turn(nats_server: str) -> None:
    """A file's words are the session's audio; its end, and no pause, ends the turn."""
    async with line(nats_server) as opened:
        await send(opened.uplink, recording("ogg-opus"), 1000)
        assert opened.uplink.is_manual
        assert await opened.uplink.end() is True
        log = await opened.log()

    assert likeness(caller_audio(log), sentence()) > 0.9
    assert [e.turn_taking for e in log if isinstance(e, TurnTakingSet)] == ["manual"]
    assert opened.told[0]["input_info"]["codec"] == "opus"


async def test_live_samples_after_a_file_end_with_pauses_again(nats_server: str) -> None:
    """Turn-taking goes back to what the session wanted, and offsets go on counting."""
    async with line(nats_server) as opened:
        await send(opened.uplink, recording("flac"), 5000)
        await opened.uplink.end()
        await send(opened.uplink, PCM, 640)
        assert not opened.uplink.is_manual
        await opened.uplink.end()
        log = await opened.log()

    assert [e.turn_taking for e in log if isinstance(e, TurnTakingSet)] == ["manual", "pause"]
    assert caller_audio(log)[-len(PCM) // 2 :].tobytes() == PCM
    assert len([event for event in log if isinstance(event, AudioEnded)]) == 2


async def test_an_end_without_audio_is_answered_by_the_edge(nats_server: str) -> None:
    """No worker hears of a stream without bytes: the client is told so at once, each time."""
    async with line(nats_server) as opened:
        assert await opened.uplink.end() is False
        await opened.uplink.take(PCM)
        assert await opened.uplink.end() is True
        assert await opened.uplink.end() is False
        log = await opened.log()

    assert opened.told == [{"type": "nothing_heard"}] * 2
    assert len([event for event in log if isinstance(event, AudioEnded)]) == 1


async def test_what_is_no_audio_is_refused_once_and_the_rest_ignored(nats_server: str) -> None:
    """One error per stream; the next stream is looked at anew."""
    async with line(nats_server) as opened:
        with pytest.raises(UnsupportedAudio):
            await send(opened.uplink, b"%PDF-1.7 and so on" * 10, 60)
        await send(opened.uplink, PCM, 640)
        assert await opened.uplink.end() is False
        await send(opened.uplink, PCM, 640)
        await opened.uplink.end()
        log = await opened.log()

    assert caller_audio(log).tobytes() == PCM
    assert opened.told == []


async def test_a_few_bytes_are_samples(nats_server: str) -> None:
    """Too few bytes to tell what they are: samples, and half of one is a notice."""
    async with line(nats_server) as opened:
        await opened.uplink.take(b"\1\2\3")
        assert await opened.uplink.end() is True
        log = await opened.log()

    assert caller_audio(log).tobytes() == b"\1\2"
    assert opened.codes() == ["audio_odd_bytes"]


async def test_a_file_beyond_the_limit_is_cut_and_said(nats_server: str) -> None:
    """What fits the limit is used, the rest is not decoded."""
    async with line(nats_server, max_file_s=2.0) as opened:
        await send(opened.uplink, recording("wav-s16"), 10_000)
        assert await opened.uplink.end() is True
        log = await opened.log()

    assert opened.codes() == ["audio_too_long"]
    assert 1.8 <= len(caller_audio(log)) / 16_000 <= 2.0


async def test_audio_far_ahead_of_real_time_is_held_back(nats_server: str) -> None:
    """Beyond the limit reading takes as long as the audio lasts, with a notice."""
    clock = asyncio.get_running_loop().time
    async with line(nats_server, ahead_s=0.5) as opened:
        begun_s = clock()
        await send(opened.uplink, np.zeros(16_000, np.int16).tobytes(), 6_400)
        held_s = clock() - begun_s
        log = await opened.log()

    assert 0.45 <= held_s < 2.0
    assert opened.codes() == ["audio_too_fast"]
    assert len(caller_audio(log)) == 16_000


async def test_a_pause_earns_no_burst(nats_server: str) -> None:
    """Who was silent for a while may not send that much faster afterwards."""
    clock = asyncio.get_running_loop().time
    async with line(nats_server, ahead_s=0.3) as opened:
        await opened.uplink.take(bytes(3_200))
        await asyncio.sleep(0.6)
        begun_s = clock()
        await send(opened.uplink, bytes(19_200), 3_200)

        assert clock() - begun_s >= 0.15


async def test_bytes_that_are_said_to_be_samples_are_not_looked_at(nats_server: str) -> None:
    """Whoever asks for raw samples may send any, also such as begin like a file."""
    start = Start(input=Input(format="pcm_s16le"))
    async with line(nats_server, start) as opened:
        await opened.uplink.take(b"RIFF" + PCM)
        assert await opened.uplink.end() is True
        log = await opened.log()

    assert caller_audio(log).tobytes() == b"RIFF" + PCM


async def test_while_muted_silence_is_heard(nats_server: str) -> None:
    """Muting twice is muting; the audio goes on in length, and is heard again afterwards."""
    async with line(nats_server) as opened:
        for is_muted in (False, True, True, False):
            opened.uplink.is_muted = is_muted
            await send(opened.uplink, PCM, 640)
        await opened.uplink.end()
        log = await opened.log()

    assert caller_audio(log).tobytes() == PCM + bytes(2 * len(PCM)) + PCM


async def test_a_file_is_heard_although_the_microphone_is_muted(nats_server: str) -> None:
    """Muting concerns live audio."""
    async with line(nats_server) as opened:
        opened.uplink.is_muted = True
        await send(opened.uplink, recording("flac"), 5000)
        await opened.uplink.end()
        log = await opened.log()

    assert likeness(caller_audio(log), sentence()) > 0.9
