"""How many sessions one edge process carries: silent callers, and workers that only take."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import Any, Final

import httpx2
from msgspec import Struct

from benchmarks import measure, stats
from benchmarks.load.sink import ROW
from benchmarks.systems import Started, socket_url, starter
from voicebus import parts
from voicebus.errors import BusTimeout
from voicebus.settings import PREFIX
from voicebus.supervisor import Part, UpSettings

_SETTLE_S: Final = 2.0
_ANSWER_S: Final = 120.0
_STRETCHES: Final = 5
"""A machine that was given to others for a moment spoils one of them."""


class EdgeRow(Struct, frozen=True, kw_only=True):
    """One size of load.

    Fields
        sessions: Callers at once, each with 50 frames a second.
        frames: How many frames were followed from the caller to a worker.
        forward_p50_ms: From leaving the caller to reaching the worker, half of them: the median of
            some stretches of time.
        forward_p99_ms: The same, 99 of 100.
        forward_p99s_ms: That of each stretch.
        late_ms_max: How late the latest frame left its caller.
        lost: Callers that were thrown out.
        edge_cpu_ratio: Processor time of the edge over time; 1 is one core.
        bus_cpu_ratio: The same of the bus.
        edge_memory_mb: Memory of the edge.
        bus_messages_s: Messages that the bus took in a second.
        bus_bytes_s: Bytes of them.
        error: Why not all callers are there; empty if they are.
    """

    sessions: int
    frames: int = 0
    forward_p50_ms: float = 0.0
    forward_p99_ms: float = 0.0
    forward_p99s_ms: tuple[float, ...] = ()
    late_ms_max: float = 0.0
    lost: int = 0
    edge_cpu_ratio: float = 0.0
    bus_cpu_ratio: float = 0.0
    edge_memory_mb: float = 0.0
    bus_messages_s: float = 0.0
    bus_bytes_s: float = 0.0
    error: str = ""


async def measure_edge(
    folder: Path, environ: Mapping[str, str], sizes: Sequence[int], seconds: float
) -> list[EdgeRow]:
    """Load one edge with ever more callers; return a row for each size, until it breaks.

    Args:
        folder: For data and logs.
        environ: Settings of all parts.
        sizes: Numbers of callers, rising.
        seconds: How long each is measured.
    """
    async with AsyncExitStack() as stack:
        started = await stack.enter_async_context(starter(folder))
        bench = await _start(started, environ, sizes[-1])
        swarm = await _Swarm.start(bench.url)
        stack.push_async_callback(swarm.end)
        rows: list[EdgeRow] = []
        for size in sizes:
            rows.append(await bench.load(swarm, size, seconds))
            if rows[-1].error or rows[-1].lost:
                break
        return rows


class _Bench(Struct):
    url: str
    monitor: str
    edge_pid: int
    bus_pid: int
    heard: Path

    async def load(self, swarm: _Swarm, size: int, seconds: float) -> EdgeRow:
        told = await swarm.say(size)
        if told["error"]:
            return EdgeRow(sessions=size, error=told["error"])
        await asyncio.sleep(_SETTLE_S)
        await swarm.say(size)  # its lateness is counted from here on
        begun_ns, before = time.perf_counter_ns(), await self._counters()
        await asyncio.sleep(seconds)
        ended_ns, after = time.perf_counter_ns(), await self._counters()
        told = await swarm.say(size)
        await asyncio.sleep(_SETTLE_S / 4)
        took_s = (ended_ns - begun_ns) / 1e9
        gained = {name: (after[name] - before[name]) / took_s for name in after}
        stretches = self._waits_ms(begun_ns, ended_ns)
        p50s_ms = [stats.percentile(waits_ms, 50) for waits_ms in stretches]
        p99s_ms = [stats.percentile(waits_ms, 99) for waits_ms in stretches]
        return EdgeRow(
            sessions=size,
            frames=sum(map(len, stretches)),
            forward_p50_ms=median(p50s_ms) if stretches else 0.0,
            forward_p99_ms=median(p99s_ms) if stretches else 0.0,
            forward_p99s_ms=tuple(p99s_ms),
            late_ms_max=told["late_ms_max"],
            lost=told["lost"],
            edge_cpu_ratio=gained["edge_cpu"],
            bus_cpu_ratio=gained["bus_cpu"],
            edge_memory_mb=measure.memory_mb((self.edge_pid,)),
            bus_messages_s=gained["messages"],
            bus_bytes_s=gained["bytes"],
        )

    def _waits_ms(self, begun_ns: int, ended_ns: int) -> list[list[float]]:
        """Return how long frames took, of each stretch in which some came."""
        data = self.heard.read_bytes()
        whole = data[: len(data) // ROW.size * ROW.size]
        found: list[list[float]] = [[] for _ in range(_STRETCHES)]
        for at_ns, wait_ns in ROW.iter_unpack(whole):
            if begun_ns <= at_ns < ended_ns:
                found[(at_ns - begun_ns) * _STRETCHES // (ended_ns - begun_ns)].append(
                    wait_ns / 1e6
                )
        return [waits_ms for waits_ms in found if waits_ms]

    async def _counters(self) -> dict[str, float]:
        async with httpx2.AsyncClient() as client:
            told = (await client.get(self.monitor)).json()
        return {
            "messages": told["in_msgs"],
            "bytes": told["in_bytes"],
            "edge_cpu": measure.cpu_seconds((self.edge_pid,)),
            "bus_cpu": measure.cpu_seconds((self.bus_pid,)),
        }


async def _start(started: Started, environ: Mapping[str, str], most: int) -> _Bench:
    nats = parts.nats_part(
        UpSettings(data_dir=str(started.folder), nats_port=parts.free_port()), environ
    )
    await started.start(nats)
    given = parts.environment(
        {
            **environ,
            f"{PREFIX}NATS_URL": nats.shown_url,
            f"{PREFIX}EDGE_MAX_SESSIONS": str(2 * most),
            f"{PREFIX}EDGE_NEEDS": "stt,turn",
        }
    )
    edge = parts.edge_part(parts.free_port(), given)
    heard = {role: started.folder / f"{role}.heard" for role in ("stt", "turn")}
    sinks = [_sink(role, heard[role], given) for role in heard]
    await started.start(*sinks, edge)
    return _Bench(
        url=socket_url(edge),
        monitor=nats.ready_url.replace("/healthz", "/varz"),
        edge_pid=started.pid("edge"),
        bus_pid=started.pid("nats"),
        heard=heard["stt"],
    )


def _sink(role: str, heard: Path, environ: Mapping[str, str]) -> Part:
    worker = parts.worker_part(role, environ)
    return Part(
        name=role,
        argv=[sys.executable, "-m", "benchmarks.load.sink", role, str(heard)],
        environment=worker.environment,
        ready_url=worker.ready_url,
    )


class _Swarm:
    """The callers, in a process of their own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, url: str) -> _Swarm:
        """Start the process; nobody calls yet."""
        argv = (sys.executable, "-m", "benchmarks.load.swarm", url)
        pipe = asyncio.subprocess.PIPE
        return cls(await asyncio.create_subprocess_exec(*argv, stdin=pipe, stdout=pipe))

    async def say(self, size: int) -> dict[str, Any]:
        """Have so many callers; return what the process tells.

        Raises:
            BusTimeout: It does not answer.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{size}\n".encode())
        try:
            async with asyncio.timeout(_ANSWER_S):
                line = await self._process.stdout.readline()
        except TimeoutError as err:
            raise BusTimeout("the callers do not answer") from err
        if not line:
            raise BusTimeout("the callers' process has ended")
        return dict(json.loads(line))

    async def end(self) -> None:
        """Hang up."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self._process.wait()
