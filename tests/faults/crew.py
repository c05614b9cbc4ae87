"""A system as it is run in earnest, to be broken: users, a supervisor, two workers of each role."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Final

import msgspec

from schemas.claim import Claimed
from schemas.event import Event
from tests.e2e.client import Client, expect_eventually
from tests.models import model_path
from tests.secured import BRIDGE, CELL, EDGES, Secured, secured_cluster, secured_server
from tests.system import SYNTHETIC, Process, System
from voicebus import credentials, parts
from voicebus.bus.replay import Recorded
from voicebus.cli.replay import recorded
from voicebus.supervisor import Part

REPLY: Final = (
    "Well, the sea is wide and deep. Many have sailed it, and some of them came back to tell of "
    "it. Nobody knows how many did not, because they cannot be asked. That is all I know of it."
)

SETTINGS: Final[Mapping[str, str]] = {
    **SYNTHETIC,
    "LLM_SYNTHETIC_REPLY": REPLY,
    "LLM_SYNTHETIC_TOKENS_PER_S": "25",
    "LLM_PREFILL": "true",
    "TTS_SYNTHETIC_PIECE_MS": "90",
    "TTS_SYNTHETIC_PACE": "0.15",
    "TURN_AHEAD_S": "60",
}
"""A reply of 1.5 s in 38 words; its 10 s of audio are made in as long."""

START_ALL_S: Final = 240.0

LIMIT_S: Final = 60.0
"""What takes longer does not happen."""


class Gate:
    """An edge among others, and the address of its ``/ws``."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.ws = process.url.replace("http://", "ws://", 1) + "/ws"


