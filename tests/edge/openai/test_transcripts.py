from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.audio import Transcription, TranscriptionVerbose

from edge.openai.transcripts import (
    CUE_CHARACTERS,
    CUE_MS,
    Transcript,
    as_json,
    as_srt,
    as_text,
    as_verbose_json,
    as_vtt,
    cues,
)
from schemas.stt import Segment, Word

HE_MIGHT = Segment(
    "He might.", 500, 1_250, 0.5, 0.125, (Word("He", 500, 800), Word("might.", 850, 1_250))
)
BY_AND_BY = Segment("By & by <he> did.", 3_601_000, 3_602_345, 0.9, 0.01)
SPOKEN = Transcript(segments=(HE_MIGHT, BY_AND_BY), language="en", duration_s=3_610.2)
NOTHING = Transcript(segments=(), language="", duration_s=1.0)


def test_json_has_the_text_and_what_it_costs() -> None:
    """The shape that the SDK reads, and that others ask for by default."""
    told = as_json(SPOKEN)

    assert told["text"] == "He might. By & by <he> did."
    assert told["usage"] == {"type": "duration", "seconds": 3_611}
    assert told["languages"] == [{"code": "en"}]
    read = Transcription.model_validate(told)
    assert read.usage is not None
    assert read.usage.type == "duration"


def test_verbose_json_has_segments_and_words() -> None:
    """Every field of the SDK's types, strictly read."""
    told = as_verbose_json(SPOKEN, ("segment", "word"), 0.25)
    read = TranscriptionVerbose.model_validate_json(json.dumps(told), strict=True)

    assert (told["task"], read.language, read.duration) == ("transcribe", "en", 3_610.2)
    assert read.segments is not None
    assert read.words is not None
    first = read.segments[0]
    assert (first.id, first.start, first.end, first.seek) == (0, 0.5, 1.25, 50)
    assert (first.text, first.temperature, first.no_speech_prob) == ("He might.", 0.25, 0.125)
    assert first.avg_logprob == pytest.approx(-0.6931)
    assert first.compression_ratio < 1
    assert [(w.word, w.start, w.end) for w in read.words] == [
        ("He", 0.5, 0.8),
        ("might.", 0.85, 1.25),
    ]


@pytest.mark.parametrize(
    ("granularities", "has"),
    [
        (("segment",), {"segments"}),
        (("word",), {"words"}),
        (("word", "segment"), {"segments", "words"}),
    ],
)
def test_only_what_was_asked_for_is_told(granularities: tuple[str, ...], has: set[str]) -> None:
    """Who wants words alone gets no segments."""
    assert set(as_verbose_json(SPOKEN, granularities, 0)) & {"segments", "words"} == has


def test_a_translation_says_that_it_is_one() -> None:
    """The language is that of the recording, and not of the text."""
    translated = Transcript(segments=(HE_MIGHT,), language="ru", duration_s=2, translated=True)
    told = as_verbose_json(translated, (), 0)

    assert (told["task"], told["language"]) == ("translate", "ru")


def test_text_is_one_line() -> None:
    """With its end, so that a shell's prompt stands below it."""
    assert as_text(SPOKEN) == "He might. By & by <he> did.\n"


def test_srt_is_as_players_read_it() -> None:
    """Numbers from 1, a comma before the milliseconds, an empty line behind each."""
    assert as_srt(SPOKEN) == (
        "1\n00:00:00,500 --> 00:00:01,250\nHe might.\n\n"
        "2\n01:00:01,000 --> 01:00:02,345\nBy & by <he> did.\n\n"
    )


def test_vtt_is_as_browsers_read_it() -> None:
    """A head, a dot before the milliseconds, and no tag that nobody meant."""
    assert as_vtt(SPOKEN) == (
        "WEBVTT\n\n00:00:00.500 --> 00:00:01.250\nHe might.\n\n"
        "01:00:01.000 --> 01:00:02.345\nBy &amp; by &lt;he&gt; did.\n\n"
    )


@pytest.mark.parametrize(
    ("shown", "nothing"), [(as_text, "\n"), (as_srt, ""), (as_vtt, "WEBVTT\n\n")]
)
def test_silence_has_an_empty_shape(shown: object, nothing: str) -> None:
    """A recording in which nobody spoke is no error."""
    assert callable(shown)
    assert shown(NOTHING) == nothing


def test_a_long_utterance_is_cut_behind_a_sentence() -> None:
    """A subtitle that is half full ends with a sentence, if there is one."""
    text = "One two three four five six seven eight nine ten eleven. " + "More words follow here. "
    cut = list(cues([Segment(text.strip(), 0, 6_000)]))

    assert [cue.text for cue in cut] == [
        "One two three four five six seven eight nine ten eleven.",
        "More words follow here.",
    ]


WORDS = st.lists(
    st.tuples(
        st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=30),
        st.integers(0, 3_000),
        st.integers(0, 2_000),
    ),
    min_size=1,
    max_size=60,
)


def spoken(words: list[tuple[str, int, int]], *, has_times: bool) -> Segment:
    """An utterance of words, each with a pause before it and a length."""
    timed: list[Word] = []
    at_ms = 0
    for text, pause_ms, length_ms in words:
        at_ms += pause_ms
        timed.append(Word(text, at_ms, at_ms + length_ms))
        at_ms += length_ms
    text = " ".join(word.text for word in timed)
    return Segment(text, timed[0].start_ms, at_ms, words=tuple(timed) if has_times else ())


@given(WORDS, st.booleans())
def test_no_word_is_lost_in_subtitles(words: list[tuple[str, int, int]], has_times: bool) -> None:
    """All are there, in order, in cues that follow each other and can be read in their time."""
    segment = spoken(words, has_times=has_times)
    found = list(cues([segment]))

    assert " ".join(cue.text for cue in found) == segment.text
    edges = [ms for cue in found for ms in (cue.start_ms, cue.end_ms)]
    assert edges == sorted(edges)
    assert (edges[0], edges[-1]) == (segment.start_ms, segment.end_ms)
    for cue in found:
        several = " " in cue.text
        assert len(cue.text) <= CUE_CHARACTERS or not several
        assert cue.end_ms - cue.start_ms <= CUE_MS or not several


@given(WORDS)
def test_subtitles_can_be_read_back(words: list[tuple[str, int, int]]) -> None:
    """Whatever is said, no line of it is taken for a time or a number of SubRip."""
    segment = spoken(words, has_times=True)
    shown = as_srt(Transcript(segments=(segment,), language="en", duration_s=1))
    blocks = [block.split("\n") for block in shown.removesuffix("\n\n").split("\n\n")]
    clock = re.compile(r"\d\d:[0-5]\d:[0-5]\d,\d{3} --> \d\d:[0-5]\d:[0-5]\d,\d{3}")

    assert [int(block[0]) for block in blocks] == list(range(1, len(blocks) + 1))
    assert all(len(block) == 3 and clock.fullmatch(block[1]) for block in blocks)
    assert " ".join(block[2] for block in blocks) == segment.text
