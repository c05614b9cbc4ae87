"""The names of the beta, in and out."""

from __future__ import annotations

from typing import Any

import pytest

from edge.openai.realtime.dialect import as_beta, as_ga
from edge.openai.realtime.session import MuLaw, Session
from tests.edge.openai.realtime.scenes import Scene, hear_a_turn

FLAT: dict[str, Any] = {
    "modalities": ["text", "audio"],
    "voice": "verse",
    "input_audio_format": "g711_ulaw",
    "output_audio_format": "pcm16",
    "input_audio_transcription": {"model": "whisper-1"},
    "turn_detection": {"type": "server_vad", "silence_duration_ms": 200},
    "max_response_output_tokens": 7,
    "temperature": 0.8,
}


def test_a_flat_session_is_understood() -> None:
    """Every field of the beta comes to where GA has it; what it does not name stays."""
    session = Session(instructions="Be brief.").changed(as_ga(FLAT))

    heard, spoken = session.audio.input, session.audio.output
    assert isinstance(heard.format, MuLaw)
    assert heard.transcription is not None
    assert heard.turn_detection is not None
    assert (spoken.voice_name, session.max_output_tokens) == ("verse", 7)
    assert session.instructions == "Be brief."


def test_both_dialects_may_be_mixed() -> None:
    """Nothing of either is lost."""
    mixed = {"voice": "verse", "audio": {"output": {"speed": 1.2}, "input": {}}}

    output = Session().changed(as_ga(mixed)).audio.output

    assert (output.voice_name, output.speed) == ("verse", 1.2)


def test_a_session_is_told_as_the_beta_had_it() -> None:
    """Flat, with formats by their older names."""
    scene = Scene(**as_ga(FLAT))
    (told,) = as_beta(scene.told[0])

    session = told["session"]
    assert {
        name: session[name] for name in FLAT if name not in ("temperature", "turn_detection")
    } == {
        "modalities": ["audio", "text"],
        "voice": "verse",
        "input_audio_format": "g711_ulaw",
        "output_audio_format": "pcm16",
        "input_audio_transcription": {"model": "whisper-1"},
        "max_response_output_tokens": 7,
    }
    assert session["turn_detection"]["silence_duration_ms"] == 200
    assert "audio" not in session


@pytest.mark.parametrize(
    ("session", "kinds"),
    [
        ({}, ["session.created", "session.updated"]),
        ({"type": "transcription"}, ["session.created", "transcription_session.updated"]),
    ],
)
def test_an_update_has_its_own_name_in_a_session_that_only_hears(
    session: dict[str, Any], kinds: list[str]
) -> None:
    """As the beta's SDK has it, and only in the words of the beta."""
    scene = Scene(**session)
    scene.say("transcription_session.update", session={"turn_detection": None})

    told = [older for event in scene.told for older in as_beta(event)]

    assert [event["type"] for event in told] == kinds
    assert [event["type"] for event in scene.told] == ["session.created", "session.updated"]


def test_an_answer_is_told_in_the_words_of_the_beta() -> None:
    """No name that only GA has is left, and each item is told once."""
    scene = Scene()
    hear_a_turn(scene)
    scene.deliver()

    told = [older for event in scene.told for older in as_beta(event)]

    kinds = [event["type"] for event in told]
    assert not [kind for kind in kinds if "output_audio" in kind or "output_text" in kind]
    assert kinds.count("conversation.item.created") == 2
    assert "response.audio.delta" in kinds
    assert "response.audio_transcript.done" in kinds
    last = told[-1]["response"]
    assert last["modalities"] == ["audio", "text"]
    assert last["output"][0]["content"][0]["type"] == "audio"


@pytest.mark.parametrize("kind", ["error", "input_audio_buffer.committed", "response.output_item"])
def test_other_events_are_the_same_in_both(kind: str) -> None:
    """What has no other name goes as it is."""
    assert as_beta({"type": kind, "x": 1}) == [{"type": kind, "x": 1}]
