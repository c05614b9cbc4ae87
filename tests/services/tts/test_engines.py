"""What every TTS engine keeps to, the synthetic and the real ones."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, suppress
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.tts import ReplyChunk, SpeakRequest, SpeechDone
from services.tts.engine import Engine
from services.tts.engines.synthetic import SyntheticEngine, SyntheticSettings
from services.tts.silence import leading_silence
from services.tts.text import speakable
from services.tts.worker import speak
from tests.draining import drained
from tests.timing import expect_within, shortest_s
from voicebus.errors import EngineError, UnknownVoice

SENTENCES = "This is the first sentence. And here is the second one! Is this the third?"


@pytest.fixture(
    params=[
        "synthetic",
        pytest.param("piper", marks=pytest.mark.model),
        pytest.param("xtts", marks=[pytest.mark.engines, pytest.mark.timeout(300)]),
    ]
)
async def engine(request: pytest.FixtureRequest) -> Engine:
    """Every engine that ships, warm."""
    built: Engine = (
        SyntheticEngine(SyntheticSettings())
        if request.param == "synthetic"
        else request.getfixturevalue(request.param)
    )
    await built.warm()
    return built


async def spoken(engine: Engine, text: str, speed: float = 1.0) -> NDArray[np.int16]:
    """All audio of a text."""
    pieces = [piece async for piece in engine.synthesise(text, "", speed)]
    return np.concatenate([np.empty(0, np.int16), *pieces])


async def test_audio_is_audible_int16_and_as_long_as_speech(engine: Engine) -> None:
    """Pieces are not empty, mono, int16, and last as long as a person would speak."""
    pieces = [piece async for piece in engine.synthesise(SENTENCES, "", 1.0)]

    assert pieces
    assert all(piece.dtype == np.int16 and piece.ndim == 1 and piece.size for piece in pieces)
    assert all(leading_silence(piece) < piece.size for piece in pieces)
    seconds = sum(piece.size for piece in pieces) / engine.sample_rate_hz
    # A model that was never trained stops when it likes: its pieces are looked at in test_xtts.py.
    assert engine.name == "xtts" or 3 < seconds < 8


@pytest.mark.parametrize("text", ["", " ", "\n"])
async def test_no_words_make_no_audio(engine: Engine, text: str) -> None:
    """Nothing to say is nothing to hear, and no error."""
    assert (await spoken(engine, text)).size == 0


async def test_speed_changes_the_length(engine: Engine) -> None:
    """Twice as fast is about half as long; speeds out of bounds are moved into them."""
    slow, plain, fast, wild = [
        (await spoken(engine, SENTENCES, speed)).size for speed in (0.5, 1.0, 2.0, 1_000.0)
    ]

    assert slow > plain * 1.5
    assert fast < plain * 0.67
    assert wild == pytest.approx(fast, rel=0.15)


@pytest.mark.parametrize("voice", ["nobody", "../../etc/passwd", "JOE"])
async def test_an_unknown_voice_is_named(engine: Engine, voice: str) -> None:
    """A voice that does not exist is told before any work is done."""
    with pytest.raises(UnknownVoice, match=r"There is no voice '"):
        await anext(engine.synthesise("Hello.", voice, 1.0))


@pytest.mark.parametrize("text", ["ﷺ", "日本語", "1e9999 %", "[[h@l'oU]]", "x" * 200])
async def test_what_nobody_can_read_out_is_no_harm(engine: Engine, text: str) -> None:
    """It is audio, silence, or an error of ours; and the next one is spoken."""
    heard: list[NDArray[np.int16]] = []
    with suppress(EngineError):
        said = speakable(text, language="en")
        async with aclosing(engine.synthesise(said, "", 1.0)) as pieces:
            heard += [piece async for piece in pieces]

    assert all(piece.dtype == np.int16 and piece.size for piece in heard)
    assert (await spoken(engine, "Hello.")).size


async def test_who_fails_fails_alone(engine: Engine) -> None:
    """Who asks beside him is spoken to the end, and with the samples of his own text."""
    alone = await spoken(engine, "Hello.")

    speaking = asyncio.ensure_future(spoken(engine, "Hello."))
    with pytest.raises(UnknownVoice):
        await anext(engine.synthesise("Hello.", "nobody", 1.0))

    assert len(await speaking) == len(alone)


async def test_the_default_voice_has_a_name(engine: Engine) -> None:
    """Asking for no voice and for the first one by its name is the same."""
    named = [piece async for piece in engine.synthesise("Hello.", engine.voices[0], 1.0)]

    assert named


async def test_closing_between_pieces_takes_less_than_50_ms(engine: Engine) -> None:
    """``aclose`` returns at once and the engine goes on to serve others."""

    async def close() -> float:
        async with aclosing(engine.synthesise(SENTENCES, "", 1.0)) as pieces:
            await anext(pieces)
            begun_s = time.perf_counter()
        return time.perf_counter() - begun_s

    await expect_within(0.05, close)
    assert (await spoken(engine, "Hello.")).size


async def test_cancelling_a_running_synthesis_takes_less_than_50_ms(engine: Engine) -> None:
    """The caller is free at once; what the thread still computes is dropped."""

    async def cancel() -> float:
        task = asyncio.ensure_future(spoken(engine, "This is one long sentence, " * 8))
        await asyncio.sleep(0.02)
        begun_s = time.perf_counter()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return time.perf_counter() - begun_s

    await expect_within(0.05, cancel)
    assert (await spoken(engine, "Hello.")).size


async def test_the_event_loop_is_free_while_a_voice_speaks(engine: Engine) -> None:
    """Synthesis never holds the loop for 50 ms."""

    async def latest() -> float:
        late_s = 0.0
        task = asyncio.ensure_future(spoken(engine, SENTENCES * 3))
        while not task.done():
            begun_s = time.perf_counter()
            await asyncio.sleep(0.005)
            late_s = max(late_s, time.perf_counter() - begun_s - 0.005)
        assert (await task).size
        return late_s

    assert await shortest_s(latest, 0.05) < 0.05


async def test_many_at_once_are_all_spoken(engine: Engine) -> None:
    """Calls take turns and each gets its own audio: the longer text is the longer audio."""
    short, long = "Hello.", "This is a sentence which is a lot longer than the other one."

    heard = await asyncio.gather(*(spoken(engine, text) for text in (short, long) * 3))

    sizes = [audio.size for audio in heard]
    assert len({*sizes[::2]}) == len({*sizes[1::2]}) == 1
    assert not np.array_equal(heard[0], heard[1])
    # A model that was never trained stops when it likes, or is stopped.
    assert engine.name == "xtts" or sizes[0] < sizes[1]


async def test_a_worker_that_goes_speaks_its_turn_to_the_end(
    engine: Engine, nats_server: str
) -> None:
    """All of it, and then it is gone."""
    request = SpeakRequest(turn=1, text=SENTENCES)

    *chunks, done = await drained(
        nats_server, "tts", partial(speak, engine=engine), request, (ReplyChunk, SpeechDone)
    )

    samples = [len(chunk.pcm) // 2 for chunk in chunks if isinstance(chunk, ReplyChunk)]
    assert isinstance(done, SpeechDone)
    assert sum(samples) == done.samples > samples[0]
    assert done.synthetic == engine.synthetic


async def test_the_synthetic_voice_keeps_to_its_times() -> None:
    """Audio comes after the set time, is as long as set, quiet, and audible from its start."""
    engine = SyntheticEngine(SyntheticSettings(ttfa_ms=60, ms_per_char=50, sample_rate_hz=8_000))
    begun_s = time.perf_counter()

    audio = await anext(engine.synthesise("ten chars.", "", 1.0))
    ttfa_s = time.perf_counter() - begun_s

    assert engine.synthetic
    assert 0.055 < ttfa_s < 0.5
    assert audio.size == 4_000
    assert leading_silence(audio) == 0
    assert np.abs(audio).max() < 1_100
