"""What a client says that it has."""

from __future__ import annotations

from voicebus.has import Has


def test_all_that_came_of_the_newest_turn_is_counted() -> None:
    """Characters, bytes, stretches, and which other messages; of earlier turns nothing is kept."""
    has = Has()
    for arrived in (
        {"type": "final", "utterance": 1},
        {"type": "turn_started", "turn": 1},
        {"type": "reply_text", "turn": 1, "text": "lost"},
        {"type": "final", "utterance": 2},
        {"type": "turn_started", "turn": 2},
        {"type": "reply_text", "turn": 2, "text": "Grüß "},
        {"type": "reply_text", "turn": 2, "text": "Gott"},
        {"type": "audio_start", "turn": 2},
        {"type": "turn_ended", "turn": 1},
        b"1234",
        {"type": "spoken", "turn": 2},
        b"56",
        {"type": "pause", "turn": 2},
    ):
        has.take(arrived)

    assert has.message() == {
        "utterance": 2,
        "turn": 2,
        "characters": 9,
        "audio_bytes": 6,
        "spoken": 1,
        "told": ["audio_start", "pause"],
    }


def test_a_reply_that_goes_on_is_not_paused() -> None:
    """A pause that is over need not be ended."""
    has = Has()
    for kind in ("turn_started", "pause", "resume"):
        has.take({"type": kind, "turn": 1})

    assert has.message()["told"] == []
