"""``voicebus bench capacity``: what sessions cost, and whether a model of many more holds.

Documented in docs/capacity.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from benchmarks import capacity_figures, command, measure, report
from benchmarks.bus_limit import stored_per_s
from benchmarks.capacity_figures import SizeRow
from benchmarks.queueing import Stage
from benchmarks.recordings import recordings
from benchmarks.systems import (
    REAL,
    SYNTHETIC,
    Started,
    base_environment,
    start_llama,
    start_measured_system,
    starter,
)
from voicebus.load.callers import Callers, Load
from voicebus.load.profile import PROFILES
from voicebus.load.tally import Report as LoadReport
from voicebus.punctual import punctual
from voicebus.settings import PREFIX

SLOTS: Final = 4
PACED: Final[Mapping[str, str]] = {
    # A model that takes about half a second for a reply, four at a time: the narrowest stage.
    f"{PREFIX}LLM_SYNTHETIC_TTFT_MS": "250",
    f"{PREFIX}LLM_SYNTHETIC_TOKENS_PER_S": "64",
    f"{PREFIX}LLM_SLOTS": str(SLOTS),
    f"{PREFIX}TTS_SLOTS": "64",
    f"{PREFIX}STT_SYNTHETIC_MS": "20",
    f"{PREFIX}STT_TURN_MODEL": "",
}
_SPEECH_S: Final = 1.0
_PARTS: Final = ("nats", "edge", "turn", "stt", "llm", "tts", "llama")
_PROFILE: Final = {"synthetic": "rush", "real": "talk"}
_WARM_S: Final = 8.0


def main(arguments: list[str]) -> int:
    """Run the benchmark; return the exit code."""
    args = _arguments(arguments)
    return command.run("capacity", _run(args, arguments), args)


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="voicebus bench capacity", description=__doc__)
    parser.add_argument("--sessions", default="5,10,20,40", metavar="N,N", help="synthetic engines")
    parser.add_argument("--real", default="2,5", metavar="N,N", help="real engines; empty: none")
    parser.add_argument("--for", dest="seconds", type=float, default=60.0, metavar="S", help="each")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all of it to a file")
    parser.add_argument(
        "--check", action="store_true", help="exit code 1 if a bar does not hold, 2 if void"
    )
    return parser.parse_args(arguments)


async def _run(args: argparse.Namespace, arguments: list[str]) -> report.Report:
    watch = command.Watch()
    found: dict[str, float] = {}
    rows: list[SizeRow] = []
    with tempfile.TemporaryDirectory(prefix="voicebus-bench-") as name:
        if sizes := _numbers(args.sessions):
            rows += await _measure(Path(name) / "s", "synthetic", sizes, args.seconds)
            stage = Stage(SLOTS, rows[0].llm_s)
            found |= capacity_figures.model_figures(rows, "synthetic", stage)
        async with starter(Path(name) / "bus") as started:
            found |= capacity_figures.bus_figures(await stored_per_s(started, base_environment()))
        if sizes := _numbers(args.real):
            real = await _measure(Path(name) / "r", "real", sizes, args.seconds)
            rows += real
            # Its models share the machine's cores, and each takes all of them: one place.
            turn_s = sum(real[0].cpu_s.values()) / real[0].turns_per_s / (os.cpu_count() or 1)
            found |= capacity_figures.model_figures(rows, "real", Stage(1, turn_s, 0.5))
            # The more of them, the less of it is what the processes do for nobody.
            found |= capacity_figures.cpu_figures(real[-1])
            found |= capacity_figures.cell_figures(real[-1])
    return report.Report(
        command=command.line("capacity", arguments),
        date=command.now(),
        machine=watch.machine(),
        versions=measure.versions(),
        seed=1,
        figures=found,
        bars=capacity_figures.bars(found),
        void=capacity_figures.void_reasons(rows),
        turns=rows,
    )


def _numbers(text: str) -> list[int]:
    return sorted(int(number) for number in text.split(",") if number)


async def _measure(
    folder: Path, engines: str, sizes: Sequence[int], seconds: float
) -> list[SizeRow]:
    """Return a row for one session, and one for each size."""
    async with starter(folder) as started:
        environ = {
            **base_environment(),
            **({**SYNTHETIC, **PACED} if engines == "synthetic" else REAL),
        }
        if engines == "real":
            environ[f"{PREFIX}LLM_URL"] = await start_llama(started, environ)
        url, pages = await start_measured_system(started, environ)
        await _load(url, engines, 1, _WARM_S)
        rows = []
        for size in (1, *sizes):
            rows.append(await _size(started, url, pages["llm"], engines, size, seconds))
            _say(rows[-1])
        return rows


async def _size(
    started: Started, url: str, page: str, engines: str, size: int, seconds: float
) -> SizeRow:
    before, worked_s = _cpu_s(started), await _llm_s(page)
    told = await _load(url, engines, size, seconds)
    after = _cpu_s(started)
    worked_s = await _llm_s(page) - worked_s
    # Of the whole time, its ramp included.
    turns = max(1, told.send_lag.count if engines == "synthetic" else told.turns)
    return SizeRow(
        engines=engines,
        sessions=size,
        turns=told.turns,
        turns_per_s=told.turns_per_s,
        response_p50_ms=told.response.p50_ms,
        response_p95_ms=told.response.p95_ms,
        llm_s=worked_s / turns,
        cpu_s={part: (after[part] - before[part]) / seconds for part in after},
        errors=told.errors,
        void=told.void,
    )


async def _load(url: str, engines: str, size: int, seconds: float) -> LoadReport:
    profile = _PROFILE[engines]
    first = [one.first(_SPEECH_S) for one in recordings(None)[:1]]
    chosen = recordings(None) if engines == "real" else first
    asked = Load(
        url=url,
        sessions=size,
        seconds=seconds,
        # A queue has its length only after a while; processor time is counted from the beginning.
        ramp_s=0.0 if size == 1 or engines == "real" else seconds / 4,
        profile=PROFILES[profile],
        recordings=[one.samples for one in chosen],
    )
    callers = Callers(asked)
    with punctual():
        await callers.run()
    return callers.tally.report(profile, size, seconds, asked.ramp_s)


def _cpu_s(started: Started) -> dict[str, float]:
    there = started.readiness()
    return {
        name: measure.cpu_seconds(measure.family(started.pid(name)))
        for name in _PARTS
        if name in there
    }


async def _llm_s(page: str) -> float:
    """Return for how long the language model's worker has been at work so far."""
    async with httpx2.AsyncClient(trust_env=False) as client:
        text = (await client.get(page)).text
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "voicebus_llm_seconds_sum"
    )


def _say(row: SizeRow) -> None:
    print(
        f"{row.sessions} {row.engines} sessions: {row.turns} turns, p50 {row.response_p50_ms:.0f} "
        f"ms, p95 {row.response_p95_ms:.0f} ms, {sum(row.cpu_s.values()):.2f} cores",
        file=sys.stderr,
        flush=True,
    )
