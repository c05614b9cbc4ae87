"""Calls whose edge dies or goes: they go on at another one, and nobody hears it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.cutting import Proxy, proxy
from tests.e2e.upstream import LanguageModel
from tests.models import model_path
from tests.system import STOP_LIMIT_S, SYNTHETIC, Process, System
from tests.voicebus.audio.recordings import SAMPLES
from voicebus import parts
from voicebus.audio.wav import read_wav
from voicebus.caller import Caller, call
from voicebus.exchange import TurnHeard

pytestmark = pytest.mark.model

SECOND = "another-edge"


class Pair(System):
    """A system with two edges."""

    def launch(self) -> None:
        """Start every process, and one edge more."""
        super().launch()
        part = parts.edge_part(parts.free_port(), self.environment())
        self.add(msgspec.structs.replace(part, name=SECOND))

    def ws_of(self, name: str) -> str:
        """Address of an edge's /ws."""
        return self.processes[name].url.replace("http://", "ws://", 1) + "/ws"


class Call:
    """One call through an address behind which either edge may be."""

    def __init__(self, system: Pair, standing: Proxy) -> None:
        self._system = system
        self._standing = standing
        self.url = standing.url
        self.said: list[dict[str, Any]] = []
        self.kill_at = ""

    @property
    def kinds(self) -> list[str]:
        """Types of what the server said."""
        return [message["type"] for message in self.said]

    def observe(self, message: dict[str, Any]) -> None:
        """Take note of what the server said, and kill its edge if it is time."""
        self.said.append(message)
        if message["type"] == self.kill_at:
            self.kill_at = ""
            self.end(signal.SIGKILL)

    def end(self, number: signal.Signals) -> Process:
        """End the edge that has the call; the other one answers from now on."""
        self._standing.lead_to(self._system.ws_of(SECOND))
        edge = self._system.processes["edge"]
        edge.signal(number)
        return edge


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Synthetic ears and voice, a language model that says what was said, and two edges."""
    model_path("silero-vad")
    # A language model of its own: the folder's would keep this file behind all that share it.
    with LanguageModel() as model:
        settings = {
            **SYNTHETIC,
            "LLM_ENGINE": "openai",
            "LLM_URL": model.url,
            "LLM_FIRST_TOKEN_S": "5",
            "LLM_NEXT_TOKEN_S": "5",
        }
        with Pair(tmp_path_factory.mktemp("pair"), settings) as system:
            yield system


@asynccontextmanager
async def called(pair: Pair) -> AsyncIterator[tuple[Call, Caller]]:
    """Call the first edge; it runs again afterwards."""
    first = pair.processes["edge"]
    async with proxy(pair.ws) as standing:
        ours = Call(pair, standing)
        try:
            async with call(ours.url, observe=ours.observe) as caller:
                yield ours, caller
        finally:
            if first.code is None:
                first.signal(signal.SIGTERM)
            await asyncio.to_thread(first.wait, STOP_LIMIT_S)
            first.restart()
            await asyncio.to_thread(pair.wait_ready)


def recording() -> NDArray[np.int16]:
    """A sentence of three seconds."""
    return read_wav(SAMPLES / "austen-amiable.wav")[1]


@pytest.fixture(scope="module")
def unharmed(pair: Pair) -> TurnHeard:
    """What is heard of the sentence at an edge that lives."""

    async def heard() -> TurnHeard:
        async with call(pair.ws_of(SECOND)) as caller:
            return await caller.speak(recording())

    return asyncio.run(heard())


def expect_the_same(heard: TurnHeard, as_before: TurnHeard) -> None:
    """Transcript, words of the reply and its audio, to the sample."""
    assert heard.errors == ()
    assert (heard.transcript, heard.reply) == (as_before.transcript, as_before.reply)
    assert heard.audio == as_before.audio
    assert heard.turns == as_before.turns == 1


@pytest.mark.parametrize("after_s", [0.3, 2.0])
async def test_an_edge_that_dies_in_mid_utterance_costs_no_word(
    pair: Pair, unharmed: TurnHeard, after_s: float
) -> None:
    """What the caller had said before is heard at the other edge, too."""
    async with called(pair) as (ours, caller):
        speaking = asyncio.create_task(caller.speak(recording()))
        await asyncio.sleep(after_s)
        ours.end(signal.SIGKILL)
        heard = await speaking

    assert ours.kinds.count("resumed") == 1
    expect_the_same(heard, unharmed)


# Before there is a turn, in its words before its sound, and in its sound.
@pytest.mark.parametrize("kind", ["final", "reply_text", "spoken"])
async def test_an_edge_that_dies_in_mid_reply_costs_no_word(
    pair: Pair, unharmed: TurnHeard, kind: str
) -> None:
    """What was heard of the reply is not said again, and the rest follows."""
    async with called(pair) as (ours, caller):
        ours.kill_at = kind
        heard = await caller.speak(recording())
        again = await caller.type_text("and now?")

    assert ours.kinds.count("resumed") == 1
    expect_the_same(heard, unharmed)
    assert (again.transcript, again.reply) == ("and now?", "You said: and now?.")


async def test_an_edge_that_is_told_to_go_sends_its_callers_on(
    pair: Pair, unharmed: TurnHeard
) -> None:
    """SIGTERM in the middle of a sentence: the edge ends at once, and the call goes on."""
    async with called(pair) as (ours, caller):
        speaking = asyncio.create_task(caller.speak(recording()))
        await asyncio.sleep(1.0)
        code = await asyncio.to_thread(ours.end(signal.SIGTERM).wait, STOP_LIMIT_S)
        heard = await speaking

    assert code == 0
    assert ours.kinds.count("resumed") == 1
    expect_the_same(heard, unharmed)


async def test_what_was_said_before_is_known_at_the_other_edge(pair: Pair) -> None:
    """The history moves with the session, and so do the numbers of its turns."""
    async with called(pair) as (ours, caller):
        await caller.type_text("first")
        ours.end(signal.SIGKILL)
        second = await caller.type_text("second")

    started = [m["turn"] for m in ours.said if m["type"] == "turn_started"]
    assert second.reply == "You said: second."
    assert second.turns == 1
    assert started == [1, 2]
