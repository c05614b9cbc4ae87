"""Several voices and speakers of one worker."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import numpy as np
import pytest

from services.tts.engines import piper
from services.tts.engines.piper import PiperEngine, PiperSettings, PiperVoiceSettings
from tests.services.tts.toy_voice import toy_voice
from voicebus.errors import ConfigError, EngineUnavailable
from voicebus.voices import offers

pytestmark = pytest.mark.model


def engine_of(listed: str, folders: dict[str, Path], limit_bytes: int = 1 << 20) -> PiperEngine:
    """An engine with these voices."""
    voices = tuple(
        PiperVoiceSettings(offer=offer, folder=folders[offer.model]) for offer in offers(listed)
    )
    return PiperEngine(PiperSettings(voices=voices, limit_bytes=limit_bytes, gain=1.0))


async def spoken(engine: PiperEngine, voice: str = "", speed: float = 1.0) -> tuple[int, int]:
    """How many samples a voice says, and how loud they are in the middle."""
    pieces = [piece async for piece in engine.synthesise("Hello there.", voice, speed)]
    audio = np.concatenate(pieces)
    return len(audio), int(audio[len(audio) // 2])


async def test_speakers_of_one_model_are_voices_of_their_own(tmp_path: Path) -> None:
    """They are called by name or number, and their model is loaded once."""
    folder = toy_voice(tmp_path / "duo", speakers={"anna": 0, "bert": 1})
    engine = engine_of("duo, b=duo#bert, c=duo#1, duo#anna", {"duo": folder})

    heard = {voice: (await spoken(engine, voice))[1] for voice in engine.voices}
    await engine.close()

    assert engine.voices == ("duo", "b", "c", "duo.anna")
    assert heard["duo"] == heard["duo.anna"]
    assert heard["b"] == heard["c"] == pytest.approx(2 * heard["duo"], abs=2)
    assert len(engine._loaded._kept) == 1


async def test_a_preset_is_part_of_a_voice(tmp_path: Path) -> None:
    """Its speed comes on top of what the session asks for; temperature is the voice's noise."""
    engine = engine_of("toy, t=toy@1:2, f=toy@2:1", {"toy": toy_voice(tmp_path / "toy")})

    plain, hot = await spoken(engine), await spoken(engine, "t")
    prints = {voice: engine.fingerprint(voice) for voice in engine.voices}
    await engine.close()

    assert hot[1] > plain[1]
    assert len(set(prints.values())) == 3
    assert all(prints.values())


async def test_voices_are_loaded_when_they_are_asked_for(tmp_path: Path) -> None:
    """Warming loads the default one; with room for one, the next takes its place, and back."""
    folders = {name: toy_voice(tmp_path / name) for name in ("one", "two")}
    engine = engine_of("one, two", folders, limit_bytes=100)

    await engine.warm()
    assert engine.fingerprint("two") == ""
    assert [Path(name).name for name in engine._loaded._kept] == ["one"]
    first = await spoken(engine, "one")
    assert await spoken(engine, "two") == first
    assert [Path(name).name for name in engine._loaded._kept] == ["two"]
    assert await spoken(engine, "one") == first
    await engine.close()


class Slow:
    """Loads voices no sooner than it may."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.may = threading.Event()
        self.loaded: list[str] = []
        self._load = piper._load
        monkeypatch.setattr(piper, "_load", self)

    def __call__(self, folder: Path, threads: int) -> object:
        """Load one."""
        self.loaded.append(folder.name)
        assert self.may.wait(30)
        return self._load(folder, threads)


async def test_nobody_waits_for_anothers_voice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A voice that is loaded speaks on while another is loading, once for all who ask for it."""
    folders = {name: toy_voice(tmp_path / name) for name in ("one", "two")}
    engine = engine_of("one, two", folders)
    await engine.warm()
    slow = Slow(monkeypatch)
    waiting = [asyncio.create_task(spoken(engine, "two")) for _ in range(3)]
    async with asyncio.timeout(30):
        while not slow.loaded:
            await asyncio.sleep(0.01)
        first = await spoken(engine, "one")
        waiting[0].cancel()
        await asyncio.wait((waiting[0],))
        assert not any(task.done() for task in waiting[1:])
        slow.may.set()
        heard = await asyncio.gather(*waiting[1:])
    await engine.close()

    assert heard == [first, first]
    assert slow.loaded == ["two"]


async def test_a_voice_of_another_rate_is_as_long_as_it_was(tmp_path: Path) -> None:
    """All audio has the rate of the default voice."""
    folders = {
        "high": toy_voice(tmp_path / "high"),
        "low": toy_voice(tmp_path / "low", rate_hz=16_000),
    }
    engine = engine_of("high, low", folders)

    high, low = await spoken(engine, "high"), await spoken(engine, "low")
    await engine.close()

    assert low[0] == pytest.approx(high[0] * 22_050 / 16_000, rel=0.02)
    assert low[1] == pytest.approx(high[1], abs=40)


def test_a_speaker_that_is_not_there_is_named(tmp_path: Path) -> None:
    """At the start, with those that there are."""
    folder = toy_voice(tmp_path / "duo", speakers={"anna": 0, "bert": 1})
    single = toy_voice(tmp_path / "toy")

    with pytest.raises(ConfigError, match=r"no speaker 'carl'; it has anna, bert"):
        engine_of("duo#carl", {"duo": folder})
    with pytest.raises(ConfigError, match=r"no speaker '1'; it has 0 to 0"):
        engine_of("toy#1", {"toy": single})


async def test_one_voice_that_is_broken_does_not_harm_the_others(tmp_path: Path) -> None:
    """Who asks for it is told; it is not loaded before."""
    folders = {name: toy_voice(tmp_path / name) for name in ("good", "bad")}
    (folders["bad"] / "toy.onnx").write_bytes(b"no weights")
    engine = engine_of("good, bad", folders)
    await engine.warm()

    with pytest.raises(EngineUnavailable, match="'bad' cannot be loaded"):
        await spoken(engine, "bad")
    assert (await spoken(engine, "good"))[0]
    await engine.close()
