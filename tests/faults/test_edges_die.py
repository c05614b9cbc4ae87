"""Edges that die, and callers who come back all at once."""

from __future__ import annotations

import asyncio
import resource

import httpx2
import pytest

from tests.cutting import proxy
from tests.e2e.client import connected, expect_eventually
from tests.faults.account import Samples, expect_unharmed, until_over
from tests.faults.crew import LIMIT_S, REPLY, Crew
from tests.plain import PLAIN
from tests.voicebus.audio.recordings import sentence
from voicebus.caller import Start, call

pytestmark = [pytest.mark.fault, pytest.mark.model, pytest.mark.timeout(600)]

CALLERS = 50
PATIENT = Start(output_rate_hz=8000)


@pytest.mark.slow
async def test_an_edge_is_killed_under_its_sessions(crew: Crew, unharmed: Samples) -> None:
    """Clients see their connections end, no worker is left with a claim, and all may come again."""
    async with connected(crew, {}) as one, connected(crew, {}) as two:
        await one.send("text", text="What of the sea?")
        await one.until("reply_text", within_s=LIMIT_S)
        await two.speak(sentence()[:40_000])
        await two.until("speech_started", within_s=LIMIT_S)
        await crew.kill(crew.processes["edge"])
        codes = [await client.until_closed() for client in (one, two)]
    await crew.heal()
    await crew.until_idle()
    async with connected(crew, {}) as client:
        await client.send("text", text="What of the sea?")
        await until_over(client)

    assert codes == [1006, 1006]
    await expect_unharmed(crew, client, unharmed)


async def test_fifty_callers_come_back_at_once(crew: Crew) -> None:
    """Every connection is reset in the same moment: each caller has its one, whole answer."""
    kinds: list[str] = []
    async with proxy(crew.ws) as network:

        async def ask(number: int) -> tuple[str, str, int]:
            def observe(message: dict[str, object]) -> None:
                kinds.append(str(message["type"]))

            async with call(network.url, PATIENT, wait_s=LIMIT_S, observe=observe) as caller:
                all_in.append(number)
                async with asyncio.timeout(LIMIT_S):
                    await begin.wait()
                heard = await caller.type_text(f"number {number}")
                return heard.transcript, heard.reply, heard.turns

        all_in: list[int] = []
        begin = asyncio.Event()
        asking = [asyncio.create_task(ask(number)) for number in range(CALLERS)]
        await expect_eventually(lambda: len(all_in) == CALLERS, "all are there", LIMIT_S)
        begin.set()
        await expect_eventually(lambda: "reply_text" in kinds, "they are answered", LIMIT_S)
        network.cut_all()
        heard = await asyncio.gather(*asking)

    assert kinds.count("resumed") >= CALLERS // 2
    assert heard == [(f"number {number}", REPLY, 1) for number in range(CALLERS)]
    await crew.until_idle()
    assert crew.unhandled() == {}


async def test_an_edge_without_descriptors_serves_again_when_there_are_some(
    crew: Crew,
) -> None:
    """Who is in stays in; who comes meanwhile waits or is refused; the edge lives."""
    edge = crew.processes["edge"]
    before = resource.prlimit(edge.pid, resource.RLIMIT_NOFILE)
    async with connected(crew, {}) as client:
        resource.prlimit(edge.pid, resource.RLIMIT_NOFILE, (3, before[1]))
        refused = 0
        for _ in range(5):
            try:
                await asyncio.to_thread(httpx2.get, f"{edge.url}/livez", timeout=0.5, **PLAIN)
            except httpx2.HTTPError:
                refused += 1
        await client.send("text", text="What of the sea?")
        await until_over(client)
        resource.prlimit(edge.pid, resource.RLIMIT_NOFILE, before)
        await expect_eventually(edge.is_ready, "it takes connections again", LIMIT_S)

    assert refused == 5
    assert edge.code is None
    assert client.messages("error") == []
    assert client.messages("reply_done")[0]["text"] == REPLY
