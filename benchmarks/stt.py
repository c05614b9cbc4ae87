"""``voicebus bench stt``: how well and how fast speech is recognised.

Documented in docs/reference/benchmarks.md.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path
from typing import Any, Final

from benchmarks import command, measure, report
from benchmarks.stt_figures import Row, bars, figures, void_reasons
from benchmarks.stt_manifest import Spoken, groups, read_manifest
from benchmarks.stt_runs import Recogniser, compare, paced, together
from services.stt.__main__ import build_ears
from services.stt.settings import SttSettings
from voicebus import settings
from voicebus.cores import spare_threads
from voicebus.errors import ConfigError
from voicebus.models import ModelStore, default_folder

_SESSIONS: Final = 8
"""How many finals come at once."""


def main(arguments: list[str]) -> int:
    """Run the benchmark; return the exit code."""
    args = _arguments(arguments)
    return command.run("stt", _run(args, arguments), args)


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="voicebus bench stt", description=__doc__)
    add = parser.add_argument
    add("--manifest", type=Path, action="append", required=True, metavar="TSV", help="utterances")
    add("--root", type=Path, required=True, metavar="DIR", help="folder of their files")
    add("--language", action="append", default=[], help="of each list; detect to be told none")
    add("--engine", default="faster-whisper", help="faster-whisper or synthetic")
    add("--model", default="whisper-base", help="a model of the store")
    add("--threads", type=int, default=spare_threads(), help="of one recognition (half the cores)")
    add("--limit", type=int, default=0, help="utterances of each list, by chance (all)")
    add("--paced", type=int, default=10, help="of each list, heard at the pace of speech (10)")
    add("--groups", type=int, default=6, help=f"of {_SESSIONS} finals at once (6)")
    add("--seed", type=int, default=1, help="of all that is by chance (1)")
    add("--json", type=Path, metavar="FILE", help="write all of it to a file")
    add("--check", action="store_true", help="exit code 1 if a bar does not hold, 2 if void")
    return parser.parse_args(arguments)


async def _run(args: argparse.Namespace, arguments: list[str]) -> report.Report:
    if args.language and len(args.language) != len(args.manifest):
        raise ConfigError("--language is given once for each --manifest, or not at all")
    languages = args.language or [""] * len(args.manifest)
    lists = [
        read_manifest(manifest, args.root, language, args.limit, args.seed)
        for manifest, language in zip(args.manifest, languages, strict=True)
    ]
    watch = command.Watch()
    rows = await _rows(args, lists)
    stolen_ratio = watch.stolen_ratio
    found = figures(rows, args.seed)
    return report.Report(
        command=command.line("stt", arguments),
        date=command.now(),
        machine=watch.machine(),
        versions={**measure.versions(), "model": args.model},
        seed=args.seed,
        figures=found,
        bars=bars(found),
        void=void_reasons(rows, stolen_ratio, args.seed),
        turns=rows,
    )


async def _rows(args: argparse.Namespace, lists: list[tuple[Spoken, ...]]) -> list[Row]:
    told = {"engine": args.engine, "model": args.model, "threads": args.threads}
    environ = {settings.variable(name, "STT_"): str(value) for name, value in told.items()}
    chosen = settings.read(SttSettings, environ, "STT_")
    store = ModelStore(default_folder(os.environ))
    ears = build_ears(chosen, store)
    utterances = [spoken for one in lists for spoken in one]
    try:
        _say(f"loading {args.model}")
        await ears.start()
        default = None
        if args.engine == "faster-whisper":
            default = await asyncio.to_thread(_library, store.path(args.model), chosen)
        await compare(utterances[:1], ears, default, args.seed)
        _say(f"{len(utterances)} utterances, one at a time")
        rows = await compare(utterances, ears, default, args.seed)
        if default is not None and args.groups:
            _say(f"{_SESSIONS} utterances at once")
            chosen_groups = groups(utterances, _SESSIONS, args.groups, args.seed)
            rows += await together(chosen_groups, ears, default, args.seed)
        if args.paced:
            _say("at the pace of speech")
            rows += await paced([spoken for one in lists for spoken in one[: args.paced]], ears)
    finally:
        await ears.close()
    return rows


def _library(folder: Path, chosen: SttSettings) -> Recogniser:
    """Load the same model once more, and call it as the library's own documentation does."""
    from faster_whisper import WhisperModel  # noqa: PLC0415 - other engines do without it

    model: Any = WhisperModel(
        str(folder),
        device=chosen.device,
        compute_type=chosen.compute_type,
        cpu_threads=chosen.threads,
        local_files_only=True,
    )

    def transcribe(spoken: Spoken) -> str:
        segments, _ = model.transcribe(spoken.samples, language=spoken.language or None)
        return " ".join(segment.text.strip() for segment in segments)

    async def recognise(spoken: Spoken) -> str:
        return await asyncio.to_thread(transcribe, spoken)

    return recognise


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
