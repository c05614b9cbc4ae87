"""What ``voicebus bench faq`` asks, and what it makes of what it hears."""

from __future__ import annotations

from benchmarks.faq import Row, bars, figures, questions
from voicebus.personas.faq import Faq
from voicebus.personas.pairs import Pair


def test_each_question_is_found_by_its_own_words() -> None:
    """With small words in front of it as well."""
    asked = questions(500)
    faq = Faq(Pair(question, question) for question in asked)

    found = faq.find(asked[123].replace("Can I", "And so can I"))
    assert len(set(asked)) == 500
    assert found is not None
    assert (found.answer, found.how) == (asked[123], "fuzzy")


def test_the_medians_are_held_against_the_limit() -> None:
    """Of each way of asking."""
    rows = [Row("exact", 40.0), Row("exact", 50.0), Row("exact", 300.0), Row("fuzzy", 90.0)]
    found = figures(rows)

    assert found["exact_first_audio_p50_ms"] == 50.0
    assert [(bar.name, bar.holds) for bar in bars(found)] == [
        ("exact_first_audio_p50_ms", True),
        ("fuzzy_first_audio_p50_ms", False),
    ]
