"""What comes for many calls at once does not hold up the beat."""

from __future__ import annotations

import asyncio

import pytest

from edge.telephony.turnstile import Turnstile


async def _through(turnstile: Turnstile, passed: list[str], what: str) -> None:
    async with turnstile:
        passed.append(what)


async def test_who_is_due_comes_between_two_pieces() -> None:
    """The loop has been round before the next piece is let in."""
    turnstile, passed = Turnstile(), list[str]()
    loop = asyncio.get_running_loop()

    def beat() -> None:
        passed.append("beat")
        if passed.count("beat") < 20:
            loop.call_soon(beat)

    loop.call_soon(beat)
    await asyncio.gather(*(_through(turnstile, passed, "piece") for _ in range(5)))

    between = "".join(what[0] for what in passed)
    assert between.count("p") == 5
    assert "pp" not in between


async def test_order_is_kept() -> None:
    """Nobody overtakes."""
    turnstile, passed = Turnstile(), list[str]()
    await asyncio.gather(*(_through(turnstile, passed, str(number)) for number in range(20)))
    assert passed == [str(number) for number in range(20)]


async def test_a_call_that_ends_in_it_lets_the_next_one_in() -> None:
    """A call may end while it is in it."""
    turnstile, passed = Turnstile(), list[str]()
    ending = asyncio.create_task(_through(turnstile, passed, "ended"))
    other = asyncio.create_task(_through(turnstile, passed, "other"))
    while not passed:
        await asyncio.sleep(0)
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
    async with asyncio.timeout(5):
        await other
    assert passed == ["ended", "other"]
