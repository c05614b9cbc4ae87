from __future__ import annotations

import asyncio
import io
import random
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from tests.voicebus.audio.recordings import ALL, STREAMED, likeness, recording, sentence
from voicebus.audio.containers import Container
from voicebus.audio.stream import StreamDecoder
from voicebus.audio.wav import wav_header
from voicebus.errors import AudioTooLong, CorruptAudio, UnsupportedAudio


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Whatever happened, no decoder's thread survives its decoder."""
    yield
    assert decoders() == []


def decoders() -> list[threading.Thread]:
    """The decoders' threads that run now."""
    return [thread for thread in threading.enumerate() if thread.name == "audio-decoder"]


def container_of(name: str) -> Container:
    """The container of a recording."""
    return Container(name.split("-", maxsplit=1)[0])


async def collected(decoder: StreamDecoder) -> bytes:
    """All that comes out of a decoder."""
    return b"".join([piece async for piece in decoder])


async def fed(decoder: StreamDecoder, data: bytes) -> None:
    """Feed a file in odd-sized pieces, and finish it."""
    dice, place = random.Random(3), 0
    while place < len(data):
        size = dice.choice((1, 7, 333, 4095, 20001))
        await decoder.feed(data[place : place + size])
        place += size
    await decoder.finish()


@pytest.mark.parametrize("name", ALL)
async def test_a_file_in_odd_pieces_becomes_what_was_said(name: str) -> None:
    """The sizes in which a file arrives do not matter."""
    async with StreamDecoder(container_of(name), max_seconds=600) as decoder:
        async with asyncio.TaskGroup() as tasks:
            heard_task = tasks.create_task(collected(decoder))
            tasks.create_task(fed(decoder, recording(name)))
        heard = np.frombuffer(heard_task.result(), dtype=np.int16)

    assert abs(heard.size - sentence().size) <= 16 * 60
    assert likeness(heard, sentence()) > 0.95
    assert decoder.info is not None
    assert decoder.info.codec
    assert not decoder.truncated


@pytest.mark.parametrize("name", STREAMED)
async def test_audio_comes_before_the_end_of_the_file(name: str) -> None:
    """With half of a streamable file sent, its audio is heard, and its info known."""
    half = recording(name)[: len(recording(name)) // 2]

    async with StreamDecoder(container_of(name), max_seconds=600) as decoder:
        feeding = asyncio.ensure_future(decoder.feed(half))
        async with asyncio.timeout(10):
            first = await anext(aiter(decoder))
        assert decoder.info is not None
    await feeding

    assert 640 <= len(first) <= 6400


@pytest.mark.parametrize("name", ALL)
async def test_a_file_that_is_here_comes_in_long_pieces(name: str) -> None:
    """Nobody waits for its first word, and each piece has the loop wait for the thread once."""
    stored = io.BytesIO(recording(name))

    async with StreamDecoder(container_of(name), max_seconds=600, stored=stored) as decoder:
        await decoder.finish()
        pieces = [piece async for piece in decoder]

    four_seconds = 4 * 2 * 16_000
    assert len(pieces) == 2
    assert len(pieces[0]) == four_seconds
    heard = np.frombuffer(b"".join(pieces), dtype=np.int16)
    assert abs(heard.size - sentence().size) <= 16 * 60
    assert likeness(heard, sentence()) > 0.95


async def test_of_a_file_that_is_here_some_seconds_are_decoded_ahead() -> None:
    """With nobody taking the audio, a long file is not decoded on: memory stays bounded."""
    stored = io.BytesIO(wav_header(16000) + bytes(10_000_000))

    async with StreamDecoder(Container.WAV, max_seconds=600, stored=stored) as decoder:
        await decoder.finish()
        await asyncio.sleep(0.3)
        read = stored.tell()
        heard = await collected(decoder)

    assert read < 500_000
    assert len(heard) == 10_000_000


async def test_who_feeds_waits_for_who_listens() -> None:
    """With nobody taking the audio, a long file is not taken in: memory stays bounded."""
    file = wav_header(16000) + bytes(10_000_000)

    async with StreamDecoder(Container.WAV, max_seconds=600) as decoder:
        feeding = asyncio.ensure_future(decoder.feed(file))
        await asyncio.sleep(0.3)
        assert not feeding.done()
        async with asyncio.TaskGroup() as tasks:
            heard = tasks.create_task(collected(decoder))
            await feeding
            await decoder.finish()

    assert len(heard.result()) == 10_000_000


async def test_the_loop_stays_free_while_a_file_is_decoded() -> None:
    """Decoding is a thread's work: the event loop answers within 100 ms all the time."""
    longest_s, file = 0.0, recording("flac-96k-stereo")

    async def watch() -> None:
        nonlocal longest_s
        while True:
            started_s = time.perf_counter()
            await asyncio.sleep(0.001)
            longest_s = max(longest_s, time.perf_counter() - started_s)

    watching = asyncio.ensure_future(watch())
    async with (
        StreamDecoder(Container.FLAC, max_seconds=600) as decoder,
        asyncio.TaskGroup() as tasks,
    ):
        heard = tasks.create_task(collected(decoder))
        tasks.create_task(fed(decoder, file))
    watching.cancel()

    assert heard.result()
    assert longest_s < 0.1


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9])
async def test_a_client_that_vanishes_leaves_no_thread(name: str, share: float) -> None:
    """Closing in mid-file ends the thread at once, whatever it was waiting for."""
    data = recording(name)
    decoder = StreamDecoder(container_of(name), max_seconds=600)
    heard = asyncio.ensure_future(collected(decoder))
    await decoder.feed(data[: int(len(data) * share)])
    await asyncio.sleep(0.01)
    started_s = time.perf_counter()

    await decoder.aclose()

    assert time.perf_counter() - started_s < 1
    assert decoders() == []
    await heard


