from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.stt.windows import (
    FULL_WINDOW_S,
    WINDOWS,
    Attempt,
    Doubt,
    better,
    bound,
    doubt,
    unheard,
    wants_parts,
    window_s,
)

TWICE = "Press one to go on. Press two. Press one to go on. Press two."


def attempt(
    text: str = "so it is", tokens: int = 4, logprob: float = -0.2, no_speech: float = 0.05
) -> Attempt:
    """A text as a decoder writes it, of 3 s of English."""
    return Attempt(text, tuple(range(tokens)), logprob, no_speech, bound(3.0, "en"))


@given(st.floats(0, 30))
def test_an_utterance_fits_its_window(seconds: float) -> None:
    """There is room behind the utterance in every window but the full one."""
    window = window_s(seconds)

    assert window == FULL_WINDOW_S or seconds + 3 <= window
    assert window in {window for _, window in WINDOWS}


@given(st.floats(0, 30), st.floats(0, 30))
def test_a_longer_utterance_never_gets_less(one: float, other: float) -> None:
    """Windows and bounds grow with the utterance."""
    shorter, longer = sorted((one, other))

    assert window_s(shorter) <= window_s(longer)
    assert 0 < bound(shorter, "ru") <= bound(longer, "ru") < 448
    assert bound(shorter, "en") <= bound(shorter, "ru")


@pytest.mark.parametrize(
    ("tried", "window", "reason"),
    [
        (attempt(), 10, ""),
        (attempt(tokens=40), 10, "rate"),
        (attempt(tokens=40), 30, "rate"),
        (attempt(text="press one or " * 12), 10, "loop"),
        (attempt(text="press one or " * 12), 30, "loop"),
        (attempt(text=TWICE, tokens=18), 10, "loop"),
        (attempt(text=TWICE, tokens=12), 10, ""),
        (attempt(text=f"{TWICE} Press", tokens=18), 10, "loop"),
        (attempt(text=TWICE.removesuffix("Press two."), tokens=18), 10, "loop"),
        (attempt(text="No, no, no, no, no, I said no, no, no.", tokens=20), 10, ""),
        (attempt(logprob=-0.9), 15, "probability"),
        (attempt(logprob=-0.9), 30, ""),
        (attempt(logprob=-1.8, no_speech=0.9), 10, ""),
        (attempt(tokens=40, logprob=-1.8, no_speech=0.9), 10, ""),
    ],
)
def test_what_is_tried_again(tried: Attempt, window: int, reason: Doubt) -> None:
    """Too many tokens, repetition, and improbable words of a short window are; silence is not."""
    assert doubt(tried, window) == reason


@pytest.mark.parametrize(
    ("seconds", "language", "cut"),
    [(25, "ru", True), (25, "en", False), (25, "", False), (11, "ru", False)],
)
def test_which_utterances_are_cut_into_parts(seconds: float, language: str, cut: bool) -> None:
    """Long ones in a language that is known not to be English."""
    assert wants_parts(seconds, language) is cut


def test_a_second_try_has_more_room() -> None:
    """Scripts that are spelt in bytes are not cut off twice."""
    assert bound(3.0, "ja", attempt()) > bound(3.0, "ja")


def test_the_better_of_two_tries_is_kept() -> None:
    """What repeats itself loses, then what was cut off, then what is less probable."""
    loop = attempt(text="press one or " * 12, logprob=-0.05)
    cut_off = attempt(tokens=40, logprob=-0.05)

    assert better(loop, attempt(logprob=-0.5)) == attempt(logprob=-0.5)
    assert better(attempt(logprob=-0.5), cut_off) == attempt(logprob=-0.5)
    assert better(attempt(logprob=-0.8), attempt(logprob=-0.3)).logprob == -0.3


def test_nothing_is_heard_only_when_both_signs_say_so() -> None:
    """A quiet speaker is improbable or like silence, not both."""
    assert unheard(attempt(logprob=-1.6, no_speech=0.6))
    assert not unheard(attempt(logprob=-1.6, no_speech=0.1))
    assert not unheard(attempt(logprob=-0.3, no_speech=0.6))
