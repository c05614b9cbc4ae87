"""How complete a turn is, from its sound, its text and the engine's confidence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.stt.completion import UNJUDGED, completion

PROBABILITIES = st.floats(0, 1)


@pytest.mark.parametrize(
    ("sound", "text", "confidence", "is_complete"),
    [
        (0.97, "Please check the number and dial again.", 0.93, True),
        (0.98, "Нажмите ноль для связи с оператором.", 0.85, True),
        (0.57, "Which folder should I", 0.63, False),
        (0.95, "to decrease", 0.57, False),
        (0.05, "You have been kicked from this", 0.80, False),
        (0.31, "Press 5 to repeat.", 0.60, False),
        (0.03, "The number I have is...", 0.78, False),
    ],
)
def test_sound_words_and_confidence_decide_together(
    sound: float, text: str, confidence: float, is_complete: bool
) -> None:
    """Ends and inner pauses as they were recorded come out on their side."""
    assert (completion(sound, text, confidence) > 0.5) is is_complete


@given(PROBABILITIES, PROBABILITIES)
def test_it_is_a_probability_whatever_the_evidence(sound: float, confidence: float) -> None:
    """Certainty on one side alone neither overflows nor leaves the range."""
    assert 0.0 < completion(sound, "Yes.", confidence) < 1.0


@given(PROBABILITIES, PROBABILITIES, PROBABILITIES)
def test_more_evidence_never_makes_it_less(low: float, high: float, confidence: float) -> None:
    """What sounds more complete is more complete, all else being equal."""
    low, high = sorted((low, high))

    assert completion(low, "yes", confidence) <= completion(high, "yes", confidence)
    assert completion(confidence, "yes", low) <= completion(confidence, "yes", high)


@pytest.mark.parametrize("text", ["Yes.", "Really?", "Stop!", "好。", "क्या।", "He said 'no.'"])
def test_a_sentence_that_ends_counts(text: str) -> None:
    """In whatever script its end is written."""
    assert completion(0.9, text, 0.8) > completion(0.9, text.strip(".?!。।'"), 0.8)


@pytest.mark.parametrize("text", ["I would...", "and", "Version 2.0 of", ""])
def test_an_ellipsis_or_no_mark_is_no_end(text: str) -> None:
    """Dots that trail off say the opposite of one."""
    assert completion(0.9, text, 0.8) == completion(0.9, "and", 0.8)


def test_without_a_judge_the_words_decide() -> None:
    """A failed judgement is no evidence for either side."""
    assert completion(UNJUDGED, "Yes.", 0.8) == completion(0.5, "Yes.", 0.8)
