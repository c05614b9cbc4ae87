"""``voicebus bench soak``: callers come and go for long, workers die; does anything grow?

Documented in docs/reference/benchmarks.md.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Final

import httpx2
from msgspec import Struct

from benchmarks import command, measure, report, soak_figures
from benchmarks.apart import starter_apart
from benchmarks.doubled import PACED, REPLY, Doubled, start_doubled
from benchmarks.recordings import Recording, recordings
from benchmarks.soak_callers import Deed, Guest
from benchmarks.soak_figures import Stages
from benchmarks.soak_samples import BusSample, ProcessSample, bus_sample, process_samples
from benchmarks.systems import SYNTHETIC, base_environment
from subjects.streams import STAGES
from voicebus.settings import PREFIX

STEADY_S: Final = 3.0
SPEECH_S: Final = 2.0
SAMPLE_S: Final = 3.0
WARM_SHARE: Final = 0.5
"""Of the time, people call before anything counts: what is loaded once is loaded then, and what
was taken for the first callers is written to for the first time."""

_RECORDINGS: Final = 3
_LONGEST_CALL_S: Final = 120.0


class Disturbance(Struct, frozen=True, kw_only=True, tag="disturbance"):
    """A worker that was killed or replaced.

    Fields
        at_s: Seconds of the run.
        name: Which part.
        sign: ``kill`` or ``restart``.
    """

    at_s: float
    name: str
    sign: str


class Soaked(Struct):
    """What a run has left.

    Fields
        processes: Samples of the processes.
        bus: Samples of the bus.
        deeds: What the callers did while it counted.
        disturbances: What was killed or replaced.
        stages: When what was.
    """

    processes: list[ProcessSample]
    bus: list[BusSample]
    deeds: list[Deed]
    disturbances: list[Disturbance]
    stages: Stages


class Plan(Struct, frozen=True, kw_only=True):
    """A run.

    Fields
        seconds: How long people call, the warm-up included.
        callers: At once.
        every_s: From one disturbance to the next; 0 for none.
        quiet_s: How long nobody calls before it counts, and at the end.
        sample_s: From one look to the next.
        seed: Of everything that is drawn.
    """

    seconds: float
    callers: int = 6
    every_s: float = 20.0
    quiet_s: float = 20.0
    sample_s: float = SAMPLE_S
    seed: int = 1


def main(arguments: list[str]) -> int:
    """Run the benchmark; return the exit code."""
    args = _arguments(arguments)
    return command.run("soak", _run(args, arguments), args)


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="voicebus bench soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="how long people call (20)")
    parser.add_argument("--callers", type=int, default=6, help="at once (6)")
    parser.add_argument(
        "--every", type=float, default=20.0, metavar="S", help="a worker dies or goes (20)"
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
    chosen = Plan(
        seconds=60 * args.minutes, callers=args.callers, every_s=args.every, seed=args.seed
    )
    with tempfile.TemporaryDirectory(prefix="voicebus-bench-") as name:
        soaked = await soak(args.keep or Path(name), base_environment(), chosen)
    stages = soaked.stages
    for left in soak_figures.leftovers(soaked.processes, soaked.bus, stages):
        _say(left)
    found = soak_figures.figures(soaked.processes, soaked.bus, soaked.deeds, stages)
    rows: list[Struct] = [
        stages,
        *soaked.disturbances,
        *soaked.deeds,
        *soaked.processes,
        *soaked.bus,
    ]
    return report.Report(
        command=command.line("soak", arguments),
        date=command.now(),
        machine=watch.machine(),
        versions=measure.versions(),
        seed=args.seed,
        figures=found,
        bars=soak_figures.bars(found),
        void=soak_figures.void_reasons(soaked.processes, soaked.deeds, stages),
        turns=rows,
    )


async def soak(folder: Path, environ: Mapping[str, str], chosen: Plan) -> Soaked:
    """Have people call for long, and look at everything meanwhile.

    Args:
        folder: For data and logs.
        environ: Settings of all parts; those of the engines are added.
        chosen: How.

    Raises:
        PartFailed: A part does not come up.
    """
    spoken = [recording.first(SPEECH_S) for recording in recordings(None)[:_RECORDINGS]]
    environ = {**environ, **SYNTHETIC, **PACED, f"{PREFIX}LLM_SYNTHETIC_REPLY": REPLY}
    async with starter_apart(folder, STEADY_S) as started:
        system = await start_doubled(started, environ, 1)
        _say("the system is ready")
        run = _Soak(system, spoken, chosen)
        async with asyncio.TaskGroup() as group:
            looking = group.create_task(run.look())
            await run.people(chosen.seconds * WARM_SHARE, f"{chosen.seed} warm")
            quiet_s = await run.silence()
            begun_s = run.now_s()
            deeds = await run.people(chosen.seconds * (1 - WARM_SHARE), str(chosen.seed))
            ended_s = run.now_s()
            await run.silence()
            looking.cancel()
        stages = Stages(quiet_s=quiet_s, begun_s=begun_s, ended_s=ended_s, done_s=run.now_s())
        return Soaked(run.processes, run.bus, deeds, run.disturbances, stages)


class _Soak:
    """One run: what it does, and what it sees."""

    def __init__(self, system: Doubled, spoken: Sequence[Recording], chosen: Plan) -> None:
        self.processes: list[ProcessSample] = []
        self.bus: list[BusSample] = []
        self.disturbances: list[Disturbance] = []
        self._system = system
        self._spoken = spoken
        self._chosen = chosen
        self._chance = Random(chosen.seed)
        self._begun_s = time.perf_counter()

    def now_s(self) -> float:
        """Return the seconds of the run."""
        return time.perf_counter() - self._begun_s

    async def people(self, seconds: float, seed: str) -> list[Deed]:
        """Have people call and workers die for so long; return what people did."""
        until_s = self.now_s() + seconds
        guests = [Guest(n, self._spoken, f"{seed} {n}") for n in range(self._chosen.callers)]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds + _LONGEST_CALL_S), asyncio.TaskGroup() as group:
                over = asyncio.Event()
                group.create_task(self._disturb(over))
                calls = [
                    group.create_task(
                        guest.call_until(self._system.url, lambda: self.now_s() >= until_s)
                    )
                    for guest in guests
                ]
                await asyncio.wait(calls)
                over.set()
        return [deed for guest in guests for deed in guest.deeds]

    async def silence(self) -> float:
        """Have nobody call for a while; return when it began."""
        at_s = self.now_s()
        await asyncio.sleep(self._chosen.quiet_s)
        return at_s

    async def look(self) -> None:
        """Look at everything again and again, until cancelled."""
        async with httpx2.AsyncClient(trust_env=False, timeout=5.0) as client:
            while True:
                at_s = self.now_s()
                self.processes += await process_samples(self._system, client, at_s)
                self.bus.append(await bus_sample(self._system, client, at_s))
                await asyncio.sleep(self._chosen.sample_s)

    async def _disturb(self, over: asyncio.Event) -> None:
        """Kill or replace the second worker of a stage; the first ones are followed to the end.

        It is not cancelled: a worker that is being replaced would stay.
        """
        while self._chosen.every_s:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._chosen.every_s):
                    await over.wait()
                    return
            name = f"{self._chance.choice(STAGES)}-1"
            sign = self._chance.choice(("kill", "restart"))
            self.disturbances.append(Disturbance(at_s=self.now_s(), name=name, sign=sign))
            if sign == "kill":
                os.kill(self._system.pid(name), signal.SIGKILL)
            else:
                await self._system.restart(name)
            _say(f"{self.now_s():6.0f} s: {sign} {name}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
