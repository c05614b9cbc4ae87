"""``voicebus bench engines``: how far an engine that hears speech as it goes on is behind it.

Documented in docs/reference/benchmarks.md.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks import command, measure, report
from benchmarks.engines_figures import Piece, Row, bars, figures, stream_figures, void_reasons
from benchmarks.engines_xtts import overhead
from benchmarks.recordings import Recording, recordings
from services.stt.__main__ import build_quick
from services.stt.engine import Hint
from services.stt.settings import SttSettings
from services.stt.streaming import StreamLane
from voicebus import settings
from voicebus.caller import RATE_HZ
from voicebus.errors import ConfigError
from voicebus.models import ModelStore, default_folder
from voicebus.parts import project_root

_FRAME_MS: Final = 20
_STEP: Final = RATE_HZ // 10
"""As a session has it: :mod:`services.stt.streamed`."""


def main(arguments: list[str]) -> int:
    """Run the benchmark; return the exit code."""
    args = _arguments(arguments)
    return command.run("engines", _run(args, arguments), args)


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="voicebus bench engines", description=__doc__)
    add = parser.add_argument
    add("--model", default="vosk-model-small-ko-0.22", help="a Vosk model: its name or its folder")
    add("--language", default="", help="that it knows; needed where its name does not tell it")
    add("--recordings", type=Path, metavar="DIR", help="WAV files to speak (the project's samples)")
    add("--speakers", type=int, default=1, help="who speak at the same time (1)")
    add("--rounds", type=int, default=5, help="how often each recording is spoken (5)")
    add("--grammar", default="", help="the only phrases that may be understood")
    add("--xtts", type=Path, metavar="DIR", help="an XTTS checkpoint: what the engine adds to it")
    add("--seed", type=int, default=1, help="of the intervals (1)")
    add("--json", type=Path, metavar="FILE", help="write all of it to a file")
    add("--check", action="store_true", help="exit code 1 if a bar does not hold, 2 if void")
    return parser.parse_args(arguments)


async def _run(args: argparse.Namespace, arguments: list[str]) -> report.Report:
    told = {"quick_model": args.model, "vosk_language": args.language}
    environ = {settings.variable(name, "STT_"): value for name, value in told.items()}
    chosen = settings.read(SttSettings, environ, "STT_")
    lane = build_quick(chosen, ModelStore(default_folder(os.environ)))
    if lane is None:
        raise ConfigError("--model names no model")
    spoken = recordings(args.recordings)
    hint = Hint(lane.language, grammar=args.grammar)
    watch = command.Watch()
    rows: list[Row] = []
    try:
        await lane.start()
        await _hear(spoken[0], lane, hint)  # the first takes longer, and is not counted
        for number in range(args.rounds):
            for one in spoken:
                hearing = (_hear(one, lane, hint) for _ in range(args.speakers))
                for heard in await asyncio.gather(*hearing):
                    rows += heard
            print(f"round {number + 1} of {args.rounds}", file=sys.stderr, flush=True)
    finally:
        await lane.close()
    found = figures(rows, args.seed)
    pieces: list[Piece] = []
    if args.xtts is not None:
        sample = project_root() / "examples" / "samples" / "austen-leisure.wav"
        pieces = await overhead(args.xtts, sample, args.rounds)
        found |= stream_figures(pieces, args.seed)
    return report.Report(
        command=command.line("engines", arguments),
        date=command.now(),
        machine=watch.machine(),
        versions={**measure.versions(), "model": Path(args.model).name},
        seed=args.seed,
        figures=found,
        bars=bars(found),
        void=void_reasons(rows, watch.stolen_ratio),
        turns=[*rows, *pieces],
    )


async def _hear(one: Recording, lane: StreamLane, hint: Hint) -> list[Row]:
    """Speak a recording at the pace of speech, as a session hears it; return each answer."""
    samples = one.samples.astype(np.float32) / np.float32(32768)
    stream, rows = lane.begin(hint), list[Row]()
    begun_s, fed, before = time.perf_counter(), 0, ""
    while fed < len(samples):
        # A session looks whenever a frame has come.
        await asyncio.sleep(_FRAME_MS / 1000)
        spoken = min(len(samples), int((time.perf_counter() - begun_s) * RATE_HZ))
        if spoken - fed < _STEP and spoken < len(samples):
            continue
        heard = await stream.hear(samples[fed:spoken], one)
        now_ms = (time.perf_counter() - begun_s) * 1000
        fed = spoken
        rows.append(
            Row(
                recording=one.name,
                end_ms=fed * 1000 / RATE_HZ,
                lag_ms=now_ms - fed * 1000 / RATE_HZ,
                compute_ms=heard.compute_ms,
                words=len(heard.text.split()),
                changed=heard.text != before,
            )
        )
        before = heard.text
    await stream.finish(samples[:0], one)
    return rows
