"""XTTS: a real checkpoint, loaded and streamed from; only its training is missing."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from schemas.voice import VoiceKept
from services.tts.cloning import made, read_samples
from tests.services.tts.tiny_xtts import tiny_xtts
from voicebus.errors import EngineUnavailable, RequestRefused, UnknownVoice
from voicebus.parts import project_root
from voicebus.voices import offers

if TYPE_CHECKING:
    from services.tts.engines.xtts import XttsEngine

pytestmark = [pytest.mark.engines, pytest.mark.timeout(300)]
SAMPLES = project_root() / "examples" / "samples"
TEXT = "Hello there, how are you?"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model."""
    return tiny_xtts(tmp_path_factory.mktemp("xtts") / "tiny")


@pytest.fixture(scope="module")
def anna(checkpoint: Path) -> VoiceKept:
    """A voice, made of a recording of somebody who speaks."""
    return made(checkpoint, read_samples([SAMPLES / "austen-leisure.wav"]))


def engine_of(checkpoint: Path, kept: dict[str, VoiceKept], listed: str = "x") -> XttsEngine:
    """An engine, not yet warm."""
    from services.tts.engines.xtts import XttsEngine, XttsSettings  # noqa: PLC0415

    settings = XttsSettings(folder=checkpoint, device="cpu", offers=offers(listed))
    return XttsEngine(settings, lambda: kept)


@pytest.fixture
async def engine(checkpoint: Path, anna: VoiceKept) -> AsyncIterator[XttsEngine]:
    """An engine with a voice that was made of samples, also in a hurry."""
    engine = engine_of(checkpoint, {"anna": anna}, "soon=anna@2:1")
    await engine.warm()
    yield engine
    await engine.close()


async def spoken(engine: XttsEngine, voice: str = "", language: str = "en") -> bytes:
    """All audio of a text."""
    pieces = [piece async for piece in engine.synthesise(TEXT, voice, 1.0, language)]
    assert all(piece.dtype == np.int16 and piece.ndim == 1 and piece.size for piece in pieces)
    return b"".join(piece.tobytes() for piece in pieces)


def test_latents_are_those_of_the_samples(checkpoint: Path, anna: VoiceKept) -> None:
    """The same samples make the same voice, others another one."""
    again = made(checkpoint, read_samples([SAMPLES / "austen-leisure.wav"]))
    both = made(checkpoint, read_samples(sorted(SAMPLES.glob("*.wav"))[-2:]))

    assert again == anna
    assert both.latents != anna.latents
    assert both.seconds > anna.seconds > 3
    assert anna.shape == (1, 32, 64)
    assert len(anna.speaker) == 4 * 512


async def test_the_same_words_sound_the_same_each_time(engine: XttsEngine) -> None:
    """So that a phrase can be kept, and a reply gone on with; other voices sound otherwise."""
    first = await spoken(engine)

    assert first
    assert await spoken(engine) == first
    assert await spoken(engine, "anna") != first
    assert await spoken(engine, "soon") == first
    assert len(await spoken(engine, "anna")) > 1.5 * len(first)
    assert engine.voices == ("soon", "anna")
    assert engine.fingerprint("anna") != engine.fingerprint("soon") != ""


@pytest.mark.parametrize("language", ["en", "ru", "de"])
async def test_a_voice_speaks_many_languages(engine: XttsEngine, language: str) -> None:
    """Whatever the text is in; a language that the model does not have is refused by name."""
    assert await spoken(engine, "anna", language)
    with pytest.raises(RequestRefused, match="does not speak 'xx'"):
        await spoken(engine, "anna", "xx")


async def test_the_first_piece_comes_before_the_rest_is_made(engine: XttsEngine) -> None:
    """Audio is streamed as the library streams it."""
    begun_s = time.perf_counter()
    async with aclosing(engine.synthesise(TEXT * 3, "anna", 1.0, "en")) as pieces:
        times_s = [time.perf_counter() - begun_s async for _ in pieces]

    assert len(times_s) >= 3
    assert times_s[0] < times_s[-1] * 0.7


