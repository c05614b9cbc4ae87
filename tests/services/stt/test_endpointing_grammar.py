from __future__ import annotations

import random

import pytest

from services.stt.endpointing import WINDOW_SAMPLES, Endpointer, EndpointingSettings
from services.stt.marks import (
    Mark,
    PauseStarted,
    SpeechResumed,
    SpeechStarted,
    UtteranceEnded,
)
from voicebus.errors import ConfigError


class Grammar:
    """Checks every event against what came before it."""

    def __init__(self, longest_ms: int) -> None:
        self.longest_ms = longest_ms
        self.last_end = 0
        self.open_start: int | None = None
        self.paused = False

    def check(self, event: Mark, position: int) -> None:
        """Take the next event in; ``position`` is the number of samples pushed so far."""
        match event:
            case SpeechStarted(start, speech):
                assert self.open_start is None
                assert self.last_end <= start <= speech < position
                self.open_start = start
            case PauseStarted(start, end, decided):
                assert not self.paused
                assert self.open_start == start < end < decided == position
                self.paused = True
            case SpeechResumed(sample):
                assert self.paused
                assert sample < position
                self.paused = False
            case UtteranceEnded(start, speech, end, decided):
                assert self.open_start == start <= speech < end <= decided == position
                assert (end - start) / 16 <= self.longest_ms + 100
                self.last_end, self.open_start, self.paused = end, None, False


@pytest.mark.parametrize("seed", range(60))
def test_random_speech_never_breaks_the_grammar(seed: int) -> None:
    """Starts and ends alternate, utterances do not overlap, and no event points to the future."""
    generator = random.Random(seed)
    settings = EndpointingSettings(
        max_utterance_ms=generator.choice([2_000, 5_000, 28_000]),
        end_pause_ms=generator.choice([200, 600, 2_500]),
        pad_ms=generator.choice([0, 200, 1_000]),
        min_speech_ms=generator.choice([0, 100, 400]),
        resume_ms=generator.choice([0, 64]),
    )
    endpointer, grammar, position = Endpointer(settings), Grammar(settings.max_utterance_ms), 0

    for _ in range(300):
        level = generator.choice([0.02, 0.2, 0.36, 0.45, 0.55, 0.95])
        for _ in range(generator.choice([1, 2, 5, 20, 60])):
            kept = endpointer.keep_from
            position += WINDOW_SAMPLES
            for event in endpointer.push(min(1.0, max(0.0, level + generator.uniform(-0.1, 0.1)))):
                grammar.check(event, position)
                assert not isinstance(event, SpeechStarted) or event.start_sample >= kept
            assert kept <= endpointer.keep_from <= position
        if generator.random() < 0.05:
            position += generator.randrange(WINDOW_SAMPLES)
            for event in endpointer.force(position):
                grammar.check(event, position)
            assert grammar.open_start is None
            assert endpointer.utterance_start is None
            grammar.last_end = position


@pytest.mark.parametrize(
    "wrong",
    [
        {"threshold_on": 0.3},
        {"threshold_off": 0.0},
        {"threshold_on": 1.0},
        {"soft_pause_ms": 700},
        {"soft_pause_ms": 0},
        {"max_utterance_ms": 30_000},
        {"max_utterance_ms": 1_000},
        {"min_speech_ms": -1},
        {"pad_ms": -1},
        {"resume_ms": 5_000},
    ],
)
def test_settings_that_contradict_each_other_are_refused(wrong: dict[str, float]) -> None:
    """A wrong setting is an error at start-up, not odd behaviour later."""
    with pytest.raises(ConfigError):
        EndpointingSettings(**wrong)  # type: ignore[arg-type]
