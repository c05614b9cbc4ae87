"""``voicebus bench conversation``: scripted dialogues, judged at the caller's ear.

Documented in docs/reference/benchmarks.md.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import httpx2
from msgspec import Struct

from benchmarks import command, measure, prompts, report, workers_metrics
from benchmarks import conversation_figures as figures
from benchmarks.callers import hold
from benchmarks.dialogues import Amounts, Maker
from benchmarks.judge import MoveRow, rows
from benchmarks.lines import OURS, PEERS, dial
from benchmarks.moves import Dialogue
from benchmarks.peers import pipecat_peer
from benchmarks.systems import (
    REAL,
    SYNTHETIC,
    base_environment,
    start_llama,
    start_measured_system,
    starter,
)
from services.llm.building import build
from services.llm.settings import SCOPE, LlmSettings
from voicebus import parts, settings
from voicebus.errors import VoicebusError
from voicebus.punctual import punctual
from voicebus.settings import PREFIX

QUICK: Final = 0.1
_PAUSE_S: Final = 0.3
_SHOWN_EVERY: Final = 10


class System(Struct, frozen=True):
    """What is talked to.

    Fields
        url: Where it listens.
        told: The kinds of messages that it understands.
        metrics: The pages of its workers; none of a peer.
    """

    url: str
    told: frozenset[str]
    metrics: Mapping[str, str] = {}


def main(arguments: list[str]) -> int:
    """Run the benchmark; return the exit code."""
    args = _arguments(arguments)
    with punctual():
        return command.run("conversation", _run(args, arguments), args)


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="voicebus bench conversation", description=__doc__)
    parser.add_argument("--turns", type=int, metavar="N", help="about so many dialogues (all)")
    parser.add_argument("--quick", action="store_true", help="a tenth of them")
    parser.add_argument("--peer", choices=("pipecat",), help="alternate with another system")
    parser.add_argument(
        "--engines",
        choices=("real", "synthetic"),
        default="real",
        help="synthetic: only when, not what",
    )
    parser.add_argument("--seed", type=int, default=1, help="of dialogues and their order (1)")
    parser.add_argument(
        "--manifest", type=Path, default=prompts.MANIFEST, metavar="TSV", help="sentences to say"
    )
    parser.add_argument("--root", type=Path, default=prompts.PROMPTS_FOLDER, metavar="DIR")
    parser.add_argument("--language", default="", help="told to the system (it is left to it)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all of it to a file")
    parser.add_argument(
        "--check", action="store_true", help="exit code 1 if a bar does not hold, 2 if void"
    )
    args = parser.parse_args(arguments)
    if args.peer and args.engines == "synthetic":
        parser.error("a peer has real engines only")
    return args


def _dialogues(args: argparse.Namespace) -> tuple[Dialogue, ...]:
    said = prompts.read_prompts(args.manifest, args.root) + prompts.project_samples()
    maker = Maker(said, prompts.backchannels(), args.seed)
    amounts = Amounts()
    if args.turns or args.quick:
        share = args.turns / amounts.total if args.turns else QUICK
        amounts = amounts.scaled(min(1.0, share))
    return maker.make(amounts)


async def _run(args: argparse.Namespace, arguments: list[str]) -> report.Report:
    dialogues = _dialogues(args)
    python = await pipecat_peer.install() if args.peer else None
    watch = command.Watch()
    environ = {**base_environment(), **(SYNTHETIC if args.engines == "synthetic" else REAL)}
    with tempfile.TemporaryDirectory(prefix="voicebus-bench-") as name:
        async with AsyncExitStack() as stack:
            before = await _shared(stack, Path(name), environ)
            systems = await _start(stack, Path(name), environ, python)
            found = await _hold_all(args, dialogues, systems, before)
    stolen_ratio = watch.stolen_ratio
    measured = figures.figures(found, tuple(systems))
    return report.Report(
        command=command.line("conversation", arguments),
        date=command.now(),
        machine=watch.machine(),
        versions=measure.versions() | (await pipecat_peer.versions(python) if python else {}),
        seed=args.seed,
        figures=measured,
        bars=figures.bars(measured),
        void=figures.void_reasons(found, stolen_ratio),
        turns=found,
    )


async def _shared(
    stack: AsyncExitStack, folder: Path, environ: dict[str, str]
) -> Callable[[], Awaitable[None]]:
    """Start the model server that all systems ask; return what is done before each dialogue.

    It asks the server one short question: the prompt cache then holds the system prompt that all
    share, and nothing of the dialogue before.
    """
    if parts.needs_llama(environ):
        shared = await stack.enter_async_context(starter(folder / "shared"))
        environ[f"{PREFIX}LLM_URL"] = await start_llama(shared, environ)
        environ[f"{PREFIX}LLM_CACHE_PROMPT"] = "true"
    model = build(settings.read(LlmSettings, environ, SCOPE))
    stack.push_async_callback(model.close)
    return model.warm


async def _start(
    stack: AsyncExitStack, folder: Path, environ: Mapping[str, str], python: Path | None
) -> dict[str, System]:
    own = await stack.enter_async_context(starter(folder / "ours"))
    url, metrics = await start_measured_system(own, environ)
    systems = {figures.OURS: System(url, OURS, metrics)}
    if python is not None:
        for name, variant in pipecat_peer.VARIANTS.items():
            started = await stack.enter_async_context(starter(folder / name))
            url = await pipecat_peer.start(started, python, variant, environ)
            systems[name] = System(url, PEERS)
    return systems


async def _hold_all(
    args: argparse.Namespace,
    dialogues: Sequence[Dialogue],
    systems: Mapping[str, System],
    before: Callable[[], Awaitable[None]],
) -> list[MoveRow]:
    """Hold each dialogue with each system, one at a time, in an order that is mirrored each time.

    The first two are held once more before all others and do not count.
    """
    chance = random.Random(args.seed)
    order = chance.sample(list(systems), len(systems))
    found: list[MoveRow] = []
    async with httpx2.AsyncClient() as client:
        _say(f"warming up {', '.join(systems)}")
        for dialogue in _warming(dialogues):
            for name in order:
                await before()
                await _hold(dialogue, name, systems[name], args.language, client)
        for number, dialogue in enumerate(dialogues, 1):
            order = order[::-1] if number % 2 == 0 else chance.sample(order, len(order))
            for name in order:
                await before()
                await asyncio.sleep(_PAUSE_S)
                found += await _hold(dialogue, name, systems[name], args.language, client)
            if number % _SHOWN_EVERY == 0 or number == len(dialogues):
                _say(f"dialogue {number} of {len(dialogues)}")
    return found


def _warming(dialogues: Sequence[Dialogue]) -> list[Dialogue]:
    return [d for d in dialogues if d.moves[0].kind in {"complete", "paused"}][:2]


async def _hold(
    dialogue: Dialogue, name: str, system: System, language: str, client: httpx2.AsyncClient
) -> list[MoveRow]:
    """Hold one dialogue in a session of its own; what was wasted counts up to its end."""
    try:
        counted = await workers_metrics.read(client, system.metrics)
        async with dial(system.url, system.told, language) as line:
            account = await hold(dialogue, line)
            now = await workers_metrics.read(client, system.metrics)
        return rows(account, name, workers_metrics.grown(counted, now))
    except (VoicebusError, httpx2.HTTPError) as err:
        first = dialogue.moves[0]
        return [
            MoveRow(
                system=name,
                dialogue=dialogue.name,
                place=0,
                kind=first.kind,
                recordings=first.recordings,
                text=first.text,
                error=str(err) or type(err).__name__,
            )
        ]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
