from __future__ import annotations

import asyncio
import time
from functools import cache, partial
from pathlib import Path

import jiwer
import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.audio import AudioChunk
from schemas.stt import PassageCut, PassageRecognised, RecogniseRequest
from services.stt.engine import Engine, Hint
from services.stt.engines.faster_whisper import FasterWhisperEngine
from services.stt.engines.synthetic import SyntheticEngine
from services.stt.hallucination import gate
from services.stt.scheduler import Priority, Scheduler
from services.stt.worker import work
from tests.draining import drained
from tests.models import model_path
from tests.services.stt.ears import ears_of
from tests.services.stt.speech import RECORDINGS, noise, plain, recording, silence
from voicebus.errors import EngineError, EngineUnavailable, RequestRefused

EN = Hint("en")
WHISPERS = ["whisper-tiny.en", "whisper-base"]
VOSK = "vosk-model-small-ko-0.22"
"""Told that English is what it knows: its words are Korean ones, and all else is as it should."""


@cache
def build(name: str) -> Engine:
    """Return an engine that is warm; loading takes longer than most tests."""
    engine: Engine
    if name == "synthetic":
        engine = SyntheticEngine(5)
    elif name == VOSK:
        from services.stt.engines.vosk import VoskEngine  # noqa: PLC0415 - elsewhere not there

        engine = VoskEngine(model_path(name), "en")
    else:
        engine = FasterWhisperEngine(model_path(name))
    engine.warm()
    return engine


@pytest.fixture(
    scope="module",
    params=[
        "synthetic",
        *(pytest.param(name, marks=pytest.mark.model) for name in WHISPERS),
        pytest.param(VOSK, marks=pytest.mark.engines),
    ],
)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Every engine that ships: the contract holds for all of them."""
    return build(request.param)


LARGER = pytest.mark.parametrize(
    "whisper",
    [WHISPERS[0], pytest.param(WHISPERS[1], marks=pytest.mark.engines)],
    indirect=True,
)
"""Half a minute of speech for the larger model takes longer than all else of it together."""


@pytest.fixture(scope="module", params=WHISPERS)
def whisper(request: pytest.FixtureRequest) -> Engine:
    """The engines that really recognise."""
    return build(request.param)


@pytest.mark.parametrize("samples", [silence(0), silence(0.01), silence(1), silence(14)])
def test_silence_has_no_text(engine: Engine, samples: NDArray[np.float32]) -> None:
    """Behind the gate, silence of any length is empty, even if VAD had taken it for speech."""
    assert gate(engine.recognise(samples, EN), 1_000).text == ""


def test_a_recognition_is_in_its_bounds(engine: Engine) -> None:
    """Speech gives stripped text, a language, and probabilities from 0 to 1."""
    found = engine.recognise(recording("amiable"), EN)

    assert found.text
    assert found.text == found.text.strip()
    assert found.language == "en"
    assert 0 <= found.no_speech <= 1
    assert 0 < found.confidence <= 1


def test_words_have_times_where_they_are_wanted(engine: Engine) -> None:
    """All words of the text, in order, inside the audio; and none where nobody asked."""
    samples = recording("leisure")
    found = engine.recognise(samples, Hint("en", word_times=True))

    assert " ".join(word.text for word in found.words) == found.text
    times = [ms for word in found.words for ms in (word.start_ms, word.end_ms)]
    assert times == sorted(times)
    assert 0 <= times[0] < times[-1] <= len(samples) // 16
    assert engine.recognise(samples, EN).words == ()


def test_more_than_a_window_is_refused(engine: Engine) -> None:
    """More than 30 s would be cut off in silence: it is an error instead."""
    with pytest.raises(EngineError, match="30 s"):
        engine.recognise(noise(30.1), EN)


def test_long_audio_without_speech_has_no_text(engine: Engine) -> None:
    """Minutes of silence cost nothing and say nothing."""
    assert engine.transcribe_long(silence(300), EN).text == ""


async def test_ten_callers_at_once_get_their_own_words(engine: Engine) -> None:
    """Concurrent requests are all answered, none with another's text."""
    scheduler = Scheduler(engine)
    clips = [recording("amiable"), recording("leisure")] * 5
    alone = [engine.recognise(clip, EN).text for clip in clips[:2]]

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(scheduler.recognise(clip, EN, Priority.FINAL)) for clip in clips]
    await scheduler.close()

    assert alone[0] != alone[1]
    found = [task.result().recognition.text for task in tasks]
    if engine.name == "vosk":
        # It adds noise of its own to what it hears: in one word or another it may change its mind.
        errors = [jiwer.wer(own, text) for own, text in zip(alone * 5, found, strict=True)]
        others = [jiwer.wer(own, text) for own, text in zip(alone[::-1] * 5, found, strict=True)]
        assert max(errors) < 0.5 < min(others)
    else:
        assert found == alone * 5


