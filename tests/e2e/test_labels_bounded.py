"""Whatever callers make up, no series of the metrics is named for it: it would be one for ever."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.client import connected
from tests.models import model_path
from tests.plain import PLAIN
from tests.system import SYNTHETIC, System
from voicebus import parts

pytestmark = pytest.mark.model

PROCESSES = (*parts.ROLES, "edge")
MANY = 15
FEW = 3
"""New series of a metric that may come by chance, such as a connection that was made anew."""

MADE_UP = re.compile(r"(unknown|function|voice|tts|user|agent|kind)[-_]\d")
SITE = '[sites.shop]\norigins = ["https://shop.example"]\n'


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system with a site of the widget."""
    model_path("silero-vad")
    folder: Path = tmp_path_factory.mktemp("bounded")
    (folder / "sites.toml").write_text(SITE, encoding="utf-8")
    settings = {**SYNTHETIC, "EDGE_WIDGET_SITES_FILE": str(folder / "sites.toml")}
    with System(folder, settings) as running:
        yield running


def series(system: System) -> set[tuple[str, str, frozenset[tuple[str, str]]]]:
    """Every series of every process; the buckets of a histogram are one."""
    found = set()
    for process in PROCESSES:
        for name, labels in system.samples(process):
            kept = frozenset((label, value) for label, value in labels if label != "le")
            found.add((process, name, kept))
    return found


def chat(number: int, **fields: Any) -> dict[str, Any]:
    """A question of a user of its own, in its own words."""
    return {
        "model": "synthetic",
        "messages": [{"role": "user", "content": f"What of number {number}?"}],
        "user": f"user-{number}",
        **fields,
    }


def tool(number: int) -> dict[str, Any]:
    """A function with a name of its own."""
    return {"type": "function", "function": {"name": f"function_{number}", "parameters": {}}}


async def made_up(system: System, number: int) -> None:
    """Everything that a caller can name, with a name that nobody has used before."""
    async with httpx2.AsyncClient(base_url=system.root, timeout=30, **PLAIN) as client:
        asked: list[tuple[str, dict[str, Any], int]] = [
            ("/v1/chat/completions", chat(number), 200),
            ("/v1/chat/completions", chat(number, model=f"unknown-{number}"), 404),
            ("/v1/chat/completions", called(number), 200),
            ("/v1/audio/speech", {"model": f"tts-{number}", "voice": "v", "input": "a"}, 404),
            ("/v1/audio/speech", spoken(number), 404),
            (f"/v1/unknown-{number}", {}, 404),
        ]
        for path, body, status in asked:
            answer = await client.post(path, json=body)
            assert answer.status_code == status, (path, body, answer.text)
        for path in (f"/v1/models/unknown-{number}", f"/widget/sites/unknown-{number}"):
            answer = await client.get(path, headers={"user-agent": f"agent-{number}"})
            assert answer.status_code == 404, (path, answer.text)
    async with connected(system, {}) as session:
        await session.send("text", text=f"number {number}")
        await session.send(f"kind-{number}")
        await session.until("error")
        await session.until("turn_ended")


def called(number: int) -> dict[str, Any]:
    """A question that the model is to answer with a function."""
    wanted = {"type": "function", "function": {"name": f"function_{number}"}}
    return chat(number, tools=[tool(number)], tool_choice=wanted)


def spoken(number: int) -> dict[str, Any]:
    """Words in a voice that there is not."""
    return {"model": "tts-1", "voice": f"voice-{number}", "input": "a"}


def test_no_series_is_named_by_callers(system: System) -> None:
    """Models, functions, voices, sites, paths, users, sessions: after one of each come many."""

    async def many(numbers: range) -> None:
        await asyncio.gather(*(made_up(system, number) for number in numbers))

    asyncio.run(many(range(2)))
    before = series(system)
    asyncio.run(many(range(2, 2 + MANY)))
    grown = series(system) - before

    news = Counter((process, name) for process, name, _ in grown)
    assert {which: count for which, count in news.items() if count >= FEW} == {}
    assert [one for one in grown for _, value in one[2] if MADE_UP.search(value)] == []
