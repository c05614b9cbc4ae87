"""Voice messages: what comes is decoded while it is fetched, what goes encoded while it is made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Final

from aiogram.methods import GetFile
from aiohttp import ClientError

from bridges.telegram.api import Api, Refused, Unreachable
from bridges.telegram.incoming import Recording
from bridges.telegram.settings import TelegramSettings
from bridges.telegram.turn import RATE_HZ
from voicebus.audio.encode import encoder
from voicebus.audio.sniff import sniff_file
from voicebus.audio.stream import StreamDecoder
from voicebus.errors import AudioTooLong, CorruptAudio, LimitReached, VoicebusError

_TIMEOUT_S: Final = 60
_CHUNK_BYTES: Final = 64 * 1024
_OPUS: Final = "opus"


class FileTooLarge(LimitReached):
    """Raised when a recording has more bytes than is fetched."""

    code = "file_too_large"
    retryable = False


class NotFetched(VoicebusError):
    """Raised when Telegram does not give a recording out, or breaks off."""

    code = "telegram_file"


def expect_fit(recording: Recording, settings: TelegramSettings) -> None:
    """Refuse what is too much, before anything of it is fetched.

    Raises:
        AudioTooLong: It lasts too long.
        FileTooLarge: It is too large.
    """
    if recording.seconds > settings.max_voice_s:
        raise AudioTooLong(f"a recording may last {settings.max_voice_s:g} s")
    if recording.size_bytes > settings.max_file_bytes:
        raise FileTooLarge(f"a recording may have {settings.max_file_bytes} bytes")


async def spoken(
    api: Api, recording: Recording, settings: TelegramSettings
) -> AsyncIterator[bytes]:
    """Fetch a recording and yield its audio while it comes: s16le, mono, 16 kHz.

    Raises:
        AudioError: It cannot be used.
        FileTooLarge: There is more of it than Telegram said.
        NotFetched: Telegram does not give it out.
    """
    chunks = _fetched(api, recording, settings.max_file_bytes)
    try:
        first = await anext(chunks)
    except StopAsyncIteration:
        raise CorruptAudio("the file is empty") from None
    decoder = StreamDecoder(sniff_file(first), max_seconds=settings.max_voice_s)
    async with decoder:
        feeding = asyncio.ensure_future(_feed(decoder, first, chunks))
        try:
            async for pcm in decoder:
                yield pcm
            await feeding
        finally:
            feeding.cancel()
            await asyncio.wait((feeding,))


class Spoken:
    """An answer's audio, made into a voice message while it comes: OGG with Opus."""

    def __init__(self) -> None:
        self._encoder = encoder(_OPUS, RATE_HZ)
        self._made: list[bytes] = []
        self._samples = 0
        self._is_finished = False
        self._running: asyncio.Future[bytes] | None = None

    @property
    def seconds(self) -> float:
        """How long it is so far."""
        return self._samples / RATE_HZ

    async def push(self, pcm: bytes) -> None:
        """Take samples: s16le, mono, at the rate of answers."""
        self._samples += len(pcm) // 2
        self._made.append(await self._thread(lambda: self._encoder.push(pcm)))

    async def finish(self) -> bytes:
        """Return the file."""
        self._is_finished = True
        self._made.append(await self._thread(self._encoder.finish))
        return b"".join(self._made)

    async def close(self) -> None:
        """Give the memory back, once the thread is through with it; nothing if it was finished."""
        if self._running is not None:
            await asyncio.wait((self._running,))
        if not self._is_finished:
            self._is_finished = True
            await asyncio.to_thread(self._encoder.close)

    async def _thread(self, work: Callable[[], bytes]) -> bytes:
        self._running = asyncio.ensure_future(asyncio.to_thread(work))
        # Who is cancelled leaves the thread at its work, and waits for it when closing.
        return await asyncio.shield(self._running)


async def _feed(decoder: StreamDecoder, first: bytes, chunks: AsyncIterator[bytes]) -> None:
    try:
        await decoder.feed(first)
        async for chunk in chunks:
            await decoder.feed(chunk)
        await decoder.finish()
    except BaseException:
        with suppress(Exception):
            await decoder.finish()  # who iterates is to see the end, and then why
        raise


async def _fetched(api: Api, recording: Recording, limit_bytes: int) -> AsyncIterator[bytes]:
    try:
        file = await api.call(GetFile(file_id=recording.file))
    except (Refused, Unreachable) as err:
        raise NotFetched("Telegram does not give this recording out") from err
    if (file.file_size or 0) > limit_bytes:
        raise FileTooLarge(f"a recording may have {limit_bytes} bytes")
    if file.file_path is None:
        raise NotFetched("Telegram does not give this recording out")
    session = api.bot.session
    url, got = session.api.file_url(api.bot.token, file.file_path), 0
    try:
        async for chunk in session.stream_content(
            url, timeout=_TIMEOUT_S, chunk_size=_CHUNK_BYTES, raise_for_status=True
        ):
            got += len(chunk)
            if got > limit_bytes:
                raise FileTooLarge(f"a recording may have {limit_bytes} bytes")
            yield chunk
    except (ClientError, TimeoutError) as err:
        raise NotFetched("Telegram broke off while it gave a recording out") from err
