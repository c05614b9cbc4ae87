"""``voicebus bench telephony``: calls in one process, and how soon /tts/stream is heard.

Documented in docs/reference/benchmarks.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from benchmarks import command, measure, report, telephony_figures
from benchmarks.systems import SYNTHETIC, Started, base_environment, starter
from benchmarks.telephony_figures import CallRow, SpeechRow
from benchmarks.tts_first import measure_speech
from voicebus import parts
from voicebus.errors import EngineTimeout
from voicebus.settings import PREFIX
from voicebus.supervisor import Part, UpSettings

GREETING: Final = (
    "You have reached a machine that has a great deal to say, and says all of it at the pace of "
    "speech, so that whoever wants to know how evenly it speaks has something to listen to. "
) * 5
_SETTLE_S: Final = 2.0
_LIMIT_S: Final = 180.0


def main(arguments: list[str]) -> int:
    """Run the benchmark; return the exit code."""
    args = _arguments(arguments)
    return command.run("telephony", _run(args, arguments), args)


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="voicebus bench telephony", description=__doc__)
    parser.add_argument("--only", choices=("calls", "speech"), help="one half of it (both)")
    parser.add_argument("--calls", default="50,100", metavar="N,N", help="calls at once (50,100)")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each (20)")
    parser.add_argument("--texts", type=int, default=20, help="spoken over each way (20)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all of it to a file")
    parser.add_argument(
        "--check", action="store_true", help="exit code 1 if a bar does not hold, 2 if void"
    )
    return parser.parse_args(arguments)


async def _run(args: argparse.Namespace, arguments: list[str]) -> report.Report:
    watch = command.Watch()
    calls: list[CallRow] = []
    cpu: dict[int, float] = {}
    texts: list[SpeechRow] = []
    with tempfile.TemporaryDirectory(prefix="voicebus-bench-") as name:
        if args.only != "speech":
            sizes = sorted(int(size) for size in args.calls.split(","))
            calls, cpu = await _measure_calls(Path(name) / "calls", sizes, args.seconds)
        if args.only != "calls":
            texts = await measure_speech(Path(name) / "speech", args.texts)
    found = {
        **telephony_figures.call_figures(calls, cpu),
        **telephony_figures.speech_figures(texts),
    }
    rows: list[Struct] = [*map(telephony_figures.told, calls), *texts]
    return report.Report(
        command=command.line("telephony", arguments),
        date=command.now(),
        machine=watch.machine(),
        versions=measure.versions(),
        seed=1,
        figures=found,
        bars=telephony_figures.bars(found),
        void=telephony_figures.void_reasons(calls),
        turns=rows,
    )


async def _measure_calls(
    folder: Path, sizes: list[int], seconds: float
) -> tuple[list[CallRow], dict[int, float]]:
    rows: list[CallRow] = []
    cpu: dict[int, float] = {}
    async with starter(folder) as started:
        url = await _start(started, base_environment(), sizes[-1])
        for size in sizes:
            measured, cpu[size] = await _load(started, url, size, seconds)
            rows += measured
            heard = sum(row.audible > 0 for row in measured)
            _say(f"{size} calls, {heard} heard something: edge {cpu[size]:.2f} core")
    return rows, cpu


async def _start(started: Started, environ: Mapping[str, str], most: int) -> str:
    """Start bus, synthetic workers and the telephony edge; return where it listens.

    Nobody listens to the callers: recognition of so many is a matter of other machines.
    """
    up = UpSettings(data_dir=str(started.folder), nats_port=parts.free_port())
    nats = parts.nats_part(up, environ)
    await started.start(nats)
    own = {
        "NATS_URL": nats.shown_url,
        "TTS_SLOTS": str(2 * most),
        "TTS_SYNTHETIC_PIECE_MS": "250",
        "TELEPHONY_PORT": str(parts.free_port()),
        "TELEPHONY_MAX_CALLS": str(2 * most),
        "TELEPHONY_GREETING": GREETING.strip(),
    }
    given = {f"{PREFIX}{name}": value for name, value in own.items()}
    whole = parts.environment({**environ, **SYNTHETIC, **given})
    phones = parts.telephony_part(whole)
    workers = [parts.worker_part(role, whole) for role in ("turn", "llm", "tts")]
    await started.start(_taker(started.folder, whole), *workers, phones)
    return f"{phones.shown_url}/twilio"


def _taker(folder: Path, environ: Mapping[str, str]) -> Part:
    worker = parts.worker_part("stt", environ)
    return Part(
        name="stt",
        argv=[sys.executable, "-m", "benchmarks.load.sink", "stt", str(folder / "heard")],
        environment=worker.environment,
        ready_url=worker.ready_url,
    )


async def _load(
    started: Started, url: str, size: int, seconds: float
) -> tuple[list[CallRow], float]:
    argv = (sys.executable, "-m", "benchmarks.load.phones", url, str(size))
    process = await asyncio.create_subprocess_exec(
        *argv, str(seconds + _SETTLE_S), stdout=asyncio.subprocess.PIPE, limit=1 << 24
    )
    try:
        await _line(process)
        await asyncio.sleep(_SETTLE_S)
        pid = (started.pid("telephony"),)
        begun_s, before_s = time.perf_counter(), measure.cpu_seconds(pid)
        await asyncio.sleep(max(1.0, seconds - _SETTLE_S))
        used_s = measure.cpu_seconds(pid) - before_s
        cpu = used_s / (time.perf_counter() - begun_s)
        told = [await _line(process) for _ in range(size)]
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    return [_row(size, one) for one in told], cpu


def _row(size: int, told: dict[str, Any]) -> CallRow:
    return CallRow(
        calls=size,
        frames=len(told["at_ms"]),
        audible=told["audible"],
        jitter_ms=tuple(round(ms, 3) for ms in telephony_figures.jitter(told["at_ms"])),
        late_ms=told["late_ms"],
        error=told["error"],
    )


async def _line(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    async with asyncio.timeout(_LIMIT_S):
        line = await process.stdout.readline()
    if not line:
        raise EngineTimeout("the callers' process has ended")
    return dict(json.loads(line))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
