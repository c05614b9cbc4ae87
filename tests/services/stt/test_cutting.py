from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.stt.cutting import Cutter
from services.stt.endpointing import WINDOW_SAMPLES, Endpointer, EndpointingSettings
from services.stt.marks import UtteranceEnded

SETTINGS = EndpointingSettings()
WINDOWS_PER_S = 16_000 / WINDOW_SAMPLES
CUT_FROM_S, LONGEST_S = 30, 60


def windows(*stretches: tuple[float, float]) -> list[float]:
    """Probabilities of stretches, each (probability, seconds)."""
    return [p for p, seconds in stretches for _ in range(round(seconds * WINDOWS_PER_S))]


def passage(
    probabilities: list[float], start: int, settings: EndpointingSettings = SETTINGS
) -> tuple[list[UtteranceEnded], int]:
    """Cut the passage that begins at a window; return its utterances and its end."""
    begin, end = start * WINDOW_SAMPLES, len(probabilities) * WINDOW_SAMPLES
    longest = min(end, begin + LONGEST_S * 16_000)
    cutter = Cutter(settings, begin, min(longest, begin + CUT_FROM_S * 16_000))
    found: list[UtteranceEnded] = []
    for index, probability in enumerate(probabilities[start:], start):
        position = (index + 1) * WINDOW_SAMPLES
        if position > longest:
            break
        found += cutter.push(probability, position)
    found += cutter.finish(longest)
    assert cutter.cut is not None
    return found, cutter.cut


def one_pass(probabilities: list[float]) -> list[UtteranceEnded]:
    """The utterances that the endpointer finds in the whole recording."""
    endpointer = Endpointer(SETTINGS)
    marks = [mark for p in probabilities for mark in endpointer.push(p)]
    marks += endpointer.force(len(probabilities) * WINDOW_SAMPLES)
    return [mark for mark in marks if isinstance(mark, UtteranceEnded)]


def test_a_passage_ends_in_the_first_pause_after_its_length() -> None:
    """In the middle of the pause: its neighbour begins in silence, too."""
    speech = windows((0.9, 20), (0.0, 1), (0.9, 15), (0.0, 1), (0.9, 15))

    found, cut = passage(speech, 0)

    assert [round(ended.end_sample / 16_000) for ended in found] == [20, 36]
    assert 36.2 < cut / 16_000 < 36.5


def test_silence_ends_a_passage_at_once() -> None:
    """Nobody speaks for a minute: that minute needs no neighbour to look at."""
    found, cut = passage(windows((0.0, 60)), 0)

    assert found == []
    assert 29 < cut / 16_000 <= 30


def test_who_speaks_on_is_cut_where_long_utterances_are() -> None:
    """A speaker without pauses is split by length; the passage ends with such a part."""
    found, cut = passage(windows((0.9, 100)), 0)

    assert found[-1].cause == "length"
    assert found[-1].end_sample == cut
    assert CUT_FROM_S < cut / 16_000 < LONGEST_S


def test_the_last_passage_ends_where_the_audio_does() -> None:
    """What is being said then is an utterance like all others."""
    found, cut = passage(windows((0.0, 2), (0.9, 5)), 0)

    assert [(ended.cause, ended.end_sample) for ended in found] == [("forced", cut)]
    assert cut == len(windows((0.0, 2), (0.9, 5))) * WINDOW_SAMPLES


def test_nothing_is_found_behind_the_cut() -> None:
    """Audio behind it belongs to the next passage, which hears it itself."""
    cutter = Cutter(SETTINGS, 0, WINDOW_SAMPLES)
    cutter.push(0.0, WINDOW_SAMPLES + 1)
    cut = cutter.cut

    assert cut is not None
    assert [cutter.push(0.9, WINDOW_SAMPLES * n) for n in range(2, 90)] == [()] * 88
    assert cutter.finish(90 * WINDOW_SAMPLES) == ()
    assert cutter.cut == cut


SPEAKERS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.9]), st.floats(0.05, 40)), min_size=1, max_size=12
)


@given(SPEAKERS)
def test_passages_cover_a_recording_without_gap_or_overlap(
    stretches: list[tuple[float, float]],
) -> None:
    """Each ends behind its beginning and within its bound, and holds its own utterances."""
    probabilities = windows(*stretches)
    start, end = 0, len(probabilities) * WINDOW_SAMPLES
    last = 0
    while start < end:
        found, cut = passage(probabilities, start // WINDOW_SAMPLES)
        assert start < cut <= min(end, start + LONGEST_S * 16_000)
        for ended in found:
            assert last <= ended.start_sample <= ended.end_sample <= cut
            last = ended.end_sample
        # Windows are counted from a passage's beginning; this test has those of the whole only.
        start = -(-cut // WINDOW_SAMPLES) * WINDOW_SAMPLES


PAUSES = st.lists(st.tuples(st.floats(1, 20), st.floats(1.3, 3)), min_size=1, max_size=14)


@given(PAUSES)
def test_the_utterances_are_those_of_one_pass(speech: list[tuple[float, float]]) -> None:
    """Where there are pauses to cut in, no utterance is lost, doubled or broken."""
    probabilities = windows(*(part for s, q in speech for part in ((0.9, s), (0.0, q))))
    start, found = 0, list[UtteranceEnded]()
    while start < len(probabilities):
        utterances, cut = passage(probabilities, start)
        found += utterances
        start = -(-cut // WINDOW_SAMPLES)

    whole = one_pass(probabilities)
    assert [u.end_sample for u in found] == pytest.approx([u.end_sample for u in whole], abs=512)
    assert [u.speech_sample for u in found] == pytest.approx(
        [u.speech_sample for u in whole], abs=512
    )
