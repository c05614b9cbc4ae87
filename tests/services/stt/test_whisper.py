"""What Whisper makes of hints, batches and short windows, on recorded speech."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from prometheus_client import REGISTRY

from schemas.stt import Word
from services.stt.engine import Hint, Recognition, understood
from services.stt.engines import ctranslate2
from services.stt.engines.faster_whisper import FasterWhisperEngine
from services.stt.hallucination import gate
from services.stt.windows import Attempt
from tests.models import model_path
from tests.services.stt.speech import RECORDINGS, noise, plain, recording, silence
from voicebus.errors import EngineError

pytestmark = pytest.mark.model

EN = Hint("en")
NAMES = "Dashwoode, Norlandt, Qualitrex, Szymanowski"


@pytest.fixture(scope="module")
def base() -> FasterWhisperEngine:
    """The model that ships."""
    engine = FasterWhisperEngine(model_path("whisper-base"))
    engine.warm()
    return engine


def retries(reason: str) -> float:
    """How often something was tried again so far."""
    return REGISTRY.get_sample_value("voicebus_stt_retries_total", {"reason": reason}) or 0.0


def onsets_ms(samples: NDArray[np.float32]) -> list[int]:
    """Where the level rises by 10 dB within 40 ms."""
    whole = len(samples) // 160 * 160
    levels = 20 * np.log10(np.sqrt(np.square(samples[:whole].reshape(-1, 160)).mean(axis=1)) + 1e-5)
    return [10 * n for n in range(4, len(levels)) if levels[n] - levels[n - 4] > 10]


def test_a_name_is_spelt_as_the_vocabulary_spells_it(base: FasterWhisperEngine) -> None:
    """A session's own spelling wins where the sound allows it, and nothing else changes."""
    samples = recording("leisure")

    told = base.recognise(samples, Hint("en", vocabulary=NAMES))

    assert "dashwood" in plain(base.recognise(samples, EN).text).split()
    assert plain(told.text) == RECORDINGS["leisure"].replace("dashwood", "dashwoode")


@pytest.mark.parametrize("seconds", [1, 3, 6])
@pytest.mark.parametrize("rms", [0.0, 0.001, 0.02, 0.1])
def test_a_vocabulary_is_not_heard_where_nobody_speaks(
    base: FasterWhisperEngine, seconds: float, rms: float
) -> None:
    """Silence and noise of any length leave no name in the text behind the gate."""
    samples = noise(seconds, rms) if rms else silence(seconds)

    assert gate(base.recognise(samples, Hint("en", vocabulary=NAMES)), 1_000).text == ""


def test_a_vocabulary_of_any_length_is_taken(base: FasterWhisperEngine) -> None:
    """What is too long for the prompt is left out; the speech is understood all the same."""
    vocabulary = ", ".join(f"Qualitrex{n}" for n in range(300))

    found = base.recognise(recording("amiable"), Hint("en", vocabulary=vocabulary))

    assert "amiable" in plain(found.text)


def test_words_have_their_times(base: FasterWhisperEngine) -> None:
    """Times are ordered, inside the audio, and words behind a pause begin where it ends."""
    first, pause = recording("amiable"), 700
    samples = np.concatenate([silence(0.5), first, silence(pause / 1000), recording("leisure")])

    found = base.recognise(samples, Hint("en", word_times=True))

    assert " ".join(word.text for word in found.words) == found.text
    times = [time for word in found.words for time in (word.start_ms, word.end_ms)]
    assert times == sorted(times)
    assert times[0] >= 450
    assert times[-1] <= len(samples) // 16
    behind_ms = 500 + len(first) // 16 + pause
    assert min(abs(start - behind_ms) for start in times[::2]) <= 300
    assert all(end - start <= 1_200 for start, end in zip(times[::2], times[1::2], strict=True))


def test_words_begin_near_onsets_of_sound(base: FasterWhisperEngine) -> None:
    """Most words of a recorded sentence begin where its level rises."""
    samples = recording("leisure")
    rises = onsets_ms(samples)

    words = base.recognise(samples, Hint("en", word_times=True)).words

    near = [min(abs(word.start_ms - rise) for rise in rises) <= 150 for word in words]
    assert len(words) == len(RECORDINGS["leisure"].split())
    assert sum(near) >= 0.7 * len(near)


def test_times_of_a_long_file_count_from_its_beginning(base: FasterWhisperEngine) -> None:
    """Pieces and left-out silence do not shift the words behind them."""
    samples = np.concatenate([recording("amiable"), silence(29), recording("amiable")])

    words = base.transcribe_long(samples, Hint("en", word_times=True)).words

    last = [word for word in words if word.text.startswith("himself")][-1]
    assert last.end_ms == pytest.approx(len(samples) / 16, abs=600)


