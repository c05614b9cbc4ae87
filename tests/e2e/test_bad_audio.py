"""Audio that is none, or none that can be used: the sender is told why, the session goes on."""

from __future__ import annotations

import asyncio
import struct
import time

import numpy as np
import pytest

from tests.e2e.client import (
    PAUSE,
    RATE_HZ,
    Client,
    connected,
    expect_eventually,
    expect_healthy,
)
from tests.system import System
from tests.voicebus.audio.recordings import Encoding, encoded, recording, sentence

pytestmark = pytest.mark.model

WMA_IN_WAV = (
    b"RIFF\x24\x08\x00\x00WAVEfmt \x10\x00\x00\x00"
    + struct.pack("<HHIIHH", 0x161, 1, 16_000, 4_000, 128, 16)
    + b"data\x00\x08\x00\x00"
    + bytes(2048)
)


async def expect_next_turn_works(client: Client) -> None:
    """The same session answers a sentence after what went wrong."""
    done = len(client.messages("turn_ended", outcome="completed"))
    await client.send_file(recording("wav-s16"))
    await client.until("turn_ended", done + 1, outcome="completed")


def errors_sent(system: System, code: str) -> float:
    """How many errors of a code the edge has sent."""
    return system.metric("edge", "voicebus_client_errors_total", code=code)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"RIFF is what a recording begins with, and this is a text.", "audio_unsupported"),
        (b"Dear server, this is a letter and its name is letter.wav." * 50, "audio_unsupported"),
        (b"PK\x03\x04" + bytes(500), "audio_unsupported"),
        (b"#!AMR\n" + bytes(range(200)), "audio_unsupported"),
        (recording("flac")[:60], "audio_corrupt"),
        (b"\x1a\x45\xdf\xa3" + bytes(2000), "audio_corrupt"),
        (WMA_IN_WAV, "audio_unsupported"),
    ],
    ids=["text", "letter", "zip", "amr", "flac header", "empty webm", "wav of an unknown codec"],
)
async def test_a_file_that_is_no_audio_is_refused_with_a_reason(
    synthetic_system: System, data: bytes, code: str
) -> None:
    """One error with its code comes, it is counted, and the session goes on."""
    before = errors_sent(synthetic_system, code)
    async with connected(synthetic_system, {}) as client:
        await client.send_file(data)
        error = await client.until("error")
        assert (error["code"], error["stage"], error["retryable"]) == (code, "edge", False)
        assert error["message"]
        await expect_next_turn_works(client)

    assert [e["code"] for e in client.messages("error")] == [code]
    assert errors_sent(synthetic_system, code) == before + 1
    await expect_healthy(synthetic_system)


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(0, np.int16),
        np.zeros(5 * RATE_HZ, np.int16),
        np.random.default_rng(7).normal(0, 300, 5 * RATE_HZ).astype(np.int16),
        np.full(2 * RATE_HZ, 32767, np.int16),
    ],
    ids=["nothing", "silence", "noise", "full scale"],
)
async def test_audio_without_words_is_answered_with_nothing_heard(
    synthetic_system: System, samples: np.ndarray
) -> None:
    """0 bytes, silence and noise followed by ``end_stream`` say so, and start no turn."""
    async with connected(synthetic_system, {}) as client:
        await client.speak(samples)
        await client.send("end_stream")
        await client.until("nothing_heard")
        await expect_next_turn_works(client)

    assert [message["turn"] for message in client.messages("turn_started")] == [1]
    assert client.messages("error") == []


async def test_ending_a_stream_again_and_again_is_answered_each_time(
    synthetic_system: System,
) -> None:
    """Every ``end_stream`` without audio gets its own answer, also after a turn."""
    async with connected(synthetic_system, {}) as client:
        await client.send("end_stream")
        await client.until("nothing_heard", 1)
        await client.send("end_stream")
        await client.until("nothing_heard", 2)
        await expect_next_turn_works(client)
        await client.send("end_stream")
        await client.until("nothing_heard", 3)


async def test_a_cut_off_file_is_used_as_far_as_it_goes(synthetic_system: System) -> None:
    """What was there of a truncated file is answered, with a notice."""
    data = recording("flac")
    async with connected(synthetic_system, {}) as client:
        await client.send_file(data[: len(data) // 2])
        await client.until("turn_ended", outcome="completed")

    assert [e["code"] for e in client.messages("error")] == ["audio_truncated"]
    assert "turn" not in client.messages("error")[0]


async def test_odd_bytes_in_odd_frames_are_audio_all_the_same(synthetic_system: System) -> None:
    """Frames cut samples in two wherever they like; half a sample at the end is a notice."""
    pcm = sentence().tobytes() + PAUSE.tobytes() + b"\x01"
    sizes = [1, 3, 641, 7, 12_345, 2, 999]
    async with connected(synthetic_system, {"turn_taking": "manual"}) as client:
        start = 0
        while start < len(pcm):
            size = sizes[start % len(sizes)]
            await client.send_raw(pcm[start : start + size])
            start += size
        await client.send_raw(b"")
        await client.send("end_stream")
        await client.until("turn_ended", outcome="completed")

    assert [e["code"] for e in client.messages("error")] == ["audio_odd_bytes"]
    seconds = float(client.messages("final")[0]["text"].split()[3])
    assert seconds == pytest.approx(7.1, abs=0.3)


async def test_two_hours_in_a_file_stop_at_the_limit(synthetic_system: System) -> None:
    """A file of two hours is refused after ten minutes of it, and nobody waits for the rest."""
    silence = np.zeros(2 * 3600 * RATE_HZ // 8, np.int16)
    eighth = encoded(silence, Encoding("flac", "flac", 8_000))
    assert len(eighth) < 1 << 20
    begun_s = time.monotonic()
    async with connected(synthetic_system, {}) as client:
        await client.send_file(eighth)
        await client.until("error", code="audio_too_long")
        assert time.monotonic() - begun_s < 20
        await expect_healthy(synthetic_system)
        await client.until("nothing_heard")
        await expect_next_turn_works(client)


async def test_two_hours_at_once_are_read_more_slowly(synthetic_system: System) -> None:
    """Samples faster than real time get a notice and back-pressure; memory stays bounded."""
    edge = synthetic_system.processes["edge"]
    before_bytes = edge.rss_bytes()
    second = np.zeros(RATE_HZ, np.int16).tobytes()
    sent_s = 0
    async with connected(synthetic_system, {}) as client:

        async def push() -> None:
            nonlocal sent_s
            for _ in range(7_200):
                await client.send_raw(second)
                sent_s += 1

        pushing = asyncio.create_task(push())
        await client.until("error", code="audio_too_fast")
        await asyncio.wait((pushing,), timeout=1)
        pushing.cancel()
        await asyncio.wait((pushing,))
        assert 60 < sent_s < 1_200
        assert edge.rss_bytes() - before_bytes < 64 << 20
        await expect_healthy(synthetic_system)
        client.vanish()

    assert {e["code"] for e in client.messages("error")} == {"audio_too_fast"}
    await expect_eventually(
        lambda: synthetic_system.metric("stt", "voicebus_worker_busy", role="stt") == 0,
        "the session's ears are free again",
    )
