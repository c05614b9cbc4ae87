"""``voicebus talk`` against a running system."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.client import word_error_rate
from tests.system import System
from tests.voicebus.audio.recordings import SAMPLES, recording, sentence
from voicebus.audio.wav import read_wav

pytestmark = pytest.mark.model

VOICEBUS = str(Path(sys.executable).with_name("voicebus"))


async def talk(
    system: System, *arguments: str, given: bytes | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run ``voicebus talk``."""
    return await asyncio.to_thread(
        subprocess.run,
        [VOICEBUS, "talk", *arguments, "--url", system.ws],
        env=system.environment(),
        input=given,
        capture_output=True,
        check=False,
        timeout=60,
    )


async def test_a_recording_is_answered_in_json(real_system: System, tmp_path: Path) -> None:
    """``--json`` prints transcript, reply, latency and length; ``--out`` has the audio."""
    out = tmp_path / "reply.wav"
    done = await talk(real_system, str(SAMPLES / "austen-amiable.wav"), "--json", "--out", str(out))

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    said = "he might even have been made amiable himself"
    assert word_error_rate(said, told["transcript"]) <= 0.10
    assert told["reply"]
    assert set(told["latency_ms"]) == {"response", "hold", "stt", "llm", "tts", "edge"}
    assert all(ms >= 0 for ms in told["latency_ms"].values())
    rate_hz, reply = read_wav(out)
    assert len(reply) / rate_hz == pytest.approx(told["audio_seconds"], abs=0.01)
    assert np.abs(reply).max() > 1000
    assert "synthetic" not in told


async def test_samples_from_a_pipe_are_answered(synthetic_system: System) -> None:
    """Raw samples come from standard input; a synthetic answer says that it is one."""
    piped = await talk(synthetic_system, "-", "--json", given=sentence()[:40_000].tobytes())

    assert piped.returncode == 0, piped.stderr
    assert json.loads(piped.stdout)["transcript"].startswith("synthetic utterance of 2.")
    assert json.loads(piped.stdout)["synthetic"] is True


async def test_a_file_without_words_is_said(synthetic_system: System, tmp_path: Path) -> None:
    """Silence is no crash: code 1 and a sentence."""
    silent = tmp_path / "silent.raw"
    silent.write_bytes(bytes(16_000))

    done = await talk(synthetic_system, "-", "--json", given=silent.read_bytes())

    assert done.returncode == 1
    assert b"No words were heard" in done.stderr


async def test_a_file_that_is_no_audio_is_said(synthetic_system: System, tmp_path: Path) -> None:
    """A text file named .wav: code 1 and a sentence, before anybody is called."""
    letter = tmp_path / "letter.wav"
    letter.write_bytes(b"Dear server, this is no audio at all. " * 20)
    cut = tmp_path / "cut.flac"
    cut.write_bytes(recording("flac")[:30])

    for path in (letter, cut):
        done = await talk(synthetic_system, str(path), "--json")
        assert done.returncode == 1
        assert done.stdout == b""
        assert b"Traceback" not in done.stderr
        assert done.stderr.startswith(b"voicebus talk: ")
