"""A book of a hundred thousand instant answers is imported, and nobody else notices."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

from benchmarks.faq_book import answer, csv, questions
from tests.e2e.client import Client, connected
from tests.e2e.test_personas import turn
from tests.models import model_path
from tests.system import SYNTHETIC, System
from voicebus.bus.client import connect as connect_bus
from voicebus.parts import project_root
from voicebus.personas import shelf
from voicebus.settings import BusSettings

pytestmark = [pytest.mark.model, pytest.mark.timeout(180)]

MANY = 100_000
ALONE = 20
"""Turns before the import, to compare with."""
SLOWER = 1.5
LONGEST_S = 2.0


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Synthetic engines; the personas are in the bucket."""
    model_path("silero-vad")
    with System(tmp_path_factory.mktemp("large"), SYNTHETIC) as running:
        yield running


async def imported(system: System, path: Path) -> tuple[int, str]:
    """Import a file by the command; return its exit code, and what it says."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from voicebus.cli.main import main; raise SystemExit(main())"),
        *("faq", "import", str(path), "--persona", "shop"),
        env={**os.environ, **system.environment(), "PYTHONPATH": str(project_root())},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, told.decode()


async def turn_s(client: Client) -> float:
    """Type a turn of another persona; return the seconds until its end."""
    begun_s = time.perf_counter()
    assert await turn(client, "hello")
    return time.perf_counter() - begun_s


async def answered(system: System, question: str, wanted: str) -> None:
    """Ask in new sessions until this is the answer."""
    async with asyncio.timeout(100):
        while True:
            async with connected(system, {"persona": "shop"}) as client:
                if await turn(client, question) == wanted:
                    return


async def import_and_ask(system: System, folder: Path, book: list[str]) -> None:
    """Import the book and find its last answer; then one with an error, which changes nothing."""
    path, last = folder / "shop.csv", MANY - 1
    path.write_text(csv(book))
    code, told = await imported(system, path)
    assert code == 0, told
    assert f"shop: {MANY} questions" in told
    await answered(system, book[last], answer(last))

    lines = path.read_text().splitlines()
    lines[99_998] += ",and more"
    path.write_text("\n".join(lines))
    code, told = await imported(system, path)
    assert code == 2
    assert "shop.csv:99999: 3 columns" in told
    await answered(system, book[last], answer(last))


async def test_a_book_of_a_hundred_thousand_is_imported_beside_a_conversation(
    system: System, tmp_path: Path
) -> None:
    """Every turn of another session completes meanwhile, about in the time that it takes alone.

    The import wants a core for itself: turns may be half as long again for it, none is longer by
    seconds. That it is the line 99,999 that is wrong is told, and what was imported before stays.
    """
    bus = await connect_bus(BusSettings(nats_url=system.nats.url), "test")
    await shelf.put(bus, "shop", "You sell things.")
    await bus.close()
    book = await asyncio.to_thread(questions, MANY)

    async with connected(system, {}) as client:
        alone_s = [await turn_s(client) for _ in range(ALONE)]
        working = asyncio.create_task(import_and_ask(system, tmp_path, book))
        beside_s = []
        while not working.done():
            beside_s.append(await turn_s(client))
        assert client.messages("error") == []
    await working

    assert len(beside_s) > 3
    assert median(beside_s) < SLOWER * median(alone_s), (alone_s, beside_s)
    assert max(beside_s) < LONGEST_S, beside_s
