"""What becomes of a telephone call when parts of the system die."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import numpy as np
import pytest

from schemas.claim import Claimed
from schemas.llm import GenerationDone
from schemas.session import PlaybackEnded, SessionClosed
from schemas.turn import TurnEnded, TurnStarted
from subjects.tokens import new_token
from tests.asterisk_phones import AsteriskPhone
from tests.carriers import TwilioPhone
from tests.e2e.client import expect_eventually
from tests.e2e.telephony import Exchange, Overheard, exchange, overheard
from tests.models import model_path
from tests.system import STOP_LIMIT_S, SYNTHETIC
from tests.telephones import Telephone, calling, calling_by_tcp
from tests.voicebus.audio.recordings import SAMPLES
from voicebus import parts
from voicebus.audio.wav import read_wav
from voicebus.parts import ROLES

pytestmark = [pytest.mark.model, pytest.mark.fault, pytest.mark.timeout(200)]

REPLY = (
    "Well, the sea is wide and deep. Many have sailed it, and some of them came back to tell of "
    "it. That is all I know."
)
WORDS_PER_S = 8
SPEECH = np.concatenate([read_wav(SAMPLES / "austen-amiable.wav")[1], np.zeros(16_000, np.int16)])


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """Synthetic engines with a reply that lasts some seconds."""
    model_path("silero-vad")
    settings = {
        **SYNTHETIC,
        "LLM_SYNTHETIC_REPLY": REPLY,
        "LLM_SYNTHETIC_TOKENS_PER_S": str(WORDS_PER_S),
        "TTS_SYNTHETIC_PIECE_MS": "90",
    }
    with exchange(tmp_path_factory.mktemp("office"), settings, {}) as running:
        yield running


@pytest.mark.parametrize(
    "role",
    ["stt", "llm", *(pytest.param(role, marks=pytest.mark.slow) for role in ("turn", "tts"))],
)
async def test_a_worker_dies_in_mid_turn_and_the_call_goes_on(office: Exchange, role: str) -> None:
    """In mid-utterance or mid-reply: the caller hears all of the answer."""
    system, name = office.system, new_token("w")
    first = system.processes[role]
    second = system.add(parts.worker_part(role, system.environment(WORKER_ID=name)))
    await asyncio.to_thread(system.wait_ready)
    async with overheard(office) as bus, calling(TwilioPhone, office.ws("twilio")) as phone:
        await phone.say(SPEECH[:24_000] if role == "stt" else SPEECH)
        if role != "stt":
            await phone.until(lambda: len(phone.heard) > 10, "the beginning of an answer")
        await phone.until(lambda: holders(bus, role), "its worker")
        is_second = holders(bus, role)[-1] == name
        dying, system.processes[role] = (second, first) if is_second else (first, second)
        dying.signal(signal.SIGKILL)
        dying.wait(STOP_LIMIT_S)
        is_mid_reply = not bus.of(GenerationDone)
        await bus.hand_on(role)
        if role == "stt":
            await phone.say(SPEECH)
        await phone.until(lambda: "completed" in outcomes(bus), "the end of an answer", 60)

    assert role != "llm" or is_mid_reply
    # Who is silent for as long as a job needs to change hands has finished; the rest interrupts.
    assert set(outcomes(bus)) == {"completed"} or role == "stt"
    assert bus.of(TurnStarted)[-1].text
    assert bus.of(PlaybackEnded)[-1].played_ms > 50 * len(REPLY)
    assert phone.loudness() > 50


def holders(bus: Overheard, role: str) -> list[str]:
    """Which workers have taken a role's jobs."""
    return [claim.worker for claim in bus.of(Claimed) if claim.role == role]


def outcomes(bus: Overheard) -> list[str]:
    """How turns ended."""
    return [ended.outcome for ended in bus.of(TurnEnded)]


DOORS: dict[str, Callable[[Exchange], AbstractAsyncContextManager[Any]]] = {
    "twilio": lambda office: calling(TwilioPhone, office.ws("twilio")),
    "asterisk": lambda office: calling(AsteriskPhone, office.ws("asterisk")),
    "audiosocket": lambda office: calling_by_tcp(office.tcp),
}


