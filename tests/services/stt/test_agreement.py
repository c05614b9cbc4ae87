from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.stt.agreement import Agreement

WORDS = st.sampled_from(["I", "want", "wanted", "to", "two", "go", "go,", "Go", "home.", "уже"])
TEXTS = st.lists(WORDS, max_size=6).map(" ".join) | st.text(max_size=20)


@pytest.mark.parametrize(
    ("texts", "stable"),
    [
        (["I want to"], [""]),
        (["I want to", "I want two tickets"], ["", "I want"]),
        (["I want", "I want", "I want to go"], ["", "I want", "I want"]),
        (["I want", "He wants to", "I want to"], ["", "", ""]),
        (["I want", "I wanted to", "I wanted to go"], ["", "I", "I wanted to"]),
        (["Go", "Go,", "Go, now"], ["", "", "Go,"]),
        (["I want", "", "I want"], ["", "", ""]),
        (["a  b c", "a  b d"], ["", "a  b"]),
    ],
)
def test_what_two_hypotheses_in_a_row_agree_on_is_stable(
    texts: list[str], stable: list[str]
) -> None:
    """A word is stable once it stood at its place in two hypotheses in a row, letter by letter."""
    agreement = Agreement()

    assert [text[: agreement.take(text)] for text in texts] == stable


def test_a_contradiction_leaves_stable_words_in_place() -> None:
    """What was shown as settled stays; the rest is the latest hypothesis."""
    agreement = Agreement()
    for text in ("I want to", "I want to go"):
        agreement.take(text)

    stable = agreement.take("He wanted to go home")

    assert agreement.text == "I want to go home"
    assert agreement.text[:stable] == "I want to"


def test_a_shorter_hypothesis_takes_nothing_back() -> None:
    """A hypothesis that lost its tail does not unsettle what is settled."""
    agreement = Agreement()
    for text in ("one two three", "one two three"):
        agreement.take(text)

    assert agreement.take("one") == len("one two three")
    assert agreement.text == "one two three"


@given(st.lists(TEXTS, max_size=8))
def test_stable_text_never_shrinks_and_never_changes(texts: list[str]) -> None:
    """What was called stable is the head of every later text, whatever the recogniser says."""
    agreement = Agreement()
    settled = ""
    for text in texts:
        stable = agreement.take(text)

        assert 0 <= stable <= len(agreement.text)
        assert agreement.text[:stable].startswith(settled)
        settled = agreement.text[:stable]


@given(st.lists(WORDS, min_size=1, max_size=8), st.data())
def test_a_hypothesis_that_only_grows_is_shown_as_it_is(
    words: list[str], data: st.DataObject
) -> None:
    """Without contradictions the text is the given one, and stable is a prefix of it."""
    agreement = Agreement()
    lengths = sorted(data.draw(st.lists(st.integers(0, len(words)), max_size=6)))
    for length in lengths:
        text = " ".join(words[:length])
        stable = agreement.take(text)

        assert agreement.text == text
        assert text.startswith(text[:stable])
        assert stable in {0, *(len(" ".join(words[:count])) for count in range(length + 1))}


def test_what_is_only_shown_settles_nothing() -> None:
    """Hypotheses of hardly more audio agree whether they are right or not."""
    agreement = Agreement()
    agreement.take("I want")

    shown = [agreement.show("I want to"), agreement.show("I want to")]

    assert shown == [0, 0]
    assert agreement.text == "I want to"
    assert agreement.take("I want to go") == len("I want")
