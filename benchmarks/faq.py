"""``voicebus bench faq``: how soon an instant answer is heard, out of a large book.

Documented in docs/reference/benchmarks.md.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

from benchmarks import command, measure, report
from benchmarks.faq_book import ANSWERS, answer, csv, questions, slipped
from benchmarks.faq_figures import KINDS, Row, bars, figures, void_reasons
from benchmarks.faq_phrases import phrases_in
from benchmarks.systems import Starter, base_environment, socket_url, starter
from voicebus import parts
from voicebus.caller import Caller, Start, call
from voicebus.errors import EngineError, EngineTimeout
from voicebus.settings import PREFIX
from voicebus.supervisor import UpSettings

_SETTLED_S: Final = 60.0
_VOICE: Final = "en_US-joe-medium"
_SHOP: Final = Start(settings={"persona": "shop"})


def main(arguments: list[str]) -> int:
    """Run the benchmark; return the exit code."""
    args = _arguments(arguments)
    return command.run("faq", _run(args, arguments), args)


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="voicebus bench faq", description=__doc__)
    parser.add_argument("--questions", type=int, default=100_000, help="in the book (100000)")
    parser.add_argument("--turns", type=int, default=120, help="that are measured (120)")
    parser.add_argument("--phrases", type=int, default=200, help="that are asked for (200)")
    parser.add_argument("--seed", type=int, default=1, help="of what is asked (1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all of it to a file")
    parser.add_argument(
        "--check", action="store_true", help="exit code 1 if a bar does not hold, 2 if void"
    )
    return parser.parse_args(arguments)


async def _run(args: argparse.Namespace, arguments: list[str]) -> report.Report:
    book = questions(args.questions)
    watch = command.Watch()
    with tempfile.TemporaryDirectory(prefix="voicebus-bench-") as name:
        folder = Path(name)
        (folder / "shop.md").write_text("You sell things.")
        (folder / "shop.faq.csv").write_text(csv(book))
        async with AsyncExitStack() as stack:
            started = await stack.enter_async_context(starter(folder / "up"))
            nats_url, url = await _start(started, folder)
            await _settled(url, book)
            rows = await _asked(url, book, args.turns, random.Random(args.seed))
            phrases = await phrases_in(nats_url, ANSWERS, args.phrases)
    found = figures(rows, phrases)
    return report.Report(
        command=command.line("faq", arguments),
        date=command.now(),
        machine=watch.machine(),
        versions={**measure.versions(), "voice": _VOICE},
        seed=args.seed,
        figures=found,
        bars=bars(found),
        void=void_reasons(rows, phrases, len(book), watch.stolen_ratio),
        turns=[*rows, *phrases],
    )


async def _start(started: Starter, folder: Path) -> tuple[str, str]:
    """Start a system; return the addresses of its bus and of /ws."""
    up = UpSettings(data_dir=str(folder / "up"), nats_port=parts.free_port())
    environ = {
        **base_environment(),
        f"{PREFIX}LLM_ENGINE": "synthetic",
        f"{PREFIX}STT_ENGINE": "synthetic",
        f"{PREFIX}TTS_ENGINE": "piper",
        f"{PREFIX}TTS_VOICES": _VOICE,
        f"{PREFIX}TURN_PERSONAS_DIR": str(folder),
    }
    nats = parts.nats_part(up, environ)
    await started.start(nats)
    given = parts.environment({**environ, f"{PREFIX}NATS_URL": nats.shown_url})
    edge = parts.edge_part(parts.free_port(), given)
    await started.start(edge, *(parts.worker_part(role, given) for role in parts.ROLES))
    return nats.shown_url, socket_url(edge)


async def _settled(url: str, book: list[str]) -> None:
    """Wait until the book was read: until then the language model answers."""
    last = len(book) - 1
    try:
        async with asyncio.timeout(_SETTLED_S):
            while True:
                async with call(url, _SHOP) as caller:
                    if (await caller.type_text(book[last])).reply == answer(last):
                        return
    except TimeoutError as err:
        raise EngineTimeout(f"the book was not read within {_SETTLED_S:.0f} s") from err


async def _asked(url: str, book: list[str], turns: int, chance: random.Random) -> list[Row]:
    """Ask; in two sessions before, each answer is made and then kept."""
    rows: list[Row] = []
    some = range(min(len(ANSWERS), len(book)))
    for asked in ([("made", number) for number in some],) * 2:
        rows += await _session(url, book, asked, chance)
    drawn = [(KINDS[at % len(KINDS)], chance.randrange(len(book))) for at in range(turns)]
    return rows + await _session(url, book, drawn, chance)


async def _session(
    url: str, book: list[str], asked: list[tuple[str, int]], chance: random.Random
) -> list[Row]:
    told: list[float] = []

    def observe(message: dict[str, Any]) -> None:
        if message["type"] == "reply_text":
            told.append(time.perf_counter())

    async with call(url, _SHOP, observe=observe) as caller:
        return [await _row(caller, book, how, number, chance, told) for how, number in asked]


async def _row(
    caller: Caller, book: list[str], how: str, number: int, chance: random.Random, told: list[float]
) -> Row:
    question = slipped(book[number], chance) if how == "fuzzy" else book[number]
    told.clear()
    begun_s = time.perf_counter()
    heard = await caller.type_text(question)
    if heard.reply != answer(number) or heard.response_ms is None:
        raise EngineError(f"{question!r} was answered with {heard.reply!r}")
    return Row(how=how, decided_ms=(told[0] - begun_s) * 1000, first_ms=heard.response_ms)