async def test_who_stops_listening_is_free_at_once(engine: XttsEngine) -> None:
    """Within 50 ms, in the middle of an inference; the next text is spoken as ever."""
    whole = await spoken(engine, "anna")
    speaking = engine.synthesise(TEXT * 5, "anna", 1.0, "en")
    listening = asyncio.ensure_future(anext(speaking))
    await asyncio.sleep(0.05)

    begun_s = time.perf_counter()
    listening.cancel()
    await asyncio.wait((listening,))
    took_s = time.perf_counter() - begun_s

    assert took_s < 0.05
    assert await spoken(engine, "anna") == whole


async def test_turns_do_not_mix(engine: XttsEngine) -> None:
    """The model keeps what it is about in itself: each text is spoken as if alone."""
    alone = [await spoken(engine, "anna", language) for language in ("en", "ru")]

    together = await asyncio.gather(spoken(engine, "anna"), spoken(engine, "anna", "ru"))

    assert [*together] == alone


async def test_a_voice_may_come_and_go(checkpoint: Path, anna: VoiceKept) -> None:
    """Without a voice there is a clear word; one that is added speaks, without a restart."""
    kept: dict[str, VoiceKept] = {}
    engine = engine_of(checkpoint, kept)
    await engine.warm()

    with pytest.raises(UnknownVoice, match="voicebus voices add"):
        await spoken(engine)
    kept["anna"] = anna
    assert await spoken(engine, "anna")
    kept["anna"] = msgspec.structs.replace(anna, model="other")
    with pytest.raises(UnknownVoice, match="made for another model"):
        await spoken(engine, "anna")
    with pytest.raises(UnknownVoice, match="no voice 'bert'"):
        await spoken(engine, "bert")
    await engine.close()


async def test_nobodys_voice_speaks_to_all_because_of_its_name(
    checkpoint: Path, anna: VoiceKept
) -> None:
    """Who names no voice hears one that the settings name, or one that came with the model."""
    from services.tts.engines.xtts_model import speaker_of  # noqa: PLC0415

    engine = engine_of(checkpoint, {"anna": anna})
    await engine.warm()
    with pytest.raises(UnknownVoice, match="VOICEBUS_TTS_VOICES=NAME"):
        await spoken(engine)
    model = engine._require()
    model.speakers = {"Zoe": speaker_of(anna)}
    assert await spoken(engine)
    assert engine.voices == ("Zoe", "anna")
    await engine.close()

    offered = engine_of(checkpoint, {"anna": anna}, "anna")
    await offered.warm()
    assert await spoken(offered) == await spoken(offered, "anna")
    await offered.close()


async def test_a_model_that_is_not_there_is_named(checkpoint: Path, tmp_path: Path) -> None:
    """Missing or damaged files are told at the start, and nothing is fetched from a network."""
    with pytest.raises(EngineUnavailable, match=r"missing: config.json, model.pth, vocab.json"):
        await engine_of(tmp_path / "none", {}).warm()
    damaged = tmp_path / "damaged"
    shutil.copytree(checkpoint, damaged)
    (damaged / "model.pth").write_bytes(b"no weights")
    with pytest.raises(EngineUnavailable, match="cannot be loaded"):
        await engine_of(damaged, {}).warm()


async def test_a_model_of_other_rates_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    """It would speak too high or too low, and nothing else would tell."""
    higher = tmp_path / "higher"
    shutil.copytree(checkpoint, higher)
    config = json.loads((higher / "config.json").read_bytes())
    config["model_args"]["output_sample_rate"] = 48_000
    (higher / "config.json").write_text(json.dumps(config))
    with pytest.raises(EngineUnavailable, match="speaks at 48000 Hz; 22050 and 24000 Hz are"):
        await engine_of(higher, {}).warm()


async def test_a_piece_lasts_as_long_as_its_tokens(engine: XttsEngine) -> None:
    """At the rate that the engine tells: twenty tokens of 1024 samples each, at 22.05 kHz."""
    async with aclosing(engine.synthesise(TEXT, "anna", 1.0, "en")) as pieces:
        sizes = [piece.size async for piece in pieces]

    whole_s = [size / engine.sample_rate_hz for size in sizes[1:-1]]
    assert whole_s == pytest.approx([20 * 1024 / 22_050] * len(whole_s), rel=0.05)
    assert len(whole_s) > 1
