"""What a client may say, and how it is told that it may not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from edge.openai.realtime.client import LARGEST, Append, ResponseCreate, SessionUpdate, parse
from edge.openai.realtime.errors import BadEvent

BAD = [
    ("no JSON", "invalid_json", "", ""),
    ("[]", "invalid_event", "", ""),
    ("{}", "invalid_value", "type", ""),
    ('{"type": 7, "event_id": "e"}', "invalid_value", "type", "e"),
    ('{"type": "response.nope", "event_id": "e"}', "invalid_value", "type", "e"),
    ('{"type": "session.update"}', "missing_required_parameter", "session", ""),
    (
        '{"type": "conversation.item.create", "item": {"role": "user"}, "event_id": "e"}',
        "missing_required_parameter",
        "item.type",
        "e",
    ),
    (
        '{"type": "conversation.item.create", "item": {"type": "message", "role": "x"}}',
        "invalid_value",
        "item.role",
        "",
    ),
    (
        '{"type": "conversation.item.delete", "item_id": "a.b", "event_id": 7}',
        "invalid_value",
        "item_id",
        "",
    ),
    ('{"type": "input_audio_buffer.append", "audio": 7}', "invalid_value", "audio", ""),
    ("[" * 5_000, "invalid_event", "", ""),
    (
        '{"type": "session.update", "session": 7, "x": ' + "[" * 5_000,
        "invalid_event",
        "",
        "",
    ),
    (
        '{"type": "session.update", "session": {"tracing": ' + "[" * 500 + "]" * 500 + "}}",
        "invalid_json",
        "",
        "",
    ),
    ('{"type": "session.update", "session": {"a": ' + "[" * 9_000, "invalid_json", "", ""),
]


@pytest.mark.parametrize(("text", "code", "param", "event_id"), BAD)
def test_what_is_wrong_is_named(text: str, code: str, param: str, event_id: str) -> None:
    """The code, the field and the event's id, as far as they can be read."""
    with pytest.raises(BadEvent) as caught:
        parse(text)

    assert (caught.value.reason, caught.value.param, caught.value.event_id) == (
        code,
        param,
        event_id,
    )


def test_fields_that_nobody_knows_are_passed_over() -> None:
    """Clients send what newer servers understand."""
    event = parse('{"type": "response.create", "new": 1, "response": {"newer": {"a": 1}}}')

    assert isinstance(event, ResponseCreate)


def test_a_session_is_read_later() -> None:
    """What of it is wrong is told by the session, with its path."""
    event = parse('{"type": "session.update", "session": {"audio": 7}}')

    assert isinstance(event, SessionUpdate)


@pytest.mark.parametrize("audio", ["?", "abc", "AAAA\\n", "\u00e9"])
def test_audio_that_is_no_base64_is_refused(audio: str) -> None:
    """Nothing of it is guessed."""
    with pytest.raises(BadEvent, match="base64"):
        Append(audio=audio).decoded()


@pytest.mark.parametrize("kind", ["session.update", "conversation.item.create", "nothing", 7, []])
def test_only_audio_is_large(kind: Any) -> None:
    """What is read into objects and kept has a bound of its own."""
    text = msgspec.json.encode({"type": kind, "session": {"tracing": "x" * LARGEST}})

    with pytest.raises(BadEvent) as caught:
        parse(text)

    assert caught.value.reason == "request_too_large"


def test_audio_may_be_large() -> None:
    """A recording is sent as it is."""
    coded = "AAAA" * (LARGEST // 2)

    event = parse(msgspec.json.encode({"type": "input_audio_buffer.append", "audio": coded}))

    assert isinstance(event, Append)
    assert len(event.decoded()) == LARGEST // 2 * 3


@pytest.mark.parametrize("metadata", [{"k": "v" * 513}, {"k" * 65: "v"}])
def test_metadata_is_short(metadata: dict[str, str]) -> None:
    """As OpenAI bounds it: it is told with each event of its response."""
    with pytest.raises(BadEvent) as caught:
        parse(msgspec.json.encode({"type": "response.create", "response": {"metadata": metadata}}))

    assert caught.value.reason == "invalid_value"


def test_what_says_twice_what_it_is_is_refused() -> None:
    """One of them could let the other pass by the bound."""
    whole = msgspec.json.encode({"type": "session.update", "session": {"tracing": "x" * LARGEST}})

    with pytest.raises(BadEvent):
        parse(whole[:-1] + b',"type":"input_audio_buffer.append"}')
