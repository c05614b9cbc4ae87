"""A stretch of a session's audio that is stored, once more from the stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from schemas.audio import AudioChunk
from schemas.codec import decode
from subjects.catalog import Place, subject_of
from voicebus.bus.client import Bus
from voicebus.contiguous import Contiguous
from voicebus.errors import BusError

_BATCH: Final = 16
"""Of messages: a minute. A recording's chunks are long, and those behind the stretch are read for
nothing."""

_TRIES: Final = 5
_PAUSE_S: Final = 0.1
"""In a cluster, the replica that is asked may be behind the one that acknowledged."""


async def stored_audio(
    bus: Bus, place: Place, start: int, end: int, sequence: int = 1
) -> AsyncGenerator[bytes, None]:
    """Yield the samples [start, end) of a session, s16le at 16 kHz, in order.

    Args:
        bus: Where the stream is.
        place: The session.
        start: Index of the first sample.
        end: One past the last.
        sequence: Stream sequence from which on they are likely to be found.

    Raises:
        BusError: A part of it is not stored, or the stream does not answer.
    """
    subject = subject_of(AudioChunk, place)
    order = Contiguous(start)
    for attempt in range(_TRIES):
        if attempt:
            await asyncio.sleep(_PAUSE_S * attempt)
        # What was published again after a connection broke may stand anywhere.
        begin = sequence if not attempt else 1
        async for message in bus.read("AUDIO", subject, sequence=begin, batch=_BATCH):
            event = decode(message.payload)
            if not isinstance(event, AudioChunk) or event.offset >= end:
                continue
            for chunk in order.take(event):
                if isinstance(chunk, AudioChunk):
                    yield chunk.pcm[: 2 * (end - chunk.offset)]
            if order.position >= end:
                return
    raise BusError("a part of the recording is not stored any more")
