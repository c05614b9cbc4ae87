"""Vosk: speech as it goes on, grammars, and models that are not what they should be."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import jiwer
import numpy as np
import pytest

from schemas.settings import SessionSettings
from schemas.stt import TranscribeRequest, TranscriptPartial
from services.stt.engine import Hint
from tests.models import model_path
from tests.services.stt.hearing import listening
from tests.services.stt.speech import RECORDINGS, plain, recording, silence
from tests.services.stt.spoken_korean import WAYS, WORDS, korean
from voicebus.errors import ConfigError, EngineUnavailable, RequestRefused

if TYPE_CHECKING:
    from services.stt.engines.vosk import VoskEngine

pytestmark = pytest.mark.engines
MODEL = "vosk-model-small-ko-0.22"
KO = Hint("ko")


@pytest.fixture(scope="module")
def engine() -> VoskEngine:
    """The model, warm."""
    from services.stt.engines.vosk import VoskEngine  # noqa: PLC0415 - elsewhere it is not there

    engine = VoskEngine(model_path(MODEL))
    engine.warm()
    return engine


def test_only_the_phrases_of_a_grammar_are_understood(engine: VoskEngine) -> None:
    """Orders are told apart where nothing but orders can be meant."""
    grammar = Hint("ko", grammar=", ".join(WORDS))
    free, held = engine.recognise(korean("취소"), KO), engine.recognise(korean("취소"), grammar)

    assert free.text != "취소"
    assert held.text == "취소"
    assert [engine.recognise(korean(word), grammar).text for word in WORDS] == list(WORDS)


def test_a_word_that_the_model_does_not_have_is_named(engine: VoskEngine) -> None:
    """It would never be understood, and nobody would know why."""
    with pytest.raises(RequestRefused, match="has no word voicebus"):
        engine.recognise(silence(1), Hint("ko", grammar="하나, voicebus"))


@pytest.mark.parametrize(
    "hint", [Hint("en"), Hint("", ("en", "de")), Hint("ko", translate=True)], ids=str
)
def test_a_model_of_one_language_knows_that_one(engine: VoskEngine, hint: Hint) -> None:
    """Whatever else is asked for is refused instead of guessed."""
    with pytest.raises(RequestRefused, match=MODEL):
        engine.recognise(silence(1), hint)
    with pytest.raises(RequestRefused, match=MODEL):
        engine.begin(hint)


def test_what_is_heard_in_steps_is_what_is_heard_at_once(engine: VoskEngine) -> None:
    """The words of a stream are those of the whole, and come while it is spoken."""
    grammar = Hint("ko", grammar=", ".join(WORDS))
    samples = np.concatenate([korean(" ".join(WAYS)), silence(1)])
    hearing = engine.begin(grammar)
    shown = [hearing.hear(samples[at : at + 1600]) for at in range(0, len(samples), 1600)]

    assert shown[-1] == engine.recognise(samples, grammar).text == " ".join(WAYS)
    assert shown[len(shown) // 2]
    assert all(len(later) >= len(earlier) for earlier, later in pairwise(shown))


def test_what_is_heard_later_is_told_as_if_nothing_had_been_before(engine: VoskEngine) -> None:
    """Recognisers are used again: neither words nor times of others are in what they tell."""
    hint = Hint("ko", word_times=True)
    samples = np.concatenate([korean(" ".join(WAYS)), silence(1)])
    first = engine.recognise(samples, hint)
    engine.begin(hint).hear(samples[: len(samples) // 2])  # of which nobody hears the end
    nothing, later = engine.recognise(silence(2), hint), engine.recognise(samples, hint)

    assert nothing.text == ""
    # The library adds a little noise of its own: the words are not always the same.
    for told in (first, later):
        assert len(told.words) >= 2
        assert all(word.start_ms < word.end_ms for word in told.words)
        assert told.words[-1].end_ms <= len(samples) / 16 - 500


def test_who_comes_behind_a_noisy_caller_who_paused_is_understood(engine: VoskEngine) -> None:
    """What was adapted to the one before would leave nothing of what is said now."""
    speech = recording("leisure")
    noise = np.random.default_rng(7).normal(0, 0.05, len(speech)).astype(np.float32)
    before = np.concatenate([speech + noise, silence(8)])
    engine._idle.clear()
    hearing = engine.begin(KO)
    for at in range(0, len(before), 1600):
        hearing.hear(before[at : at + 1600])
        if hearing._found:  # the library took a pause for an end, and nothing came behind it
            break
    assert hearing._found
    del hearing

    samples = np.concatenate([korean(" ".join(WAYS)), silence(0.3)])
    assert len(engine._idle) == 1
    assert len(engine.recognise(samples, KO).text) >= 3


def test_who_speaks_next_is_heard_sooner(engine: VoskEngine) -> None:
    """What a recogniser has found out about the words of its model is kept."""
    samples, spent_s = recording("leisure"), list[float]()
    engine._idle.clear()
    for _ in range(3):
        hearing = engine.begin(KO)
        begun_s = time.perf_counter()
        for at in range(0, len(samples), 1600):
            hearing.hear(samples[at : at + 1600])
        spent_s.append(time.perf_counter() - begun_s)
        del hearing  # nobody wants its end

    assert max(spent_s[1:]) < spent_s[0] / 2, spent_s
    assert len(engine._idle) == 1


def test_no_more_recognisers_are_kept_than_are_of_use(engine: VoskEngine) -> None:
    """However many speak at the same time, and however long they do."""
    hearings = [engine.begin(KO) for _ in range(9)]
    hearings.clear()
    assert len(engine._idle) == 4

    assert len(engine._spent) == 5

    engine._idle[-1].samples += 600 * 16_000
    engine.recognise(silence(1), KO)
    assert len(engine._idle) == 3


def test_one_that_failed_hears_nobody_else(
    engine: VoskEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows what is left in it."""

    def broken(_: bytes) -> bool:
        raise RuntimeError("Failed to process waveform")

    hearing = engine.begin(KO)
    failed = hearing._recogniser
    monkeypatch.setattr(failed._made, "AcceptWaveform", broken)
    with pytest.raises(RuntimeError):
        hearing.hear(silence(0.1))
    del hearing
    gc.collect()

    assert failed in engine._spent
    assert failed not in engine._idle


