"""The control messages of /ws: what is taken, and how the rest is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import wire
from schemas.settings import SessionSettings, Silence
from voicebus.errors import EngineOverloaded, ProtocolError, UnsupportedAudio


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"type":"start"}', wire.Start()),
        (
            '{"type":"start","output":{"audio":false,"sample_rate":8000},"language":"de"}',
            wire.Start(output=wire.Output(audio=False, sample_rate=8000), language="de"),
        ),
        ('{"type":"end_stream","colour":"blue"}', wire.EndStream()),
        ('{"type":"text","text":"héllo"}', wire.Text(text="héllo")),
        ('{"type":"cancel"}', wire.Cancel()),
        ('{"type":"played","turn":1,"played_ms":250}', wire.Heard(turn=1, played_ms=250)),
        ('{"type":"flushed","turn":2,"played_ms":0}', wire.Flushed(turn=2, played_ms=0)),
        ('{"type":"keys","digits":"12#"}', wire.Keys(digits="12#")),
        ('{"type":"mute","muted":true}', wire.Mute(muted=True)),
        ('{"type":"ping"}', wire.Ping()),
    ],
)
def test_a_message_of_the_protocol_is_understood(text: str, message: object) -> None:
    """Every message with its fields, defaults for the rest, unknown fields ignored."""
    assert wire.parse(text) == message


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "invalid_json"),
        ("{", "invalid_json"),
        ('{"a":' * 9_000, "invalid_json"),
        ("[]", "invalid_json"),
        (" 1", "invalid_json"),
        ('"start"', "invalid_json"),
        ("null", "invalid_json"),
        ("{}", "unknown_type"),
        ('{"type":"dance"}', "unknown_type"),
        ('{"type":"start","output":{"type":"loud","sample_rate":1}}', "bad_field"),
        ('{"type":"text","text":"\\n\\t "}', "bad_field"),
        ('{"type":"start","voice":"a/b"}', "bad_field"),
        ('{"type":"start","language":"EN"}', "bad_field"),
        ('{"type":"played","turn":0,"played_ms":1}', "bad_field"),
        ('{"type":"flushed","turn":1}', "bad_field"),
        ('{"type":"flushed","turn":1,"played_ms":-1}', "bad_field"),
        ('{"type":"played","turn":1,"played_ms":1e300}', "bad_field"),
        ('{"type":"keys","digits":""}', "bad_field"),
        ('{"type":"keys","digits":"12 3"}', "bad_field"),
        ('{"type":"keys","digits":"a"}', "bad_field"),
        ('{"type":"keys","digits":"1\\n"}', "bad_field"),
        ('{"type":"start","voice":"a\\n"}', "bad_field"),
        ('{"type":"start","language":"en\\n"}', "bad_field"),
        (json.dumps({"type": "keys", "digits": "1" * 33}), "bad_field"),
        ('{"type":"mute"}', "bad_field"),
        ('{"type":"mute","muted":1}', "bad_field"),
        (json.dumps({"type": "text", "text": "a" * wire.MAX_JSON_BYTES}), "message_too_large"),
        (json.dumps({"type": "ping", "x": "é" * 40_000}, ensure_ascii=False), "message_too_large"),
    ],
)
def test_what_breaks_the_rules_has_its_reason(text: str, reason: str) -> None:
    """Each kind of mistake has a code of its own and a sentence."""
    with pytest.raises(ProtocolError) as refusal:
        wire.parse(text)

    assert refusal.value.reason == reason
    assert 0 < len(str(refusal.value)) < 200


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"speed": 9}, "`speed`"),
        ({"language": "EN"}, "`language`"),
        ({"languages": ["en", "English"]}, "`languages[1]`"),
        ({"max_turn_s": 1}, "`max_turn_s`"),
        ({"turn_taking": "never"}, "`turn_taking`"),
        ({"output": {"sample_rate": 11025}}, "`output.sample_rate`"),
        ({"end_of_turn": {"policy": "hasty"}}, "`end_of_turn.policy`"),
        ({"end_of_turn": {"min_hold_ms": -1}}, "`end_of_turn.min_hold_ms`"),
        ({"end_of_turn": []}, "`end_of_turn`"),
        ({"interruption": {"allowed": "no"}}, "`interruption.allowed`"),
        ({"interruption": {"backchannels": [1]}}, "`interruption.backchannels[0]`"),
        ({"silence": {"prompt_after_s": "soon"}}, "`silence.prompt_after_s`"),
        ({"filler": {"text": "m" * 2_000}}, "`filler.text`"),
    ],
)
def test_a_wrong_setting_is_named(fields: dict[str, object], name: str) -> None:
    """The refusal says which field it is, also of those within others."""
    with pytest.raises(ProtocolError) as refusal:
        wire.parse(json.dumps({"type": "start", **fields}))

    assert refusal.value.reason == "bad_field"
    assert str(refusal.value).endswith(f" - at {name}")


def test_the_session_gets_the_settings_and_not_the_sockets() -> None:
    """Every field of the settings is taken over; what concerns the socket is not."""
    text = '{"type":"start","greeting":"Hi","silence":{"prompts":3},"output":{"audio":false}}'
    start = wire.parse(text)

    assert isinstance(start, wire.Start)
    assert start.settings() == SessionSettings(greeting="Hi", silence=Silence(prompts=3))
    assert start.output.medium is wire.Medium.WRITING


@pytest.mark.parametrize(("asked_s", "given_s"), [(0.0, 0.0), (10.0, 10.0), (7_200.0, 3_600.0)])
def test_a_session_is_no_longer_than_the_edge_allows(asked_s: float, given_s: float) -> None:
    """A client may ask for less than the edge's limit, not for more; 0 leaves it to the edge."""
    start = wire.Start(max_session_s=asked_s, voice="joe").within(3_600.0)

    assert (start.max_session_s, start.voice) == (given_s, "joe")


@given(st.text(max_size=200) | st.recursive(st.none() | st.text(), st.lists).map(json.dumps))
def test_nothing_that_a_client_says_raises_anything_else(text: str) -> None:
    """Whatever comes is a message or a ProtocolError."""
    try:
        outcome: object = wire.parse(text)
    except ProtocolError as refusal:
        outcome = refusal.reason

    reasons = {"invalid_json", "unknown_type", "bad_field"}
    assert isinstance(outcome, wire.ClientMessage) or outcome in reasons


def test_an_error_carries_code_stage_and_whether_to_try_again() -> None:
    """A protocol error is told by its reason, all others by their class's code."""
    told = wire.error(ProtocolError("no such thing", "bad_field"))
    assert told == {
        "type": "error",
        "code": "bad_field",
        "message": "no such thing",
        "stage": "edge",
        "retryable": False,
    }
    assert wire.error(UnsupportedAudio("a picture"))["code"] == "audio_unsupported"
    assert wire.error(EngineOverloaded("later"))["retryable"] is True
