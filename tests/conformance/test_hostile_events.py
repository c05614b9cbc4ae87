"""Realtime events that no client sends, at a real socket: answered, and harmless to others."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.system import System

pytestmark = pytest.mark.model

DEADLINE_S: Final = 60.0
"""Longest time until an event is answered, on the slowest machine."""

MISTAKES: Final = (
    "Exception in ASGI application",
    "exception was never retrieved",
    "request.failed",
)
"""What the log has of errors that nobody expected."""

SOUND: Final = base64.b64encode(b"\x01\x00" * 4_800).decode()
DEEP: Final = "[" * 5_000

BAD: Final[dict[str, str | bytes]] = {
    "nothing": "",
    "no JSON": "{",
    "no object": "[]",
    "null": "null",
    "a number": "1e999",
    "NaN": '{"type": NaN}',
    "two events in one": '{"type":"response.cancel"}{"type":"response.cancel"}',
    "no type": "{}",
    "a type that is none": '{"type":"response.nope"}',
    "a type that is a number": '{"type":7}',
    "an endless type": json.dumps({"type": "x" * 100_000}),
    "half of a surrogate pair": '{"type":"response.cancel","event_id":"\\ud800"}',
    "NUL": '{"type":"\x00"}',
    "depth": '{"type":"session.update","session":{"tracing":' + DEEP,
    "depth that is closed": '{"type":"session.update","session":{"tracing":'
    + "[" * 700
    + "]" * 700
    + "}}",
    "depth behind a mistake": '{"type":"session.update","session":7,"x":' + DEEP,
    "a huge number": '{"type":"session.update","session":{"max_output_tokens":1' + "0" * 400 + "}}",
    "a huge float": '{"type":"session.update","session":{"audio":{"output":{"speed":1e308}}}}',
    "a list of no audio": '{"type":"input_audio_buffer.append","audio":["AAAA"]}',
    "audio that is no base64": '{"type":"input_audio_buffer.append","audio":"\U0001f600"}',
    "nothing to commit": '{"type":"input_audio_buffer.commit"}',
    "nothing to cancel": '{"type":"response.cancel","response_id":"resp_no"}',
    "nothing to truncate": '{"type":"conversation.item.truncate","item_id":"no",'
    '"content_index":0,"audio_end_ms":999999999999}',
    "before the beginning": '{"type":"conversation.item.truncate","item_id":"no",'
    '"content_index":-1,"audio_end_ms":-1}',
    "an item without words": '{"type":"conversation.item.create","item":{"type":"message",'
    '"role":"user","content":[{"type":"input_audio","audio":"AAAA"}]}}',
    "an item that is a path": '{"type":"conversation.item.delete","item_id":"../../etc"}',
    "an item behind nobody": '{"type":"conversation.item.create","previous_item_id":"no","item":'
    '{"type":"message","role":"user","content":[{"type":"input_text","text":"x"}]}}',
    "another kind of session": '{"type":"session.update","session":{"type":"transcription"}}',
    "WebRTC's": '{"type":"output_audio_buffer.clear"}',
    "a binary frame": b"\x00\xff\x00",
    "an event in a binary frame": b'{"type":"response.cancel"}',
}
"""What is answered with one ``error``, whatever came before it."""

GOOD: Final[list[dict[str, Any]]] = [
    {"type": "session.update", "session": {"type": "realtime", "output_modalities": ["text"]}},
    {"type": "session.update", "session": {"audio": {"input": {"turn_detection": None}}}},
    {"type": "input_audio_buffer.append", "audio": SOUND},
    {"type": "input_audio_buffer.append", "audio": SOUND[:-2]},
    {"type": "input_audio_buffer.commit"},
    {"type": "input_audio_buffer.clear"},
    {
        "type": "conversation.item.create",
        "item": {
            "id": "mine",
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "hello"}],
        },
    },
    {"type": "conversation.item.retrieve", "item_id": "mine"},
    {"type": "conversation.item.delete", "item_id": "mine"},
    {
        "type": "conversation.item.truncate",
        "item_id": "mine",
        "content_index": 0,
        "audio_end_ms": 10,
    },
    {"type": "response.create", "response": {"conversation": "none", "metadata": {"a": "b"}}},
    {"type": "response.create", "response": {"input": [], "instructions": "Say hello."}},
    {"type": "response.create"},
    {"type": "response.cancel"},
]
"""What is shuffled, doubled, cut off and damaged."""


@asynccontextmanager
async def socket(system: System) -> AsyncIterator[ClientConnection]:
    """A session that was told that it began."""
    url = f"{system.root.replace('http', 'ws', 1)}/v1/realtime?model=gpt-realtime"
    async with connect(url, proxy=None, max_size=None) as opened:
        assert (await told(opened))["type"] == "session.created"
        yield opened


async def told(opened: ClientConnection) -> dict[str, Any]:
    """The next event."""
    async with asyncio.timeout(DEADLINE_S):
        event: dict[str, Any] = json.loads(await opened.recv())
    return event


async def answered(
    opened: ClientConnection, frame: str | bytes, *, text: bool | None = None
) -> dict[str, Any]:
    """Send a frame; return the next event."""
    await opened.send(frame, text=text)
    return await told(opened)


async def until(opened: ClientConnection, kind: str) -> list[dict[str, Any]]:
    """All events up to the first of a kind."""
    events = [await told(opened)]
    while events[-1]["type"] != kind:
        events.append(await told(opened))
    return events


async def until_marked(opened: ClientConnection, mark: str) -> list[dict[str, Any]]:
    """Ask something that is answered with an error of this id; return what is told before it."""
    await opened.send(json.dumps({"type": "response.nope", "event_id": mark}))
    events: list[dict[str, Any]] = []
    while True:
        event = await told(opened)
        if event["type"] == "error" and event["error"]["event_id"] == mark:
            return events
        events.append(event)


@asynccontextmanager
async def a_neighbour(system: System) -> AsyncIterator[list[dict[str, Any]]]:
    """Another session on the same edge that talks all the time; yields its responses."""
    responses: list[dict[str, Any]] = []
    update = {"type": "session.update", "session": {"output_modalities": ["text"]}}

    async def talk(opened: ClientConnection) -> None:
        await opened.send(json.dumps(update))
        await until(opened, "session.updated")
        while True:
            await opened.send(json.dumps({**GOOD[6], "item": {**GOOD[6]["item"], "id": None}}))
            await opened.send(json.dumps({"type": "response.create"}))
            events = await until(opened, "response.done")
            assert "error" not in {event["type"] for event in events}
            responses.append(events[-1]["response"])
            await asyncio.sleep(0.2)

    async with socket(system) as opened:
        talking = asyncio.create_task(talk(opened))
        yield responses
        known = len(responses)
        async with asyncio.timeout(DEADLINE_S):
            while len(responses) == known and not talking.done():
                await asyncio.sleep(0.05)
        talking.cancel()
        await asyncio.wait((talking,))
        assert talking.cancelled(), talking.exception()
    assert {response["status"] for response in responses} == {"completed"}
    assert len({json.dumps(response["output"][0]["content"]) for response in responses}) == 1


def assert_no_mistake(system: System) -> None:
    """The edge has made none: nothing in its metrics, and nothing in its log."""
    edge = system.processes["edge"]
    assert edge.code is None
    assert system.metric("edge", "voicebus_client_errors_total", code="internal") == 0
    assert not [mistake for mistake in MISTAKES if mistake in edge.log]


async def test_a_bad_event_is_answered_and_the_socket_stays(synthetic_system: System) -> None:
    """One `error` for each, in their order, and the session does what it is asked behind them."""
    answers: dict[str, list[dict[str, Any]]] = {}
    async with a_neighbour(synthetic_system), socket(synthetic_system) as opened:
        for number, (name, frame) in enumerate(BAD.items()):
            await opened.send(frame)
            answers[name] = await until_marked(opened, f"mark_{number}")
        await opened.send(json.dumps(GOOD[0]))
        updated = (await until(opened, "session.updated"))[-1]["session"]
        await opened.send(json.dumps(GOOD[11]))
        response = (await until(opened, "response.done"))[-1]["response"]

    wrong = {
        name: [event["type"] for event in events]
        for name, events in answers.items()
        if [event["type"] for event in events] != ["error"]
    }
    assert wrong == {}
    assert updated["output_modalities"] == ["text"]
    assert response["status"] == "completed"
    assert_no_mistake(synthetic_system)


@pytest.mark.parametrize("seed", range(4))
async def test_damaged_events_leave_the_session_alive(synthetic_system: System, seed: int) -> None:
    """Shuffled, doubled, cut off or with other bytes: at the end it answers like any other."""
    chance = random.Random(seed)
    async with a_neighbour(synthetic_system), socket(synthetic_system) as opened:
        kinds: list[str] = []
        for batch in range(40):
            for _ in range(8):
                await opened.send(damaged(json.dumps(chance.choice(GOOD)), chance))
            events = await until_marked(opened, f"mark_{batch}")
            kinds += [event["type"] for event in events]
        await opened.send('{"type":"response.cancel"}')
        await until_marked(opened, "cancelled")
        await opened.send(json.dumps(GOOD[11]))
        response = (await until(opened, "response.done"))[-1]["response"]

    assert {"error", "session.updated", "response.created"} <= set(kinds)
    assert response["status"] == "completed"
    assert_no_mistake(synthetic_system)


def damaged(event: str, chance: random.Random) -> str | bytes:
    """An event, as it should be or with something done to it."""
    place = chance.randrange(len(event))
    match chance.randrange(8):
        case 0:
            return event[:place]
        case 1:
            return event[:place] + chr(chance.choice((0, 34, 92, 0x202E, 0x1F600))) + event[place:]
        case 2:
            return event + event
        case 3:
            return event.encode()
        case 4:
            return event[:place] + event[place + chance.randrange(1, 9) :]
    return event


@pytest.mark.parametrize(
    ("frame", "code"),
    [("x" * (17 << 20), 1009), (b"\xff" * (17 << 20), 1009)],
    ids=["text", "binary"],
)
async def test_a_frame_that_is_too_large_ends_its_own_session(
    synthetic_system: System, frame: str | bytes, code: int
) -> None:
    """With the code that says so (RFC 6455, 7.4.1), and no other one."""
    async with a_neighbour(synthetic_system), socket(synthetic_system) as opened:
        with pytest.raises(ConnectionClosed) as closed:
            await answered(opened, frame)

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == code
    assert_no_mistake(synthetic_system)


async def test_text_that_is_no_utf_8_ends_its_own_session(synthetic_system: System) -> None:
    """A WebSocket is closed for it (RFC 6455, 8.1), before anybody reads an event."""
    async with a_neighbour(synthetic_system), socket(synthetic_system) as opened:
        with pytest.raises(ConnectionClosed) as closed:
            await answered(opened, b'{"type":"\xff"}', text=True)

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1007
    assert_no_mistake(synthetic_system)
