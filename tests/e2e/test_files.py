"""Whole files in, over /ws and over POST /interact."""

from __future__ import annotations

import io
import wave

import httpx2
import numpy as np
import pytest

from tests.e2e.client import connected, expect_healthy, word_error_rate
from tests.system import System
from tests.voicebus.audio.recordings import ALL, recording
from voicebus.audio.loudness import first_audible_sample

pytestmark = pytest.mark.model

LEISURE = (
    "and mister john dashwood had then leisure to consider how much there might be prudently "
    "in his power to do for them"
)


@pytest.mark.parametrize(
    ("name", "container", "codec"),
    [
        ("wav-s16", "wav", "pcm_s16le"),
        ("wav-96k-stereo", "wav", "pcm_s24le"),
        ("webm-opus", "webm", "opus"),
        ("ogg-opus", "ogg", "opus"),
        ("mp3", "mp3", "mp3"),
        ("m4a", "m4a", "aac"),
        ("flac", "flac", "flac"),
    ],
)
async def test_a_file_is_understood_and_answered(
    real_system: System, name: str, container: str, codec: str
) -> None:
    """The bytes of a file and ``end_stream`` make one turn; the client hears what the file is."""
    start = {"output": {"audio": name == "wav-s16"}}
    async with connected(real_system, start) as client:
        await client.send_file(recording(name))
        await client.until("turn_ended", outcome="completed")

    info = client.messages("metadata")[1]["input_info"]
    assert (info["format"], info["codec"]) == (container, codec)
    assert info["sample_rate"] == ALL[name].rate_hz
    assert info["channels"] == (2 if ALL[name].layout == "stereo" else 1)
    assert word_error_rate(LEISURE, client.messages("turn_started")[0]["text"]) <= 0.10
    assert client.messages("reply_done")[0]["text"]
    assert bool(client.audio().size) == (name == "wav-s16")
    assert client.messages("error") == []


async def test_files_and_live_speech_follow_each_other(synthetic_system: System) -> None:
    """Each stream is recognised anew: a file, then live samples, then another file."""
    live = np.frombuffer(recording("wav-s16")[44:], "<i2")
    async with connected(synthetic_system, {"output": {"audio": False}}) as client:
        await client.send_file(recording("flac"))
        await client.until("turn_ended", turn=1, outcome="completed")
        await client.speak(np.concatenate([live, np.zeros(16_000, np.int16)]))
        await client.until("turn_ended", turn=2, outcome="completed")
        await client.send("end_stream")
        await client.send_file(recording("ogg-opus"))
        await client.until("turn_ended", turn=3, outcome="completed")

    infos = [m["input_info"]["format"] for m in client.messages("metadata")[1:]]
    assert infos == ["flac", "ogg"]
    assert client.messages("error") == []


async def post(system: System, **options: object) -> httpx2.Response:
    """POST to /interact."""
    async with httpx2.AsyncClient(timeout=60, trust_env=False) as http:
        return await http.post(f"{system.root}/interact", **options)  # type: ignore[arg-type]


async def test_a_posted_file_is_answered_with_a_wav(real_system: System) -> None:
    """POST /interact answers with audible speech in a WAV of the asked rate."""
    answer = await post(
        real_system,
        params={"sample_rate": "16000"},
        content=recording("wav-s16"),
        headers={"content-type": "audio/wav"},
    )

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.headers["x-session-id"]
    assert answer.content[:4] == b"RIFF"
    assert answer.content[8:12] == b"WAVE"
    assert int.from_bytes(answer.content[24:28], "little") == 16_000
    samples = np.frombuffer(answer.content[44:], "<i2")
    assert samples.size > 8_000
    assert first_audible_sample(samples, 16_000) is not None


async def test_a_posted_file_is_answered_in_json(real_system: System) -> None:
    """With ``Accept: application/json`` transcript, reply, length, latency and session come."""
    answer = await post(
        real_system,
        content=recording("mp3"),
        headers={"content-type": "audio/mpeg", "accept": "application/json"},
    )

    told = answer.json()
    assert answer.status_code == 200
    assert word_error_rate(LEISURE, told["transcript"]) <= 0.10
    assert told["reply"]
    assert told["audio_seconds"] > 0.5
    assert told["session_id"]
    assert set(told["latency_ms"]) == {"response", "hold", "stt", "llm", "tts", "edge"}
    stages = [ms for name, ms in told["latency_ms"].items() if name != "response"]
    assert sum(stages) == pytest.approx(told["latency_ms"]["response"], abs=0.1)


async def test_a_form_with_a_file_is_answered(synthetic_system: System) -> None:
    """A multipart form with the field ``file`` is the same as the file as the body."""
    answer = await post(
        synthetic_system,
        params={"format": "json"},
        files={"file": ("question.m4a", recording("m4a"), "audio/mp4")},
    )

    assert answer.status_code == 200
    assert answer.json()["transcript"].startswith("synthetic utterance of")
    assert answer.json()["audio_seconds"] > 0


def silent_wav() -> bytes:
    """Return a WAV of two silent seconds."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(64_000))
    return out.getvalue()


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 415, "audio_unsupported"),
        (b"this is no recording, whatever its name says", 415, "audio_unsupported"),
        (recording("flac")[:40], 422, "audio_corrupt"),
        (silent_wav(), 422, "nothing_heard"),
        (bytes(26 << 20), 413, "upload_too_large"),
    ],
    ids=["empty", "text", "cut", "silent", "26 MiB"],
)
async def test_a_bad_body_is_refused_with_a_reason(
    synthetic_system: System, body: bytes, status: int, code: str
) -> None:
    """What cannot be answered gets a status and an error that says why, and is counted."""
    before = synthetic_system.metric("edge", "voicebus_client_errors_total", code=code)

    answer = await post(synthetic_system, content=body, headers={"content-type": "audio/wav"})

    assert answer.status_code == status
    assert answer.json()["error"]["code"] == code
    assert answer.json()["error"]["message"]
    after = synthetic_system.metric("edge", "voicebus_client_errors_total", code=code)
    assert after == before + 1
    await expect_healthy(synthetic_system)


@pytest.mark.parametrize(
    ("params", "code"),
    [({"sample_rate": "11025"}, "bad_field"), ({"voice": "nobody"}, "unknown_voice")],
)
async def test_a_bad_question_is_refused_with_a_reason(
    synthetic_system: System, params: dict[str, str], code: str
) -> None:
    """Parameters that cannot be met are named."""
    answer = await post(synthetic_system, params=params, content=recording("wav-s16"))

    assert answer.status_code in {400, 404}
    assert answer.json()["error"]["code"] == code
