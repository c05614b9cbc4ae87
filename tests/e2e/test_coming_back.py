"""Calls over a network that breaks: what is said and heard is what an unharmed caller's is."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.cutting import Proxy, proxy
from tests.e2e.client import log_of
from tests.system import System
from tests.voicebus.audio.recordings import SAMPLES
from voicebus.audio.wav import read_wav
from voicebus.caller import call
from voicebus.cli.replay import caller_audio
from voicebus.exchange import TurnHeard

pytestmark = [pytest.mark.model, pytest.mark.fault]

Harm = Callable[[Proxy], Any]


def recording() -> NDArray[np.int16]:
    """A sentence of three seconds."""
    return read_wav(SAMPLES / "austen-amiable.wav")[1]


async def spoken(url: str) -> tuple[TurnHeard, list[str]]:
    """Speak the sentence and hear the answer; return also the kinds of what was said."""
    kinds: list[str] = []
    async with call(url, observe=lambda message: kinds.append(message["type"])) as caller:
        return await caller.speak(recording()), kinds


@asynccontextmanager
async def harmed(system: System, harm: Harm) -> AsyncIterator[Proxy]:
    """Stand between the caller and the system, and do harm there."""
    async with proxy(system.ws) as standing:
        harming = asyncio.create_task(harm(standing))
        try:
            yield standing
        finally:
            harming.cancel()
            await asyncio.wait((harming,))


async def expect_heard_by_the_server(system: System, heard: TurnHeard) -> None:
    """The recording is in the log, gapless and bit for bit."""
    said = caller_audio(await log_of(system, heard.session_id))
    assert np.array_equal(said[: len(recording())], recording())


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 4))]
)
async def test_a_connection_that_breaks_at_random_costs_nothing(
    echo_system: System, seed: int
) -> None:
    """In the middle of words and replies, several times a call: transcript, reply and audio."""
    chance = random.Random(seed)

    async def cut(standing: Proxy) -> None:
        while True:
            await asyncio.sleep(chance.uniform(0.2, 1.2))
            if standing.wires and not standing.wires[-1].is_cut:
                standing.cut()

    unharmed, _ = await spoken(echo_system.ws)
    async with harmed(echo_system, cut) as standing:
        heard, kinds = await spoken(standing.url)

    assert kinds.count("resumed") >= 2
    assert kinds.count("reconnecting") >= kinds.count("resumed")
    assert (heard.transcript, heard.reply) == (unharmed.transcript, unharmed.reply)
    assert heard.audio == unharmed.audio
    assert heard.turns == unharmed.turns == 1
    assert heard.errors == ()
    await expect_heard_by_the_server(echo_system, heard)


async def test_a_network_that_swallows_everything_costs_no_word(echo_system: System) -> None:
    """Nobody is told that the connection is dead, in the middle of a sentence."""

    async def swallow(standing: Proxy) -> None:
        while not standing.wires:
            await asyncio.sleep(0.05)
        await asyncio.sleep(1.5)
        standing.wires[0].swallow()

    async with harmed(echo_system, swallow) as standing:
        heard, kinds = await spoken(standing.url)

    assert kinds.count("resumed") == 1
    assert heard.reply
    await expect_heard_by_the_server(echo_system, heard)


async def test_a_typed_turn_is_taken_once(echo_system: System) -> None:
    """Whether it had arrived before the cut or not."""
    async with proxy(echo_system.ws) as standing, call(standing.url) as caller:
        for number in range(5):
            typing = asyncio.create_task(caller.type_text(f"number {number}"))
            await asyncio.sleep(0.004 * number)
            standing.cut()
            heard = await typing
            assert (heard.transcript, heard.turns) == (f"number {number}", 1)
            assert heard.reply == f"You said: number {number}."


async def test_a_server_that_was_restarted_goes_on_with_the_session(echo_system: System) -> None:
    """It knows nothing of it; what was said is in the log, and the client knows what it has."""
    async with proxy(echo_system.ws) as standing, call(standing.url) as caller:
        before = await caller.type_text("hello")
        with echo_system.without("edge"):
            pass
        after = await caller.type_text("are you there?")

    assert before.reply == "You said: hello."
    assert (after.transcript, after.turns) == ("are you there?", 1)
    assert after.reply == "You said: are you there?."
