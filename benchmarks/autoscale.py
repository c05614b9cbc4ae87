"""``voicebus bench autoscale``: do enough workers come in time, and does noise leave them alone?

Documented in docs/reference/benchmarks.md.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Final

import httpx2
from msgspec import Struct
from prometheus_client.parser import text_string_to_metric_families

from benchmarks import autoscale_figures, command, measure, report
from benchmarks.autoscale_callers import Crowd
from benchmarks.autoscale_figures import Look, Step
from benchmarks.recordings import recordings
from benchmarks.systems import SYNTHETIC, base_environment, socket_url, start_bus, starter
from voicebus import parts
from voicebus.scaling import Policy
from voicebus.settings import PREFIX
from voicebus.supervisor import Part

ROLE: Final = "stt"
SLOTS: Final = 4
"""Of one worker: few, so that the callers of a small machine need several."""

MOST: Final = 8
LOOK_S: Final = 0.1
LIMIT_S: Final = 120.0
NOISY_S: Final = 3.0
"""How long one number of callers lasts in noise."""

NOISE: Final = (9, 12)
"""The fewest and the most callers in it: the demand falls and rises by a quarter."""

_SPEECH_S: Final = 1.0
_WORKERS: Final = "voicebus_autoscale_workers"


class Plan(Struct, frozen=True, kw_only=True):
    """A run.

    Fields
        rounds: How often the load doubles, each time in a system that has just been started.
        callers: Before it doubles.
        noise_s: How long the load is noisy.
        seed: Of the noise.
    """

    rounds: int = 5
    callers: int = 5
    noise_s: float = 600.0
    seed: int = 1


def main(arguments: list[str]) -> int:
    """Run the benchmark; return the exit code."""
    args = _arguments(arguments)
    return command.run("autoscale", _run(args, arguments), args)


def _arguments(arguments: list[str]) -> argparse.Namespace:
    default = Plan()
    parser = argparse.ArgumentParser(prog="voicebus bench autoscale", description=__doc__)
    parser.add_argument(
        "--rounds", type=int, default=default.rounds, help=f"steps ({default.rounds})"
    )
    parser.add_argument(
        "--callers", type=int, default=default.callers, help=f"before a step ({default.callers})"
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="of noise (10)")
    parser.add_argument("--seed", type=int, default=default.seed, help="of the noise (1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all of it to a file")
    parser.add_argument(
        "--check", action="store_true", help="exit code 1 if a bar does not hold, 2 if void"
    )
    return parser.parse_args(arguments)


async def _run(args: argparse.Namespace, arguments: list[str]) -> report.Report:
    watch = command.Watch()
    plan = Plan(rounds=args.rounds, callers=args.callers, noise_s=60 * args.minutes, seed=args.seed)
    with tempfile.TemporaryDirectory(prefix="voicebus-bench-") as name:
        steps, looks = await scale(Path(name), base_environment(), plan)
    found = autoscale_figures.figures(steps, looks)
    return report.Report(
        command=command.line("autoscale", arguments),
        date=command.now(),
        machine=watch.machine(),
        versions=measure.versions(),
        seed=args.seed,
        figures=found,
        bars=autoscale_figures.bars(found),
        void=autoscale_figures.void_reasons(steps, looks, plan.noise_s, watch.stolen_ratio),
        turns=[*steps, *looks],
    )


async def scale(
    folder: Path, environ: Mapping[str, str], plan: Plan
) -> tuple[list[Step], list[Look]]:
    """Double the load some times, then have it vary.

    Args:
        folder: For data and logs.
        environ: Settings of all parts; those of the engines are added.
        plan: How.

    Raises:
        PartFailed: A part does not come up.
        TimeoutError: There are not enough workers within two minutes.
    """
    environ = {**environ, **SYNTHETIC, f"{PREFIX}STT_SLOTS": str(SLOTS)}
    steps = []
    for number in range(plan.rounds):
        start_s = await _start_s(folder / f"alone-{number}", environ)
        async with _scaled(folder / f"step-{number}", environ, plan.callers) as fleet:
            steps.append(await fleet.step(number, plan.callers, start_s))
            _say(steps[-1])
    if not plan.noise_s:
        return steps, []
    async with _scaled(folder / "noise", environ, 1) as fleet:
        return steps, await fleet.noise(plan.noise_s, Random(plan.seed))


async def _start_s(folder: Path, environ: Mapping[str, str]) -> float:
    """Return how long one worker takes to start while nothing else does."""
    async with starter(folder) as started:
        given = await start_bus(started, environ)
        begun_s = time.perf_counter()
        await started.start(parts.worker_part(ROLE, given))
        return time.perf_counter() - begun_s


@asynccontextmanager
async def _scaled(folder: Path, environ: Mapping[str, str], callers: int) -> AsyncIterator[_Fleet]:
    """Run a system whose ears are an autoscaler's, with enough of them for so many callers."""
    spoken = recordings(None)[0].first(_SPEECH_S)
    async with starter(folder) as started:
        given = await start_bus(started, environ)
        edge = parts.edge_part(parts.free_port(), given)
        least = math.ceil(Policy().slots(callers) / SLOTS)
        scaler = _scaler(folder, given, least)
        others = [parts.worker_part(role, given) for role in ("turn", "llm", "tts")]
        await started.start(parts.supervisor_part(given), edge, scaler, *others)
        async with (
            httpx2.AsyncClient(trust_env=False) as client,
            Crowd.calling(socket_url(edge), spoken) as crowd,
        ):
            fleet = _Fleet(scaler.shown_url, client, crowd)
            await fleet.until_ready(least)
            yield fleet


