"""What is told of an MCP server's functions, and what happens when it is lost or changes.

What calls of them keep to is in test_engines.py.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from schemas.tool import ToolsKept
from services.tool.engines import mcp
from services.tool.settings import ServerSettings, ToolSettings, read_servers
from tests.services.tool.connecting import (
    BY_PIPE,
    LIMIT_S,
    Shop,
    by_http,
    connected,
    expect_well,
    log,
)
from voicebus.errors import (
    ConfigError,
    EngineError,
    EngineTimeout,
    EngineUnavailable,
    RequestRefused,
    StorageFull,
)
from voicebus.parts import free_port

__all__ = ["by_http", "log"]


async def test_a_server_says_what_it_has() -> None:
    """What may not be called is not told of."""
    async with connected(BY_PIPE) as (shop, kept):
        await expect_well(shop)
        with pytest.raises(RequestRefused, match="may not be called"):
            await shop.call("secret")

    assert {tool.name for tool in kept.tools} == set(BY_PIPE.allow)
    assert kept.repeatable == ("stock",)
    assert '"tea"' in next(tool.parameters for tool in kept.tools if tool.name == "stock")


async def test_a_server_that_is_at_work_is_not_taken_for_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that does one thing after the other says nothing as long as a function may take."""
    monkeypatch.setattr(mcp, "_LOOK_S", 0.1)
    monkeypatch.setattr(mcp, "_ANSWER_S", 0.5)
    async with connected(BY_PIPE) as (shop, _):
        assert (await shop.call("frozen", LIMIT_S, seconds=2)).content == "At last"


async def test_a_server_that_hangs_is_lost_when_its_calls_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However many come meanwhile."""
    monkeypatch.setattr(mcp, "_ANSWER_S", 0.5)
    async with connected(BY_PIPE) as (shop, _):
        with pytest.raises(EngineTimeout):
            await shop.call("frozen", 0.2, seconds=600)
        async with asyncio.timeout(LIMIT_S):
            while shop.known.empty():
                with contextlib.suppress(EngineError):
                    await shop.call("stock", 0.2, tea="mint")
                await asyncio.sleep(0.05)
        await expect_well(shop)


async def test_functions_that_a_server_gets_later_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """As those that it has at the start; nothing is told as long as nothing changes."""
    monkeypatch.setattr(mcp, "_LOOK_S", 0.1)
    async with connected(replace(BY_PIPE, allow=("*",))) as (shop, before):
        await asyncio.sleep(0.5)
        assert shop.known.empty()
        await shop.call("grow")
        async with asyncio.timeout(LIMIT_S):
            after = await shop.known.get()

        assert {tool.name for tool in after.tools} - {tool.name for tool in before.tools} == {"new"}


async def test_a_server_that_dies_is_started_again() -> None:
    """What was being called has failed; what comes later is done."""
    async with connected(BY_PIPE) as (shop, _):
        with pytest.raises(EngineError) as died:
            await shop.call("death")
        assert not isinstance(died.value, RequestRefused | EngineUnavailable)
        async with asyncio.timeout(LIMIT_S):
            await shop.known.get()

        assert not (await shop.call("stock", tea="rooibos")).failed


async def test_a_bus_that_takes_nothing_is_no_fault_of_the_server() -> None:
    """It is called as before, and what it has is told as soon as it can be."""
    shop = Shop(BY_PIPE)
    refusals = 3

    async def refused_at_first(name: str, kept: ToolsKept) -> None:
        nonlocal refusals
        refusals -= 1
        if refusals >= 0:
            raise StorageFull("no room")
        await shop.learn(name, kept)

    running = asyncio.create_task(shop.server.run(refused_at_first))
    with capture_logs() as lines:
        async with asyncio.timeout(LIMIT_S):
            await shop.known.get()
        await expect_well(shop)
    running.cancel()
    await asyncio.wait((running,))

    told = [line["event"] for line in lines if line["event"].startswith("tools.")]
    assert told == ["tools.connected", *["tools.untold"] * 3]


async def test_no_secret_of_a_server_is_logged() -> None:
    """Nor shown to the model: it may stand anywhere in an address, which errors show whole."""
    secrets = ("user-one", "pass-two", "path-three", "query-four", "header-five\n")
    user, password, path, query, header = secrets
    url = f"http://{user}:{password}@127.0.0.1:{free_port()}/{path}/mcp?key={query}"
    with capture_logs() as lines:
        for headers in ({}, {"x-key": header}):
            shop = Shop(ServerSettings(url=url, headers=headers))
            running = asyncio.create_task(shop.server.run(shop.learn))
            async with asyncio.timeout(LIMIT_S):
                while not lines or lines[-1]["event"] != "tools.lost":
                    await asyncio.sleep(0.02)
            running.cancel()
            await asyncio.wait((running,))
    shown = shop.server._public(f"Client error '401' for url '{url}' with {header}")

    assert [secret for secret in secrets if secret.strip() in f"{lines}{shown}"] == []
    assert "127.0.0.1" in shown


async def test_a_server_is_reached_by_http(by_http: ServerSettings) -> None:
    """As soon as it is there."""
    async with connected(by_http) as (shop, kept):
        assert "secret" in {tool.name for tool in kept.tools}
        assert (await shop.call("stock", tea="mint")).content == "Seven boxes of mint are left"


async def test_a_function_may_be_silent_for_longer_than_a_connection_may_take(
    by_http: ServerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it may take is its own setting."""
    monkeypatch.setattr(mcp, "_CONNECT_S", 2.0)
    async with connected(replace(by_http, timeout_s=60.0)) as (shop, _):
        assert (await shop.call("slow", 60.0, seconds=2.5)).content == "At last"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[servers.a]", "a server has a `command` or a `url`"),
        ('[servers.a]\nurl = "ftp://x"', "must begin with http"),
        ('[servers.a]\ncomand = ["x"]', "unknown field `comand`"),
        ('[servers."a.b"]\ncommand = ["x"]', "'a.b' is no name"),
        ("[servers.a", "f.toml"),
    ],
)
def test_a_file_with_errors_is_told_at_the_start(tmp_path: Path, text: str, told: str) -> None:
    """With its name, and what is wrong."""
    path = tmp_path / "f.toml"
    path.write_text(text)

    with pytest.raises(ConfigError) as err:
        read_servers(ToolSettings(servers_file=str(path)))
    assert told in str(err.value)
    assert "f.toml" in str(err.value)


def test_secrets_may_lie_in_a_file_of_their_own(tmp_path: Path) -> None:
    """Beside the file of the servers."""
    (tmp_path / "f.toml").write_text('[servers.a]\nurl = "http://x"\nheaders_file = "s.toml"')
    (tmp_path / "s.toml").write_text('authorization = "Bearer x"')

    servers = read_servers(ToolSettings(servers_file=str(tmp_path / "f.toml")))
    assert servers["a"].headers == {"authorization": "Bearer x"}
