"""Functions, and deaths, in a system with users: nobody meets a permission that is missing."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator

import httpx2
import pytest

from tests.e2e.client import Client, connected
from tests.e2e.upstream import LanguageModel, asking
from tests.models import model_path
from tests.plain import PLAIN
from tests.secured import CELL, EDGES, Secured, secured_server
from tests.system import SYNTHETIC, System
from voicebus.parts import ROLES, project_root, supervisor_part

pytestmark = pytest.mark.model

PERSONA = """---
tools:
  allow: [shop.*]
---
You sell tea.
"""

SERVERS = f"""
[servers.shop]
command = ["{sys.executable}", "-m", "tests.services.tool.shop"]
env = {{ PYTHONPATH = "{project_root()}" }}
allow = ["stock"]
repeatable = ["stock"]
"""


@pytest.fixture(scope="module")
def language_model() -> Iterator[LanguageModel]:
    """A language model server that asks for functions when it is told to."""
    with LanguageModel() as running:
        yield running


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """A server of its own: what it refused is what this system was refused."""
    with secured_server(tmp_path_factory.mktemp("secured-tools")) as running:
        asyncio.run(running.make_layout())
        yield running


@pytest.fixture(scope="module")
def system(
    bus: Secured, language_model: LanguageModel, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    """Five workers, an edge, a supervisor, and a key for each."""
    model_path("silero-vad")
    folder = tmp_path_factory.mktemp("shop")
    (folder / "shop.md").write_text(PERSONA)
    (folder / "servers.toml").write_text(SERVERS)
    settings = {
        **SYNTHETIC,
        "CELL": CELL,
        "LLM_ENGINE": "openai",
        "LLM_URL": language_model.url,
        "TURN_PERSONAS_DIR": str(folder),
        "EDGE_PERSONA": "shop",
        "TOOL_SERVERS_FILE": str(folder / "servers.toml"),
    }
    roles = (*ROLES, "tool")
    own = {role: {"NATS_NKEY_FILE": bus.settings(role).nats_nkey_file} for role in roles}
    edge = bus.settings(f"edge-{EDGES[0]}")
    own["edge"] = {"NATS_NKEY_FILE": edge.nats_nkey_file, "EDGE_NAME": EDGES[0]}
    with System(folder / "parts", settings, bus.server, roles, own) as running:
        guarding = running.environment(
            NATS_NKEY_FILE=bus.settings("supervisor").nats_nkey_file,
            SUPERVISOR_SYSTEM_NKEY_FILE=bus.settings("system").nats_nkey_file,
        )
        running.add(supervisor_part(guarding))
        running.wait_ready()
        until_connected(running, 1)
        yield running


def until_connected(system: System, times: int) -> None:
    """Wait until a tool worker has asked its server for what there is."""

    async def logged() -> None:
        async with asyncio.timeout(60):
            while system.processes["tool"].log.count("tools.connected") < times:
                await asyncio.sleep(0.05)

    asyncio.run(logged())


async def ask_for_tea(client: Client) -> str:
    """Have a function called; return the reply."""
    count = len(client.messages("turn_ended")) + 1
    await client.send("text", text="is there tea?")
    ended = await client.until("turn_ended", count=count)
    assert ended["outcome"] == "completed"
    return str(client.messages("reply_done", turn=ended["turn"])[0]["text"])


def kill(system: System, role: str) -> None:
    """Kill a worker and start it again."""
    process = system.processes[role]
    process.signal(signal.SIGKILL)
    process.wait(10)
    process.restart()
    system.wait_ready()


async def test_functions_are_called_and_the_dead_replaced_without_a_refusal(
    bus: Secured, system: System, language_model: LanguageModel
) -> None:
    """The supervisor hands the session on, and who has it now reads it, and calls again."""
    with language_model.following(asking(("shop_stock", {"tea": "mint"}))):
        async with connected(system, {}) as client:
            first = await ask_for_tea(client)
            await asyncio.to_thread(kill, system, "turn")
            await asyncio.to_thread(kill, system, "tool")
            await asyncio.to_thread(until_connected, system, 2)
            second = await ask_for_tea(client)

    told = [
        line
        for each in system.processes.values()
        for line in each.log.splitlines()
        if "violation" in line.lower() or "bus.error" in line
    ]
    assert ["Seven boxes of mint are left" in reply for reply in (first, second)] == [True, True]
    assert system.metric("supervisor", "voicebus_handovers_total", role="turn") >= 1
    assert [*bus.violations(), *told] == []


def test_each_process_is_a_user_of_its_own(bus: Secured, system: System) -> None:
    """Or the test above would say nothing."""
    url = f"{bus.server.monitoring_url}/connz?auth=true"
    listed = httpx2.get(url, timeout=5.0, **PLAIN).json()["connections"]

    users = [f"edge-{EDGES[0]}", "supervisor", "system", *ROLES, "tool"]
    assert {each["authorized_user"] for each in listed} == set(map(bus.key, users))
    assert set(system.processes) == {"edge", "supervisor", *ROLES, "tool"}
