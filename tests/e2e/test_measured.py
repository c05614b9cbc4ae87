"""What one real turn leaves in the metrics of each process: values, and not only their names."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import numpy as np
import pytest

from tests.e2e.client import PAUSE, Client, connected, expect_eventually
from tests.system import System
from tests.voicebus.audio.recordings import sentence

pytestmark = pytest.mark.model

RATE_HZ = 16_000
LABELS = frozenset[tuple[str, str]]
ROLES = ("stt", "turn", "llm", "tts", "edge")


class Meters:
    """The metrics of a system's processes, from a moment on."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._before = {role: system.samples(role) for role in ROLES}

    def grown(self, process: str, name: str, **labels: str) -> float:
        """By how much a process's metric has grown, all series with these labels together."""
        wanted = set(labels.items())

        def total(samples: Mapping[tuple[str, LABELS], float]) -> float:
            return sum(v for (found, has), v in samples.items() if found == name and wanted <= has)

        return total(self._system.samples(process)) - total(self._before[process])

    def mean(self, process: str, histogram: str, **labels: str) -> float:
        """What was observed on the average."""
        count = self.grown(process, f"{histogram}_count", **labels)
        assert count > 0, f"{process} has observed nothing in {histogram}"
        return self.grown(process, f"{histogram}_sum", **labels) / count


async def said(system: System) -> Client:
    """Have a sentence said and answered, and its answer heard to the end."""
    async with connected(system, {}) as client:
        await client.speak(np.concatenate([sentence(), PAUSE]))
        await client.until("turn_ended", outcome="completed")
    return client


async def test_one_turn_is_measured_as_long_as_large_and_as_fast_as_it_was(
    real_system: System,
) -> None:
    """Usage is what was used, paces are those of the engines, and all of the reply was heard."""
    meters = await asyncio.to_thread(Meters, real_system)
    client = await said(real_system)
    await expect_eventually(
        lambda: meters.grown("turn", "voicebus_reply_heard_ratio_count") == 1, "it was heard", 5
    )
    await expect_eventually(
        lambda: meters.grown("llm", "voicebus_bus_hop_seconds_count") > 0, "the bus is measured", 5
    )

    reply = client.messages("reply_done")[0]
    spoken_s = meters.grown("stt", "voicebus_stt_audio_seconds_total")
    assert len(sentence()) / RATE_HZ - 1.0 < spoken_s < len(sentence()) / RATE_HZ + 1.5
    assert 0.005 < meters.mean("stt", "voicebus_stt_rtf_ratio", kind="final") < 5
    assert meters.grown("llm", "voicebus_llm_prompt_tokens_total") > 10
    assert meters.grown("llm", "voicebus_llm_tokens_total") >= 1
    assert 1 < meters.mean("llm", "voicebus_llm_tokens_per_second") < 1000
    written = "".join(clause["text"] for clause in client.messages("spoken"))
    characters = meters.grown("tts", "voicebus_tts_characters_total")
    assert characters >= len(written.replace(" ", "")) > 0
    assert 0.005 < meters.mean("tts", "voicebus_tts_rtf_ratio") < 5
    assert meters.mean("turn", "voicebus_reply_heard_ratio") == pytest.approx(1.0, abs=0.02)
    assert 0 < meters.mean("llm", "voicebus_bus_hop_seconds") < 1
    assert reply["text"]
