"""A bus, workers and one edge for ``voicebus bench openai``, each a process of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from benchmarks.systems import Started
from voicebus import parts
from voicebus.settings import PREFIX
from voicebus.supervisor import Part, UpSettings

UNBOUNDED: Final[Mapping[str, str]] = {
    f"{PREFIX}EDGE_{name}": "100000"
    for name in (
        *("ADDRESS_SESSIONS", "ADDRESS_CONNECTIONS", "ADDRESS_CONNECTIONS_PER_MIN"),
        *("CALLER_SESSIONS", "CALLER_CONNECTIONS_PER_MIN", "CALLER_AUDIO_S_PER_MIN"),
        *("CALLER_TURNS_PER_MIN", "CALLER_TOKENS_PER_MIN"),
    )
}
"""One client of a benchmark does what many would."""


class RunningFleet(Struct, frozen=True):
    """What runs.

    Fields
        url: Address of the edge.
        edge_pid: Its process.
    """

    url: str
    edge_pid: int


async def start_fleet(
    started: Started, environ: Mapping[str, str], workers: Mapping[str, int]
) -> RunningFleet:
    """Start a bus, so many workers of each role, and an edge that needs these roles.

    Raises:
        PartFailed: One of them ended before it was ready.
    """
    up = UpSettings(data_dir=str(started.folder), nats_port=parts.free_port())
    nats = parts.nats_part(up, environ)
    await started.start(nats)
    given = parts.environment(
        {
            **UNBOUNDED,
            **environ,
            f"{PREFIX}NATS_URL": nats.shown_url,
            f"{PREFIX}EDGE_NEEDS": ",".join(workers),
        }
    )
    edge = parts.edge_part(parts.free_port(), given)
    numbered = [
        _numbered(role, number, given) for role, count in workers.items() for number in range(count)
    ]
    await started.start(*numbered, edge)
    return RunningFleet(edge.shown_url, started.pid(edge.name))


def _numbered(role: str, number: int, environ: Mapping[str, str]) -> Part:
    worker = parts.worker_part(role, environ)
    name = f"{role}-{number}"
    return Part(
        name=name,
        argv=worker.argv,
        environment={**worker.environment, f"{PREFIX}WORKER_ID": name},
        ready_url=worker.ready_url,
    )