async def test_a_worker_that_goes_recognises_its_passage_to_the_end(
    engine: Engine, nats_server: str
) -> None:
    """All of it, and then it is gone."""
    samples = recording("amiable")
    pcm = (samples * 32767).astype(np.int16).tobytes()
    audio = tuple(
        AudioChunk(pcm=pcm[at : at + 32_000], offset=at // 2) for at in range(0, len(pcm), 32_000)
    )
    request = RecogniseRequest(
        start=0, cut_from=len(samples), end=len(samples), turn=1, language="en"
    )

    async with ears_of(engine) as ears:
        cut, told = await drained(
            nats_server,
            "stt",
            partial(work, ears=ears),
            request,
            (PassageCut, PassageRecognised),
            before=audio,
        )

    assert isinstance(cut, PassageCut)
    assert isinstance(told, PassageRecognised)
    assert told.end == cut.end
    assert all(segment.text for segment in told.segments)
    assert told.segments
    assert told.synthetic == engine.synthetic


def test_a_synthetic_engine_says_that_it_is() -> None:
    """Nobody takes its text for a recognition: it is labelled in its name, flag and words."""
    engine = SyntheticEngine()

    assert engine.synthetic
    assert engine.recognise(noise(2.1), Hint()).text == "synthetic utterance of 2.1 seconds"


@pytest.mark.model
@pytest.mark.parametrize("name", RECORDINGS)
def test_a_recorded_sentence_is_understood(whisper: Engine, name: str) -> None:
    """At most one word in ten of a recorded sentence is wrong."""
    found = whisper.recognise(recording(name), EN)

    assert jiwer.wer(RECORDINGS[name], plain(found.text)) <= 0.1
    assert gate(found, len(recording(name)) // 16) is found
    assert found.confidence > 0.6
    assert found.no_speech < 0.5


@pytest.mark.model
@pytest.mark.parametrize("rms", [0.001, 0.02, 0.1])
def test_noise_has_no_text(whisper: Engine, rms: float) -> None:
    """Behind the gate, white noise is empty, even if VAD had taken it for speech."""
    for language in ("en", ""):
        assert gate(whisper.recognise(noise(3, rms), Hint(language)), 1_000).text == ""


@pytest.mark.model
def test_the_language_is_detected(whisper: Engine) -> None:
    """Without a language given, English is found in English speech."""
    assert whisper.recognise(recording("leisure"), Hint()).language == "en"


@pytest.mark.model
def test_an_unknown_language_is_refused(whisper: Engine) -> None:
    """A language that the model does not have is an error, not a guess."""
    with pytest.raises(EngineError, match="'xx'"):
        whisper.recognise(recording("amiable"), Hint("xx"))


@pytest.mark.model
def test_a_translation_is_english() -> None:
    """Told that English is German, the model writes German, and English where that is wanted."""
    base, samples = build("whisper-base"), recording("leisure")

    written = base.recognise(samples, Hint("de"))
    translated = base.recognise(samples, Hint("de", translate=True, word_times=True))

    assert jiwer.wer(RECORDINGS["leisure"], plain(written.text)) > 0.5
    assert jiwer.wer(RECORDINGS["leisure"], plain(translated.text)) <= 0.1
    assert (translated.language, written.language) == ("de", "de")
    assert " ".join(word.text for word in translated.words) == translated.text


@pytest.mark.model
def test_a_model_of_one_language_refuses_to_translate() -> None:
    """Its English text of Russian speech would be invented."""
    with pytest.raises(RequestRefused, match="cannot translate"):
        build("whisper-tiny.en").recognise(recording("leisure"), Hint("en", translate=True))


@pytest.mark.model
@LARGER
def test_an_utterance_in_the_long_window_is_understood(whisper: Engine) -> None:
    """Above 12 s the whole window is used and nothing is lost."""
    samples = np.concatenate([recording("leisure"), silence(0.6), recording("amiable")] * 2)
    spoken = " ".join([RECORDINGS["leisure"], RECORDINGS["amiable"]] * 2)
    assert len(samples) > 12 * 16_000

    assert jiwer.wer(spoken, plain(whisper.recognise(samples, EN).text)) <= 0.12


@pytest.mark.model
@LARGER
def test_a_file_longer_than_a_window_is_understood(whisper: Engine) -> None:
    """It is cut between words, and no word is lost."""
    samples = np.concatenate([recording("leisure"), silence(0.5)] * 5)
    spoken = " ".join([RECORDINGS["leisure"]] * 5)
    assert len(samples) > 35 * 16_000

    assert jiwer.wer(spoken, plain(whisper.transcribe_long(samples, EN).text)) <= 0.12


def test_an_engine_that_is_not_warmed_is_unavailable(tmp_path: Path) -> None:
    """Asking too early is an error that may be retried."""
    with pytest.raises(EngineUnavailable):
        FasterWhisperEngine(tmp_path).recognise(noise(1), EN)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    """A missing or corrupt model is named at start-up, and nothing is fetched from a network."""
    with pytest.raises(EngineUnavailable, match="not complete"):
        FasterWhisperEngine(tmp_path / "whisper-none").warm()

    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "model.bin").write_bytes(b"not a model")
    with pytest.raises(EngineUnavailable, match="cannot be loaded"):
        FasterWhisperEngine(tmp_path).warm()


def test_the_stand_in_can_take_its_time_by_the_length() -> None:
    """A part of the audio's length, as a recogniser with a real-time factor does."""
    engine = SyntheticEngine(0, rtf=0.02)
    begun_s = time.perf_counter()

    engine.recognise(np.full(16_000 * 10, 0.1, np.float32), EN)

    assert time.perf_counter() - begun_s >= 0.2
