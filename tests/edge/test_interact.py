"""POST /interact without anybody to answer: what is refused, and how."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from edge.settings import EdgeSettings
from tests.edge.running import edge_at
from tests.voicebus.audio.recordings import recording
from voicebus.audio.wav import wav_header

SHORT = EdgeSettings(claim_s=0.3, max_upload_bytes=100_000, max_file_s=2.0)
SILENCE = wav_header(16_000) + bytes(32_000)
WAV = {"content-type": "audio/wav"}


@pytest.mark.parametrize(
    ("query", "body", "status", "code"),
    [
        ("", SILENCE, 503, "no_worker"),
        ("", b"", 415, "audio_unsupported"),
        ("", b"\x89PNG\r\n\x1a\n" + bytes(100), 415, "audio_unsupported"),
        ("", recording("flac")[:50], 422, "audio_corrupt"),
        ("", recording("mp3-16k"), 413, "audio_too_long"),
        ("", bytes(100_001), 413, "upload_too_large"),
        ("?sample_rate=11025", SILENCE, 400, "bad_field"),
        ("?sample_rate=fast", SILENCE, 400, "bad_field"),
        ("?format=mp3", SILENCE, 400, "bad_field"),
        ("?voice=../x", SILENCE, 400, "bad_field"),
        ("?language=English", SILENCE, 400, "bad_field"),
    ],
)
async def test_what_cannot_be_answered_is_refused_with_a_reason(
    nats_server: str, query: str, body: bytes, status: int, code: str
) -> None:
    """Each mistake has its status, its code and a sentence; a later request may be retried."""
    async with edge_at(nats_server, SHORT) as client:
        answer = await client.post(f"/interact{query}", content=body, headers=WAV)

    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code)
    assert error["message"]
    assert error["retryable"] is (code == "no_worker")


async def test_a_body_of_unknown_length_stops_at_the_limit(nats_server: str) -> None:
    """Chunks without an announced length are counted while they come."""
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1_000):
            sent += 50_000
            yield bytes(50_000)
            await asyncio.sleep(0.001)

    async with edge_at(nats_server, SHORT) as client:
        answer = await client.post("/interact", content=chunks(), headers=WAV)

    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "upload_too_large"


async def test_uploads_of_all_callers_together_are_bounded(nats_server: str) -> None:
    """Each is small enough; together they are not kept. Those that end make room again."""
    settings = EdgeSettings(claim_s=0.3, max_upload_bytes=100_000, uploads_bytes=100_000)
    first_came, go = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield SILENCE + bytes(40_000)
        first_came.set()
        await go.wait()
        yield bytes(2)

    async with edge_at(nats_server, settings) as client:
        sending = asyncio.create_task(client.post("/interact", content=slow(), headers=WAV))
        await asyncio.wait_for(first_came.wait(), 10)
        await asyncio.sleep(0.2)
        beside = await client.post("/interact", content=SILENCE, headers=WAV)
        go.set()
        first = await sending
        after = await client.post("/interact", content=SILENCE, headers=WAV)

    error = beside.json()["error"]
    assert (beside.status_code, error["code"], error["retryable"]) == (503, "busy", True)
    assert beside.headers["retry-after"] == "5"
    assert first.json()["error"]["code"] == "no_worker"
    assert after.json()["error"]["code"] == "no_worker"


async def test_a_form_without_the_file_is_refused(nats_server: str) -> None:
    """The form's field is ``file``, and it must be one."""
    async with edge_at(nats_server, SHORT) as client:
        other = await client.post("/interact", files={"audio": ("a.wav", SILENCE)})
        broken = await client.post(
            "/interact", content=b"--x", headers={"content-type": "multipart/form-data"}
        )

    assert (other.status_code, other.json()["error"]["code"]) == (400, "bad_field")
    assert broken.status_code == 400


async def test_the_number_of_sessions_is_limited(nats_server: str) -> None:
    """An edge that is full says so, and that it may be tried again."""
    settings = EdgeSettings(claim_s=0.3, max_sessions=0)
    async with edge_at(nats_server, settings) as client:
        answer = await client.post("/interact", content=SILENCE, headers=WAV)

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert answer.json()["error"]["code"] == "busy"
    assert answer.json()["error"]["retryable"] is True
    assert answer.json()["error"]["retry_after_s"] == 5
