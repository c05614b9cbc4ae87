"""What a client hears of a reply whose workers are killed: nothing of that."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import msgspec
import numpy as np
import pytest

from schemas.claim import Claimed
from tests.e2e.client import Client, connected, expect_eventually, log_of
from tests.e2e.test_takeover import REPLY, SETTINGS
from tests.models import model_path
from tests.system import SYNTHETIC, System
from voicebus import parts
from voicebus.bus.client import connect as connect_bus
from voicebus.settings import BusSettings

pytestmark = [pytest.mark.model, pytest.mark.fault]


async def replaced(system: System, client: Client, role: str, name: str) -> None:
    """Kill a role's worker, start another one, and hand the claim on as the supervisor does."""
    system.processes[role].signal(signal.SIGKILL)
    await asyncio.to_thread(system.processes[role].wait, 20)
    del system.processes[role]
    part = parts.worker_part(role, system.environment(WORKER_ID=name))
    system.add(msgspec.structs.replace(part, name=name))
    await asyncio.to_thread(system.wait_ready)
    session = client.messages("metadata")[0]["session_id"]
    claims = [event for event in await log_of(system, session) if isinstance(event, Claimed)]
    held = [claim for claim in claims if claim.role == role][-1]
    bus = await connect_bus(BusSettings(nats_url=system.nats.url), "supervisor")
    await bus.publish_raw(held.ack, b"-NAK")
    await bus.close()


async def test_a_client_hears_one_whole_reply(tmp_path: Path) -> None:
    """Both workers of a reply die in it: every word and sample comes once, in one turn."""
    model_path("silero-vad")
    system = System(tmp_path / "system", {**SYNTHETIC, **SETTINGS})
    await asyncio.to_thread(system.__enter__)
    try:
        async with connected(system, {}) as client:
            await client.send("text", text="What of the sea?")
            await client.until("reply_text", 6)
            await replaced(system, client, "llm", "llm-2")
            begun = len(client.audio())
            await expect_eventually(lambda: len(client.audio()) > begun, "it is spoken on", 60)
            await replaced(system, client, "tts", "tts-2")
            await client.until("turn_ended", within_s=60, turn=1, outcome="completed")
            harmed = client.audio()
            await client.send("text", text="And once more?")
            await client.until("turn_ended", within_s=60, turn=2, outcome="completed")
            whole = client.audio()[len(harmed) :]
            for turn in (1, 2):
                told = client.messages("reply_text", turn=turn)
                assert "".join(message["text"] for message in told) == REPLY
                assert [m["text"] for m in client.messages("reply_done", turn=turn)] == [REPLY]
                assert len(client.messages("audio_start", turn=turn)) == 1
            assert client.messages("error") == []
    finally:
        await asyncio.to_thread(system.stop)

    assert len(harmed) == len(whole)
    # The resampler adds noise of one step or two where it rounds.
    assert np.abs(harmed.astype(int) - whole).max() <= 2
