"""The network between a process and the bus: cut with a reset, or silent without a word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.cutting import Proxy, proxy
from tests.e2e.client import connected, expect_eventually
from tests.faults.account import Samples, expect_unharmed, until_over
from tests.faults.crew import LIMIT_S, Crew, Gate
from tests.secured import EDGES

pytestmark = [pytest.mark.fault, pytest.mark.model, pytest.mark.timeout(600)]


@asynccontextmanager
async def remote_worker(crew: Crew, role: str) -> AsyncIterator[Proxy]:
    """Have one worker of a role, behind a network of its own."""
    async with proxy(crew.nats.url) as standing:
        remote = crew.hire(role, f"remote-{role}", NATS_URL=standing.url)
        crew.dismiss(remote)  # whether it is ready is its own affair
        try:
            await crew.alone(remote, role)
            yield standing
        finally:
            await crew.kill(remote)


@asynccontextmanager
async def remote_edge(crew: Crew) -> AsyncIterator[tuple[Gate, Proxy]]:
    """Have one more edge, behind a network of its own."""
    async with proxy(crew.nats.url) as standing:
        gate = crew.open_edge("edge-remote", EDGES[1], NATS_URL=standing.url)
        try:
            await asyncio.to_thread(crew.wait_ready)
            yield gate, standing
        finally:
            await crew.kill(gate.process)
            crew.dismiss(gate.process)


@pytest.mark.parametrize("role", ["llm", "tts"])
async def test_a_worker_is_cut_off_and_comes_back(crew: Crew, unharmed: Samples, role: str) -> None:
    """It keeps its job, or another one has it: nothing that was on its way is missing."""
    async with remote_worker(crew, role) as network, connected(crew, {}) as client:
        await client.send("text", text="What of the sea?")
        await client.until("reply_text", 10, LIMIT_S)
        network.cut_all()
        await until_over(client, 1)
        await client.send("text", text="And once more?")
        await until_over(client, 2)

    await expect_unharmed(crew, client, unharmed, turns=2)


@pytest.mark.parametrize("role", [pytest.param("tts", marks=pytest.mark.slow), "llm"])
async def test_a_worker_is_cut_off_for_good(crew: Crew, unharmed: Samples, role: str) -> None:
    """Nobody answers it any more, and it hears of nothing: others go on with its reply."""
    async with connected(crew, {}) as client:
        async with remote_worker(crew, role) as network:
            await client.send("text", text="What of the sea?")
            await client.until("reply_text", 10, LIMIT_S)
            for wire in network.wires:
                wire.swallow()
            network.refuses = True
            await crew.heal()
        await until_over(client)

    await expect_unharmed(crew, client, unharmed)


async def test_an_edge_is_cut_off_and_comes_back(crew: Crew, unharmed: Samples) -> None:
    """Its sessions go on: nothing is missing of the reply that was heard, or of the next one."""
    async with remote_edge(crew) as (gate, network), connected(gate, {}) as client:
        await client.send("text", text="What of the sea?")
        await client.until("reply_text", 10, LIMIT_S)
        network.cut_all()
        await expect_eventually(
            lambda: crew.metric(gate.process.name, "voicebus_bus_reconnects_total") >= 1,
            "the edge is back",
            LIMIT_S,
        )
        await until_over(client, 1)
        await client.send("text", text="And once more?")
        await until_over(client, 2)

    await expect_unharmed(crew, client, unharmed, turns=2)


@pytest.mark.slow
async def test_an_edge_is_cut_off_for_good(crew: Crew, unharmed: Samples) -> None:
    """What its sessions held is free again, and other edges serve."""
    async with remote_edge(crew) as (gate, network):
        async with connected(gate, {}) as client:
            await client.send("text", text="What of the sea?")
            await client.until("reply_text", within_s=LIMIT_S)
            for wire in network.wires:
                wire.swallow()
            network.refuses = True
            await crew.until_idle()
        async with connected(crew, {}) as other:
            await other.send("text", text="What of the sea?")
            await until_over(other)

    await expect_unharmed(crew, other, unharmed)
