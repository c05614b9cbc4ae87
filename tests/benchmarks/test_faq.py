"""What ``voicebus bench faq`` asks, and what it makes of what it hears."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from benchmarks.faq_book import ANSWERS, MOST, answer, csv, questions, slipped
from benchmarks.faq_figures import PhraseRow, Row, bars, figures, void_reasons
from voicebus.errors import ConfigError
from voicebus.personas.books import read_file
from voicebus.personas.faq import Faq
from voicebus.personas.pairs import Pair


def test_a_question_with_a_slip_is_found_among_all_that_share_its_words(tmp_path: Path) -> None:
    """And has the answer of its own: the next question's is another one."""
    book = questions(12_000)
    (tmp_path / "f.csv").write_text(csv(book))
    pairs = read_file(tmp_path / "f.csv")
    faq, chance = Faq(pairs), random.Random(1)

    assert pairs == [Pair(asked, answer(number)) for number, asked in enumerate(book)]
    for _ in range(200):
        number = chance.randrange(len(book))
        asked = slipped(book[number], chance)
        found = faq.find(asked)
        assert asked != book[number]
        assert found is not None, asked
        assert (found.question, found.how) == (book[number], "fuzzy")
        assert found.answer == ANSWERS[number % len(ANSWERS)]


def test_a_book_has_so_many_different_questions() -> None:
    """A hundred thousand and some more."""
    assert MOST > 100_000
    assert len(set(questions(MOST))) == MOST
    for count in (0, MOST + 1):
        with pytest.raises(ConfigError, match=f"--questions {count}"):
            questions(count)


def rows(how: str, *first_ms: float) -> list[Row]:
    """Answers that were heard so late, and decided in a quarter of that."""
    return [Row(how=how, decided_ms=ms / 4, first_ms=ms) for ms in first_ms]


def phrases(*claimed_ms: float) -> list[PhraseRow]:
    """Phrases that came so late."""
    return [PhraseRow(claimed_ms=ms, asked_ms=ms + 3) for ms in claimed_ms]


def held(exact_ms: list[float], fuzzy_ms: list[float], phrases_ms: list[float]) -> dict[str, bool]:
    """Which figures keep their limits."""
    asked = [*rows("exact", *exact_ms), *rows("fuzzy", *fuzzy_ms), *rows("made", 500.0)]
    found = figures(asked, phrases(*phrases_ms))
    assert found["turns"] == len(exact_ms) + len(fuzzy_ms)
    return {bar.name: bar.holds for bar in bars(found)}


def test_it_is_the_late_ones_that_are_held_against_the_limits() -> None:
    """Of each way of asking, the decision and the sound; what the voice has to make is told."""
    quick, one_in_ten = [40.0] * 100, [40.0] * 90 + [100.0] * 10

    assert held(quick, quick, [2.0] * 100) == {
        "exact_decided_p95_ms": True,
        "fuzzy_decided_p95_ms": True,
        "exact_first_audio_p95_ms": True,
        "fuzzy_first_audio_p95_ms": True,
        "phrase_first_chunk_p95_ms": True,
    }
    assert held(quick, one_in_ten, [2.0] * 90 + [9.0] * 10) == {
        "exact_decided_p95_ms": True,
        "fuzzy_decided_p95_ms": False,
        "exact_first_audio_p95_ms": True,
        "fuzzy_first_audio_p95_ms": False,
        "phrase_first_chunk_p95_ms": False,
    }


def test_a_run_that_shows_little_decides_nothing() -> None:
    """A small book, few answers of a kind, or a machine that others used."""
    enough = [*rows("exact", *[1.0] * 50), *rows("fuzzy", *[1.0] * 50)]

    assert void_reasons(enough, phrases(*[1.0] * 50), 100_000, 0.0) == []
    assert void_reasons(enough, phrases(1.0), 500, 0.1) == [
        "a book of 500 questions is not large: 100000 are",
        "1 of phrase are too few for a 95th percentile",
        "the machine was not ours for 10% of the time",
    ]
    assert void_reasons([*enough[:60], *rows("made", 1.0)], phrases(*[1.0] * 50), 100_000, 0.0) == [
        "10 of fuzzy are too few for a 95th percentile"
    ]
