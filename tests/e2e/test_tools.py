"""Functions in the middle of a reply: a real MCP server, a language model that asks for them."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.client import Client, connected
from tests.e2e.tools import SERVERS, environment, inline, system_with_tools
from tests.e2e.upstream import LanguageModel, asking, calling
from tests.services.tool.connecting import SHOP, log
from tests.system import System
from voicebus.parts import project_root

__all__ = ["log"]

pytestmark = pytest.mark.model

PERSONA = """---
tools:
  allow: [time, hang_up, transfer, shop.*]
  transfer_to: [sales]
  rounds: 2
filler:
  text: One moment.
  after_s: 0.2
---
You sell tea.
"""


PAGE = (project_root() / "docs" / "howto" / "tools.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """The one block of the page in a language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.fixture(scope="module")
def system(
    log: Path, tmp_path_factory: pytest.TempPathFactory, language_model: LanguageModel
) -> Iterator[System]:
    """A system with a tool worker, and a persona that may call the functions of a shop."""
    folder = tmp_path_factory.mktemp("tools")
    (folder / "shop.md").write_text(PERSONA)
    (folder / "tea.md").write_text(block("markdown"))
    (folder / "tea.py").write_text(block("python"))
    (folder / SERVERS).write_text(
        "[servers.shop]\n"
        f'command = ["{sys.executable}", "-m", "{SHOP}"]\n'
        f"env = {inline(environment(log))}\n"
        'allow = ["stock", "slow", "large", "broken", "meet"]\n'
        'repeatable = ["stock"]\n'
        "timeout_s = 4\n\n"
        + block("toml").replace('"python", "tea.py"', f'"{sys.executable}", "{folder / "tea.py"}"')
    )
    with system_with_tools(folder, "shop", language_model) as running:
        yield running


def called(log: Path) -> list[str]:
    """What the server was asked for, line by line."""
    return log.read_text().splitlines() if log.exists() else []


async def until_called(log: Path, name: str) -> None:
    """Wait until a function is at work."""
    async with asyncio.timeout(20):
        while called(log)[-1:] != [name]:
            await asyncio.sleep(0.02)


async def turn(client: Client, text: str) -> str:
    """Type a turn; return what is answered."""
    count = len(client.messages("turn_ended")) + 1
    await client.send("text", text=text)
    ended = await client.until("turn_ended", count=count)
    assert ended["outcome"] == "completed"
    return str(client.messages("reply_done", turn=ended["turn"])[0]["text"])


async def test_functions_are_called_in_parallel_and_the_reply_goes_on(
    system: System, language_model: LanguageModel
) -> None:
    """The client hears one reply, in order; the model is told of the results, later, too."""
    calls = (("shop_stock", {"tea": "mint"}), ("shop_stock", {"tea": "green tea"}))
    with language_model.following(asking(*calls)):
        async with connected(system, {}) as client:
            answer = await turn(client, "is there tea?")
            text = "".join(m["text"] for m in client.messages("reply_text", turn=1))
            spoken = client.messages("spoken", turn=1)
            await turn(client, "and now?")

    told = "Seven boxes of mint are left; Seven boxes of green tea are left."
    assert answer == f"Let me see. {told}"
    assert text.split() == answer.split()
    assert " ".join(m["text"] for m in spoken).split() == answer.split()
    assert len(client.messages("reply_done", turn=1)) == 1
    assert language_model.offered[-1] == [
        *(
            "time",
            "hang_up",
            "transfer",
            "shop_stock",
            "shop_slow",
            "shop_meet",
            "shop_large",
            "shop_broken",
        )
    ]
    roles = [message["role"] for message in language_model.asked[-2]]
    assert roles == ["system", "user", "assistant", "tool", "tool", "assistant", "user"]


async def test_calls_are_made_side_by_side(system: System, language_model: LanguageModel) -> None:
    """Each of these waits until the other one is made, too."""
    with language_model.following(
        asking(("shop_meet", {"who": "Ann"}), ("shop_meet", {"who": "Bob"}))
    ):
        async with connected(system, {}) as client:
            answer = await turn(client, "are you two there?")

    assert answer == "Let me see. Ann was not alone; Bob was not alone."


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("shop_large", {}, "the result is larger than 1 MB"),
        ("shop_broken", {}, "the till is broken"),
        ("shop_slow", {"seconds": 5}, r"no result within 4 s"),
        ("shop_secret", {}, "there is no such function"),
    ],
)
async def test_a_function_that_misbehaves_is_told_to_the_model(
    system: System, language_model: LanguageModel, name: str, arguments: dict[str, Any], told: str
) -> None:
    """The turn is answered all the same."""
    with language_model.following(asking((name, arguments), then="Sorry.")):
        async with connected(system, {}) as client:
            assert (await turn(client, "go on")) == "Let me see. Sorry."

    assert re.search(told, language_model.asked[-1][-1]["content"])


