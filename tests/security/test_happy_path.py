"""Everything that the system does, with users: nobody meets a permission that is missing."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator

import httpx2
import openai
import pytest

from tests.e2e.client import PAUSE, connected, expect_healthy
from tests.models import model_path
from tests.plain import PLAIN
from tests.secured import CELL, EDGES, Secured, secured_server
from tests.system import SYNTHETIC, Process, System
from tests.telephones import calling_by_tcp
from tests.voicebus.audio.recordings import SAMPLES, recording
from voicebus.audio.wav import read_wav
from voicebus.parts import ROLES, free_ports, telephony_part

pytestmark = pytest.mark.model


class SecuredSystem:
    """A whole system whose processes each have their own user.

    Args:
        bus: Its bus.
        system: Its processes.
        tcp: Where telephones come in.
    """

    def __init__(self, bus: Secured, system: System, tcp: int) -> None:
        self.bus = bus
        self.system = system
        self.tcp = tcp

    def violations(self) -> list[str]:
        """What the server refused, and what processes say was refused to them."""
        told = [
            f"{process.name}: {line}"
            for process in self.system.processes.values()
            for line in process.log.splitlines()
            if "violation" in line.lower() or "bus.error" in line
        ]
        counted = [
            f"{name} counts some"
            for name in self.system.processes
            if self.system.metric(name, "voicebus_bus_refused_total")
        ]
        return [*self.bus.violations(), *told, *counted]


@pytest.fixture(scope="module")
def secured_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredSystem]:
    """Synthetic engines, and a key for each process."""
    model_path("silero-vad")
    folder = tmp_path_factory.mktemp("secured-system")
    with secured_server(folder) as bus:
        asyncio.run(bus.make_layout())
        own = {role: {"NATS_NKEY_FILE": bus.settings(role).nats_nkey_file} for role in ROLES}
        edge = bus.settings(f"edge-{EDGES[0]}")
        own["edge"] = {"NATS_NKEY_FILE": edge.nats_nkey_file, "EDGE_NAME": EDGES[0]}
        settings = {**SYNTHETIC, "CELL": CELL}
        with System(folder / "parts", settings, bus.server, own=own) as system:
            port, tcp = free_ports(2)
            phones = system.environment(
                NATS_NKEY_FILE=bus.settings(f"edge-{EDGES[1]}").nats_nkey_file,
                TELEPHONY_NAME=EDGES[1],
                TELEPHONY_PORT=str(port),
                TELEPHONY_AUDIOSOCKET_PORT=str(tcp),
            )
            system.add(telephony_part(phones))
            system.wait_ready()
            yield SecuredSystem(bus, system, tcp)


async def test_people_talk_without_a_single_refusal(secured_system: SecuredSystem) -> None:
    """Spoken and typed turns, an interruption, keys, and the end of the session."""
    _, speech = read_wav(SAMPLES / "austen-amiable.wav")
    async with connected(secured_system.system, {}) as client:
        await client.speak(speech, pace=1.0)
        await client.speak(PAUSE, pace=1.0)
        await client.until("turn_ended", outcome="completed")
        await client.send("text", text="hello")
        await client.until("audio_start", count=2)
        await client.send("cancel")
        await client.until("turn_ended", count=2)
        await client.send("text", text="and once more")
        await client.until("turn_ended", count=3)
    await expect_healthy(secured_system.system)

    assert client.messages("final")
    assert client.messages("error") == []
    assert secured_system.violations() == []


async def test_people_telephone_without_a_refusal(secured_system: SecuredSystem) -> None:
    """The telephony edge is one more user, with the rights of an edge."""
    _, speech = read_wav(SAMPLES / "austen-amiable.wav")
    async with calling_by_tcp(secured_system.tcp) as phone:
        await phone.say(speech)
        await phone.until(lambda: phone.loudness() > 100, "an answer")
        await phone.press("5")
        await phone.hang_up()

    assert secured_system.violations() == []


async def test_a_recording_is_transcribed_without_a_refusal(
    secured_system: SecuredSystem,
) -> None:
    """Its passages are jobs, and their audio is read from the log."""
    sdk = openai.AsyncOpenAI(
        base_url=f"{secured_system.system.root}/v1", api_key="any", max_retries=0
    )
    async with sdk:
        told = await sdk.audio.transcriptions.create(
            model="whisper-1", file=("a", recording("wav-s16"))
        )

    assert told.text.startswith("synthetic utterance")
    assert secured_system.violations() == []


@pytest.mark.parametrize("role", ROLES)
async def test_a_worker_that_ends_is_replaced_without_a_refusal(
    secured_system: SecuredSystem, role: str
) -> None:
    """It hands its claims on, and its successor reads from the log what it needs to go on."""
    system = secured_system.system
    process = system.processes[role]
    async with connected(system, {}) as client:
        await client.speak(PAUSE)
        await client.send("text", text="hello")
        await client.until("reply_text")
        await asyncio.to_thread(restart, system, process)
        await client.send("text", text="are you still there")
        await client.until("turn_ended", count=2)
    await expect_healthy(system)

    assert secured_system.violations() == []


def restart(system: System, process: Process) -> None:
    """Ask a process to end, start it again, and wait until it is ready."""
    process.signal(signal.SIGTERM)
    process.wait(20)
    process.restart()
    system.wait_ready()


async def test_each_process_is_a_user_of_its_own(secured_system: SecuredSystem) -> None:
    """Or the tests above would say nothing: all of them could be the admin."""
    url = f"{secured_system.bus.server.monitoring_url}/connz?auth=true"
    listed = httpx2.get(url, timeout=5.0, **PLAIN).json()["connections"]

    connected_users = sorted(connection["authorized_user"] for connection in listed)

    users = [*(f"edge-{edge}" for edge in EDGES), *ROLES]
    assert connected_users == sorted(secured_system.bus.key(user) for user in users)


async def test_work_without_a_conversation_meets_no_refusal(secured_system: SecuredSystem) -> None:
    """An edge gives out jobs of its own, hears their results, and cancels what nobody waits for."""
    url = f"{secured_system.system.root}/v1"
    ask = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}]}
    async with httpx2.AsyncClient(base_url=url, timeout=30, **PLAIN) as client:
        chat = await client.post("/chat/completions", json=ask)
        spoken = await client.post(
            "/chat/completions", json={**ask, "modalities": ["text", "audio"]}
        )
        speech = await client.post("/audio/speech", json={"model": "tts-1", "input": "Hello."})
        with pytest.raises(httpx2.TimeoutException):
            await client.post("/chat/completions", json={**ask, "stop": "x"}, timeout=0.05)
    await expect_healthy(secured_system.system)

    assert [answer.status_code for answer in (chat, spoken, speech)] == [200, 200, 200]
    assert secured_system.violations() == []
