"""``voicebus bench widget``: how soon a visitor sees a caption, and what a page has to load.

Documented in docs/reference/benchmarks.md.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import httpx2

from benchmarks import command, measure, report
from benchmarks.openai_fleet import start_fleet
from benchmarks.systems import SYNTHETIC, Started, base_environment, starter
from benchmarks.widget_figures import Visit, bars, compared, figures, void_reasons
from schemas.stt import TranscriptPartial
from subjects.catalog import Place, subject_of
from tests.browser import installed
from tests.plain import PLAIN
from tests.talk_page import SAMPLE
from tests.widget_page import scripts, visited
from voicebus import parts
from voicebus.bus.client import Bus
from voicebus.bus.client import connect as connect_bus
from voicebus.errors import ConfigError, EngineTimeout
from voicebus.settings import PREFIX, BusSettings

VISITS: Final = 10
SETTINGS: Final = {"EDGE_WIDGET_DEMO": "true", "STT_PARTIAL_MS": "200"}
"""Besides those of the engines: a page with widgets, and a caption five times a second."""

_READING_S: Final = 3.0
"""How long a visitor looks at the page: a browser that has just started is at work on its own."""

_BEAT_S: Final = 0.002
_NOTE: Final = """
window.seen = [];
window.shop = document.querySelectorAll("voicebus-widget")[1];
shop.addEventListener("caption", ({ detail }) => requestAnimationFrame(() => requestAnimationFrame(
  () => detail.final || seen.push([detail.text, performance.timeOrigin + performance.now()]),
)));
"""
"""The second of two frames begins when the first one has been painted."""


def main(arguments: list[str]) -> int:
    """Run the benchmark; return the exit code."""
    parser = argparse.ArgumentParser(prog="voicebus bench widget", description=__doc__)
    add = parser.add_argument
    add("--visits", type=int, default=VISITS, help=f"who speaks, one after the other ({VISITS})")
    add("--seed", type=int, default=1, help="of the intervals (1)")
    add("--json", type=Path, metavar="FILE", help="write all of it to a file")
    add("--check", action="store_true", help="exit code 1 if a bar does not hold, 2 if void")
    args = parser.parse_args(arguments)
    return command.run("widget", _run(args, arguments), args)


async def _run(args: argparse.Namespace, arguments: list[str]) -> report.Report:
    chromium = installed()
    if not chromium:
        raise ConfigError("there is no Chromium here")
    watch = command.Watch()
    with tempfile.TemporaryDirectory(prefix="voicebus-bench-") as name:
        folder = Path(name)
        async with starter(folder) as started, _running(started) as (url, bus):
            visits = []
            for number in range(1, args.visits + 1):
                print(f"visit {number} of {args.visits}", file=sys.stderr, flush=True)
                visits.append(await visit(number, chromium, folder / f"{number}", url, bus))
            async with httpx2.AsyncClient(base_url=url, **PLAIN) as client:
                page_bytes = sum((await scripts(client)).values())
    found = figures(visits, page_bytes, args.seed)
    return report.Report(
        command=command.line("widget", arguments),
        date=command.now(),
        machine=watch.machine(),
        versions=measure.versions(),
        seed=args.seed,
        figures=found,
        bars=bars(found),
        void=void_reasons(visits, watch.stolen_ratio),
        turns=visits,
    )


async def visit(number: int, chromium: str, folder: Path, url: str, bus: Bus) -> Visit:
    """Have a visitor speak one recorded sentence to the second widget of the demo page.

    Args:
        number: Which visit.
        chromium: The browser.
        folder: For its profile; need not be there.
        url: Address of the edge.
        bus: A connection to its bus.

    Raises:
        EngineTimeout: The page does not get as far as the sentence's end.
    """
    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    heard: list[tuple[str, float]] = []
    async with contextlib.AsyncExitStack() as stack:
        page = await stack.enter_async_context(visited(chromium, folder, SAMPLE))
        await stack.enter_async_context(_overhearing(bus, heard))
        try:
            await page.command("Page.navigate", url=f"{url}/widget/demo")
            await page.until("document.querySelectorAll('voicebus-widget')[1]?.isReady")
            await asyncio.sleep(_READING_S)
            await page.evaluate(_NOTE)
            await page.evaluate("shop.agree(), shop.talk()")
            await page.until("shop.turns.some(({ text }) => text)", 60)
            seen = await page.evaluate("seen")
        except AssertionError as err:
            raise EngineTimeout(f"visit {number}: {err}") from err
    return compared(number, [(text, at_ms) for text, at_ms in seen], heard)


@contextlib.asynccontextmanager
async def _running(started: Started) -> AsyncIterator[tuple[str, Bus]]:
    """Start a system; yield the address of its edge and a connection to its bus."""
    wanted = {f"{PREFIX}{name}": value for name, value in SETTINGS.items()}
    environ = {**base_environment(), **SYNTHETIC, **wanted}
    fleet = await start_fleet(started, environ, dict.fromkeys(parts.ROLES, 1))
    bus = await connect_bus(BusSettings(nats_url=started.part("nats").shown_url), "overheard")
    try:
        yield fleet.url, bus
    finally:
        await bus.close()


@contextlib.asynccontextmanager
async def _overhearing(bus: Bus, heard: list[tuple[str, float]]) -> AsyncIterator[None]:
    """Keep what every partial says and when it was on the bus, by the clock that pages have.

    That is the beat before the last one: it was not there yet when this process looked then,
    however long it was held up since.
    """
    beats = deque((_now_ms(),), maxlen=2)

    async def beat() -> None:
        while True:
            await asyncio.sleep(_BEAT_S)
            beats.append(_now_ms())

    async def listen() -> None:
        async with bus.listen(subject_of(TranscriptPartial, Place(bus.cell, "*", "*"))) as inbox:
            async for _, event in inbox:
                if isinstance(event, TranscriptPartial):
                    heard.append((event.text, beats[0]))

    tasks = [asyncio.create_task(beat()), asyncio.create_task(listen())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def _now_ms() -> float:
    return time.time_ns() / 1e6
