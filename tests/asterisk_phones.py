"""Telephones for tests that come through Asterisk's chan_websocket, as its pages describe it."""

from __future__ import annotations

from typing import Any

from tests.telephones import CALLER, SocketPhone
from voicebus.audio import g711


class AsteriskPhone(SocketPhone):
    """chan_websocket, with words for control."""

    law: g711.Law | None = g711.Law.MU
    start = (
        "MEDIA_START connection_id:media_connection1 channel:WebSocket/connection1/0x7f channel_id:"
        "1700000000.1 format:ulaw optimal_frame_size:160 ptime:20"
    )

    async def begin(self) -> None:
        """Say what the call is."""
        await self.socket.send(self.start)

    async def send_audio(self, data: bytes) -> None:
        """Send a frame of audio."""
        await self.socket.send(data)

    async def press(self, digit: str) -> None:
        """Press a key."""
        await self.socket.send(f"DTMF_END digit:{digit} channel_id:1700000000.1")

    def parsed(self, data: str) -> Any:
        """A text frame."""
        return data


class WideAsteriskPhone(AsteriskPhone):
    """The same at 16 kHz, with JSON for control."""

    rate_hz = 16_000
    law = None

    async def begin(self) -> None:
        """Say what the call is."""
        await self.text(
            event="MEDIA_START",
            connection_id="media_connection1",
            channel="WebSocket/connection1/0x7f",
            channel_id="1700000000.1",
            format="slin16",
            optimal_frame_size=640,
            ptime=20,
            channel_variables={"caller": CALLER},
        )

    async def press(self, digit: str) -> None:
        """Press a key."""
        await self.text(event="DTMF_END", channel_id="1700000000.1", digit=digit)
