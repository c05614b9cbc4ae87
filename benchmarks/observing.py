"""``voicebus bench observing``: what metrics, logs and traces take of the processor.

Documented in docs/reference/benchmarks.md.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import httpx2
from msgspec import Struct
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks import command, measure, observing_figures, report
from benchmarks.observing_figures import VARIANTS, Row
from benchmarks.recordings import Recording, recordings
from benchmarks.systems import (
    SYNTHETIC,
    Started,
    base_environment,
    socket_url,
    start_floor,
    starter,
)
from voicebus import health, parts
from voicebus.caller import RATE_HZ, call
from voicebus.errors import VoicebusError
from voicebus.settings import PREFIX
from voicebus.supervisor import Part, UpSettings

SPEECH_S: Final = 1.0
_WARM_S: Final = 3.0

SILENT: Final = {f"{PREFIX}LOG_LEVEL": "error"}
LOUD: Final = {f"{PREFIX}LOG_LEVEL": "info", f"{PREFIX}LOG_FORMAT": "json"}


def main(arguments: list[str]) -> int:
    """Run the benchmark; return the exit code."""
    args = _arguments(arguments)
    return command.run("observing", _run(args, arguments), args)


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="voicebus bench observing", description=__doc__)
    parser.add_argument("--rounds", type=int, default=40, help="of all variants (40)")
    parser.add_argument("--starts", type=int, default=8, help="of all systems (8)")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each round (15)")
    parser.add_argument("--callers", type=int, default=4, help="of each variant (4)")
    parser.add_argument("--seed", type=int, default=1, help="of orders and intervals (1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all of it to a file")
    parser.add_argument(
        "--check", action="store_true", help="exit code 1 if a bar does not hold, 2 if void"
    )
    return parser.parse_args(arguments)


class System(Struct, frozen=True):
    """A system that runs.

    Fields
        url: Address of its /ws.
        pids: Its processes.
        pages: Addresses of their metrics, which are fetched once a round; none if nobody does.
    """

    url: str
    pids: tuple[int, ...]
    pages: tuple[str, ...] = ()


async def _run(args: argparse.Namespace, arguments: list[str]) -> report.Report:
    watch = command.Watch()
    spoken = recordings(None)[0].first(SPEECH_S)
    rows: list[Row] = []
    order = random.Random(args.seed)
    # Two systems of one kind may differ for as long as they run.
    for start in range(min(args.starts, args.rounds)):
        with tempfile.TemporaryDirectory(prefix="voicebus-bench-") as folder:
            async with AsyncExitStack() as stack:
                systems = await _start(stack, Path(folder))
                for system in systems.values():
                    await _load(system, spoken, args.callers, _WARM_S)
                for number in range(start, args.rounds, args.starts):
                    # At the same time: what a processor gets done changes within seconds.
                    # Their callers keep step with each other, and nobody's are to be always first.
                    names = order.sample(VARIANTS, len(VARIANTS))
                    same = (_row(systems, number, name, spoken, args) for name in names)
                    rows += await asyncio.gather(*same)
                    _say(number, args.rounds, rows[-len(VARIANTS) :])
    found = observing_figures.figures(rows, args.seed)
    return report.Report(
        command=command.line("observing", arguments),
        date=command.now(),
        machine=watch.machine(),
        versions=measure.versions(),
        seed=args.seed,
        figures=found,
        bars=observing_figures.bars(found),
        void=observing_figures.void_reasons(rows, found, watch.stolen_ratio),
        turns=rows,
    )


async def _start(stack: AsyncExitStack, folder: Path) -> dict[str, System]:
    """Start all variants, side by side."""
    environ = {**base_environment(), **SYNTHETIC, f"{PREFIX}LLM_SLOTS": "16"}
    endpoint = await stack.enter_async_context(_collector())
    systems: dict[str, System] = {}
    for variant, settings in own_settings(endpoint).items():
        started = await stack.enter_async_context(starter(folder / variant))
        systems[variant] = await _system(started, {**environ, **settings}, variant)
    started = await stack.enter_async_context(starter(folder / "floor"))
    url = await start_floor(started, {**environ, **SILENT})
    floor = System(url, (started.pid("floor"),))
    return {**systems, "floor": floor}


def own_settings(endpoint: str) -> dict[str, dict[str, str]]:
    """Return what sets each system apart; ``again`` is another one, set as ``measured`` is.

    Args:
        endpoint: Of a collector of traces.
    """
    return {
        "bare": SILENT,
        "measured": LOUD,
        "again": LOUD,
        "traced": {**LOUD, f"{PREFIX}TRACING_ENDPOINT": endpoint},
    }


async def _system(started: Started, environ: Mapping[str, str], variant: str) -> System:
    up = UpSettings(data_dir=str(started.folder), nats_port=parts.free_port())
    nats = parts.nats_part(up, environ)
    await started.start(nats)
    given = parts.environment({**environ, f"{PREFIX}NATS_URL": nats.shown_url})
    edge = parts.edge_part(parts.free_port(), given)
    processes = [edge, *(parts.worker_part(role, given) for role in parts.ROLES)]
    if variant == "bare":
        processes = [_bare(part) for part in processes]
    await started.start(*processes)
    names = [nats.name, *(part.name for part in processes)]
    pages = [part.ready_url.replace("/readyz", "/metrics") for part in processes]
    return System(
        url=socket_url(edge),
        pids=tuple(started.pid(name) for name in names),
        pages=() if variant == "bare" else tuple(pages),
    )


def _bare(part: Part) -> Part:
    package = part.argv[part.argv.index("-m") + 1]
    return Part(
        name=part.name,
        argv=[sys.executable, "-m", "benchmarks.load.bare", package],
        environment=part.environment,
        ready_url=part.ready_url,
        shown_url=part.shown_url,
    )


@asynccontextmanager
async def _collector() -> AsyncIterator[str]:
    """Take traces, and forget them; yields the address."""

    async def take(request: Request) -> Response:
        await request.body()
        return Response(media_type="application/x-protobuf")

    listener = health.bind("127.0.0.1", 0)
    app = Starlette(routes=[Route("/v1/traces", take, methods=["POST"])])
    async with health.serve(app, listener):
        yield f"http://{health.address(listener)}/v1/traces"


async def _row(
    systems: Mapping[str, System],
    number: int,
    variant: str,
    spoken: Recording,
    args: argparse.Namespace,
) -> Row:
    system = systems[variant]
    begun_s, before_s = time.perf_counter(), measure.cpu_seconds(system.pids)
    turns, errors = await _load(system, spoken, args.callers, args.seconds)
    async with httpx2.AsyncClient(trust_env=False) as client:
        for page in system.pages:
            (await client.get(page)).raise_for_status()
    return Row(
        round=number,
        variant=variant,
        callers=args.callers,
        seconds=time.perf_counter() - begun_s,
        turns=turns,
        cpu_s=measure.cpu_seconds(system.pids) - before_s,
        errors=tuple(errors),
    )


async def _load(
    system: System, spoken: Recording, callers: int, seconds: float
) -> tuple[int, list[str]]:
    """Have callers speak, again as soon as they are answered; return turns and errors."""
    until_s = time.perf_counter() + seconds
    turns, errors = 0, list[str]()

    async def one(index: int) -> None:
        nonlocal turns
        # People do not all begin at once.
        await asyncio.sleep(index / callers * len(spoken.samples) / RATE_HZ)
        try:
            async with call(system.url) as caller:
                while time.perf_counter() < until_s:
                    heard = await caller.speak(spoken.samples)
                    if heard.errors or heard.response_ms is None:
                        errors.append(str(heard.errors[0]) if heard.errors else "no answer")
                    turns += 1
        except VoicebusError as err:
            errors.append(str(err))

    await asyncio.gather(*(one(index) for index in range(callers)))
    return turns, errors


def _say(number: int, rounds: int, rows: Sequence[Row]) -> None:
    told = ", ".join(f"{row.variant} {row.cpu_ms:.2f}" for row in rows)
    print(f"round {number + 1} of {rounds}: ms per session and second: {told}", file=sys.stderr)
