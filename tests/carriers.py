"""Telephones for tests that come through carriers, each as its pages describe it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
from typing import Any, ClassVar, Final

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.asterisk_phones import AsteriskPhone
from tests.telephones import CALLED, CALLER, SocketPhone, b64
from voicebus.audio import g711

_IDLE_S: Final = 0.25
"""After so long without audio the next begins to play when it comes."""


class TwilioPhone(SocketPhone):
    """Twilio Media Streams. What it is sent it plays in real time, and then returns the marks."""

    law = g711.Law.MU
    stream = "MZ18ad3ab5a668481ce02b83e7395059f0"
    parameters: ClassVar[dict[str, str]] = {}

    def __init__(self, socket: ClientConnection) -> None:
        super().__init__(socket)
        self._numbers = itertools.count(1)
        self._until_s = 0.0
        self._pending: dict[str, asyncio.TimerHandle] = {}
        self.ahead_s = 0.0
        self.cleared = 0
        self.marked: list[str] = []

    async def numbered(self, event: str, **fields: Any) -> None:
        """Send an event with its number."""
        number = str(next(self._numbers))
        await self.text(event=event, sequenceNumber=number, streamSid=self.stream, **fields)

    async def begin(self) -> None:
        """Say what the call is."""
        await self.text(event="connected", protocol="Call", version="1.0.0")
        start = {
            "accountSid": "AC" + 32 * "0",
            "streamSid": self.stream,
            "callSid": "CA" + 32 * "1",
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"caller": CALLER, **self.parameters},
        }
        await self.numbered("start", start=start)

    async def send_audio(self, data: bytes) -> None:
        """Send a frame of audio."""
        media = {
            "track": "inbound",
            "chunk": str(self.frames + 1),
            "timestamp": str(20 * self.frames),
            "payload": b64(data),
        }
        await self.numbered("media", media=media)

    async def press(self, digit: str) -> None:
        """Press a key."""
        await self.numbered("dtmf", dtmf={"track": "inbound_track", "digit": digit})

    async def hang_up(self) -> None:
        """End the call."""
        await self.numbered("stop", stop={"accountSid": "AC", "callSid": "CA"})

    def took(self, message: Any) -> bytes:
        """Take a text; return the audio in it."""
        self.told.append(message)
        assert message["streamSid"] == self.stream
        match message["event"]:
            case "media":
                data = base64.b64decode(message["media"]["payload"], validate=True)
                self.play(len(data) / 8_000)
                return data
            case "mark":
                self.mark(message["mark"]["name"])
            case "clear":
                self.clear()
        return b""

    def play(self, seconds: float) -> None:
        """Queue audio, and note how much waits."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._until_s > _IDLE_S:
            self._until_s = now_s
        # Where this loop was late it finds several frames at once, which did not come too soon.
        self._until_s += seconds
        self.ahead_s = max(self.ahead_s, self._until_s - now_s)

    def mark(self, name: str) -> None:
        """Return a mark once all before it is played."""
        loop = asyncio.get_running_loop()
        self._pending[name] = loop.call_at(self._until_s, self._return, name)

    def clear(self) -> None:
        """Forget what is queued; the marks come back at once."""
        self._until_s = 0.0
        self.cleared += 1
        for name in tuple(self._pending):
            self._pending[name].cancel()
            self._return(name)

    def _return(self, name: str) -> None:
        self._pending.pop(name, None)
        self.marked.append(name)
        if self.closed is None:
            self._answer = asyncio.create_task(self._tell(name))

    async def _tell(self, name: str) -> None:
        """Say that a mark was reached, if there is still somebody to be told."""
        with contextlib.suppress(ConnectionClosed):
            await self.numbered("mark", mark={"name": name})


class TelnyxPhone(SocketPhone):
    """Telnyx, with A-law."""

    law = g711.Law.A
    stream = "32DE0DEA-53CB-4B21-89A4-9E1819C043BC"

    async def begin(self) -> None:
        """Say what the call is."""
        await self.text(event="connected", version="1.0.0")
        start = {
            "call_control_id": "v2:T02llQxIyaRkhfRKxgAP8nY511EhFLizdvdUKJiSw8d6A9BborherQ",
            "from": CALLER,
            "to": CALLED,
            "media_format": {"encoding": "PCMA", "sample_rate": 8000, "channels": 1},
        }
        await self.text(event="start", sequence_number="1", stream_id=self.stream, start=start)

    async def send_audio(self, data: bytes) -> None:
        """Send a frame of audio."""
        media = {"track": "inbound", "chunk": str(self.frames + 1), "payload": b64(data)}
        media["timestamp"] = str(20 * self.frames)
        await self.text(event="media", stream_id=self.stream, media=media)

    async def press(self, digit: str) -> None:
        """Press a key."""
        await self.text(event="dtmf", stream_id=self.stream, dtmf={"digit": digit})

    def took(self, message: Any) -> bytes:
        """Take a text; return the audio in it."""
        self.told.append(message)
        payload = message["media"]["payload"] if message["event"] == "media" else ""
        return base64.b64decode(payload, validate=True)


