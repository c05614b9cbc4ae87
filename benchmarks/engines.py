"""``voicebus bench engines``: how far an engine that hears speech as it goes on is behind it.

Documented in docs/reference/benchmarks.md.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from pathlib import Path
from typing import Final

from benchmarks import command, measure, report
from benchmarks.engines_figures import Piece, bars, figures, stream_figures, void_reasons
from benchmarks.engines_partials import Row, heard, worker_of
from benchmarks.engines_xtts import overhead
from benchmarks.recordings import recordings
from schemas.settings import SessionSettings
from voicebus.errors import ConfigError
from voicebus.parts import project_root

_NAMED: Final = re.compile(r"vosk-model-(?:small-)?([a-z]{2})(?:-|$)")


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
    args = parser.parse_args(arguments)
    if args.check and args.xtts is None:
        parser.error("--check looks at every bar: --xtts DIR is needed for what the engine adds")
    return args


async def _run(args: argparse.Namespace, arguments: list[str]) -> report.Report:
    told = {"ENGINE": "vosk", "MODEL": args.model, "VOSK_LANGUAGE": args.language}
    chosen = SessionSettings(
        turn_taking="manual",
        language=args.language or _language(args.model),
        grammar=args.grammar,
        word_times=True,
    )
    spoken = recordings(args.recordings)
    watch = command.Watch()
    rows: list[Row] = []
    async with worker_of(told) as sessions:
        await heard(sessions, spoken[0], chosen)  # the first takes longer, and is not counted
        for number in range(args.rounds):
            for one in spoken:
                hearing = (heard(sessions, one, chosen) for _ in range(args.speakers))
                for told_rows in await asyncio.gather(*hearing):
                    rows += told_rows
            print(f"round {number + 1} of {args.rounds}", file=sys.stderr, flush=True)
    found = figures(rows, args.seed)
    pieces, unlike = list[Piece](), list[str]()
    if args.xtts is not None:
        sample = project_root() / "examples" / "samples" / "austen-leisure.wav"
        pieces, unlike = await overhead(args.xtts, sample, args.rounds)
        found |= stream_figures(pieces, args.seed)
    return report.Report(
        command=command.line("engines", arguments),
        date=command.now(),
        machine=watch.machine(),
        versions={**measure.versions(), "model": Path(args.model).name},
        seed=args.seed,
        figures=found,
        bars=bars(found),
        void=[*void_reasons(rows, watch.stolen_ratio), *unlike],
        turns=[*rows, *pieces],
    )


def _language(model: str) -> str:
    """Return the language that a model's name tells.

    Raises:
        ConfigError: It tells none.
    """
    named = _NAMED.match(Path(model).name)
    if named is None:
        raise ConfigError(f"--language: which language does {model} know?")
    return named[1]
