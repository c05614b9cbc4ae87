"""Control messages that break the rules: each gets its own error, and nothing else happens."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.e2e.client import connected, expect_eventually, expect_healthy, type_turn
from tests.system import System

pytestmark = pytest.mark.model


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("hello", "invalid_json"),
        ("", "invalid_json"),
        ("{", "invalid_json"),
        ('{"type":"text","text":"\\ud800"}', "invalid_json"),
        ('{"a":' * 9_000, "invalid_json"),
        ("[]", "invalid_json"),
        ("42", "invalid_json"),
        ("null", "invalid_json"),
        ("{}", "unknown_type"),
        ('{"type":"sing"}', "unknown_type"),
        ('{"type":7}', "unknown_type"),
        ('{"type":"text"}', "bad_field"),
        ('{"type":"text","text":""}', "bad_field"),
        ('{"type":"text","text":"  "}', "bad_field"),
        ('{"type":"text","text":["hello"]}', "bad_field"),
        ('{"type":"text","text":"' + "a" * 9_000 + '"}', "bad_field"),
        ('{"type":"played","turn":"one","played_ms":1}', "bad_field"),
        ('{"type":"played","turn":-1,"played_ms":1}', "bad_field"),
        ('{"type":"played","turn":1,"played_ms":1e300}', "bad_field"),
        ('{"type":"start"}', "bad_field"),
        (json.dumps({"type": "text", "text": "a" * 70_000}), "message_too_large"),
        (json.dumps({"type": "text", "text": "a" * (10 << 20)}), "message_too_large"),
    ],
    ids=lambda value: value[:40],
)
async def test_a_bad_message_gets_its_error_and_the_session_goes_on(
    synthetic_system: System, raw: str, code: str
) -> None:
    """One error with the code that belongs to it, counted; the next message works."""
    name = "voicebus_client_errors_total"
    before = synthetic_system.metric("edge", name, edge="websocket", code=code)
    async with connected(synthetic_system, {}) as client:
        await client.send_raw(raw)
        error = await client.until("error")
        await client.send("ping")
        await client.until("pong")

    assert [e["code"] for e in client.messages("error")] == [code]
    assert error["stage"] == "edge"
    assert error["retryable"] is False
    assert 0 < len(error["message"]) < 200
    assert synthetic_system.metric("edge", name, edge="websocket", code=code) == before + 1


@pytest.mark.parametrize(
    "start",
    [
        {"output": {"sample_rate": 44_100}},
        {"output": {"sample_rate": "24000"}},
        {"output": "loud"},
        {"input": {"format": "mp3"}},
        {"language": "English"},
        {"voice": "../../etc/passwd"},
        {"instructions": "a" * 8_001},
        {"turn_taking": "never"},
    ],
    ids=str,
)
async def test_a_bad_start_is_refused_and_can_be_said_again(
    synthetic_system: System, start: dict[str, object]
) -> None:
    """A wrong field of ``start`` is named; a right one then opens the session."""
    async with connected(synthetic_system) as client:
        await client.send("start", **start)
        error = await client.until("error")
        assert error["code"] == "bad_field"
        assert next(iter(start)) in error["message"] or "`" in error["message"]
        await client.send("start")
        await client.until("ready")


async def test_unknown_fields_are_ignored(synthetic_system: System) -> None:
    """A client of a later version is understood as far as possible."""
    async with connected(synthetic_system, {"colour": "blue", "output": {"gain": 2}}) as client:
        await client.send("text", text="hello", mood="fine")
        await client.until("turn_ended", outcome="completed")

    assert client.messages("error") == []


async def test_what_is_sent_after_a_second_start_still_works(synthetic_system: System) -> None:
    """``start`` in the middle changes nothing: it is refused, and the session is as it was."""
    async with connected(synthetic_system, {"output": {"sample_rate": 8_000}}) as client:
        await client.send("start", output={"sample_rate": 48_000})
        await client.until("error", code="bad_field")
        await client.send("text", text="hello")
        await client.until("turn_ended", outcome="completed")

    assert client.messages("audio_start")[0]["sample_rate"] == 8_000


async def test_a_frame_beyond_the_limit_closes_the_connection(synthetic_system: System) -> None:
    """A frame of more than 16 MiB is not taken into memory; others do not notice."""
    async with connected(synthetic_system, {}) as client:
        with contextlib.suppress(ConnectionClosed):
            await client.send_raw(bytes((16 << 20) + 1))
        assert await client.until_closed() == 1009
    await expect_healthy(synthetic_system)


async def test_a_voice_that_does_not_exist_fails_the_turn(synthetic_system: System) -> None:
    """The turn fails with ``unknown_voice``, which is counted where it happened."""
    labels = {"stage": "tts", "code": "unknown_voice"}
    before = synthetic_system.metric("tts", "voicebus_failures_total", **labels)
    async with connected(synthetic_system, {"voice": "nobody"}) as client:
        await client.send("text", text="hello")
        await client.until("turn_ended", turn=1, outcome="failed")

    errors = client.messages("error")
    assert [(e["code"], e["stage"], e["turn"]) for e in errors] == [("unknown_voice", "tts", 1)]
    assert "nobody" in errors[0]["message"]
    assert synthetic_system.metric("tts", "voicebus_failures_total", **labels) == before + 1
    await expect_healthy(synthetic_system)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
async def test_a_page_of_another_site_may_not_connect(
    synthetic_system: System, origin: str
) -> None:
    """A browser would send anyone's page here: a foreign origin is refused in the handshake."""
    with pytest.raises(InvalidStatus) as refusal:
        async with connected(synthetic_system, additional_headers={"Origin": origin}):
            pass

    assert refusal.value.response.status_code == 403


async def test_the_edges_own_page_may_connect(synthetic_system: System) -> None:
    """The origin of the talk page is the host that was connected to."""
    own = {"Origin": synthetic_system.root}
    async with connected(synthetic_system, {}, additional_headers=own) as client:
        await client.send("ping")
        assert await client.until("pong") == {"type": "pong"}


async def test_nothing_said_at_all_is_no_load(synthetic_system: System) -> None:
    """A connection that says nothing holds no session; another client is served meanwhile."""

    def held() -> float:
        return synthetic_system.metric("edge", "voicebus_sessions_active", edge="websocket")

    before = held()
    async with connected(synthetic_system) as silent:
        await asyncio.gather(type_turn(synthetic_system), type_turn(synthetic_system))
        # The edge lets a session go a moment after its caller has seen the connection closed.
        await expect_eventually(lambda: held() <= before, "no session but the earlier ones")
        assert silent.heard == []
        assert silent.closed is None
