"""How much of everything the processes and the bus have at a moment (Linux, /proc)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import httpx2
from msgspec import Struct
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.doubled import Doubled

_PROC: Final = Path("/proc")
_TASKS: Final = "voicebus_tasks"


class ProcessSample(Struct, frozen=True, kw_only=True, tag="process"):
    """One process at one moment.

    Fields
        at_s: Seconds of the run.
        name: Which part.
        pid: Its process: a part that is started anew has another one.
        memory_mb: Memory that it has written to; not that of files which it shares with others.
        descriptors: Open files and sockets.
        threads: Threads.
        tasks: Tasks of its event loop; None where it has none or does not answer.
    """

    at_s: float
    name: str
    pid: int
    memory_mb: float
    descriptors: int
    threads: int
    tasks: int | None


class BusSample(Struct, frozen=True, kw_only=True, tag="bus"):
    """The bus at one moment.

    Fields
        at_s: Seconds of the run.
        connections: Who is connected.
        subscriptions: What is listened to.
        consumers: Consumers of streams.
        jobs: Jobs that are not done.
        messages: In all streams.
        stream_mb: Their size.
    """

    at_s: float
    connections: int
    subscriptions: int
    consumers: int
    jobs: int
    messages: int
    stream_mb: float


async def process_samples(
    system: Doubled, client: httpx2.AsyncClient, at_s: float
) -> list[ProcessSample]:
    """Look at every part that runs; one that ends meanwhile is left out."""
    found = []
    for name in system.parts:
        pid = system.pid(name)
        try:
            fields = _fields(_PROC / str(pid) / "smaps_rollup")
            threads = int(_fields(_PROC / str(pid) / "status")["Threads"].split()[0])
            descriptors = len(list((_PROC / str(pid) / "fd").iterdir()))
        except (OSError, KeyError):
            continue
        found.append(
            ProcessSample(
                at_s=at_s,
                name=name,
                pid=pid,
                memory_mb=int(fields["Anonymous"].split()[0]) * 1024 / 1e6,
                descriptors=descriptors,
                threads=threads,
                tasks=await _tasks(client, system.metrics_url(name)),
            )
        )
    return found


async def bus_sample(system: Doubled, client: httpx2.AsyncClient, at_s: float) -> BusSample:
    """Look at the bus.

    Raises:
        httpx2.HTTPError: It does not answer.
    """
    server = (await client.get(f"{system.monitor_url}/varz")).json()
    streams = (await client.get(f"{system.monitor_url}/jsz?streams=true")).json()
    details = [
        stream
        for account in streams.get("account_details") or ()
        for stream in account.get("stream_detail") or ()
    ]
    return BusSample(
        at_s=at_s,
        connections=server["connections"],
        subscriptions=server["subscriptions"],
        consumers=streams["consumers"],
        jobs=sum(d["state"]["messages"] for d in details if d["name"] == "JOBS"),
        messages=streams["messages"],
        stream_mb=streams["bytes"] / 1e6,
    )


async def _tasks(client: httpx2.AsyncClient, url: str) -> int | None:
    if not url:
        return None
    try:
        text = (await client.get(url)).text
    except httpx2.HTTPError:
        return None
    for family in text_string_to_metric_families(text):
        if family.name == _TASKS:
            return int(family.samples[0].value)
    return None


def _fields(path: Path) -> dict[str, str]:
    """Return the lines ``Name:  value`` of a file of the kernel's."""
    lines = (line.partition(":") for line in path.read_text().splitlines())
    return {name: value.strip() for name, found, value in lines if found}
