"""A file that a client sends through its socket, decoded while it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from voicebus.audio.containers import Container
from voicebus.audio.stream import StreamDecoder
from voicebus.errors import ProtocolError, VoicebusError


class Teller(Protocol):
    """Tells a client something."""

    def tell(self, message: dict[str, Any]) -> None:
        """Send a message."""
        ...

    def report(self, err: VoicebusError) -> None:
        """Send an error."""
        ...


class File:
    """A file that is being sent: fed on one side, decoded and published on the other.

    Args:
        kind: What it begins like.
        max_seconds: How much of it is decoded at the most.
        publish: Takes the audio: 16 kHz, s16le, mono.
        client: Is told what it is, and what is wrong with it.
    """

    def __init__(
        self,
        kind: Container,
        max_seconds: float,
        publish: Callable[[bytes], Awaitable[None]],
        client: Teller,
    ) -> None:
        self._decoder = StreamDecoder(kind, max_seconds=max_seconds)
        self._kind = kind
        self._publish = publish
        self._client = client
        self._task = asyncio.create_task(self._decode())

    async def feed(self, data: bytes) -> None:
        """Take the next bytes; returns when there is room for more."""
        await self._decoder.feed(data)

    async def finish(self) -> None:
        """Return when all of it is published, or its error told."""
        await self._decoder.finish()
        await self._task
        await self._decoder.aclose()

    async def close(self) -> None:
        """Stop at once."""
        await self._decoder.aclose()
        self._task.cancel()
        await asyncio.wait((self._task,))

    async def _decode(self) -> None:
        told = False
        try:
            async for pcm in self._decoder:
                if not told and self._decoder.info is not None:
                    told = True
                    self._client.tell({"type": "metadata", "input_info": _info_of(self._decoder)})
                await self._publish(pcm)
        except VoicebusError as err:
            self._client.report(err)
            return
        finally:
            await self._decoder.aclose()  # so that nobody waits to feed it
        if self._decoder.truncated:
            self._client.report(
                ProtocolError(
                    "the file is damaged or cut off; what could be decoded is used",
                    "audio_truncated",
                )
            )


def _info_of(decoder: StreamDecoder) -> dict[str, Any]:
    """Return what a client is told about its file."""
    info = decoder.info
    if info is None:
        return {}
    return {
        "format": str(info.container),
        "codec": info.codec,
        "sample_rate": info.sample_rate_hz,
        "channels": info.channels,
    }