async def test_closing_frees_a_task_that_still_feeds() -> None:
    """A task that waits with more bytes is let go, and so is every later one."""
    decoder = StreamDecoder(Container.WAV, max_seconds=600)
    feeding = asyncio.ensure_future(decoder.feed(wav_header(16000) + bytes(5_000_000)))
    await asyncio.sleep(0.1)

    await decoder.aclose()
    await decoder.aclose()

    async with asyncio.timeout(1):
        await feeding
        await decoder.feed(b"more")
        await decoder.finish()
        assert await collected(decoder) == b""


async def test_a_decoder_that_was_never_fed_closes() -> None:
    """Closing is safe in every state."""
    decoder = StreamDecoder(Container.MP3, max_seconds=600)

    await decoder.aclose()

    assert await collected(decoder) == b""


async def test_a_cancelled_session_leaves_no_thread() -> None:
    """Cancelling the task that owns the decoder closes it."""

    async def session() -> None:
        async with StreamDecoder(Container.WAV, max_seconds=600) as decoder:
            await decoder.feed(wav_header(16000) + bytes(3200))
            async for _ in decoder:
                pass

    task = asyncio.ensure_future(session())
    await asyncio.sleep(0.05)
    assert len(decoders()) == 1
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    ("container", "data", "error"),
    [
        (Container.WAV, wav_header(16000), CorruptAudio),
        (Container.OGG, b"OggS" + bytes(50_000), CorruptAudio),
        (Container.M4A, recording("m4a")[:5000], CorruptAudio),
        (Container.WAV, wav_header(500) + bytes(5000), UnsupportedAudio),
        (Container.WAV, wav_header(16000) + bytes(900_000), AudioTooLong),
    ],
    ids=["empty", "noise", "cut", "rate", "long"],
)
async def test_errors_reach_who_listens(
    container: Container, data: bytes, error: type[Exception]
) -> None:
    """The iterating task hears what is wrong; the feeding one is not held up by it."""
    async with StreamDecoder(container, max_seconds=10) as decoder:
        feeding = asyncio.ensure_future(fed(decoder, data))
        with pytest.raises(error):
            await asyncio.wait_for(collected(decoder), 5)
        await asyncio.wait_for(feeding, 5)


async def test_many_slow_callers_do_not_hold_each_other_up() -> None:
    """Forty files that stand still take nothing from one that arrives."""
    slow = [StreamDecoder(Container.WAV, max_seconds=600) for _ in range(40)]
    for decoder in slow:
        await decoder.feed(wav_header(16000) + bytes(100))

    async with (
        asyncio.timeout(5),
        StreamDecoder(Container.MP3, max_seconds=600) as decoder,
        asyncio.TaskGroup() as tasks,
    ):
        heard = tasks.create_task(collected(decoder))
        tasks.create_task(fed(decoder, recording("mp3")))

    assert heard.result()
    for decoder in slow:
        await decoder.aclose()