def test_the_times_of_nobody_are_none(base: FasterWhisperEngine) -> None:
    """No words were asked for, or there were none: no times."""
    assert base.recognise(recording("amiable"), EN).words == ()
    assert base.recognise(silence(0), Hint("en", word_times=True)).words == ()


def test_detection_keeps_to_the_languages_that_are_allowed(base: FasterWhisperEngine) -> None:
    """The likeliest allowed language is taken, and an explicit one wins over both."""
    samples = recording("leisure")

    assert base.recognise(samples, Hint(languages=("ru", "en"))).language == "en"
    assert base.recognise(samples, Hint(languages=("ru", "uk"))).language in {"ru", "uk"}
    assert base.recognise(samples, Hint("en", languages=("ru",))).language == "en"
    assert base.recognise(samples, Hint(languages=("en", "xx"))).language == "en"
    with pytest.raises(EngineError, match="none of the languages"):
        base.recognise(samples, Hint(languages=("xx",)))


def test_a_batch_is_what_each_would_be_alone(base: FasterWhisperEngine) -> None:
    """Utterances that share a pass keep their words, languages, times and refusals."""
    items = [
        (recording("amiable"), Hint("en", word_times=True)),
        (recording("amiable"), Hint()),
        (noise(31), EN),
        (recording("leisure"), EN),
        (silence(0), Hint("ru")),
        (recording("amiable"), Hint("xx")),
    ]

    found = base.recognise_batch(items)

    texts = [one.text if isinstance(one, Recognition) else None for one in found]
    assert [isinstance(one, EngineError) for one in found] == [False, False, True] * 1 + [
        False,
        False,
        True,
    ]
    assert [plain(text) for text in texts if text] == [
        RECORDINGS["amiable"],
        RECORDINGS["amiable"],
        RECORDINGS["leisure"],
    ]
    first, second = understood(found[0]), understood(found[1])
    assert [word.text for word in first.words] == first.text.split()
    assert all(isinstance(word, Word) for word in first.words)
    assert (second.language, second.words) == ("en", ())


def test_utterances_share_a_bucket_when_window_and_vocabulary_are_equal(
    base: FasterWhisperEngine,
) -> None:
    """Languages may be mixed in one pass; windows and prompts of unequal length may not."""
    short, other, long = noise(2), noise(4), noise(9)

    assert base.bucket(short, EN) == base.bucket(other, Hint("ru"))
    assert base.bucket(short, EN) != base.bucket(long, EN)
    assert base.bucket(short, EN) != base.bucket(short, Hint("en", vocabulary="Dashwood"))


def test_a_loop_is_tried_again_in_the_full_window_once(
    base: FasterWhisperEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a short window made of it is replaced, and the retry is counted with its reason."""
    windows: list[int] = []
    write = ctranslate2.Passes.write

    def looping(
        self: ctranslate2.Passes, encoded: object, utterances: list[ctranslate2.Utterance]
    ) -> None:
        windows.extend(one.window for one in utterances)
        write(self, encoded, utterances)
        for one in utterances:
            if one.window != 30:
                one.attempt = Attempt("press one " * 30, tuple(range(20)), -0.1, 0.0, 40)

    monkeypatch.setattr(ctranslate2.Passes, "write", looping)
    before = retries("loop")

    found = base.recognise(recording("amiable"), EN)

    assert plain(found.text) == RECORDINGS["amiable"]
    assert windows == [10, 30]
    assert retries("loop") == before + 1


@pytest.mark.parametrize("said", [("amiable",), ("leisure", "amiable", "leisure")])
def test_a_vocabulary_that_is_looped_on_is_left_out_of_the_second_try(
    base: FasterWhisperEngine, monkeypatch: pytest.MonkeyPatch, said: tuple[str, ...]
) -> None:
    """In a short window as in a full one, which is tried again in parts."""
    write = ctranslate2.Passes.write

    def echoing(
        self: ctranslate2.Passes, encoded: object, utterances: list[ctranslate2.Utterance]
    ) -> None:
        write(self, encoded, utterances)
        for one in utterances:
            if one.hint.vocabulary:
                one.attempt = Attempt("Norlandt, " * 30, tuple(range(20)), -0.1, 0.0, 40)

    monkeypatch.setattr(ctranslate2.Passes, "write", echoing)
    samples = np.concatenate([part for name in said for part in (recording(name), silence(1))])

    found = base.recognise(samples, Hint("en", vocabulary=NAMES))

    assert plain(found.text) == " ".join(RECORDINGS[name] for name in said)


def test_silence_is_not_tried_again(base: FasterWhisperEngine) -> None:
    """A cough or a click costs one short window, not the full one too."""
    before = [retries(reason) for reason in ("rate", "loop", "probability")]

    for samples in (silence(2), noise(1, 0.02), noise(3, 0.1)):
        base.recognise(samples, EN)

    assert [retries(reason) for reason in ("rate", "loop", "probability")] == before