def test_what_is_of_no_more_use_is_freed_by_who_hears_next(engine: VoskEngine) -> None:
    """It takes time, and who lets go of it may be the event loop."""
    hearings = [engine.begin(KO), engine.begin(Hint("ko", grammar=", ".join(WORDS)))]
    hearings[0]._recogniser.samples += 600 * 16_000
    spent = [weakref.ref(hearing._recogniser) for hearing in hearings]
    hearings.clear()
    assert all(one() is not None for one in spent)

    engine.begin(KO)
    assert all(one() is None for one in spent)


async def test_a_listener_shows_what_is_heard(engine: VoskEngine) -> None:
    """A session gets partials while somebody speaks, and the same words as its final."""
    grammar = ", ".join(WORDS)
    request = TranscribeRequest(
        settings=SessionSettings(turn_taking="manual", language="ko", grammar=grammar)
    )
    samples = np.concatenate([korean(" ".join(WAYS)), silence(0.2)])
    pcm = bytes((samples * 32767).astype("<i2").tobytes())

    async with listening(engine, request=request, quick=engine) as heard:
        for at in range(0, len(pcm), 3200):
            await heard.hear(pcm[at : at + 3200])
            await asyncio.sleep(0.1)
        await heard.end()

    shown = [event.text for event in heard.events if isinstance(event, TranscriptPartial)]
    assert [final.text for final in heard.finals()] == [" ".join(WAYS)]
    assert shown
    assert all(" ".join(WAYS).startswith(text) for text in shown)


async def test_a_second_opinion_is_shown_until_whisper_has_said_its_own() -> None:
    """Words of the quick model while somebody speaks, and Whisper's in the end."""
    from services.stt.engines.faster_whisper import FasterWhisperEngine  # noqa: PLC0415
    from services.stt.engines.vosk import VoskEngine  # noqa: PLC0415 - elsewhere it is not there

    request = TranscribeRequest(settings=SessionSettings(turn_taking="manual", language="en"))
    quick = VoskEngine(model_path(MODEL), "en")
    pcm = bytes((recording("amiable") * 32767).astype("<i2").tobytes())
    whisper = FasterWhisperEngine(model_path("whisper-tiny.en"))

    async with listening(whisper, request=request, quick=quick) as heard:
        for at in range(0, len(pcm), 3200):
            await heard.hear(pcm[at : at + 3200])
            await asyncio.sleep(0.1)
        await heard.end()

    shown = [event for event in heard.events if isinstance(event, TranscriptPartial)]
    assert len(shown) >= 2
    assert {event.stable for event in shown} == {0}
    assert not shown[-1].text.isascii()
    (final,) = heard.finals()
    assert jiwer.wer(RECORDINGS["amiable"], plain(final.text)) <= 0.15


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    """A missing or damaged model is named, and nothing is fetched from a network."""
    from services.stt.engines.vosk import VoskEngine  # noqa: PLC0415 - elsewhere it is not there

    with pytest.raises(ConfigError, match="which language"):
        VoskEngine(tmp_path)
    with pytest.raises(EngineUnavailable, match="not complete"):
        VoskEngine(tmp_path, "ko").warm()
    with pytest.raises(EngineUnavailable, match="not loaded"):
        VoskEngine(tmp_path, "ko").recognise(silence(1), KO)
