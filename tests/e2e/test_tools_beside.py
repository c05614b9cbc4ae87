"""Functions that misbehave, by standard input and output and by HTTP, beside another caller."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from tests.e2e.client import PAUSE, Client, connected
from tests.e2e.test_tools import turn, until_called
from tests.e2e.tools import SERVERS, environment, inline, system_with_tools
from tests.e2e.upstream import LanguageModel, Script, asking, echo, failing
from tests.services.tool.connecting import SHOP, log
from tests.system import System
from tests.voicebus.audio.recordings import sentence
from voicebus.parts import free_port

__all__ = ["log"]

pytestmark = pytest.mark.model

WAYS = ["pipe", "http"]
PERSONA = """---
tools:
  allow: [pipe.*, http.*]
---
You sell tea.
"""
LONGEST_S = 1.5


@pytest.fixture(scope="module")
def system(
    log: Path, tmp_path_factory: pytest.TempPathFactory, language_model: LanguageModel
) -> Iterator[System]:
    """A system with a tool worker that reaches the same server in both ways."""
    folder, port, env = tmp_path_factory.mktemp("tools"), free_port(), environment(log)
    (folder / "tea.md").write_text(PERSONA)
    (folder / SERVERS).write_text(
        f'[servers.pipe]\ncommand = ["{sys.executable}", "-m", "{SHOP}"]\nenv = {inline(env)}\n'
        "timeout_s = 4\n\n"
        f'[servers.http]\nurl = "http://127.0.0.1:{port}/mcp"\ntimeout_s = 4\n'
    )
    command = [sys.executable, "-m", SHOP, str(port)]
    with subprocess.Popen(command, env={**os.environ, **env}, stderr=subprocess.DEVNULL) as by_http:
        try:
            with system_with_tools(folder, "tea", language_model) as running:
                yield running
        finally:
            by_http.kill()


def when(words: str, script: Script) -> Script:
    """Follow a script for who says these words; whoever else speaks hears himself."""

    def chosen(server: LanguageModel, request: Request, messages: list[Any]) -> Response:
        is_meant = any(words in f"{message['content']}" for message in messages)
        return (script if is_meant else echo)(server, request, messages)

    return chosen


async def turn_s(client: Client) -> float:
    """Do a turn without functions; return the seconds until its end."""
    begun_s = time.perf_counter()
    assert (await turn(client, "hello")).strip() == "You said: hello."
    return time.perf_counter() - begun_s


@pytest.mark.parametrize("way", WAYS)
async def test_a_function_is_called_whichever_way_its_server_is_reached(
    system: System, language_model: LanguageModel, way: str
) -> None:
    """And its result is spoken."""
    with language_model.following(asking((f"{way}_stock", {"tea": "mint"}))):
        async with connected(system, {}) as client:
            answer = await turn(client, "is there mint?")

    assert answer == "Let me see. Seven boxes of mint are left."


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("slow", {"seconds": 30}, "no result within 4 s"),
        ("frozen", {"seconds": 5}, "no result within 4 s"),
        ("large", {}, "larger than 1 MB|1048576 byte limit"),
        ("garbage", {"kind": "no json"}, "Fine|the server's answer is no result"),
    ],
)
async def test_who_talks_beside_a_function_that_misbehaves_is_not_disturbed(
    system: System,
    language_model: LanguageModel,
    way: str,
    name: str,
    arguments: dict[str, Any],
    told: str,
) -> None:
    """Each of his turns is answered, as soon as before; who waits for it is answered, too."""
    script = when("go on", asking((f"{way}_{name}", arguments)))
    with language_model.following(script):
        async with connected(system, {}) as caller, connected(system, {}) as other:
            alone_s = [await turn_s(other) for _ in range(5)]
            waiting = asyncio.create_task(turn(caller, "go on"))
            beside_s = [await turn_s(other)]
            while not waiting.done():
                beside_s.append(await turn_s(other))
            answer = await waiting
            assert other.messages("error") == []
            assert caller.messages("error") == []

    assert [word for word in told.split("|") if word in answer], answer
    # A core more that is busy is felt, a function that is waited for would be for seconds.
    assert median(beside_s) < 2 * median(alone_s) + 0.25, (alone_s, beside_s)
    assert max(beside_s) < LONGEST_S, beside_s


@pytest.mark.parametrize("way", WAYS)
async def test_who_speaks_while_a_function_is_called_cancels_it(
    system: System, language_model: LanguageModel, log: Path, way: str
) -> None:
    """By speech alone: the function learns of it, and what was said is answered."""
    script = when("sell it", asking((f"{way}_slow", {"seconds": 3.5})))
    with language_model.following(script):
        async with connected(system, {}) as client:
            await client.send("text", text="sell it")
            await until_called(log, "slow")
            language_model.script = echo
            await client.speak(sentence())
            await client.speak(PAUSE)
            await until_called(log, "slow cancelled")
            ended = await client.until("turn_ended", turn=1)
            await client.until("turn_ended", turn=2, outcome="completed")

    assert ended["outcome"] == "interrupted"
    assert client.messages("turn_started")[1]["text"].startswith("synthetic utterance")
    assert client.messages("error") == []


async def test_a_model_that_refuses_functions_talks_without_them(
    system: System, language_model: LanguageModel
) -> None:
    """From the first turn on, which is late by a refusal; it is told in the log and counted."""
    worker = system.processes["llm"]

    def choosy(server: LanguageModel, request: Request, messages: list[Any]) -> Response:
        return (failing(400) if server.offered[-1] else echo)(server, request, messages)

    try:
        with language_model.following(choosy):
            async with connected(system, {}) as client:
                await turn_s(client)
                asked = len(language_model.offered)
                await turn_s(client)
                later = language_model.offered[asked:]
                assert client.messages("error") == []
        told = worker.log.count("engine.refuses_tools")
        counted = system.metric("llm", "voicebus_llm_without_tools_total", provider="openai")
    finally:
        # What it has learnt holds as long as it lives.
        worker.signal(signal.SIGTERM)
        worker.wait(20)
        worker.restart()
        await asyncio.to_thread(system.wait_ready)

    assert later == [[]]
    assert (told, counted) == (1, 2)
