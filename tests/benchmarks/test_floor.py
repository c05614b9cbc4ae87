from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.recordings import recordings
from benchmarks.systems import SYNTHETIC, base_environment, start_floor, starter
from voicebus.caller import Ending, call

pytestmark = pytest.mark.model


async def test_the_floor_answers_a_caller_without_a_bus(tmp_path: Path) -> None:
    """One process hears a recorded sentence out, and answers it in words and in audio."""
    async with starter(tmp_path) as started:
        url = await start_floor(started, {**base_environment(), **SYNTHETIC})
        async with call(url) as caller:
            heard = await caller.speak(recordings()[0].samples)
            typed = await caller.type_text("Hello")

    assert heard.errors == ()
    assert heard.transcript.startswith("synthetic utterance of ")
    assert heard.reply.startswith("This is a synthetic reply")
    assert heard.audio_seconds > 3
    assert heard.response_ms is not None
    # After a hold of 600 ms, from what voice detection takes for the end: some windows sooner.
    assert 500 < heard.response_ms < 3000
    assert [stage.name for stage in heard.server_stages] == ["hold", "stt", "llm", "tts", "edge"]
    assert heard.synthetic
    assert typed.reply == heard.reply


async def test_the_floor_says_when_it_heard_nothing(tmp_path: Path) -> None:
    """Silence is not answered."""
    async with starter(tmp_path) as started:
        url = await start_floor(started, {**base_environment(), **SYNTHETIC})
        async with call(url) as caller:
            silence = recordings()[0].samples * 0
            heard = await caller.speak(silence, Ending.END_STREAM)

    assert (heard.turns, heard.errors, heard.audio) == (0, (), b"")
