"""``voicebus bench rolling``: every process is replaced while people talk; what do they notice?

Documented in docs/reference/benchmarks.md.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from msgspec import Struct

from benchmarks import command, failover_log, measure, report, rolling_figures
from benchmarks.apart import starter_apart
from benchmarks.doubled import EDGES, PACED, REPLY, Doubled, start_doubled, worker_name
from benchmarks.failover import LEAD, compared, spoken_sentences
from benchmarks.failover_judgement import TurnRow
from benchmarks.failover_turns import Talk
from benchmarks.recordings import Recording
from benchmarks.relay import relay
from benchmarks.rolling_figures import Drain
from benchmarks.systems import SYNTHETIC, base_environment
from subjects.streams import STAGES
from voicebus.bus.client import connect
from voicebus.punctual import punctual
from voicebus.settings import PREFIX

KINDS: Final = ("supervisor", *STAGES, "edge", "nats")
"""In the order of ``voicebus restart all``."""

CALLERS: Final = 20

_TYPED: Final = "What do you know of the sea?"
_APART_S: Final = 0.7
_SUPERVISORS: Final = 1


class Plan(Struct, frozen=True, kw_only=True):
    """A run.

    Fields
        kinds: What is replaced, in this order.
        callers: At once.
        between_s: From the end of one replacement to the next.
        before: How many turns each caller holds before the first one.
        after: How many it begins and ends after the last one.
        seed: Of what callers say, and when.
    """

    kinds: tuple[str, ...] = KINDS
    callers: int = CALLERS
    between_s: float = 4.0
    before: int = 4
    after: int = 2
    seed: int = 1


class Rolled(Struct, frozen=True, kw_only=True):
    """What a run has left.

    Fields
        drains: How each process went.
        rows: What became of each turn.
        returns: How often callers came back over another connection.
    """

    drains: tuple[Drain, ...]
    rows: tuple[TurnRow, ...]
    returns: int


def main(arguments: list[str]) -> int:
    """Run the benchmark; return the exit code."""
    args = _arguments(arguments)
    with punctual():
        return command.run("rolling", _run(args, arguments), args)


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="voicebus bench rolling", description=__doc__)
    parser.add_argument("--callers", type=int, default=CALLERS, help=f"at once ({CALLERS})")
    parser.add_argument(
        "--between", type=float, default=4.0, metavar="S", help="from one to the next (4)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of everything that is drawn (1)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep logs and data there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all of it to a file")
    parser.add_argument(
        "--check", action="store_true", help="exit code 1 if a bar does not hold, 2 if void"
    )
    return parser.parse_args(arguments)


async def _run(args: argparse.Namespace, arguments: list[str]) -> report.Report:
    watch = command.Watch()
    chosen = Plan(callers=args.callers, between_s=args.between, seed=args.seed)
    with tempfile.TemporaryDirectory(prefix="voicebus-bench-") as name:
        rolled = await roll(args.keep or Path(name), base_environment(), chosen)
    found = rolling_figures.figures(rolled.rows, rolled.drains, rolled.returns)
    return report.Report(
        command=command.line("rolling", arguments),
        date=command.now(),
        machine=watch.machine(),
        versions=measure.versions(),
        seed=args.seed,
        figures=found,
        bars=rolling_figures.bars(found),
        void=rolling_figures.void_reasons(
            rolled.rows, rolled.drains, chosen.callers, rolled.returns
        ),
        turns=[*rolled.drains, *rolled.rows],
    )


async def roll(folder: Path, environ: Mapping[str, str], chosen: Plan) -> Rolled:
    """Have callers talk and every process replaced once.

    Args:
        folder: For data and logs.
        environ: Settings of all parts; those of the engines are added.
        chosen: How.

    Raises:
        PartFailed: A part does not come up.
    """
    said = [*spoken_sentences(), Recording(_TYPED, np.empty(0, np.int16))]
    environ = {**environ, **SYNTHETIC, **PACED, f"{PREFIX}LLM_SYNTHETIC_REPLY": REPLY}
    async with starter_apart(folder) as started:
        system = await start_doubled(started, environ, _SUPERVISORS, len(EDGES))
        _say("the system is ready")
        async with relay(*system.urls) as line:
            talks = [Talk(n, line.url, said, chosen.seed) for n in range(chosen.callers)]
            drains = await _talk(system, talks, chosen)
        bus = await connect(system.bus_settings("admin"), "bench")
        try:
            sessions = {turn.session for talk in talks for turn in talk.turns}
            logs = {name: await failover_log.fetch(bus, name) for name in sessions}
        finally:
            await bus.close()
    samples = {recording.name: recording.samples[LEAD:] for recording in said}
    restarts = [drain.as_kill() for drain in drains]
    rows = compared([talk.turns for talk in talks], logs, restarts, samples, REPLY)
    return Rolled(
        drains=tuple(drains), rows=tuple(rows), returns=sum(talk.returns for talk in talks)
    )


async def _talk(system: Doubled, talks: Sequence[Talk], chosen: Plan) -> list[Drain]:
    until: dict[int, int] = {}

    def is_over(index: int) -> bool:
        return index in until and len(talks[index].turns) >= until[index]

    async def one(index: int) -> None:
        # People do not all begin at once.
        await asyncio.sleep(index * _APART_S)
        await talks[index].hold(lambda: is_over(index))

    async with asyncio.TaskGroup() as group:
        for index in range(len(talks)):
            group.create_task(one(index))
        for _ in range(chosen.before):
            await asyncio.gather(*(talk.reached("between") for talk in talks))
        drains = []
        for name in [name for kind in chosen.kinds for name in system.names(kind)]:
            drains.append(await _replaced(system, name))
            _say(f"{drains[-1].took_ms:6.0f} ms: {name}")
            await asyncio.sleep(chosen.between_s)
        until = {index: len(talk.turns) + chosen.after for index, talk in enumerate(talks)}
    return drains


async def _replaced(system: Doubled, name: str) -> Drain:
    """Replace a process with what ``voicebus restart`` calls, and time how it went."""
    worker = worker_name(system.pid(name))
    departure = await system.restart(name)
    ago_s = time.monotonic() - departure.asked_s
    return Drain(
        kind=name.partition("-")[0],
        name=name,
        worker=worker,
        at_s=time.perf_counter() - ago_s,
        at_ns=time.time_ns() - int(1e9 * ago_s),
        took_ms=1000 * departure.took_s,
        whole_s=ago_s,
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
