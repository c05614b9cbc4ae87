"""Bodies of any kind: what is no request is the client's mistake, and never the server's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.openai.body import decoded
from edge.openai.chat_request import ChatRequest
from edge.openai.chat_request import generate as chat
from edge.openai.errors import BadRequest
from edge.openai.realtime.route import SecretAsked
from edge.openai.responses_request import ResponsesRequest, messages
from edge.openai.responses_request import generate as respond
from edge.openai.speech import SpeechRequest
from schemas.codec import encode

SMALL = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["user", "assistant", "tool", "text", "function", "auto", "json_schema"])
)
ANYTHING = st.recursive(
    SMALL,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)
PART = st.fixed_dictionaries({"type": SMALL}, optional={"text": SMALL, "refusal": SMALL})
CALL = st.fixed_dictionaries({"id": SMALL, "function": ANYTHING})
MESSAGE = st.fixed_dictionaries(
    {"role": SMALL},
    optional={
        "content": SMALL | st.lists(PART, max_size=2),
        "tool_calls": st.lists(CALL, max_size=2) | ANYTHING,
        "tool_call_id": SMALL,
    },
)
ITEM = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["message", "function_call", "function_call_output", "x"]),
        "role": SMALL,
        "content": SMALL | st.lists(PART, max_size=2),
        "call_id": SMALL,
        "name": SMALL,
        "output": SMALL | st.lists(PART, max_size=2),
    },
)
FUNCTION = st.fixed_dictionaries({"name": SMALL}, optional={"parameters": ANYTHING})
TOOL = st.fixed_dictionaries({"type": SMALL}, optional={"function": FUNCTION, "name": SMALL})
COMMON = {
    "tools": st.lists(TOOL, max_size=2) | ANYTHING,
    "tool_choice": ANYTHING,
    "temperature": SMALL,
    "top_p": SMALL,
}
CHAT = st.fixed_dictionaries(
    {"model": SMALL, "messages": st.lists(MESSAGE, max_size=3) | ANYTHING},
    optional={
        **COMMON,
        "stop": ANYTHING,
        "n": SMALL,
        "seed": SMALL,
        "response_format": ANYTHING,
        "stream_options": ANYTHING,
        "modalities": ANYTHING,
        "audio": ANYTHING,
    },
)
RESPONSES = st.fixed_dictionaries(
    {"model": SMALL, "input": SMALL | st.lists(ITEM, max_size=3)},
    optional={**COMMON, "text": ANYTHING, "metadata": ANYTHING, "instructions": SMALL},
)
SPEECH = st.fixed_dictionaries(
    {"model": SMALL, "input": SMALL}, optional={"voice": ANYTHING, "speed": SMALL}
)


def asked_of(kind: type[Any], body: bytes) -> bytes:
    """What goes onto the bus for a body; empty where it is refused, or nothing does."""
    try:
        asked = decoded(body, kind)
        match asked:
            case ChatRequest():
                return encode(chat(asked, "model", 100))
            case ResponsesRequest():
                return encode(respond(asked, messages(asked.input), "model", 100))
    except BadRequest:
        pass
    return b""


@given(body=CHAT)
def test_no_chat_is_a_mistake_of_the_server_s(body: dict[str, Any]) -> None:
    """It is refused with 400, or can be published."""
    assert isinstance(asked_of(ChatRequest, json.dumps(body).encode()), bytes)


@given(body=RESPONSES)
def test_no_request_for_a_response_is(body: dict[str, Any]) -> None:
    """It is refused with 400, or can be published."""
    assert isinstance(asked_of(ResponsesRequest, json.dumps(body).encode()), bytes)


@given(body=SPEECH)
def test_no_request_for_speech_is(body: dict[str, Any]) -> None:
    """It is refused with 400, or understood."""
    assert asked_of(SpeechRequest, json.dumps(body).encode()) == b""


@given(body=st.binary(max_size=64))
def test_no_bytes_are(body: bytes) -> None:
    """Whatever they are."""
    assert asked_of(ChatRequest, body) == b""


@pytest.mark.parametrize(
    "parameters",
    [b'{"a":"\xff"}', b'{"a":"\\ud800"}', b"[" * 2_000 + b"]" * 2_000, b"3", b'{"a":1e999}'],
)
def test_what_is_kept_as_it_came_is_looked_at(parameters: bytes) -> None:
    """A schema goes to the model's server to the letter, so its letters have to be good ones."""
    body = (
        b'{"model":"m","messages":[{"role":"user","content":"x"}],'
        b'"tools":[{"type":"function","function":{"name":"f","parameters":' + parameters + b"}}]}"
    )

    told = asked_of(ChatRequest, body)

    assert told == b"" or parameters in told


DEEP = b'{"a":' * 150 + b"1" + b"}" * 150


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (
            ChatRequest,
            b'{"model":"m","messages":[{"role":"user","content":"x"}],"response_format":'
            b'{"type":"json_schema","json_schema":{"schema":%b}}}',
        ),
        (
            ChatRequest,
            b'{"model":"m","messages":[{"role":"user","content":"x"}],"tools":'
            b'[{"type":"function","function":{"name":"f","parameters":%b}}]}',
        ),
        (
            ResponsesRequest,
            b'{"model":"m","input":"x","tools":[{"type":"function","name":"f","parameters":%b}]}',
        ),
        (
            ResponsesRequest,
            b'{"model":"m","input":"x","text":{"format":{"type":"json_schema","schema":%b}}}',
        ),
        (SecretAsked, b'{"session":{"tracing":%b}}'),
    ],
)
def test_what_is_nested_deeply_is_refused(kind: type[Any], body: bytes) -> None:
    """Nobody who walks it later, here or in a worker, runs out of stack."""
    with pytest.raises(BadRequest):
        generated(decoded(body % DEEP, kind))

    assert generated(decoded(body % b'{"a":{"b":[]}}', kind)) is not None


def generated(asked: Any) -> Any:
    """What becomes of a body."""
    match asked:
        case ChatRequest():
            return chat(asked, "model", 100)
        case ResponsesRequest():
            return respond(asked, messages(asked.input), "model", 100)
    return asked
