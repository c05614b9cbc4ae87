"""The frame of every process: settings, logs, signals, health, bus."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Final

import msgspec
import structlog
import uvloop
from msgspec import Struct
from starlette.applications import Starlette
from starlette.routing import Route

from voicebus import health, known, log, loop_lag, metrics, pulse, settings, systemd
from voicebus.bus.client import Bus, connect
from voicebus.bus.layout import ensure_layout
from voicebus.errors import BusUnavailable, ConfigError, VoicebusError
from voicebus.settings import BusSettings, ProcessSettings
from voicebus.tracing.opening import tracing
from voicebus.worker import Role, Work, Worker

_logger: Final = structlog.get_logger()

_CANCEL_AGAIN_S: Final = 0.5

Main = Callable[[asyncio.Event], Awaitable[None]]
"""Runs until the event is set."""

Further = Callable[[str], Iterable[Route]]
"""Makes further routes of a process's page, from the ``host:port`` of that page."""


def run(part: str, main: Main) -> int:
    """Run a process to its end and return its exit code.

    SIGTERM and SIGINT set the event given to ``main``; a second one ends the process at once. An
    error of ours ends it with code 1 (2 for a wrong setting) and one clear line.
    """
    try:
        settings.check_known(os.environ, known.every_setting())
        process = settings.read(ProcessSettings, os.environ)
        log.configure(process, part)
        metrics.BUILD.labels(version("voicebus")).set(1)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_supervised(main))
    except ConfigError as err:
        print(f"voicebus {part}: {err}", file=sys.stderr)  # noqa: T201
        return 2
    except VoicebusError as err:
        print(f"voicebus {part}: {err}", file=sys.stderr)  # noqa: T201
        return 1
    except BaseExceptionGroup as group:
        return _end_of_group(part, group)
    return 0


def _end_of_group(part: str, group: BaseExceptionGroup[BaseException]) -> int:
    known, unknown = group.split(VoicebusError)
    if unknown is not None:
        raise unknown
    errors = [] if known is None else list(_leaves(known))
    for err in errors:
        print(f"voicebus {part}: {err}", file=sys.stderr)  # noqa: T201
    return 2 if any(isinstance(err, ConfigError) for err in errors) else 1


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterable[BaseException]:
    for err in group.exceptions:
        if isinstance(err, BaseExceptionGroup):
            yield from _leaves(err)
        else:
            yield err


async def _supervised(main: Main) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def asked_to_stop() -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked_to_stop)
    # What was imported stays until the end. To look at it for garbage would stop everything for
    # 40 ms now and then: two beats of a telephone, heard in all of its calls.
    gc.collect()
    gc.freeze()
    # Old garbage is looked for once a quarter as much has grown old as there was last time. What is
    # frozen must not count, or what closed sessions leave waits for a quarter of the imports.
    gc.collect()
    with loop_lag.measured(loop):
        await main(stop)


async def serve_role(
    role: Role,
    work: Work,
    warm: Callable[[], Awaitable[None]],
    stop: asyncio.Event,
    end_within: Callable[[float], None] = pulse.end_within,
) -> None:
    """Be a worker: health at once, then engine and bus side by side, then claims until ``stop``.

    Args:
        role: What the worker offers; its name on the bus and its URL are filled in here.
        work: Runs once per claim.
        warm: Makes the engine ready.
        stop: Set on SIGTERM.
        end_within: Ends the process should it not have ended by itself within so many seconds.
    """
    process = settings.read(ProcessSettings, os.environ)
    bus_settings = settings.read(BusSettings, os.environ)
    state = {"engine": False, "bus": False}
    workers: list[Worker] = []

    def readiness() -> dict[str, bool]:
        return {**state, "claims": bool(workers) and workers[0].is_ready}

    async def warmed() -> None:
        await warm()
        state["engine"] = True

    async with asyncio.TaskGroup() as group:
        warming = group.create_task(warmed())
        async with running(readiness, process, bus_settings, stop) as up:
            state["bus"] = True
            joining = group.create_task(role.joined(up.bus))
            named = msgspec.structs.replace(role, worker=process.name(), metrics_url=up.metrics_url)
            stopping = group.create_task(stop.wait())
            able = asyncio.ensure_future(asyncio.wait((warming, joining)))
            await asyncio.wait((able, stopping), return_when=asyncio.FIRST_COMPLETED)
            able.cancel()
            if not stop.is_set():
                stopping.cancel()
                workers.append(Worker(up.bus, named, work))
                _logger.info("worker.ready", engine=role.engine, slots=role.slots)
                with pulse.watched(asyncio.get_running_loop()):
                    await workers[0].run(stop, process.drain_s)
            end_within(pulse.CLOSING_S)  # a model that is being loaded cannot be told to stop
            joining.cancel()
        warming.cancel()


class Running(Struct, frozen=True):
    """What a process has once it is up.

    Fields
        bus: Its connection.
        metrics_url: Where its metrics are.
    """

    bus: Bus
    metrics_url: str


@asynccontextmanager
async def running(
    readiness: health.Readiness,
    process: ProcessSettings,
    bus_settings: BusSettings,
    stop: asyncio.Event,
    further: Further = lambda _: (),
) -> AsyncIterator[Running]:
    """Serve health and metrics at once, then connect to the bus and make its streams.

    systemd is told of it where it started the process.

    Args:
        readiness: For /readyz.
        process: Where to serve.
        bus_settings: Where the bus is.
        stop: Set when the process is asked to end, which may be before there is a bus.
        further: What else is served there.
    """
    listener = health.bind(process.metrics_host, process.metrics_port)
    own = health.address(listener)
    url = f"http://{own}/metrics"
    app = Starlette(routes=[*health.routes(readiness), *further(own)])
    async with (
        health.serve(app, listener),
        systemd.told(readiness, stop, os.environ),
        attached(process, bus_settings, stop) as bus,
    ):
        _logger.info("process.connected", metrics=url)
        yield Running(bus, url)


@asynccontextmanager
async def attached(
    process: ProcessSettings, bus_settings: BusSettings, stop: asyncio.Event
) -> AsyncIterator[Bus]:
    """Connect to the bus, make its streams, and watch the connection while the context lasts.

    Where the bus has users, a process takes the streams as they are: to make them takes a right
    that includes reading them.

    Raises:
        BusUnavailable: ``stop`` was set before a server answered.
        ConfigError: Tracing is wanted, and cannot be done.
    """
    async with tracing(process.name()) as tracer:
        bus = await _connected(process, bus_settings, stop)
        bus.tracing = tracer
        try:
            if not bus_settings.nats_nkey_file:
                await ensure_layout(bus, bus_settings.limits())
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(bus.watch())
                yield bus
                watching.cancel()
        finally:
            await bus.close()


async def _connected(
    process: ProcessSettings, bus_settings: BusSettings, stop: asyncio.Event
) -> Bus:
    connecting = asyncio.ensure_future(connect(bus_settings, process.name()))
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((connecting, stopping), return_when=asyncio.FIRST_COMPLETED)
        if connecting.done():
            return connecting.result()
        raise BusUnavailable("asked to stop before a bus was reachable")
    finally:
        for task in (connecting, stopping):
            # More than once: nats-py connects by asyncio.wait_for, which before Python 3.12 loses a
            # cancellation that meets its deadline, and then tries the next server.
            while not task.done():
                task.cancel()
                await asyncio.wait((task,), timeout=_CANCEL_AGAIN_S)
