"""A whole system that wants keys and has few places: who is refused is told so, and why."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.e2e.client import Client, connected, expect_eventually
from tests.models import model_path
from tests.plain import PLAIN
from tests.system import SYNTHETIC, System
from voicebus.audio.wav import wav_header
from voicebus.keys import Allowance, add_key, new_key

pytestmark = pytest.mark.model

SILENCE = wav_header(16_000) + bytes(32_000)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A key, and the file that has its hash."""
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    secret, stored = new_key("caller", Allowance())
    add_key(path, stored)
    return secret, path


@pytest.fixture(scope="module")
def small_system(
    tmp_path_factory: pytest.TempPathFactory, key: tuple[str, Path]
) -> Iterator[System]:
    """One conversation at a time, for callers with a key; everything is logged that can be."""
    model_path("silero-vad")
    settings = {
        **SYNTHETIC,
        "TURN_SLOTS": "1",
        "LOG_LEVEL": "debug",
        "EDGE_KEYS_FILE": str(key[1]),
    }
    with System(tmp_path_factory.mktemp("small"), settings) as system:
        yield system


def bearer(key: tuple[str, Path]) -> dict[str, str]:
    """The headers of a caller."""
    return {"Authorization": f"Bearer {key[0]}"}


async def begun(client: Client) -> Client:
    """A client that has asked for a session."""
    await client.send("start")
    await client.send("text", text="hello")
    return client


async def test_a_caller_who_cannot_be_served_is_told_at_once(
    small_system: System, key: tuple[str, Path]
) -> None:
    """Busy and when to come back, over both doors; the caller who is served notices nothing."""
    headers = bearer(key)
    async with connected(small_system, {}, additional_headers=headers) as served:
        async with connected(small_system, additional_headers=headers) as refused:
            begun_s = time.monotonic()
            await refused.send("start")
            error = await refused.until("error")
            assert await refused.until_closed() == 1013
            assert time.monotonic() - begun_s < 5
        async with httpx2.AsyncClient(timeout=10, **PLAIN) as http:
            answer = await http.post(
                f"{small_system.root}/interact", content=SILENCE, headers=headers
            )
        await served.send("text", text="hello")
        await served.until("turn_ended", outcome="completed")
        assert served.messages("error") == []

    assert (error["code"], error["retryable"], error["retry_after_s"]) == ("busy", True, 5)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert answer.json()["error"]["code"] == "busy"


async def test_a_place_that_is_free_again_is_given(
    small_system: System, key: tuple[str, Path]
) -> None:
    """One after the other, within a worker's two signs of life: nobody is refused needlessly."""
    for _ in range(4):
        async with connected(small_system, {}, additional_headers=bearer(key)) as client:
            await client.send("text", text="hello")
            await client.until("turn_ended", outcome="completed")
            assert client.messages("error") == []
        await expect_eventually(
            lambda: not small_system.metric("edge", "voicebus_sessions_active"), "it is over"
        )


@pytest.mark.slow
@pytest.mark.fault
async def test_without_workers_it_is_said_at_once(
    small_system: System, key: tuple[str, Path]
) -> None:
    """Once their signs of life have stopped for long enough; and they are welcome back."""
    headers = bearer(key)
    with small_system.without("llm"):
        deadline_s = time.monotonic() + 60
        # The one place is busy for a moment after each try.
        while (last := await code_or_ready(small_system, headers)) in {"ready", "busy"}:
            assert time.monotonic() < deadline_s
        assert last == "no_worker"
        assert await code_or_ready(small_system, headers) == "no_worker"
    await expect_served(small_system, headers)


async def code_or_ready(system: System, headers: dict[str, str]) -> str:
    """What a caller gets: ``ready``, or the code of the error."""
    async with connected(system, additional_headers=headers) as client:
        await client.send("start")
        await expect_eventually(
            lambda: bool(client.messages("ready") or client.messages("error")), "an answer"
        )
        errors = client.messages("error")
        return str(errors[0]["code"]) if errors else "ready"


async def expect_served(system: System, headers: dict[str, str]) -> None:
    """A caller is served again before long."""
    deadline_s = time.monotonic() + 30
    while (last := await code_or_ready(system, headers)) != "ready":
        assert time.monotonic() < deadline_s, last


async def test_the_metrics_are_for_this_machine_and_for_who_has_a_key(
    small_system: System, key: tuple[str, Path]
) -> None:
    """Health is for everybody, as a load balancer has no key."""
    far = {"X-Forwarded-For": "192.0.2.1"}
    async with httpx2.AsyncClient(base_url=small_system.root, **PLAIN) as http:
        statuses = [
            (await http.get(path, headers=headers)).status_code
            for path in ("/metrics", "/readyz")
            for headers in ({}, far, {**far, **bearer(key)})
        ]

    assert statuses == [200, 401, 200, 200, 200, 200]


async def test_no_log_has_the_key_or_a_word(small_system: System, key: tuple[str, Path]) -> None:
    """Whichever way they come, and whatever is wrong with them, at debug level."""
    secret, canary = key[0], "canaryword"
    async with connected(small_system, {}, additional_headers=bearer(key)) as client:
        await client.send("text", text=f"{canary} hello")
        await client.until("turn_ended", outcome="completed")
        await client.send_raw(f'{{"type":"{canary}"}}')
        await client.until("error")
    async with httpx2.AsyncClient(base_url=small_system.root, **PLAIN) as http:
        refused = await http.post(f"/interact?key={secret}", content=SILENCE)
        wrong = {"Authorization": f"Bearer {secret}x", "Sec-WebSocket-Protocol": secret}
        await http.post("/interact", content=SILENCE, headers=wrong)

    assert refused.status_code == 401
    for process in small_system.processes.values():
        assert secret.split("_")[2] not in process.log, process.name
    assert canary not in small_system.processes["edge"].log
    assert f'"key": "{secret[3:11]}"' in small_system.processes["edge"].log
