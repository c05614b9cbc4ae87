"""``voicebus bench openai``: what the OpenAI-compatible API costs on top of the engines behind it.

Documented in docs/reference/benchmarks.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from benchmarks import command, measure, report
from benchmarks.openai_direct import engines
from benchmarks.openai_edge import client
from benchmarks.openai_figures import KINDS, SOCKETS, Row, bars, figures, void_reasons
from benchmarks.openai_fleet import start_fleet
from benchmarks.openai_idle import measure_idle
from benchmarks.openai_long import measure_long, measure_passages
from benchmarks.openai_overhead import compare, contests
from benchmarks.prompts import MANIFEST, PROMPTS_FOLDER, Prompt, project_samples, read_prompts
from benchmarks.systems import REAL, SYNTHETIC, base_environment, start_llama, starter
from benchmarks.talk import talk
from voicebus import parts
from voicebus.errors import ConfigError
from voicebus.settings import PREFIX

PARTS: Final = (*KINDS, "idle", "long")

LONG_MIN: Final = 60.0
RTF: Final = 0.1
"""As whisper-base has it on two cores of a laptop."""

PASSAGES_MIN: Final = 5.0
"""Ten passages."""

_LONGEST_S: Final = 8.0


def main(arguments: list[str]) -> int:
    """Run the benchmark; return the exit code."""
    args = _arguments(arguments)
    return command.run("openai", _run(args, arguments), args)


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="voicebus bench openai", description=__doc__)
    add = parser.add_argument
    add("--rounds", type=int, default=40, help="of each comparison with an engine (40)")
    add("--only", choices=PARTS, action="append", help="a part of it; several times for more (all)")
    add(
        "--engines", choices=("real", "synthetic"), default="real", help="of the comparisons (real)"
    )
    add("--sockets", type=int, default=SOCKETS, help=f"that are idle ({SOCKETS})")
    add("--minutes", type=float, default=LONG_MIN, help=f"of the long file ({LONG_MIN:g})")
    add("--rtf", type=float, default=RTF, help=f"of the recogniser of the long file ({RTF:g})")
    add(
        "--passages",
        type=float,
        default=PASSAGES_MIN,
        metavar="MINUTES",
        help=f"of the file that is really recognised, in passages and not ({PASSAGES_MIN:g})",
    )
    add("--manifest", type=Path, default=MANIFEST, metavar="TSV", help="sentences of the files")
    add("--seed", type=int, default=1, help="of the order and of what is said (1)")
    add("--json", type=Path, metavar="FILE", help="write all of it to a file")
    add("--check", action="store_true", help="exit code 1 if a bar does not hold, 2 if void")
    return parser.parse_args(arguments)


async def _run(args: argparse.Namespace, arguments: list[str]) -> report.Report:
    wanted = args.only or PARTS
    watch = command.Watch()
    rows: list[Row] = []
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="voicebus-bench-") as name:
        folder = Path(name)
        if set(wanted) - {"idle"}:
            rows += await _engines(args, folder / "engines", wanted)
        if "idle" in wanted:
            _say(f"{args.sockets} idle sockets")
            rows += await measure_idle(folder / "idle", base_environment(), args.sockets)
        if "long" in wanted:
            rows += await _long(args, folder)
            found["long_file_rtf"] = args.rtf
    stolen_ratio = watch.stolen_ratio
    found = {**figures(rows, args.seed), **found}
    return report.Report(
        command=command.line("openai", arguments),
        date=command.now(),
        machine=watch.machine(),
        versions=measure.versions(),
        seed=args.seed,
        figures=found,
        bars=bars(found),
        void=void_reasons(rows, stolen_ratio, args.seed, _with_bars(wanted, args.engines)),
        turns=rows,
    )


def _with_bars(wanted: Sequence[str], engines: str) -> list[str]:
    """Return the parts that have to have figures: passages belong to the long file."""
    also = ["passages"] if "long" in wanted and engines == "real" else []
    return [*wanted, *also]


async def _engines(args: argparse.Namespace, folder: Path, wanted: Sequence[str]) -> list[Row]:
    """Measure what needs the engines: the comparisons, and the words of passages."""
    environ = {**base_environment(), **(REAL if args.engines == "real" else SYNTHETIC)}
    rows: list[Row] = []
    async with AsyncExitStack() as stack:
        if parts.needs_llama(environ):
            shared = await stack.enter_async_context(starter(folder / "shared"))
            environ[f"{PREFIX}LLM_URL"] = await start_llama(shared, environ)
            environ[f"{PREFIX}LLM_CACHE_PROMPT"] = "true"
        started = await stack.enter_async_context(starter(folder / "fleet"))
        fleet = await start_fleet(started, environ, {"stt": 1, "llm": 1, "tts": 1})
        sdk = await stack.enter_async_context(client(f"{fleet.url}/v1"))
        direct = await stack.enter_async_context(engines(environ))
        for contest in contests(sdk, direct, project_samples(_LONGEST_S)):
            if contest.kind in wanted:
                _say(f"{contest.kind}: {args.rounds} rounds")
                rows += await compare(contest, args.rounds, args.seed)
        if "long" in wanted and args.engines == "real":
            recording, said = talk(_known(args.manifest), args.passages, args.seed)
            _say(f"{args.passages:g} min in passages and in one pass")
            rows += await measure_passages(sdk, direct, recording, said)
    return rows


async def _long(args: argparse.Namespace, folder: Path) -> list[Row]:
    recording, _ = talk(_sentences(args.manifest), args.minutes, args.seed)
    environ: Mapping[str, str] = base_environment()
    rows = []
    for workers in (1, 2):
        _say(f"{args.minutes:g} min, stt workers: {workers}, RTF {args.rtf:g}")
        own = folder / f"long-{workers}"
        rows.append(await measure_long(own, environ, recording, args.rtf, workers))
    return rows


def _sentences(manifest: Path) -> tuple[Prompt, ...]:
    """Return the recorded sentences of a list; the project's own where nobody named one.

    Raises:
        ConfigError: The list that was named cannot be read.
    """
    try:
        return read_prompts(manifest, PROMPTS_FOLDER)
    except ConfigError:
        if manifest != MANIFEST:
            raise
        return project_samples(_LONGEST_S)


def _known(manifest: Path) -> tuple[Prompt, ...]:
    """Return recorded sentences of which the words are known."""
    known = tuple(sentence for sentence in _sentences(manifest) if sentence.text)
    return known or project_samples(_LONGEST_S)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
