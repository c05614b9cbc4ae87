"""``voicebus bench latency``: how long an answer takes, and how much of that is the bus.

Documented in docs/reference/benchmarks.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from benchmarks import command, figures, measure, report
from benchmarks.recordings import Recording, recordings
from benchmarks.systems import (
    REAL,
    SYNTHETIC,
    base_environment,
    start_floor,
    start_llama,
    start_system,
    starter,
)
from benchmarks.turns import Round, Row, plan, speak_rounds
from benchmarks.whole import Whole, measure_whole
from services.llm.building import build
from services.llm.settings import SCOPE, LlmSettings
from voicebus import parts, settings
from voicebus.punctual import punctual
from voicebus.settings import PREFIX

SYNTHETIC_SPEECH_S: Final = 1.0
"""Synthetic engines take the same time for any words, so the callers say a few only."""

_SHOWN_EVERY: Final = 5


def main(arguments: list[str]) -> int:
    """Run the benchmark; return the exit code."""
    args = _arguments(arguments)
    with punctual():
        return command.run("latency", _run(args, arguments), args)


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="voicebus bench latency", description=__doc__)
    parser.add_argument("--engines", choices=("real", "synthetic"), help="only these (both)")
    parser.add_argument("--turns", type=_positive, default=20, help="of each variant (20)")
    parser.add_argument("--seed", type=int, default=1, help="of the order of turns (1)")
    parser.add_argument("--recordings", type=Path, metavar="FOLDER", help="WAV files to speak")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all of it to a file")
    parser.add_argument(
        "--check", action="store_true", help="exit code 1 if a bar does not hold, 2 if void"
    )
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


async def _run(args: argparse.Namespace, arguments: list[str]) -> report.Report:
    spoken = recordings(args.recordings)
    watch = command.Watch()
    rows: list[Row] = []
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="voicebus-bench-") as name:
        folder = Path(name)
        if args.engines != "real":
            short = tuple(recording.first(SYNTHETIC_SPEECH_S) for recording in spoken)
            measured = await _synthetic(args, folder / "synthetic", short)
            found |= figures.synthetic_figures(measured, args.seed)
            rows += measured
        if args.engines != "synthetic":
            whole = await measure_whole(base_environment(), folder / "up", spoken)
            measured = await _real(args, folder / "real", spoken)
            found |= figures.real_figures(measured, args.seed) | _of_whole(whole)
            found["same_reply_ratio"] = figures.same_reply_ratio(measured)
            rows += measured
    stolen_ratio = watch.stolen_ratio
    return report.Report(
        command=command.line("latency", arguments),
        date=command.now(),
        machine=watch.machine(),
        versions=measure.versions(),
        seed=args.seed,
        figures=found,
        bars=figures.bars(found),
        void=figures.void_reasons(rows, stolen_ratio, args.seed),
        turns=rows,
    )


def _of_whole(whole: Whole) -> dict[str, float]:
    return {
        "ready_s": whole.ready_s,
        "idle_cpu_ratio": whole.idle_cpu_ratio,
        "memory_mb": whole.memory_mb,
    }


async def _synthetic(
    args: argparse.Namespace, folder: Path, spoken: tuple[Recording, ...]
) -> list[Row]:
    environ = {**base_environment(), **SYNTHETIC}
    async with AsyncExitStack() as stack:
        unrecorded = {**environ, f"{PREFIX}RECORD": "claims"}
        urls = await _pair(stack, folder, environ)
        more = await stack.enter_async_context(starter(folder / "unrecorded"))
        urls["unrecorded"] = await start_system(more, unrecorded)
        return await _speak(args, "synthetic", spoken, urls, _nothing)


async def _real(args: argparse.Namespace, folder: Path, spoken: tuple[Recording, ...]) -> list[Row]:
    environ = {**base_environment(), **REAL}
    async with AsyncExitStack() as stack:
        if parts.needs_llama(environ):
            shared = await stack.enter_async_context(starter(folder / "shared"))
            environ[f"{PREFIX}LLM_URL"] = await start_llama(shared, environ)
            environ[f"{PREFIX}LLM_CACHE_PROMPT"] = "true"
        urls = await _pair(stack, folder, environ)
        model = build(settings.read(LlmSettings, environ, SCOPE)).first.engine
        stack.push_async_callback(model.close)
        # A short request of no variant's own: the prompt cache then holds the system prompt that
        # all share, and nothing of the turn before.
        return await _speak(args, "real", spoken, urls, model.warm)


async def _pair(stack: AsyncExitStack, folder: Path, environ: Mapping[str, str]) -> dict[str, str]:
    system = await stack.enter_async_context(starter(folder / "system"))
    floor = await stack.enter_async_context(starter(folder / "floor"))
    url = await start_system(system, environ)
    return {"system": url, "again": url, "floor": await start_floor(floor, environ)}


async def _speak(
    args: argparse.Namespace,
    engines: str,
    spoken: tuple[Recording, ...],
    urls: Mapping[str, str],
    before: Callable[[], Awaitable[None]],
) -> list[Row]:
    variants = tuple(urls)
    _say(f"{engines} engines: warming up {', '.join(variants)}")
    warming = plan(min(2, len(spoken)), len(spoken), variants, args.seed)
    await speak_rounds(warming, spoken, urls, engines, before, lambda _: None)

    def on_round(done: Round) -> None:
        if (done.number + 1) % _SHOWN_EVERY == 0 or done.number + 1 == args.turns:
            _say(f"{engines} engines: round {done.number + 1} of {args.turns}")

    rounds = plan(args.turns, len(spoken), variants, args.seed)
    return await speak_rounds(rounds, spoken, urls, engines, before, on_round)


async def _nothing() -> None:
    """Nothing is shared."""


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
