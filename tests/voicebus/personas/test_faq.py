"""Instant answers: which question was asked, and when nobody can be sure."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz import process

from voicebus.personas.faq import Faq
from voicebus.personas.pairs import Pair

QUESTIONS = (
    "What are your opening hours?",
    "Do you deliver to Holland?",
    "Are you open on December 24?",
    "Do you not take cards?",
    "Is room one free?",
    "Сколько стоит доставка?",
    "hi",
)
BOOK = Faq(Pair(question, f"About: {question}") for question in QUESTIONS)


def found(asked: str, faq: Faq = BOOK) -> tuple[str, str]:
    """The question that was found, and how."""
    match = faq.find(asked)
    return (match.question, match.how) if match else ("", "")


@pytest.mark.parametrize(
    ("asked", "question", "how"),
    [
        ("What are your opening hours?", QUESTIONS[0], "exact"),
        ("  what are your OPENING hours", QUESTIONS[0], "normalised"),
        ("what are the opening hours", QUESTIONS[0], "fuzzy"),
        ("what are your openning hour", QUESTIONS[0], "fuzzy"),
        ("сколько стоить доставку", QUESTIONS[5], "fuzzy"),
        ("Hi!", QUESTIONS[6], "normalised"),
    ],
)
def test_a_question_is_found(asked: str, question: str, how: str) -> None:
    """To the letter, as it sounds, or nearly so: recognition makes mistakes."""
    assert found(asked) == (question, how)


@pytest.mark.parametrize(
    "asked",
    [
        "Do you deliver to Poland?",
        "Are you open on December 25?",
        "Do you take cards?",
        "Is room two free?",
        "Where is my order?",
        "what are your opening hours in the other shop on the market square",
        "hy",
        "",
        "?!",
        "a" * 100_000,
    ],
)
def test_another_question_is_not_answered(asked: str) -> None:
    """However much it looks like one: a wrong answer is worse than one that takes longer."""
    assert found(asked) == ("", "")


@pytest.mark.parametrize(
    ("known", "asked"),
    [
        ("How do I deactivate my card?", "how do i activate my card"),
        ("How do I unsubscribe?", "how do i subscribe"),
        ("Is the pool unavailable on Sunday?", "is the pool available on sunday"),
        ("Как включить интернет?", "как выключить интернет"),
        ("Где въезд на парковку?", "где выезд на парковку"),
    ],
)
def test_the_opposite_is_not_answered(known: str, asked: str) -> None:
    """Two letters at the head of a word turn its sense around."""
    assert found(asked, Faq([Pair(known, "So.")])) == ("", "")


def test_who_wants_certainty_has_it() -> None:
    """Above 100, questions must sound the same."""
    faq = Faq([Pair(QUESTIONS[0], "Nine to five.")], least=101)

    assert found("what are the opening hours", faq) == ("", "")
    assert found("what are your opening hours", faq)[1] == "normalised"


def test_an_empty_book_answers_nothing() -> None:
    """Nor does one whose questions have no words."""
    assert Faq([]).find("What are your opening hours?") is None
    assert Faq([Pair("?", "x")]).find("What are your opening hours?") is None


@given(st.lists(st.text(max_size=40), max_size=8), st.text(max_size=60))
def test_what_is_in_the_book_is_found_and_nothing_fails(known: list[str], asked: str) -> None:
    """Whatever people write into it, and whatever is asked."""
    faq = Faq(Pair(question, str(number)) for number, question in enumerate(known))

    match = faq.find(asked)
    assert match is None or match.question in known
    for question in known:
        again = faq.find(question)
        assert again is None or again.how in {"exact", "normalised"}


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many words of the book each look for a word's likes went through."""
    counts: list[int] = []
    extract = process.extract

    def counting(word: str, known: Sequence[str], **options: Any) -> Any:
        counts.append(len(known))
        return extract(word, known, **options)

    monkeypatch.setattr(process, "extract", counting)
    return counts


def test_who_tells_a_story_is_not_compared_with_the_book(looked_at: list[int]) -> None:
    """It is far too long to be any of its questions, and the session would wait for it."""
    story = "what are your opening hours today because " * 20

    assert found(story) == ("", "")
    assert looked_at == []
    assert found("what are the opening hours") != ("", "")
    assert looked_at != []


def test_the_first_word_that_the_book_does_not_have_ends_the_search(looked_at: list[int]) -> None:
    """Of each word, only those that begin as it does are looked at."""
    words = [f"{head}word{number:03}x" for head in ("ab", "cd") for number in range(100)]
    faq = Faq(Pair(f"How about {word} then?", "So.") for word in [*words, "ghosts"])

    assert found("how about ghastly then", faq) == ("", "")
    assert max(looked_at, default=0) <= 1
    looked_at.clear()
    assert found("zzazzazza zzbzzbzzb zzczzczzc", faq) == ("", "")
    assert 1 <= len(looked_at) <= 4, "one look for each length that a like may have"


def test_a_large_book_is_searched_in_the_time_of_a_small_one() -> None:
    """Nearly: 20,000 questions that look alike take a few milliseconds at most, each time."""
    faq = Faq(
        Pair(f"How do I send back order number {n} to shop {n % 97}?", "") for n in range(20_000)
    )
    asked = "how do i send back ordre number 4711 to shop 55"

    took_s = []
    for _ in range(10):
        begun_s = time.perf_counter()
        match = faq.find(asked)
        took_s.append(time.perf_counter() - begun_s)

    assert match is not None
    assert match.question == "How do I send back order number 4711 to shop 55?"
    assert min(took_s) < 0.05
