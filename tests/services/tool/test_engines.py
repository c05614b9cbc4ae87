"""What every way to reach functions keeps to, with a real server at its other end.

That a call is made once, and what a worker makes of its errors, is the worker's: test_worker.py.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from services.tool.engine import Result
from services.tool.settings import ServerSettings
from tests.services.tool.connecting import (
    BY_PIPE,
    LIMIT_S,
    Shop,
    by_http,
    connected,
    expect_well,
    log,
)
from tests.services.tool.shop import SPOILT
from tests.timing import expect_within
from tests.workers import until
from voicebus.errors import EngineError, EngineTimeout, EngineUnavailable, RequestRefused

__all__ = ["by_http", "log"]

BY_HTTP = "http"
WAYS = ["pipe", BY_HTTP]


@pytest.fixture(params=WAYS)
def settings(request: pytest.FixtureRequest, log: Path) -> ServerSettings:
    """Each way to reach the server; it writes down what it is asked for."""
    if request.param == BY_HTTP:
        by_address: ServerSettings = request.getfixturevalue("by_http")
        return replace(by_address, allow=("*",))
    return replace(BY_PIPE, allow=("*",), env={**BY_PIPE.env, "SHOP_LOG": str(log)})


@pytest.fixture
async def shop(settings: ServerSettings) -> AsyncIterator[Shop]:
    """The server, connected to."""
    async with connected(settings) as (reached, _):
        yield reached


def noted(log: Path, line: str) -> int:
    """How often the server has written this down."""
    return log.read_text().splitlines().count(line) if log.exists() else 0


async def refused(shop: Shop, name: str, **arguments: object) -> str:
    """What is said of a call that cannot be done, as an error of ours or as a failed result."""
    try:
        result = await shop.call(name, **arguments)
    except RequestRefused as err:
        return str(err)
    assert result.failed
    return result.content


async def test_each_call_has_its_own_result(shop: Shop) -> None:
    """However many are made at once, and whichever ends first."""
    teas = [f"tea {number}" for number in range(20)]

    slow = asyncio.create_task(shop.call("slow", LIMIT_S, seconds=1))
    results = await asyncio.gather(*(shop.call("stock", LIMIT_S, tea=tea) for tea in teas))

    assert not slow.done()
    assert results == [Result(f"Seven boxes of {tea} are left") for tea in teas]
    assert await slow == Result("At last")


async def test_calls_are_made_side_by_side(shop: Shop) -> None:
    """Each of these waits until the other one is made, too."""
    both = await asyncio.gather(*(shop.call("meet", who=who) for who in ("Ann", "Bob")))

    assert [result.content for result in both] == ["Ann was not alone", "Bob was not alone"]


async def test_the_name_of_a_call_arrives_at_the_server(shop: Shop) -> None:
    """By which it can tell that it has done this already, whoever asks again."""
    assert (await shop.server.call("which", {}, "s-1-0-0-2", 10.0)).content == "s-1-0-0-2"


async def test_a_cancelled_call_is_left_within_50_ms(shop: Shop, log: Path) -> None:
    """Whoever waited is free, the server is told of it, and what is called beside it goes on."""
    before = noted(log, "slow")
    beside = asyncio.create_task(shop.call("slow", LIMIT_S, seconds=3))

    async def cancel() -> float:
        begun, ended = noted(log, "slow"), noted(log, "slow cancelled")
        task = asyncio.create_task(shop.call("slow", LIMIT_S, seconds=LIMIT_S))
        await until(lambda: noted(log, "slow") > begun)
        begun_s = time.perf_counter()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        taken_s = time.perf_counter() - begun_s
        await until(lambda: noted(log, "slow cancelled") > ended)
        return taken_s

    # Or what begins first below would be this one, and a call that was not begun is not cancelled.
    await until(lambda: noted(log, "slow") > before)
    await expect_within(0.05, cancel)
    assert await beside == Result("At last")
    await expect_well(shop)


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("nowhere", {}, "nowhere"),
        ("stock", {}, "tea"),
        ("stock", {"tea": {"a": 1}}, "tea"),
        ("broken", {}, "the till is broken"),
    ],
    ids=["no such function", "none of its arguments", "a wrong one", "it fails"],
)
async def test_what_cannot_be_done_is_told_and_harms_nobody(
    shop: Shop, name: str, arguments: dict[str, object], told: str
) -> None:
    """In words that name it: the model can mend its call."""
    assert told in await refused(shop, name, **arguments)
    await expect_well(shop)


async def test_a_function_that_is_not_allowed_is_not_called(
    settings: ServerSettings, log: Path
) -> None:
    """Nor told of; whoever asks for it all the same is refused here."""
    async with connected(replace(settings, allow=("stock",))) as (shop, kept):
        with pytest.raises(RequestRefused, match="may not be called"):
            await shop.call("secret")
        await expect_well(shop)

    assert [tool.name for tool in kept.tools] == ["stock"]
    assert not noted(log, "secret")


async def test_ten_megabytes_are_refused_and_harm_nobody(shop: Shop) -> None:
    """What is called beside it comes in time."""
    with capture_logs() as lines:
        large = asyncio.create_task(shop.call("large", LIMIT_S))
        await expect_well(shop)
        with pytest.raises(EngineError, match=r"larger than 1 MB|1048576 byte limit") as told:
            await large
        await expect_well(shop)

    assert not isinstance(told.value, EngineTimeout | RequestRefused)
    assert [line for line in lines if line["event"] == "tools.lost"] == []


async def test_garbage_between_the_answers_is_passed_over(shop: Shop) -> None:
    """The answer comes all the same."""
    assert await shop.call("garbage") == Result("Fine")
    await expect_well(shop)


@pytest.mark.parametrize("kind", SPOILT)
async def test_an_answer_by_http_that_is_no_protocol_is_an_error_of_ours(
    by_http: ServerSettings, kind: str
) -> None:
    """Of this call only; what the server wrote is not shown to the model.

    What may have been done is not told as refused, and what answers somebody else comes too late.
    """
    async with connected(by_http) as (shop, _):
        with capture_logs() as lines:
            beside = asyncio.create_task(shop.call("slow", LIMIT_S, seconds=0.3))
            with pytest.raises(EngineError) as told:
                await shop.call("garbage", 1.0, kind=kind)
            assert (await beside).content == "At last"
            await expect_well(shop)

    assert not isinstance(told.value, RequestRefused | EngineUnavailable)
    assert isinstance(told.value, EngineTimeout) == (kind == "somebody else's")
    assert not [word for word in ("JSONRPC", "input_value", "pydantic") if word in str(told.value)]
    assert [line for line in lines if line["event"] == "tools.lost"] == []


async def test_a_function_that_hangs_is_given_up_in_its_time(shop: Shop, log: Path) -> None:
    """And the server is told that nobody waits any more."""
    begun_s, ended = time.monotonic(), noted(log, "slow cancelled")

    with pytest.raises(EngineTimeout, match=r"within 0\.3 s"):
        await shop.call("slow", 0.3, seconds=LIMIT_S)

    assert 0.3 <= time.monotonic() - begun_s < 2
    await until(lambda: noted(log, "slow cancelled") > ended)
    await expect_well(shop)


async def test_arguments_of_any_text_arrive_as_they_are(shop: Shop) -> None:
    """Line ends, quotes and signs of any script are no protocol."""
    tea = 'mint\n{"id": 1}\r\n\t"\\ зелёный 茶 \u2028 \x00'

    result = await shop.call("stock", tea=tea)

    assert result.content == f"Seven boxes of {tea} are left"


async def test_the_end_of_an_engine_ends_its_calls(settings: ServerSettings, log: Path) -> None:
    """Nobody is left waiting, and what is asked later is told that nobody is there."""
    shop, begun = Shop(settings), noted(log, "slow")
    running = asyncio.create_task(shop.server.run(shop.learn))
    async with asyncio.timeout(LIMIT_S):
        await shop.known.get()
    task = asyncio.create_task(shop.call("slow", LIMIT_S, seconds=LIMIT_S))
    await until(lambda: noted(log, "slow") > begun)

    running.cancel()
    async with asyncio.timeout(10):
        await asyncio.wait((running, task))

    assert running.cancelled()
    assert isinstance(task.exception(), EngineError)
    assert not isinstance(task.exception(), RequestRefused | EngineUnavailable)
    with pytest.raises(EngineUnavailable, match="cannot be reached"):
        await shop.call("stock", tea="mint")


@pytest.mark.parametrize(
    "nowhere",
    [ServerSettings(command=(os.devnull,)), ServerSettings(url="http://127.0.0.1:9/mcp")],
    ids=WAYS,
)
async def test_a_server_that_is_not_there_is_told_as_such(nowhere: ServerSettings) -> None:
    """Nothing was called: whoever asks may ask elsewhere."""
    shop = Shop(nowhere)
    running = asyncio.create_task(shop.server.run(shop.learn))
    with capture_logs() as lines:
        await until(lambda: [one["event"] for one in lines].count("tools.lost") > 1)
        with pytest.raises(EngineUnavailable, match="cannot be reached"):
            await shop.call("stock", tea="mint")
    running.cancel()
    await asyncio.wait((running,))
