"""Clients that vanish, that do not read, and that come in crowds."""

from __future__ import annotations

import asyncio
import socket
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import connect

from tests.e2e.client import (
    Client,
    connected,
    expect_eventually,
    expect_healthy,
)
from tests.e2e.upstream import LanguageModel, hanging
from tests.system import System
from tests.voicebus.audio.recordings import recording, sentence

pytestmark = pytest.mark.model

ROLES = ("stt", "turn", "llm", "tts")


async def expect_all_slots_free(system: System) -> None:
    """No worker holds a claim, and the edge has no session."""
    await expect_eventually(
        lambda: not any(system.metric(role, "voicebus_worker_busy", role=role) for role in ROLES),
        "every worker's slots are free",
    )
    await expect_eventually(
        lambda: system.metric("edge", "voicebus_sessions_active", edge="websocket") == 0,
        "the edge has no session",
    )


@pytest.mark.fault
async def test_a_client_that_vanishes_in_mid_word_frees_its_slots(
    synthetic_system: System,
) -> None:
    """A lost connection ends the session for every worker, and is counted as lost."""
    ended = ("voicebus_sessions_total", "websocket", "lost")
    before = synthetic_system.metric("edge", ended[0], edge=ended[1], reason=ended[2])
    async with connected(synthetic_system, {}) as client:
        await client.speak(sentence()[:40_000])
        await client.until("speech_started")
        await expect_eventually(
            lambda: synthetic_system.metric("stt", "voicebus_worker_busy", role="stt") == 1,
            "the session has ears",
        )
        client.vanish()
    await expect_all_slots_free(synthetic_system)
    after = synthetic_system.metric("edge", ended[0], edge=ended[1], reason=ended[2])
    assert after == before + 1
    await expect_healthy(synthetic_system)


@pytest.mark.fault
async def test_a_client_that_vanishes_in_mid_file_frees_its_slots(
    synthetic_system: System,
) -> None:
    """Half a file and then nothing: the decoder's thread and the session end."""
    threads = synthetic_system.processes["edge"].threads()
    async with connected(synthetic_system, {}) as client:
        await client.send_raw(recording("flac")[:20_000])
        await client.until("metadata", 2)
        client.vanish()
    await expect_all_slots_free(synthetic_system)
    assert synthetic_system.processes["edge"].threads() <= threads
    await expect_healthy(synthetic_system)


@pytest.mark.fault
async def test_a_client_that_vanishes_during_the_reply_stops_the_reply(
    echo_system: System, language_model: LanguageModel
) -> None:
    """Nobody generates for a caller who is gone: the model's stream is closed."""
    with language_model.following(hanging("Let me begin at the beginning, ")):
        left = language_model.left
        async with connected(echo_system, {}) as client:
            await client.send("text", text="tell me a story")
            await client.until("reply_text")
            client.vanish()
        await expect_eventually(lambda: language_model.left > left, "the stream is closed", 5)
    await expect_all_slots_free(echo_system)


def narrow_socket(system: System) -> socket.socket:
    """Return a connected socket that holds few unread bytes."""
    address = urlsplit(system.root)
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.connect((address.hostname, address.port))
    narrow.settimeout(0)
    return narrow


@pytest.mark.fault
async def test_a_client_that_never_reads_is_closed(echo_system: System) -> None:
    """What waits for it is bounded; then it is closed as ``slow_client``, and others are fine."""
    edge = echo_system.processes["edge"]
    counted = {"edge": "websocket", "reason": "slow_client"}
    before = echo_system.metric("edge", "voicebus_sessions_total", **counted)
    before_bytes = edge.rss_bytes()
    most_bytes = 0

    def is_closed() -> bool:
        nonlocal most_bytes
        most_bytes = max(most_bytes, edge.rss_bytes())
        return echo_system.metric("edge", "voicebus_sessions_total", **counted) > before

    async with connect(
        echo_system.ws,
        compression=None,
        proxy=None,
        max_queue=1,
        close_timeout=1,
        sock=narrow_socket(echo_system),
    ) as unread:
        client = Client(unread)
        # A live session is never sent more than a few seconds ahead of playback.
        await client.send("start", output={"sample_rate": 48_000}, turn_taking="manual")
        # Some 40 MB of audio: much more than sockets and the edge hold for one client.
        await client.send("text", text="tell me all of it again, " * 300)
        await expect_eventually(is_closed, "the slow client is closed")
        await expect_healthy(echo_system)
        errors = echo_system.metric(
            "edge", "voicebus_client_errors_total", edge="websocket", code="slow_client"
        )
        assert errors == 1
        assert most_bytes - before_bytes < 48 << 20
        client.vanish()
    await expect_all_slots_free(echo_system)


async def test_sixty_sessions_at_once_are_all_answered(synthetic_system: System) -> None:
    """Many callers speak at the same time; every one gets its transcript and its reply."""

    async def converse(number: int) -> tuple[float, str]:
        seconds = 2.0 + number * 0.08
        samples = sentence()[: int(seconds * 16_000)]
        async with connected(synthetic_system, {"turn_taking": "manual"}) as client:
            await client.speak(samples, pace=1)
            await client.send("end_stream")
            await client.until("turn_ended", outcome="completed", within_s=60)
            assert client.messages("error") == []
            assert client.audio().size
            return seconds, client.messages("turn_started")[0]["text"]

    for seconds, text in await asyncio.gather(*(converse(number) for number in range(60))):
        heard = sum(float(word) for word in text.split() if word[0].isdigit())
        assert heard == pytest.approx(seconds, abs=1.0)
    await expect_all_slots_free(synthetic_system)
