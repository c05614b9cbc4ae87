"""A system that may lose any of its processes: two workers of each stage, and a supervisor."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.apart import Apart
from benchmarks.systems import socket_url
from voicebus import credentials, parts, settings
from voicebus.bus.layout import make_layout
from voicebus.settings import PREFIX, BusSettings
from voicebus.supervisor import Part, UpSettings

EDGE: Final = "edge-1"
EACH: Final = 2
"""One of a stage goes on while the other is started anew."""

PACED: Final[Mapping[str, str]] = {
    f"{PREFIX}STT_SYNTHETIC_MS": "50",
    # Nobody judges turns: that is a model, and processor time.
    f"{PREFIX}STT_TURN_MODEL": "",
    f"{PREFIX}LLM_SYNTHETIC_TTFT_MS": "200",
    f"{PREFIX}LLM_SYNTHETIC_TOKENS_PER_S": "12",
    f"{PREFIX}LLM_SLOTS": "32",
    f"{PREFIX}LLM_PREFILL": "true",
    f"{PREFIX}TTS_SLOTS": "32",
    f"{PREFIX}TTS_SYNTHETIC_PIECE_MS": "90",
    f"{PREFIX}TTS_SYNTHETIC_PACE": "0.4",
}
"""Replies come as those of a small model and of a voice on a processor do: word by word, and not
all at once."""

REPLY: Final = (
    "Zero one two three four five. Six seven eight nine ten eleven twelve. "
    "Thirteen fourteen fifteen sixteen seventeen. Eighteen nineteen twenty thirty forty fifty."
)
"""No word comes twice, so that each one that is missing or doubled is seen."""


class Doubled:
    """Such a system, while it runs.

    Attributes:
        url: Address of /ws.
        monitor_url: Where the bus tells how it is.
    """

    def __init__(self, started: Apart, bus: Part, edge: Part, users: Path) -> None:
        self.url = socket_url(edge)
        self.monitor_url = bus.ready_url.rsplit("/", 1)[0]
        self._started = started
        self._bus_url = bus.shown_url
        self._users = users

    def bus_settings(self, user: str) -> BusSettings:
        """Return how a user reaches the bus."""
        seed = credentials.seed_of(self._users, user)
        return BusSettings(nats_url=self._bus_url, nats_nkey_file=str(seed))

    def names(self, kind: str) -> tuple[str, ...]:
        """Return the parts of a kind: of a role, or ``edge``, ``supervisor``, ``nats``."""
        return tuple(name for name in self.parts if name.partition("-")[0] == kind)

    def pid(self, name: str) -> int:
        """Return the process of a part."""
        return self._started.pid(name)

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that there are now."""
        return tuple(self._started.readiness())

    def metrics_url(self, name: str) -> str:
        """Return a part's metrics page; empty for the bus, which has none."""
        root, _, page = self._started.part(name).ready_url.rpartition("/")
        return f"{root}/metrics" if page == "readyz" else ""

    @property
    def is_whole(self) -> bool:
        """Whether every part is ready."""
        return all(self._started.readiness().values())

    def part_of(self, worker: str) -> str | None:
        """Return which part a worker is, by its name on the bus; None: it runs no more."""
        for name in self.parts:
            if worker == worker_name(self._started.pid(name)):
                return name
        return None

    async def restart(self, name: str) -> None:
        """Replace a worker as an operator does: a new one comes, and the old one hands on.

        Raises:
            PartFailed: The new one does not come up.
        """
        await self._started.restart(name)


def worker_name(pid: int) -> str:
    """Return the name that a process has on the bus when it is given none."""
    return f"{socket.gethostname()}-{pid}"[:64]


async def start_doubled(started: Apart, environ: Mapping[str, str], supervisors: int) -> Doubled:
    """Start one.

    Args:
        started: Starts its parts.
        environ: Settings of all parts.
        supervisors: How many hand on what the dead held: 0 leaves that to JetStream's deadline.

    Raises:
        PartFailed: A part does not come up.
    """
    up = UpSettings(data_dir=str(started.folder), nats_port=parts.free_port())
    cell = settings.read(BusSettings, environ).cell
    credentials.ensure(up.users(), cell, (EDGE,))
    bus = parts.nats_part(up, environ, credentials.config_of(up.users()))
    await started.start(bus)
    given = parts.environment(
        {**environ, f"{PREFIX}NATS_URL": bus.shown_url, f"{PREFIX}EDGE_NAME": EDGE}
    )

    def user(name: str) -> Mapping[str, str]:
        return parts.with_key(given, up.users(), name)

    await make_layout(settings.read(BusSettings, user("admin")))
    seed = str(credentials.seed_of(up.users(), "system"))
    guarding = {**user("supervisor"), f"{PREFIX}SUPERVISOR_SYSTEM_NKEY_FILE": seed}
    edge = parts.edge_part(parts.free_port(), user(credentials.edge_user(EDGE)))
    # One stage after the other: many processes at once are slow to load on few cores.
    for role in parts.ROLES:
        await started.start(*(_numbered(role, n, user(role)) for n in range(EACH)))
    for number in range(supervisors):
        part = parts.supervisor_part(guarding)
        await started.start(msgspec.structs.replace(part, name=f"supervisor-{number}"))
    await started.start(edge)
    return Doubled(started, bus, edge, up.users())


def _numbered(role: str, number: int, environ: Mapping[str, str]) -> Part:
    return msgspec.structs.replace(
        parts.worker_part(role, environ),
        name=f"{role}-{number}",
        renewed=lambda: _numbered(role, number, environ),
    )
