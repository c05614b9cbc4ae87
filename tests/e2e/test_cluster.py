"""``voicebus up --cluster 3``: the bus loses a server, and the conversation goes on."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.e2e.test_rolling import SAMPLE, overview
from tests.e2e.test_up import up
from tests.system import SYNTHETIC
from voicebus.audio.wav import read_wav
from voicebus.caller import call
from voicebus.exchange import TurnHeard

pytestmark = [pytest.mark.model, pytest.mark.slow, pytest.mark.fault]


def expect_answered(heard: TurnHeard) -> None:
    """A turn that nothing happened to."""
    assert heard.errors == ()
    assert heard.transcript
    assert heard.reply
    assert heard.audio


@pytest.mark.timeout(240)
async def test_a_conversation_survives_the_leaders_death(tmp_path: Path) -> None:
    """The server that leads the conversations' stream is killed while the caller speaks. The
    election takes some seconds; the answer comes when there is a leader.
    """
    _, recording = read_wav(SAMPLE)
    with up(tmp_path, SYNTHETIC, "--cluster", "3") as running:
        running.until_serving()
        (leader,) = (row.leader for row in overview(running).streams if row.name == "SESSION")
        dying = running.child(f"nats-{leader}.conf")
        assert dying, f"no process of server {leader!r}: {running.children()}"
        async with call(f"ws://127.0.0.1:{running.port}/ws") as caller:
            expect_answered(await caller.speak(recording))
            asyncio.get_running_loop().call_later(1.0, os.kill, dying, signal.SIGKILL)
            expect_answered(await caller.speak(recording))
            expect_answered(await caller.speak(recording))
        running.until(
            lambda: running.child(f"nats-{leader}.conf") not in (0, dying), "it is started again"
        )
        found = overview(running)

    assert {stream.name: stream.replicas for stream in found.streams} == {
        "AUDIO": 3,
        "REPLY": 3,
        "SESSION": 3,
        "JOBS": 3,
        "DEAD": 3,
        "CONVERSATION": 3,
        "LINK": 3,
        "PHRASE": 3,
        "VOICE": 3,
        "TELEGRAM": 3,
        "UPDATES": 3,
    }
