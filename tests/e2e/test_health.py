"""Health and metrics of every process, as Prometheus and an orchestrator read them."""

from __future__ import annotations

from functools import partial
from importlib.metadata import version

import httpx2
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.client import PAUSE, connected, expect_eventually
from tests.plain import PLAIN
from tests.system import SYNTHETIC, System
from tests.voicebus.audio.recordings import sentence
from voicebus import parts

pytestmark = pytest.mark.model

VERSION = version("voicebus")
AFTER_A_TURN = {
    "stt": (
        "voicebus_stt_final_seconds",
        "voicebus_stt_hold_seconds",
        "voicebus_stt_compute_seconds",
        "voicebus_stt_queue_seconds",
        "voicebus_claim_wait_seconds",
        "voicebus_bus_ack_seconds",
    ),
    "turn": (
        "voicebus_turn_decision_seconds",
        "voicebus_claim_wait_seconds",
        "voicebus_bus_ack_seconds",
    ),
    "llm": (
        "voicebus_llm_ttft_seconds",
        "voicebus_llm_seconds",
        "voicebus_claim_wait_seconds",
        "voicebus_bus_ack_seconds",
    ),
    "tts": (
        "voicebus_tts_ttfa_seconds",
        "voicebus_tts_clause_seconds",
        "voicebus_claim_wait_seconds",
        "voicebus_bus_ack_seconds",
    ),
    "edge": (
        "voicebus_turn_response_seconds",
        "voicebus_stage_seconds",
        "voicebus_bus_ack_seconds",
    ),
}


def has_counted(system: System, name: str, histogram: str) -> bool:
    """Whether a process has observed anything in a histogram."""
    return system.metric(name, f"{histogram}_count") > 0


async def test_every_process_measures_its_stage(real_system: System) -> None:
    """After one spoken turn each process's /metrics has its stage's histograms, none of them 0."""
    async with connected(real_system, {}) as client:
        await client.speak(np.concatenate([sentence(), PAUSE]))
        await client.until("turn_ended", outcome="completed")

    for name, histograms in AFTER_A_TURN.items():
        for histogram in histograms:
            await expect_eventually(
                partial(has_counted, real_system, name, histogram),
                f"{name} measures {histogram}",
                5,
            )
            assert real_system.metric(name, f"{histogram}_sum") > 0
    for stage in ("hold", "stt", "llm", "tts", "edge"):
        assert real_system.metric("edge", "voicebus_stage_seconds_count", stage=stage) > 0


@pytest.mark.parametrize("name", AFTER_A_TURN)
def test_a_process_lives_is_ready_and_can_be_read(synthetic_system: System, name: str) -> None:
    """/livez and /readyz are 200; /metrics parses, and every metric of ours has its help."""
    root = synthetic_system.processes[name].url
    live, ready, metrics = (
        httpx2.get(f"{root}/{page}", **PLAIN) for page in ("livez", "readyz", "metrics")
    )

    assert (live.status_code, ready.status_code) == (200, 200)
    assert set(ready.json().values()) == {True}
    families = list(text_string_to_metric_families(metrics.text))
    ours = [family for family in families if family.name.startswith("voicebus_")]
    assert len(ours) > 10
    (build,) = [family for family in ours if family.name == "voicebus_build_info"]
    assert [(one.labels["version"], one.value) for one in build.samples] == [(VERSION, 1)]
    assert [family.name for family in ours if not family.documentation] == []


def test_readiness_follows_the_bus(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Workers and edge that start before the bus wait for it: alive, not ready, then ready."""
    system = System(tmp_path_factory.mktemp("late"), SYNTHETIC)
    system.nats.folder.mkdir(exist_ok=True)
    # A server that had run here before: its address is known, and nobody listens there.
    system.nats.start()
    system.nats.stop()
    system.launch()
    try:
        expect_alive_and_not_ready(system)
        system.nats.start()
        system.wait_ready()
        for name in (*parts.ROLES, "edge"):
            assert system.processes[name].is_ready()
            assert system.processes[name].code is None
    finally:
        system.stop()


def expect_alive_and_not_ready(system: System) -> None:
    """Every worker answers /livez, and says in /readyz that the bus is what it lacks."""
    for role in parts.ROLES:
        process = system.processes[role]
        system.wait_alive(process)
        answer = httpx2.get(f"{process.url}/readyz", **PLAIN)
        assert answer.status_code == 503
        assert answer.json()["bus"] is False