def busy(office: Exchange) -> dict[str, float]:
    """How many claims the workers of each role hold."""
    return {role: office.system.metric(role, "voicebus_worker_busy") for role in ROLES}


def has_voice(phone: Telephone) -> bool:
    """Whether what it heard last is more than the noise of an empty line."""
    return bool(np.abs(phone.audio()[-1_600:].astype(int)).max(initial=0) > 400)


@pytest.mark.parametrize("kind", DOORS)
async def test_a_peer_that_is_gone_in_mid_utterance_leaves_nothing(
    office: Exchange, kind: str
) -> None:
    """A broken connection ends the call, and all who work for it stop."""
    async with overheard(office) as bus:
        async with DOORS[kind](office) as phone:
            await phone.say(SPEECH[:24_000])
            await phone.until(lambda: holders(bus, "stt"), "somebody who hears it")
            held = busy(office)
            phone.vanish()
            closed = await bus.until(SessionClosed)
        await expect_eventually(lambda: not any(busy(office).values()), "nobody works on", 10)
        await office.until_idle()

    assert closed.reason == "lost"
    assert held["turn"] == held["stt"] == 1
    assert not bus.of(TurnStarted)


@pytest.mark.parametrize("kind", DOORS)
async def test_a_peer_that_is_gone_in_mid_reply_leaves_nothing(office: Exchange, kind: str) -> None:
    """Nobody goes on with a reply that nobody hears: it is not even written to its end."""
    async with overheard(office) as bus:
        async with DOORS[kind](office) as phone:
            await phone.say(SPEECH)
            await phone.until(lambda: has_voice(phone), "the beginning of an answer")
            held = busy(office)
            phone.vanish()
            closed = await bus.until(SessionClosed)
        await expect_eventually(lambda: not any(busy(office).values()), "nobody works on", 10)
        await office.until_idle()
        # Longer than the model would have needed for the rest.
        await asyncio.sleep(len(REPLY.split()) / WORDS_PER_S)

    assert closed.reason == "lost"
    assert held["turn"] == held["llm"] == 1
    assert not bus.of(GenerationDone)
    assert "completed" not in outcomes(bus)


@contextlib.asynccontextmanager
async def killed(office: Exchange) -> AsyncIterator[dict[str, float]]:
    """Two calls, one of them in mid-turn, whose edge dies; it is back behind the context.

    Yields:
        How many claims were held then.
    """
    async with (
        calling(TwilioPhone, office.ws("twilio")) as phone,
        calling_by_tcp(office.tcp) as tcp,
    ):
        await asyncio.gather(phone.say(SPEECH), tcp.be_silent(0.5))
        await phone.until(lambda: has_voice(phone), "the beginning of an answer")
        held = busy(office)
        with office.system.without("telephony"):
            assert await phone.until_closed(2) == 1006
            assert await tcp.until_closed(2) == -1
            yield held


async def expect_an_answer(office: Exchange) -> None:
    """An ordinary call gets through, and is answered."""
    async with overheard(office) as bus, calling(TwilioPhone, office.ws("twilio")) as phone:
        await phone.say(SPEECH)
        await phone.until(lambda: bool(bus.of(TurnStarted)) and has_voice(phone), "an answer")


async def test_the_edge_dies_in_mid_turn(office: Exchange) -> None:
    """The exchange sees its connections end at once, and can call again when there is an edge."""
    async with killed(office) as held:
        pass
    await expect_an_answer(office)

    assert held["turn"] == 2
    assert held["stt"]


@pytest.mark.slow
async def test_whoever_worked_for_a_dead_edge_is_free_again(office: Exchange) -> None:
    """Though nobody says so: its sessions were not closed."""
    await expect_eventually(lambda: not any(busy(office).values()), "nobody works yet", 60)
    async with killed(office) as held:
        pass
    await expect_eventually(lambda: not any(busy(office).values()), "nobody works for the dead", 60)
    await expect_an_answer(office)

    assert held["turn"] == 2
    assert held["stt"]