def _scaler(folder: Path, environ: Mapping[str, str], least: int) -> Part:
    port = parts.free_port()
    root = f"http://127.0.0.1:{port}"
    return Part(
        name="autoscale",
        argv=[
            str(Path(sys.executable).with_name("voicebus")),
            "autoscale",
            f"{ROLE}={least}:{MOST}",
        ],
        environment={
            **environ,
            f"{PREFIX}METRICS_PORT": str(port),
            f"{PREFIX}UP_DATA_DIR": str(folder / "autoscale"),
        },
        ready_url=f"{root}/readyz",
        shown_url=f"{root}/metrics",
    )


class _Fleet:
    """Callers, and the workers that come for them."""

    def __init__(self, url: str, client: httpx2.AsyncClient, crowd: Crowd) -> None:
        self._url = url
        self._client = client
        self._crowd = crowd
        self._begun_s = time.perf_counter()

    async def step(self, number: int, callers: int, start_s: float) -> Step:
        """Double the callers; return how long it took until there were enough workers."""
        await self._until_enough(callers)
        await self._crowd.served(LIMIT_S)
        begun_s = time.perf_counter()
        enough_s = await self._until_enough(2 * callers) - begun_s
        served_s = await self._crowd.served(LIMIT_S) - begun_s
        return Step(
            number=number,
            callers=2 * callers,
            start_s=start_s,
            enough_s=enough_s,
            served_s=served_s,
            refused=self._crowd.refused,
            errors=self._crowd.errors,
        )

    async def noise(self, seconds: float, chance: Random) -> list[Look]:
        """Vary the callers; return what there was at each look."""
        await self._until_enough(NOISE[1])
        looks: list[Look] = []
        until_s = time.perf_counter() + seconds
        while (now_s := time.perf_counter()) < until_s:
            self._crowd.size = chance.randint(*NOISE)
            while time.perf_counter() < now_s + NOISY_S:
                looks.append(await self._look())
                await asyncio.sleep(1.0)
        return looks

    async def _until_enough(self, callers: int) -> float:
        """Have so many call; return when there were workers for them, as the policy has it."""
        self._crowd.size = callers
        return await self.until_ready(math.ceil(Policy().slots(callers) / SLOTS))

    async def until_ready(self, workers: int) -> float:
        """Return when so many workers were ready."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                if (await self._look()).ready >= workers:
                    return time.perf_counter()
                await asyncio.sleep(LOOK_S)

    async def _look(self) -> Look:
        states = _states((await self._client.get(self._url)).text)
        return Look(
            at_s=time.perf_counter() - self._begun_s,
            callers=self._crowd.size,
            served=self._crowd.count,
            ready=states.get("ready", 0),
            starting=states.get("starting", 0),
            draining=states.get("draining", 0),
            refused=self._crowd.refused,
            errors=self._crowd.errors,
        )


def _states(page: str) -> dict[str, int]:
    """Return how many workers are in each state, from the autoscaler's metrics."""
    return {
        sample.labels["state"]: round(sample.value)
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == _WORKERS and sample.labels["role"] == ROLE
    }


def _say(step: Step) -> None:
    print(
        f"{step.callers} callers: a worker starts in {step.start_s:.1f} s, "
        f"enough after {step.enough_s:.1f} s, all served after {step.served_s:.1f} s",
        file=sys.stderr,
    )
