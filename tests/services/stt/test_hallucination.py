from __future__ import annotations

import pytest

from services.stt.engine import Recognition
from services.stt.hallucination import Verdict, gate, judge


def heard(text: str, confidence: float = 0.85, no_speech: float = 0.05) -> Recognition:
    """Return a recognition; without figures, a confident one."""
    return Recognition(text, "en", confidence, no_speech)


@pytest.mark.parametrize(
    ("recognition", "speech_ms"),
    [
        (heard("Thank you.", 0.81, 0.01), 448),
        (heard("Thank you very much.", 0.9, 0.05), 960),
        (heard("Bye.", 0.69, 0.06), 288),
        (heard("Okay.", 0.40, 0.34), 448),
        (heard("You.", 0.42, 0.32), 256),
        (heard("Thanks for watching.", 0.87, 0.02), 864),
        (heard("Yes.", 0.48, 0.47), 448),
        (heard("Stop", 0.43, 0.08), 288),
        (heard("I don't know."), 300),
        (heard("No, no, no, no, no!"), 1_500),
        (heard("zero zero zero zero seven seven seven seven"), 3_000),
        (heard("one two three one two three one two three four five six"), 4_000),
        (heard("Thank you for calling, who am I speaking to?"), 2_500),
        (heard("Спасибо, до свидания.", 0.8, 0.1), 1_200),
        (heard("今天天气怎么样"), 1_500),
        (heard("", 0.0, 1.0), 0),
    ],
)
def test_what_was_said_is_kept(recognition: Recognition, speech_ms: int) -> None:
    """Real words survive, those on the list and repeated ones too."""
    assert judge(recognition, speech_ms) == "keep"
    assert gate(recognition, speech_ms) is recognition


LOOP = "to extend the conference 5 "


@pytest.mark.parametrize(
    ("recognition", "speech_ms", "verdict"),
    [
        (heard("you", 0.18, 0.69), 320, "silence"),
        (heard("you", 0.366, 0.707), 900, "silence"),
        (heard("I'm sorry.", 0.2, 0.81), 900, "silence"),
        (heard("I'm not sure if I can do it.", 0.18, 0.75), 900, "silence"),
        (heard("This is a very interesting video.", 0.13, 0.49), 900, "silence"),
        (heard("you", 0.2, 0.57), 900, "silence"),
        (heard(".", 0.45, 0.95), 300, "silence"),
        (heard("...", 0.9, 0.1), 900, "silence"),
        (heard("Thank you.", 0.8, 0.7), 900, "phrase"),
        (heard("Thank you.", 0.3, 0.2), 900, "phrase"),
        (heard("Thank you.", 0.9, 0.1), 128, "phrase"),
        (heard("Thanks for watching!", 0.5, 0.2), 900, "phrase"),
        (heard("Thank you so much for watching.", 0.9, 0.6), 900, "phrase"),
        (heard("Subtitles by the Amara.org community", 0.9, 0.1), 350, "phrase"),
        (heard("Субтитры сделал DimaTorzok", 0.55, 0.3), 1_200, "phrase"),
        (heard("Продолжение следует...", 0.5, 0.3), 1_200, "phrase"),
        (heard("ご視聴ありがとうございました", 0.5, 0.3), 1_200, "phrase"),
        (heard(LOOP * 9), 20_000, "loop"),
        (heard("press one " + LOOP * 6), 20_000, "loop"),
        (heard("no " * 40), 20_000, "loop"),
        (heard("ありがとう" * 12), 20_000, "loop"),
        (heard("some thirty different words " * 1 + "and more of them " * 3), 300, "loop"),
    ],
)
def test_what_nobody_said_is_dropped(
    recognition: Recognition, speech_ms: int, verdict: Verdict
) -> None:
    """Silence, phrases on thin evidence, and loops lose their text and nothing else."""
    assert judge(recognition, speech_ms) == verdict

    gated = gate(recognition, speech_ms)
    assert gated.text == ""
    assert gated.no_speech == recognition.no_speech
