"""/tts/stream: text in, audio out, over HTTP and over a WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.e2e.client import expect_eventually, word_error_rate
from tests.plain import PLAIN
from tests.system import System
from voicebus.audio import g711
from voicebus.audio.resample import Resampler
from voicebus.audio.wav import wav_header

pytestmark = pytest.mark.model

SENTENCE = "The yellow bicycle in the garden belongs to my grandmother."


def client(system: System) -> httpx2.AsyncClient:
    """A client of the edge."""
    return httpx2.AsyncClient(base_url=system.root, timeout=60, **PLAIN)


async def spoken(system: System, **asked: Any) -> httpx2.Response:
    """The answer to a request."""
    async with client(system) as http:
        return await http.post("/tts/stream", json={"text": SENTENCE, **asked})


async def understood(system: System, samples: np.ndarray, rate_hz: int) -> str:
    """What speech recognition makes of audio."""
    resampler = Resampler(rate_hz, 16_000)
    pcm = np.concatenate([resampler.push(samples), resampler.finish()]).tobytes()
    async with client(system) as http:
        answer = await http.post(
            "/v1/audio/transcriptions",
            files={"file": ("a.wav", wav_header(16_000, len(pcm)) + pcm)},
            data={"model": "whisper-1", "response_format": "text"},
        )
    return answer.text


@contextlib.asynccontextmanager
async def socket(system: System, **start: Any) -> AsyncIterator[ClientConnection]:
    """A WebSocket."""
    url = system.root.replace("http", "ws") + "/tts/stream"
    async with connect(url, proxy=None, compression=None) as connection:
        if start:
            await connection.send(json.dumps({"type": "start", **start}))
        yield connection


async def say(connection: ClientConnection, *pieces: str) -> None:
    """Send a text in pieces."""
    for piece in pieces:
        await connection.send(json.dumps({"type": "text", "text": piece}))


async def until(connection: ClientConnection, kind: str) -> tuple[dict[str, Any], bytes]:
    """Read up to a message; return it, and the audio before it."""
    audio = b""
    async with asyncio.timeout(60):
        async for data in connection:
            if isinstance(data, bytes):
                audio += data
                continue
            message = json.loads(data)
            if message["type"] == kind:
                return message, audio
    pytest.fail(f"closed before {kind}")


@pytest.mark.parametrize(
    ("asked", "rate_hz", "mime"),
    [
        ({"format": "mulaw"}, 8_000, "audio/x-mulaw"),
        ({"format": "alaw"}, 8_000, "audio/x-alaw"),
        ({}, 24_000, "audio/pcm"),
        ({"sample_rate": 11_025}, 11_025, "audio/pcm"),
        ({"sample_rate": 44_100, "format": "wav"}, 44_100, "audio/wav"),
    ],
)
async def test_a_text_comes_back_as_speech(
    real_system: System, asked: dict[str, Any], rate_hz: int, mime: str
) -> None:
    """At any rate, as samples or in G.711: what was asked to be said is understood."""
    answer = await spoken(real_system, **asked)
    data = answer.content[44:] if asked.get("format") == "wav" else answer.content
    law = {"mulaw": g711.Law.MU, "alaw": g711.Law.A}.get(asked.get("format", ""))
    samples = np.frombuffer(data, "<i2") if law is None else g711.decode(data, law)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == mime
    assert answer.headers["x-sample-rate"] == str(rate_hz)
    assert 2.0 < len(samples) / rate_hz < 6.0
    heard = await understood(real_system, samples, rate_hz)
    assert word_error_rate(SENTENCE, heard) <= 0.2, heard


async def test_audio_comes_while_the_rest_is_made(real_system: System) -> None:
    """In many pieces, the first of them long before the last."""
    clock = asyncio.get_running_loop().time
    times: list[float] = []
    begun = clock()
    async with (
        client(real_system) as http,
        http.stream("POST", "/tts/stream", json={"text": " ".join([SENTENCE] * 6)}) as answer,
    ):
        times += [clock() async for _ in answer.aiter_raw()]

    assert len(times) > 5
    assert times[0] - begun < (times[-1] - begun) / 2
    assert "content-length" not in answer.headers


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{}", 400, "bad_field"),
        (b"[]", 400, "bad_field"),
        (b"no json", 400, "invalid_json"),
        (b'{"text": " "}', 400, "bad_field"),
        (b'{"text": "a", "sample_rate": 7999}', 400, "bad_field"),
        (b'{"text": "a", "format": "mp3"}', 400, "bad_field"),
        (b'{"text": "a", "speed": 9}', 400, "bad_field"),
        (b'{"text": "a", "voice": "nobody"}', 404, "unknown_voice"),
        (b'{"text": "' + b"a" * 70_000 + b'"}', 413, "upload_too_large"),
        (b'{"text": ' + b"[" * 30_000, 400, "bad_field"),
    ],
)
async def test_what_cannot_be_spoken_is_refused(
    real_system: System, body: bytes, status: int, code: str
) -> None:
    """With a status and a reason, before any audio."""
    async with client(real_system) as http:
        answer = await http.post("/tts/stream", content=body)

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_text_in_pieces_is_one_speech(real_system: System) -> None:
    """Cut within words; sound comes before the text is whole."""
    cut = [SENTENCE[at : at + 7] for at in range(0, len(SENTENCE), 7)]
    async with socket(real_system, format="mulaw") as connection:
        await say(connection, *cut, " ")
        begun, _ = await until(connection, "audio_start")
        await say(connection, "Please bring seven wooden chairs into the kitchen.")
        await connection.send('{"type": "end"}')
        done, audio = await until(connection, "done")

    assert (begun["format"], begun["sample_rate"]) == ("mulaw", 8_000)
    assert done["audio_seconds"] == pytest.approx(len(audio) / 8_000, abs=0.01)
    heard = await understood(real_system, g711.decode(audio, g711.Law.MU), 8_000)
    said = SENTENCE + " Please bring seven wooden chairs into the kitchen."
    assert word_error_rate(said, heard) <= 0.2, heard


async def test_a_text_is_given_up_and_the_next_one_is_spoken(synthetic_system: System) -> None:
    """Nothing of the old one comes behind the word for it, and its workers stop."""
    async with socket(synthetic_system) as connection:
        await say(connection, " ".join([SENTENCE] * 40))
        await until(connection, "audio_start")
        await connection.send('{"type": "cancel"}')
        cancelled, _ = await until(connection, "cancelled")
        await say(connection, "Hello.")
        await connection.send('{"type": "end"}')
        done, audio = await until(connection, "done")

    assert (cancelled["utterance"], done["utterance"]) == (1, 2)
    assert 0 < len(audio) / 48_000 < 2.0
    await expect_eventually(
        lambda: synthetic_system.metric("tts", "voicebus_worker_busy") == 0, "idle"
    )


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("no json", "invalid_json"),
        ('{"type": "sing"}', "bad_field"),
        (b"\x00", "bad_frame"),
        ('{"type": "start", "format": "wav"}', "bad_field"),
        ('{"type": "start", "sample_rate": 1}', "bad_field"),
        ('{"type": "text", "text": "' + "a" * 8_001 + '"}', "bad_field"),
    ],
)
async def test_a_wrong_message_is_answered_and_skipped(
    synthetic_system: System, sent: str | bytes, code: str
) -> None:
    """The next one counts."""
    async with socket(synthetic_system) as connection:
        await connection.send(sent)
        error, _ = await until(connection, "error")
        await connection.send('{"type": "end"}')
        done, audio = await until(connection, "done")

    assert error["code"] == code
    assert (done["audio_seconds"], audio) == (0.0, b"")


async def test_a_client_that_leaves_ends_the_work(synthetic_system: System) -> None:
    """Nobody speaks for nobody, over either."""
    long = " ".join([SENTENCE] * 60)
    async with socket(synthetic_system) as connection:
        await say(connection, long)
        await until(connection, "audio_start")
    async with (
        client(synthetic_system) as http,
        http.stream("POST", "/tts/stream", json={"text": long}) as answer,
    ):
        async for _ in answer.aiter_raw():
            break

    await expect_eventually(
        lambda: synthetic_system.metric("tts", "voicebus_worker_busy") == 0, "idle"
    )
