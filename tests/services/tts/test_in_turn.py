"""A library that speaks one text at a time serves many."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Generator
from contextlib import aclosing

import numpy as np
import pytest
from numpy.typing import NDArray

from services.tts.engines.in_turn import InTurn
from voicebus.engine_thread import EngineThread
from voicebus.errors import EngineError, EngineTimeout

PIECE_S = 0.4


@pytest.fixture
async def turns() -> AsyncIterator[InTurn]:
    """A thread in which texts have their turns."""
    thread = EngineThread("toy")
    yield InTurn(thread, PIECE_S)
    thread.shutdown(wait=False, cancel_futures=True)


def text(
    pieces: int, piece_s: float = 0.0, done: threading.Event | None = None
) -> Generator[NDArray[np.int16], None, None]:
    """Some pieces, each of which takes its time."""
    try:
        for number in range(pieces):
            time.sleep(piece_s)
            yield np.full(10, number, np.int16)
    finally:
        if done is not None:
            done.set()


async def spoken(turns: InTurn, making: Generator[NDArray[np.int16], None, None]) -> list[int]:
    """All pieces of a text."""
    async with aclosing(turns.spoken(making)) as pieces:
        return [int(piece[0]) async for piece in pieces]


async def test_who_waits_for_others_is_not_late(turns: InTurn) -> None:
    """Six texts, each of them made in time, take longer together than a piece may."""
    begun_s = time.monotonic()

    heard = await asyncio.gather(*(spoken(turns, text(2, PIECE_S / 4)) for _ in range(6)))

    assert time.monotonic() - begun_s > 2 * PIECE_S
    assert heard == [[0, 1]] * 6


async def test_who_listens_slowly_holds_nobody_up(turns: InTurn) -> None:
    """The others are spoken while it has heard no more than the first piece."""
    async with aclosing(turns.spoken(text(3))) as slow:
        first = await anext(slow)
        async with asyncio.timeout(10):
            assert await spoken(turns, text(2)) == [0, 1]
        rest = [int(piece[0]) async for piece in slow]

    assert (int(first[0]), rest) == (0, [1, 2])


async def test_a_piece_that_takes_too_long_is_an_error(turns: InTurn) -> None:
    """Of that text alone."""
    with pytest.raises(EngineTimeout):
        await spoken(turns, text(1, 2 * PIECE_S))
    async with asyncio.timeout(10):
        while True:
            try:
                assert await spoken(turns, text(2)) == [0, 1]
            except EngineTimeout:  # the thread is still at the one before
                continue
            return


async def test_an_error_is_told_behind_what_was_made(turns: InTurn) -> None:
    """As the library raises it."""

    def broken() -> Generator[NDArray[np.int16], None, None]:
        yield np.zeros(10, np.int16)
        raise EngineError("hoarse")

    pieces = turns.spoken(broken())
    assert len(await anext(pieces)) == 10
    with pytest.raises(EngineError, match="hoarse"):
        await anext(pieces)
    assert await spoken(turns, text(1)) == [0]


@pytest.mark.parametrize("begun", [True, False])
async def test_who_leaves_is_free_at_once_and_the_rest_is_not_made(
    turns: InTurn, begun: bool
) -> None:
    """Whether it has its turn or waits for it."""
    done = threading.Event()
    first = turns.spoken(text(1000, 0.05, done))
    await anext(first)
    second = turns.spoken(text(1))
    waiting = asyncio.ensure_future(anext(second))
    await asyncio.sleep(0.05)

    if begun:
        await first.aclose()
        assert int((await waiting)[0]) == 0
        assert await asyncio.to_thread(done.wait, 10)
    else:
        waiting.cancel()
        await asyncio.wait((waiting,))
        assert int((await anext(first))[0]) == 1
        await first.aclose()
    await second.aclose()
