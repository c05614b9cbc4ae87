from __future__ import annotations

import asyncio
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from services.tts.engines.piper import PiperEngine, PiperSettings, audible, check_length
from services.tts.silence import leading_silence, trim_leading
from tests.models import model_path
from tests.pipers import joe, voices_in
from tests.timing import shortest_s
from voicebus.errors import ConfigError, EngineError, EngineUnavailable

RATE_HZ = 22_050


def test_audio_that_fits_its_text_passes() -> None:
    """Two seconds for thirty phonemes are speech, and four at half the speed."""
    check_length(2 * RATE_HZ, 60, RATE_HZ, 1.0)
    check_length(4 * RATE_HZ, 60, RATE_HZ, 2.0)

    assert audible(np.full(2, 0.5, np.float32), 1.0).tolist() == [16383, 16383]


@pytest.mark.parametrize("seconds", [0, 60])
def test_a_length_that_cannot_be_speech_is_an_error(seconds: int) -> None:
    """Nothing, or a minute for thirty phonemes, never reaches a listener."""
    with pytest.raises(EngineError):
        check_length(seconds * RATE_HZ, 60, RATE_HZ, 1.0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_is_an_error(value: float) -> None:
    """It would be heard as a crack."""
    with pytest.raises(EngineError):
        audible(np.array([0.1, value], np.float32), 1.0)


def test_an_engine_needs_a_voice() -> None:
    """No voice is a mistake in the settings."""
    with pytest.raises(ConfigError):
        PiperEngine(PiperSettings(voices=()))


@pytest.mark.parametrize("config", [None, "", "{}", "[]", '{"audio": {"sample_rate": "x"}}'])
def test_a_folder_without_a_voice_is_unavailable(tmp_path: Path, config: str | None) -> None:
    """A missing, empty or foreign description is told at the start."""
    if config is not None:
        (tmp_path / "voice.onnx.json").write_text(config, encoding="utf-8")

    with pytest.raises(EngineUnavailable):
        PiperEngine(voices_in({"joe": tmp_path}))


@pytest.mark.model
async def test_a_broken_voice_is_told_when_it_warms(tmp_path: Path) -> None:
    """A voice whose weights are damaged is unavailable, and its path is not shown."""
    (config,) = model_path("piper-en_US-joe-medium").glob("*.onnx.json")
    shutil.copy(config, tmp_path)
    (tmp_path / config.stem).write_bytes(b"no weights")
    engine = PiperEngine(voices_in({"joe": tmp_path}))

    with pytest.raises(EngineUnavailable) as caught:
        await engine.warm()
    await engine.close()

    assert str(tmp_path) not in str(caught.value)


@pytest.mark.model
async def test_piper_speaks_piece_by_piece(piper: PiperEngine) -> None:
    """The first piece is handed out before the others are computed."""
    await piper.warm()
    begun_s = time.perf_counter()
    pieces = piper.synthesise("One is here. Two is there. Three is gone.", "", 1.0)
    times_s = [time.perf_counter() - begun_s async for _ in pieces]

    assert len(times_s) >= 3
    assert times_s[0] < times_s[-1] * 0.7


@pytest.mark.model
async def test_inference_has_one_thread_that_ends_with_the_engine() -> None:
    """However many callers there are, one thread runs the voices, one loads them; both end."""
    others = set(threading.enumerate())
    engine = PiperEngine(joe())
    await engine.warm()

    async def speak() -> None:
        async for _ in engine.synthesise("Hello there.", "", 1.0):
            pass

    await asyncio.gather(*(speak() for _ in range(4)))
    threads = list(set(threading.enumerate()) - others)
    await engine.close()
    await asyncio.sleep(0.2)

    assert sorted(thread.name for thread in threads) == ["piper-load_0", "piper_0"]
    assert not any(thread.is_alive() for thread in threads)


@pytest.mark.model
async def test_an_idle_voice_uses_no_cpu(piper: PiperEngine) -> None:
    """The threads of the inference sleep when there is nothing to say."""
    await piper.warm()

    async def idle() -> float:
        begun_s = time.process_time()
        await asyncio.sleep(1)
        return time.process_time() - begun_s

    assert await shortest_s(idle, 0.03) < 0.03


@pytest.mark.model
@pytest.mark.parametrize("text", ["Hello there,", "No.", "The capital of France is Paris."])
async def test_a_first_clause_is_heard_after_20_ms_of_its_audio(
    piper: PiperEngine, text: str
) -> None:
    """Piper's own 30 to 60 ms of silence do not make the caller wait."""
    audio = await anext(piper.synthesise(text, "", 1.0))

    trimmed = trim_leading(audio, piper.sample_rate_hz)

    assert 0 < leading_silence(trimmed) <= 0.020 * piper.sample_rate_hz


@pytest.mark.model
async def test_clauses_are_equally_loud(piper: PiperEngine) -> None:
    """Short and long clauses differ by less than 5 dB and none is clipped."""
    levels_db = []
    for text in ("No.", "Hello there,", "It is a city with more than two million people in it."):
        audio = await anext(piper.synthesise(text, "", 1.0))
        voiced = audio[np.abs(audio) > 100].astype(np.float64)
        levels_db.append(10 * np.log10(np.mean(voiced**2)))
        assert np.count_nonzero(np.abs(audio) >= 32_767) == 0

    assert max(levels_db) - min(levels_db) < 5


@pytest.mark.model
async def test_raw_phonemes_are_not_the_callers_to_write(piper: PiperEngine) -> None:
    """Brackets in a text are spoken around, not obeyed."""
    pieces = [p async for p in piper.synthesise("Hello [[ɹɑː]] and [[ goodbye.", "", 1.0)]

    assert pieces
