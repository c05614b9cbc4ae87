"""A system that may lose any of its processes: two workers of each stage, and a supervisor."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.apart import Apart
from benchmarks.systems import socket_url
from voicebus import credentials, parts, settings
from voicebus.bus.layout import make_layout
from voicebus.settings import PREFIX, BusSettings
from voicebus.supervisor import Departure, Part, UpSettings

EDGES: Final = ("edge-1", "edge-2")
"""What edges are called on the bus; their parts are ``edge`` and ``edge-2``."""

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
        url: Address of /ws, of the first edge.
        urls: Those of all edges.
        monitor_url: Where the bus tells how it is.
    """

    def __init__(self, started: Apart, bus: Part, edges: Sequence[Part], users: Path) -> None:
        self.urls = tuple(socket_url(edge) for edge in edges)
        self.url = self.urls[0]
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

    async def restart(self, name: str) -> Departure:
        """Replace a part as an operator does.

        Of workers and supervisors a new one comes, and then the old one hands on; an edge and the
        bus end before they are started anew.

        Returns:
            How the old one went.

        Raises:
            PartFailed: The new one does not come up.
        """
        return await self._started.restart(name)


def worker_name(pid: int) -> str:
    """Return the name that a process has on the bus when it is given none."""
    return f"{socket.gethostname()}-{pid}"[:64]


async def start_doubled(
    started: Apart, environ: Mapping[str, str], supervisors: int, edges: int = 1
) -> Doubled:
    """Start one.

    Args:
        started: Starts its parts.
        environ: Settings of all parts.
        supervisors: How many hand on what the dead held: 0 leaves that to JetStream's deadline.
        edges: How many there are: one or two.

    Raises:
        PartFailed: A part does not come up.
    """
    up = UpSettings(data_dir=str(started.folder), nats_port=parts.free_port())
    cell = settings.read(BusSettings, environ).cell
    credentials.ensure(up.users(), cell, EDGES[:edges])
    bus = parts.nats_part(up, environ, credentials.config_of(up.users()))
    await started.start(bus)
    given = parts.environment({**environ, f"{PREFIX}NATS_URL": bus.shown_url})

    def user(name: str) -> Mapping[str, str]:
        return parts.with_key(given, up.users(), name)

    await make_layout(settings.read(BusSettings, user("admin")))
    seed = str(credentials.seed_of(up.users(), "system"))
    guarding = {**user("supervisor"), f"{PREFIX}SUPERVISOR_SYSTEM_NKEY_FILE": seed}
    # One stage after the other: many processes at once are slow to load on few cores.
    for role in parts.ROLES:
        makes = partial(parts.worker_part, role, user(role))
        await started.start(*(_named(f"{role}-{n}", makes) for n in range(EACH)))
    for number in range(supervisors):
        makes = partial(parts.supervisor_part, guarding)
        await started.start(_named(f"supervisor-{number}", makes))
    doors = [_edge(name, user(credentials.edge_user(name))) for name in EDGES[:edges]]
    await started.start(*doors)
    return Doubled(started, bus, doors, up.users())


def _named(name: str, makes: Callable[[], Part]) -> Part:
    return msgspec.structs.replace(makes(), name=name, renewed=lambda: _named(name, makes))


def _edge(name: str, environ: Mapping[str, str]) -> Part:
    part = parts.edge_part(parts.free_port(), {**environ, f"{PREFIX}EDGE_NAME": name})
    return part if name == EDGES[0] else msgspec.structs.replace(part, name=name)
