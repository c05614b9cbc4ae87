"""``voicebus bench faq``: how soon an instant answer is heard, and what a large book costs others.

Documented in docs/reference/benchmarks.md.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from msgspec import Struct

from benchmarks import command, measure, report
from benchmarks.figures import Bar
from benchmarks.stats import percentile
from benchmarks.systems import Starter, base_environment, starter
from voicebus import parts
from voicebus.caller import Caller, Start, call
from voicebus.settings import PREFIX
from voicebus.supervisor import UpSettings

FIRST_AUDIO_MS: Final = 80.0
_WARM: Final = 3
_SETTLED_S: Final = 60.0

_THINGS: Final = ("kettle", "lantern", "carpet", "mirror", "hammer", "bottle", "ladder", "blanket")
_DEEDS: Final = ("return", "repair", "exchange", "cancel", "insure", "collect", "deliver", "cover")
_ANSWER: Final = "Yes, within thirty days."


class Row(Struct, frozen=True):
    """A question.

    Fields
        how: ``exact`` for one that stands in the book, ``fuzzy`` for one with a slip.
        first_ms: From the question to the first audible sample, at the client.
    """

    how: str
    first_ms: float


def main(arguments: list[str]) -> int:
    """Run the benchmark; return the exit code."""
    args = _arguments(arguments)
    return command.run("faq", _run(args, arguments), args)


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="voicebus bench faq", description=__doc__)
    parser.add_argument("--questions", type=int, default=100_000, help="in the book (100000)")
    parser.add_argument("--turns", type=int, default=40, help="that are measured (40)")
    parser.add_argument("--seed", type=int, default=1, help="of what is asked (1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all of it to a file")
    parser.add_argument(
        "--check", action="store_true", help="exit code 1 if a bar does not hold, 2 if void"
    )
    return parser.parse_args(arguments)


async def _run(args: argparse.Namespace, arguments: list[str]) -> report.Report:
    watch = command.Watch()
    chance = random.Random(args.seed)
    with tempfile.TemporaryDirectory(prefix="voicebus-bench-") as name:
        folder = Path(name)
        book = questions(args.questions)
        _write(folder, book)
        async with AsyncExitStack() as stack:
            url = await _start(await stack.enter_async_context(starter(folder / "up")), folder)
            await _settled(url, book)
            async with call(url, Start(settings={"persona": "shop"})) as caller:
                rows = [await _row(caller, book, chance) for _ in range(_WARM + args.turns)]
    found = figures(rows[_WARM:])
    return report.Report(
        command=command.line("faq", arguments),
        date=command.now(),
        machine=watch.machine(),
        versions=measure.versions(),
        seed=args.seed,
        figures=found,
        bars=bars(found),
        void=(),
        turns=rows,
    )


def questions(count: int) -> list[str]:
    """Return so many questions, no two of them the same."""
    kinds = [(deed, thing) for deed in _DEEDS for thing in _THINGS]
    return [
        "Can I {} the {} number {}?".format(*kinds[number % len(kinds)], number)
        for number in range(count)
    ]


def figures(rows: Sequence[Row]) -> dict[str, float]:
    """Return what is told of the turns."""
    found = {"turns": float(len(rows))}
    for how in ("exact", "fuzzy"):
        took_ms = [row.first_ms for row in rows if row.how == how]
        if took_ms:
            found[f"{how}_first_audio_p50_ms"] = percentile(took_ms, 50)
            found[f"{how}_first_audio_p95_ms"] = percentile(took_ms, 95)
    return found


def bars(found: dict[str, float]) -> tuple[Bar, ...]:
    """Return the limits: half of the instant answers are heard within so long."""
    return tuple(
        Bar(name, value, FIRST_AUDIO_MS, "lower", value <= FIRST_AUDIO_MS)
        for name, value in found.items()
        if name.endswith("_p50_ms")
    )


def _write(folder: Path, book: Sequence[str]) -> None:
    (folder / "shop.md").write_text("You sell things.")
    lines = "".join(f"{question},\n" for question in book[1:])
    text = f'question,answer\n{book[0]},"{_ANSWER}"\n{lines}'
    (folder / "shop.faq.csv").write_text(text)


async def _start(started: Starter, folder: Path) -> str:
    up = UpSettings(data_dir=str(folder / "up"), nats_port=parts.free_port())
    environ = {
        **base_environment(),
        f"{PREFIX}LLM_ENGINE": "synthetic",
        f"{PREFIX}STT_ENGINE": "synthetic",
        f"{PREFIX}TURN_PERSONAS_DIR": str(folder),
    }
    nats = parts.nats_part(up, environ)
    await started.start(nats)
    given = parts.environment({**environ, f"{PREFIX}NATS_URL": nats.shown_url})
    edge = parts.edge_part(parts.free_port(), given)
    await started.start(edge, *(parts.worker_part(role, given) for role in parts.ROLES))
    return edge.shown_url.replace("http://", "ws://", 1).rstrip("/") + "/ws"


async def _settled(url: str, book: Sequence[str]) -> None:
    """Wait until the book was read: until then the language model answers."""
    async with asyncio.timeout(_SETTLED_S):
        while True:
            async with call(url, Start(settings={"persona": "shop"})) as caller:
                if (await caller.type_text(book[-1])).reply == _ANSWER:
                    return


async def _row(caller: Caller, book: Sequence[str], chance: random.Random) -> Row:
    question, how = chance.choice(book), chance.choice(("exact", "fuzzy"))
    asked = question if how == "exact" else question.replace("Can I", "And so can I")
    heard = await caller.type_text(asked)
    if heard.reply != _ANSWER or heard.response_ms is None:
        raise RuntimeError(f"{asked!r} was answered with {heard.reply!r}")
    return Row(how, heard.response_ms)