async def test_somebody_who_waits_for_a_function_hears_a_filler(
    system: System, language_model: LanguageModel
) -> None:
    """Where the model has said nothing itself."""
    with language_model.following(calling("shop_slow", {"seconds": 0.5})):
        async with connected(system, {}) as client:
            answer = await turn(client, "hello")

    assert "At last" in answer
    assert client.messages("spoken", turn=1)[0]["text"] == ""


async def test_an_interruption_cancels_the_call(
    system: System, language_model: LanguageModel, log: Path
) -> None:
    """The function itself learns of it: it does not go on for nobody."""
    with language_model.following(asking(("shop_slow", {"seconds": 3}))):
        async with connected(system, {}) as client:
            await client.send("text", text="sell it")
            await until_called(log, "slow")
            await client.send("cancel")
            ended = await client.until("turn_ended")
        await until_called(log, "slow cancelled")
    assert ended["outcome"] == "interrupted"


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (("hang_up", {}), {"reason": "assistant"}),
        (("transfer", {"to": "sales"}), {"reason": "transfer", "to": "sales"}),
    ],
)
async def test_the_assistant_hangs_up_after_its_goodbye(
    system: System,
    language_model: LanguageModel,
    call: tuple[str, dict[str, Any]],
    told: dict[str, str],
) -> None:
    """Once it was heard; where it passes the call on, its client is told with whom it goes on."""
    with language_model.following(asking(call, then="Goodbye.")):
        async with connected(system, {}) as client:
            await client.send("text", text="that was all")
            await client.until_closed()

    assert client.messages("hang_up") == [{"type": "hang_up", **told}]
    assert client.messages("turn_ended")[0]["outcome"] == "completed"


async def test_the_server_of_the_page_is_called_by_its_persona(
    system: System, language_model: LanguageModel
) -> None:
    """With the files as they stand there."""
    with language_model.following(calling("tea_stock", {"name": "mint"})):
        async with connected(system, {"persona": "tea"}) as client:
            answer = await turn(client, "is there mint?")

    assert language_model.offered[-1] == ["time", "hang_up", "tea_stock"]
    assert "Seven boxes of mint." in answer
    assert "VOICEBUS_TOOL_SERVERS_FILE" in block("sh")


async def test_a_turn_worker_that_goes_behind_a_call_leaves_the_reply_to_its_writer(
    system: System, language_model: LanguageModel
) -> None:
    """Whoever leads the turn then asks nobody again; not a word is lost or said twice."""
    then = "Seven boxes of mint are left, and many more of them are on their way from far away."
    calls, turn_worker = ("shop_stock", {"tea": "mint"}), system.processes["turn"]
    with language_model.following(asking(calls, then=then, pause_s=0.3)):
        async with connected(system, {}) as client:
            asked = len(language_model.asked)
            await client.send("text", text="is there mint?")
            await client.until("reply_text", count=4)
            turn_worker.signal(signal.SIGTERM)
            turn_worker.wait(20)
            turn_worker.restart()
            ended = await client.until("turn_ended")
    system.wait_ready()

    assert ended["outcome"] == "completed"
    assert client.messages("reply_done")[0]["text"] == f"Let me see. {then}"
    assert "".join(m["text"] for m in client.messages("reply_text")).split() == (
        f"Let me see. {then}".split()
    )
    assert len(language_model.asked) == asked + 2


async def test_a_tool_worker_that_dies_costs_nobody_a_word(
    system: System, language_model: LanguageModel
) -> None:
    """What may not be repeated is not; the model says so, and the next call is made."""
    with language_model.following(asking(("shop_slow", {"seconds": 1}))):
        async with connected(system, {}) as client:
            await client.send("text", text="sell it")
            await asyncio.sleep(0.5)
            system.processes["tool"].signal(signal.SIGKILL)
            ended = await client.until("turn_ended")
            system.processes["tool"].wait(10)
            system.processes["tool"].restart()

    assert ended["outcome"] == "completed"
    assert "did not answer in time" in language_model.asked[-1][-1]["content"]