class Crew(System):
    """A system of which any process may die.

    Args:
        folder: For the processes' logs.
        secured: A running bus with users.
        settings: Settings without their ``VOICEBUS_``.
        each: How many workers each role has.
        own: Settings of a role's workers alone.
    """

    def __init__(
        self,
        folder: Path,
        secured: Secured,
        settings: Mapping[str, str] = SETTINGS,
        each: int = 2,
        own: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
    ) -> None:
        bus = {"NATS_URL": secured.urls, "REPLICAS": str(len(secured.servers))}
        super().__init__(folder, {**settings, **bus}, secured.server, own=own)
        self.secured = secured
        self._each = each

    def launch(self) -> None:
        """Start every process; does not wait for them."""
        # Twenty callers are told nearly a megabyte a second: the log has to hold all of a test.
        asyncio.run(self.secured.make_layout(reply_bytes=512 << 20))
        seed = str(credentials.seed_of(self.secured.users, "system"))
        self.add(
            parts.supervisor_part(
                self.environment(
                    **self._user("supervisor"),
                    WORKER_ID="supervisor",
                    SUPERVISOR_SYSTEM_NKEY_FILE=seed,
                )
            )
        )
        for role in parts.ROLES:
            for number in range(1, self._each + 1):
                self.hire(role, f"{role}-{number}", **self._own.get(role, {}))
        self.open_edge("edge", EDGES[0], **self._own.get("edge", {}))

    def wait_ready(self) -> None:
        """Wait until every process says that it is ready: a dozen of them start together.

        Raises:
            RuntimeError: One of them ended, or is not ready in time.
        """
        deadline = time.monotonic() + START_ALL_S
        for process in self.processes.values():
            self._wait_for(process, deadline)

    def open_edge(self, name: str, edge: str, **settings: str) -> Gate:
        """Start one more edge; does not wait for it."""
        given = {**self._user(credentials.edge_user(edge)), "EDGE_NAME": edge, **settings}
        part = parts.edge_part(parts.free_port(), self.environment(**given))
        return Gate(self.add(named(part, name)))

    def open_bridge(self, api_url: str, token: str) -> Process:
        """Start the bridge to Telegram; does not wait for it."""
        given = self._user(credentials.bridge_user(BRIDGE))
        environ = self.environment(
            **given, TELEGRAM_NAME=BRIDGE, TELEGRAM_API_URL=api_url, TELEGRAM_TOKEN=token
        )
        return self.add(parts.telegram_part(environ))

    def hire(self, role: str, name: str, **settings: str) -> Process:
        """Start one more worker; does not wait for it."""
        environ = self.environment(**self._user(role), WORKER_ID=name, **settings)
        return self.add(named(parts.worker_part(role, environ), name))

    def workers(self, role: str) -> list[Process]:
        """A role's workers, dead or alive."""
        return [p for name, p in self.processes.items() if name.startswith(f"{role}-")]

    async def holder(self, client: Client, role: str) -> Process:
        """Wait until a worker of a role holds a job of a session, and return the newest holder."""
        await self.until_claimed(client, role)
        return self.processes[(await self.claims(client, role))[-1].worker]

    async def claims(self, client: Client, role: str) -> list[Claimed]:
        """Who took a role's jobs of a session, in order."""
        events = await self.log(client)
        return [e for e in events if isinstance(e, Claimed) and e.role == role]

    async def until_claimed(self, client: Client, role: str) -> None:
        """Wait until a worker took a job of a role in this session."""
        await self.until_recorded(client, lambda e: isinstance(e, Claimed) and e.role == role)

    async def until_recorded(self, client: Client, wanted: Callable[[Event], bool]) -> None:
        """Wait until the log of a client's session holds something."""

        async def is_there() -> bool:
            return any(wanted(event) for event in await self.log(client))

        await expect_eventually(is_there, "it is recorded", LIMIT_S)

    async def alone(self, process: Process, role: str) -> None:
        """Kill all workers of a role but one, and wait until that one is ready."""
        await asyncio.to_thread(self._wait_for, process, time.monotonic() + START_ALL_S)
        for other in self.workers(role):
            await self.kill(other)

    async def until_idle(self) -> None:
        """Wait until no worker holds a claim."""

        def is_idle() -> bool:
            names = [p.name for role in parts.ROLES for p in self.workers(role)]
            return not any(self.metric(name, "voicebus_worker_busy") for name in names)

        await expect_eventually(is_idle, "no claim is held", LIMIT_S)

    async def records(self, client: Client) -> list[tuple[Recorded, Event]]:
        """Read what the bus holds of a client's session."""
        async with self.secured.bus("admin") as bus:
            return await recorded(bus, session_of(client))

    async def log(self, client: Client) -> list[Event]:
        """Read what the bus holds of a client's session, in its order."""
        return [event for _, event in await self.records(client)]

    async def kill(self, process: Process) -> None:
        """End a process as a crash does."""
        process.signal(signal.SIGKILL)
        await asyncio.to_thread(process.wait, LIMIT_S)

    async def nurse(self, client: Client) -> None:
        """Start what dies anew, as whoever runs it does, until the client's turn has ended."""
        async with asyncio.timeout(3 * LIMIT_S):
            while not client.messages("turn_ended"):
                for process in self.processes.values():
                    if process.code is not None:
                        process.restart()
                await asyncio.sleep(0.1)
        await self.heal()

    async def heal(self) -> None:
        """Wake what sleeps, start what is dead, and wait until all of them are ready."""
        for process in self.processes.values():
            process.signal(signal.SIGCONT)
            if process.code is not None:
                process.restart()
        await asyncio.to_thread(self.wait_ready)

    def wake(self) -> None:
        """Let those go on that were stopped."""
        for process in self.processes.values():
            with suppress(ProcessLookupError):
                process.signal(signal.SIGCONT)

    def dismiss(self, process: Process) -> None:
        """Forget a process that has ended."""
        del self.processes[process.name]

    def unhandled(self) -> dict[str, str]:
        """What the processes did not expect, by their names."""
        return {
            name: process.log[process.log.index(sign) :][:4000]
            for name, process in self.processes.items()
            for sign in ("Traceback", "never retrieved", "never awaited")
            if sign in process.log
        }

    def _user(self, name: str) -> dict[str, str]:
        return {
            "CELL": CELL,
            "NATS_NKEY_FILE": str(credentials.seed_of(self.secured.users, name)),
        }


def named(part: Part, name: str) -> Part:
    """Give a part a name of its own."""
    return msgspec.structs.replace(part, name=name)


def session_of(client: Client) -> str:
    """Return the session of a client."""
    return str(client.messages("metadata")[0]["session_id"])


@contextmanager
def crew_in(
    folder: Path,
    settings: Mapping[str, str] = SETTINGS,
    each: int = 2,
    own: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> Iterator[Crew]:
    """Run a crew on a bus of its own while the context lasts.

    Raises:
        AssertionError: The bus refused something: a fault had a process do what it may not.
    """
    model_path("silero-vad")
    with (
        secured_server(folder / "bus") as secured,
        Crew(folder / "parts", secured, settings, each, own) as crew,
    ):
        yield crew
        crew.wake()
    assert secured.violations() == []


@contextmanager
def crew_on_cluster(folder: Path) -> Iterator[Crew]:
    """Run a crew on three servers, as :func:`crew_in` does on one."""
    model_path("silero-vad")
    with (
        secured_cluster(folder / "bus") as secured,
        Crew(folder / "parts", secured) as crew,
    ):
        yield crew
        crew.wake()
    assert secured.violations() == []