class PlivoPhone(SocketPhone):
    """Plivo, with samples of 16 kHz."""

    rate_hz = 16_000
    stream = "87654321-4321-4321-4321-cba987654321"

    async def begin(self) -> None:
        """Say what the call is."""
        start = {
            "callId": "12345678-1234-1234-1234-123456789abc",
            "streamId": self.stream,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-l16", "sampleRate": 16000},
        }
        headers = f"caller={CALLER};userId=12345"
        await self.text(event="start", sequenceNumber=1, start=start, extra_headers=headers)

    async def send_audio(self, data: bytes) -> None:
        """Send a frame of audio."""
        media = {"track": "inbound", "chunk": self.frames + 1, "payload": b64(data)}
        await self.text(event="media", streamId=self.stream, media=media)

    async def press(self, digit: str) -> None:
        """Press a key."""
        await self.text(event="dtmf", streamId=self.stream, dtmf={"digit": digit})

    def took(self, message: Any) -> bytes:
        """Take a text; return the audio in it."""
        self.told.append(message)
        if message["event"] != "playAudio":
            return b""
        assert message["media"]["contentType"] == "audio/x-l16"
        assert message["media"]["sampleRate"] == 16_000
        return base64.b64decode(message["media"]["payload"], validate=True)


class ExotelPhone(SocketPhone):
    """Exotel, with samples of 8 kHz."""

    stream = "6fd5a1b2"

    async def begin(self) -> None:
        """Say what the call is."""
        await self.text(event="connected")
        start = {
            "stream_sid": self.stream,
            "call_sid": "call1",
            "from": CALLER,
            "to": CALLED,
            "media_format": {"encoding": "base64", "sample_rate": "8000", "bit_rate": "128kbps"},
        }
        await self.text(event="start", sequence_number=1, stream_sid=self.stream, start=start)

    async def send_audio(self, data: bytes) -> None:
        """Send a frame of audio."""
        media = {"chunk": self.frames + 1, "timestamp": str(20 * self.frames), "payload": b64(data)}
        await self.text(event="media", stream_sid=self.stream, media=media)

    async def press(self, digit: str) -> None:
        """Press a key."""
        await self.text(event="dtmf", stream_sid=self.stream, dtmf={"digit": digit, "duration": 9})

    def took(self, message: Any) -> bytes:
        """Take a text; return the audio in it."""
        self.told.append(message)
        if message["event"] != "media":
            return b""
        data = base64.b64decode(message["media"]["payload"], validate=True)
        assert len(data) % 320 == 0
        assert len(data) >= 1_600
        return data


class VonagePhone(SocketPhone):
    """Vonage, with samples of 16 kHz in binary frames."""

    rate_hz = 16_000

    async def begin(self) -> None:
        """Say what the call is."""
        kind = "audio/l16;rate=16000"
        await self.text(event="websocket:connected", **{"content-type": kind}, uuid="c1")

    async def send_audio(self, data: bytes) -> None:
        """Send a frame of audio."""
        await self.socket.send(data)

    async def press(self, digit: str) -> None:
        """Press a key."""
        await self.text(event="websocket:dtmf", digit=digit, duration=260)


class JambonzPhone(VonagePhone):
    """jambonz, with samples of 8 kHz in binary frames."""

    rate_hz = 8_000

    async def begin(self) -> None:
        """Say what the call is."""
        await self.text(callSid="c1", **{"from": CALLER, "to": CALLED}, sampleRate=8000)

    async def press(self, digit: str) -> None:
        """Press a key."""
        await self.text(event="dtmf", dtmf=digit, duration="1600")


PHONES = {
    "asterisk": AsteriskPhone,
    "twilio": TwilioPhone,
    "telnyx": TelnyxPhone,
    "plivo": PlivoPhone,
    "exotel": ExotelPhone,
    "vonage": VonagePhone,
    "jambonz": JambonzPhone,
}
