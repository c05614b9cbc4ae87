"""What all benchmarks have in common: how one is run, and what its report says of the run."""

from __future__ import annotations

import argparse
import asyncio
import datetime
import os
import shlex
import sys
from collections.abc import Coroutine
from typing import Any

import uvloop

from benchmarks import measure, report
from voicebus.errors import VoicebusError


def run(name: str, made: Coroutine[Any, Any, report.Report], args: argparse.Namespace) -> int:
    """Run a benchmark, print its table and write its file; return the exit code.

    Args:
        name: As the command line has it.
        made: Measures.
        args: Its ``json`` and ``check`` are heeded.
    """
    done: report.Report | None = None
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            done = runner.run(made)
    except* VoicebusError as group:
        for err in _leaves(group):
            print(f"voicebus bench {name}: {err}", file=sys.stderr)
    if done is None:
        return 2
    print(report.table(done))
    if args.json is not None:
        report.write(done, args.json)
    return done.exit_code if args.check else 0


def line(name: str, arguments: list[str]) -> str:
    """Return the command line that started a benchmark, without where it wrote on this machine."""
    kept = [
        argument
        for argument, before in zip(arguments, ["", *arguments], strict=False)
        if not {"--json", "--keep"} & {before, argument.partition("=")[0]}
    ]
    return shlex.join(["voicebus", "bench", name, *kept])


def now() -> str:
    """Return the time as reports have it."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Watch:
    """How busy the machine is during a run, which begins now."""

    def __init__(self) -> None:
        self._load = os.getloadavg()
        self._stolen, self._ticks = measure.steal_ticks()

    @property
    def stolen_ratio(self) -> float:
        """Part of the time that a hypervisor has given to others so far."""
        stolen, ticks = measure.steal_ticks()
        return (stolen - self._stolen) / max(1, ticks - self._ticks)

    def machine(self) -> dict[str, Any]:
        """Return the machine and its load."""
        return {
            **measure.machine(),
            "load_before": self._load,
            "load_after": os.getloadavg(),
            "stolen_ratio": self.stolen_ratio,
        }


def _leaves(group: BaseExceptionGroup[VoicebusError]) -> list[BaseException]:
    found: list[BaseException] = []
    for err in group.exceptions:
        found += _leaves(err) if isinstance(err, BaseExceptionGroup) else [err]
    return found
