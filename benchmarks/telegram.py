"""``voicebus bench telegram``: many voice messages at once, and what the bridge adds to each.

Documented in docs/reference/benchmarks.md.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import httpx2
from msgspec import Struct

from benchmarks import command, measure, report, stats
from benchmarks.figures import Bar
from benchmarks.openai_fleet import start_fleet
from benchmarks.prompts import project_samples
from benchmarks.systems import SYNTHETIC, Started, base_environment, starter
from tests.bridges.telegram.bot_api.people import Person
from tests.bridges.telegram.bot_api.server import BotApi
from voicebus import parts
from voicebus.audio.encode import encoder
from voicebus.settings import PREFIX

BURST: Final = 30
ROUNDS: Final = 40
BOT: Final = 11_001

_LIMIT_S: Final = 180.0
_MOST_STOLEN: Final = 0.02
_LONGEST_S: Final = 8.0


class Row(Struct, frozen=True, kw_only=True):
    """One message.

    Fields
        part: ``burst`` or ``overhead``.
        number: Which one of the part.
        telegram_ms: From its update being given out to its answer arriving at the Bot API.
        direct_ms: The same file at the edge, to the answer's last byte; 0 in a burst.
    """

    part: str
    number: int
    telegram_ms: float
    direct_ms: float = 0.0


def main(arguments: list[str]) -> int:
    """Run the benchmark; return the exit code."""
    parser = argparse.ArgumentParser(prog="voicebus bench telegram", description=__doc__)
    add = parser.add_argument
    add("--burst", type=int, default=BURST, help=f"voice messages at once ({BURST})")
    add("--rounds", type=int, default=ROUNDS, help=f"of the comparison with the edge ({ROUNDS})")
    add("--seed", type=int, default=1, help="of the intervals (1)")
    add("--json", type=Path, metavar="FILE", help="write all of it to a file")
    add("--check", action="store_true", help="exit code 1 if a bar does not hold, 2 if void")
    args = parser.parse_args(arguments)
    return command.run("telegram", _run(args, arguments), args)


async def _run(args: argparse.Namespace, arguments: list[str]) -> report.Report:
    watch = command.Watch()
    with tempfile.TemporaryDirectory(prefix="voicebus-bench-") as name, BotApi() as api:
        async with AsyncExitStack() as stack:
            started = await stack.enter_async_context(starter(Path(name)))
            url = await _start(started, api)
            ogg = _voice()
            print(f"{args.rounds} messages, and the same at the edge", file=sys.stderr)
            rows = await _overhead(api, url, ogg, args.rounds)
            print(f"{args.burst} messages at once", file=sys.stderr)
            rows += await _burst(api, ogg, args.burst)
        found = figures(rows, args.burst, len(api.violations) + len(api.errors), args.seed)
    return report.Report(
        command=command.line("telegram", arguments),
        date=command.now(),
        machine=watch.machine(),
        versions=measure.versions(),
        seed=args.seed,
        figures=found,
        bars=bars(found, args.burst),
        void=("others have used this machine",) if watch.stolen_ratio > _MOST_STOLEN else (),
        turns=rows,
    )


def figures(rows: Sequence[Row], burst: int, refused: int, seed: int) -> dict[str, float]:
    """Return what was found; pure.

    Args:
        rows: The messages.
        burst: How many were sent at once.
        refused: Calls that the Bot API had to refuse.
        seed: Of the intervals.
    """
    added = [row.telegram_ms - row.direct_ms for row in rows if row.part == "overhead"]
    waits = sorted(row.telegram_ms / 1000 for row in rows if row.part == "burst")
    estimate = stats.median(added, seed)
    return {
        "bridge_overhead_p50_ms": estimate.value,
        "bridge_overhead_p50_ms_ci_low": estimate.low,
        "bridge_overhead_p50_ms_ci_high": estimate.high,
        "burst_unanswered_count": burst - len(waits),
        "burst_last_answer_s": waits[-1] if waits else 0.0,
        "limits_exceeded_count": refused,
    }


def bars(found: dict[str, float], burst: int) -> tuple[Bar, ...]:
    """Return what must hold."""
    limits = {"bridge_overhead_p50_ms": 50.0, "limits_exceeded_count": 0.0}
    if burst:
        limits["burst_unanswered_count"] = 0.0
    return tuple(
        Bar(name=n, value=found[n], limit=limit, better="lower", holds=found[n] <= limit)
        for n, limit in limits.items()
    )


async def _start(started: Started, api: BotApi) -> str:
    account = api.add_bot(BOT)
    environ = {
        **base_environment(),
        **SYNTHETIC,
        f"{PREFIX}LLM_SLOTS": "64",
        f"{PREFIX}TELEGRAM_TOKEN": account.token,
        f"{PREFIX}TELEGRAM_API_URL": api.url,
        f"{PREFIX}TELEGRAM_USER_MESSAGES_PER_MIN": "0",
    }
    fleet = await start_fleet(started, environ, dict.fromkeys(parts.ROLES, 1))
    nats = started.part("nats").shown_url
    bridge = parts.telegram_part(parts.environment({**environ, f"{PREFIX}NATS_URL": nats}))
    await started.start(bridge)
    return fleet.url


def _voice() -> bytes:
    made = encoder("opus", 16_000)
    return made.push(project_samples(_LONGEST_S)[0].samples.tobytes()) + made.finish()


async def _overhead(api: BotApi, url: str, ogg: bytes, rounds: int) -> list[Row]:
    """Send one message after the other, each as a person of its own, and to the edge as well."""
    rows = []
    async with httpx2.AsyncClient(base_url=url, trust_env=False, timeout=_LIMIT_S) as client:
        for number in range(rounds + 1):
            direct_ms = await _at_edge(client, ogg)
            telegram_ms = await asyncio.to_thread(_at_telegram, api, 100_000 + number, ogg)
            if number:  # the first one warms everything up
                row = Row(
                    part="overhead", number=number, telegram_ms=telegram_ms, direct_ms=direct_ms
                )
                rows.append(row)
    return rows


async def _at_edge(client: httpx2.AsyncClient, ogg: bytes) -> float:
    begun_s = time.monotonic()
    answer = await client.post("/interact", content=ogg, headers={"content-type": "audio/ogg"})
    answer.raise_for_status()
    return (time.monotonic() - begun_s) * 1000


def _at_telegram(api: BotApi, person: int, ogg: bytes) -> float:
    someone = Person(api, BOT, person)
    update = someone.record(ogg, _LONGEST_S)
    (answer,) = someone.until("sendVoice", within_s=_LIMIT_S)
    return (answer.at_s - api.delivered_s[update]) * 1000


async def _burst(api: BotApi, ogg: bytes, count: int) -> list[Row]:
    """Send many at once, each as a person of its own."""
    people = [Person(api, BOT, 200_000 + number) for number in range(count)]
    updates = [person.record(ogg, _LONGEST_S) for person in people]
    rows, until_s = [], time.monotonic() + _LIMIT_S
    for number, (person, update) in enumerate(zip(people, updates, strict=True)):
        try:
            left_s = max(0.0, until_s - time.monotonic())
            found = await asyncio.to_thread(person.until, "sendVoice", 1, left_s)
        except AssertionError:
            continue
        waited_ms = (found[0].at_s - api.delivered_s[update]) * 1000
        rows.append(Row(part="burst", number=number, telegram_ms=waited_ms))
    return rows
