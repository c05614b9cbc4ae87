"""``voicebus bench scale``: what more workers add, and what one edge carries.

Documented in docs/reference/benchmarks.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Final

from msgspec import Struct

from benchmarks import command, measure, report, scale_figures
from benchmarks.edge_capacity import EdgeRow, measure_edge
from benchmarks.recordings import recordings
from benchmarks.systems import SYNTHETIC, base_environment
from benchmarks.worker_capacity import PACED, Load, LoadRow, measure_workers
from voicebus.settings import PREFIX

SPEECH_S: Final = 1.0
LIMIT_MS: Final = 2_500.0
"""People hang up on slower answers; a queue that grows is far beyond it soon."""

EDGE_SIZES: Final = (100, 150, 200, 250, 300, 350, 400)
_EDGE_S: Final = 15.0
_LOAD_S: Final = 20.0


def main(arguments: list[str]) -> int:
    """Run the benchmark; return the exit code."""
    args = _arguments(arguments)
    return command.run("scale", _run(args, arguments), args)


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="voicebus bench scale", description=__doc__)
    parser.add_argument("--only", choices=("workers", "edge"), help="one half of it (both)")
    parser.add_argument(
        "--workers", default="1,2,4,8", metavar="N,N", help="of each stage (1,2,4,8)"
    )
    parser.add_argument(
        "--limit-ms", type=float, default=LIMIT_MS, help="of the response, 95 of 100 turns (2500)"
    )
    parser.add_argument(
        "--edge-sessions",
        default=",".join(map(str, EDGE_SIZES)),
        metavar="N,N",
        help="callers on one edge (100,150,…,400)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all of it to a file")
    parser.add_argument(
        "--check", action="store_true", help="exit code 1 if a bar does not hold, 2 if void"
    )
    return parser.parse_args(arguments)


def _numbers(text: str) -> list[int]:
    return sorted(int(number) for number in text.split(","))


async def _run(args: argparse.Namespace, arguments: list[str]) -> report.Report:
    watch = command.Watch()
    loads: list[LoadRow] = []
    edges: list[EdgeRow] = []
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="voicebus-bench-") as name:
        if args.only != "workers":
            sizes = _numbers(args.edge_sessions)
            edges = await measure_edge(Path(name) / "edge", base_environment(), sizes, _EDGE_S)
            for row in edges:
                _say_edge(row)
            found |= scale_figures.edge_figures(edges)
        if args.only != "edge":
            loads = await _workers(args, Path(name))
            found |= scale_figures.worker_figures(loads, args.limit_ms)
    rows: list[Struct] = [*edges, *loads]
    return report.Report(
        command=command.line("scale", arguments),
        date=command.now(),
        machine=watch.machine(),
        versions=measure.versions(),
        seed=1,
        figures=found,
        bars=scale_figures.bars(found),
        void=scale_figures.void_reasons(edges, loads),
        turns=rows,
    )


async def _workers(args: argparse.Namespace, folder: Path) -> list[LoadRow]:
    spoken = recordings(None)[0].first(SPEECH_S)
    # Nobody judges turns: that is a model, and processor time.
    environ = {**base_environment(), **SYNTHETIC, **PACED, f"{PREFIX}STT_TURN_MODEL": ""}
    load = Load(spoken=spoken, limit_ms=args.limit_ms, seconds=_LOAD_S, on_row=_say_load)
    rows: list[LoadRow] = []
    alone = 0.0
    for workers in _numbers(args.workers):
        own = folder / f"workers-{workers}"
        measured = await measure_workers(own, environ, workers, load, alone * workers)
        rows += measured
        if workers == 1:
            alone = scale_figures.capacity(measured, args.limit_ms)
    return rows


def _say_edge(row: EdgeRow) -> None:
    if row.error:
        _say(f"{row.sessions} callers on one edge: {row.error}")
        return
    _say(
        f"{row.sessions} callers on one edge: p99 {row.forward_p99_ms:.1f} ms, "
        f"edge {row.edge_cpu_ratio:.2f} core, bus {row.bus_cpu_ratio:.2f} core"
    )


def _say_load(row: LoadRow) -> None:
    _say(
        f"{row.workers} workers, {row.callers} callers: p95 {row.response_p95_ms:.0f} ms, "
        f"{row.turns_per_s:.1f} turns/s{', ' + row.errors[0] if row.errors else ''}"
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
