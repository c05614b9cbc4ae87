"""What becomes of a telephone call when parts of the system die."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator

import numpy as np
import pytest

from schemas.claim import Claimed
from schemas.llm import GenerationDone
from schemas.session import PlaybackEnded, SessionClosed
from schemas.turn import TurnEnded, TurnStarted
from subjects.tokens import new_token
from tests.carriers import TwilioPhone
from tests.e2e.client import expect_eventually
from tests.e2e.telephony import Exchange, Overheard, exchange, overheard
from tests.models import model_path
from tests.system import STOP_LIMIT_S, SYNTHETIC
from tests.telephones import calling, calling_by_tcp
from tests.voicebus.audio.recordings import SAMPLES
from voicebus import parts
from voicebus.audio.wav import read_wav
from voicebus.parts import ROLES

pytestmark = [pytest.mark.model, pytest.mark.fault, pytest.mark.timeout(200)]

REPLY = (
    "Well, the sea is wide and deep. Many have sailed it, and some of them came back to tell of "
    "it. That is all I know."
)
SPEECH = np.concatenate([read_wav(SAMPLES / "austen-amiable.wav")[1], np.zeros(16_000, np.int16)])


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """Synthetic engines with a reply that lasts some seconds."""
    model_path("silero-vad")
    settings = {
        **SYNTHETIC,
        "LLM_SYNTHETIC_REPLY": REPLY,
        "LLM_SYNTHETIC_TOKENS_PER_S": "8",
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


@pytest.mark.parametrize("kind", ["twilio", "audiosocket"])
async def test_a_peer_that_is_gone_leaves_nothing(office: Exchange, kind: str) -> None:
    """A broken connection ends the call, and all who work for it stop."""
    twilio = calling(TwilioPhone, office.ws("twilio"))
    async with overheard(office) as bus:
        async with twilio if kind == "twilio" else calling_by_tcp(office.tcp) as phone:
            await phone.say(SPEECH[:24_000])
            phone.vanish()
            closed = await bus.until(SessionClosed)
        await office.until_idle()

    assert closed.reason == "lost"


@pytest.mark.slow
async def test_the_edge_dies_in_mid_turn(office: Exchange) -> None:
    """The exchange sees its connections end at once, and can call again when there is an edge.

    Whoever worked for the calls of the dead one is free again.
    """

    def busy() -> dict[str, float]:
        return {role: office.system.metric(role, "voicebus_worker_busy") for role in ROLES}

    async with (
        calling(TwilioPhone, office.ws("twilio")) as phone,
        calling_by_tcp(office.tcp) as tcp,
    ):
        await asyncio.gather(phone.say(SPEECH), tcp.be_silent(0.5))
        await phone.until(lambda: len(phone.heard) > 10, "the beginning of an answer")
        held = busy()
        with office.system.without("telephony"):
            assert await phone.until_closed() == 1006
            assert await tcp.until_closed() == -1
    await expect_eventually(lambda: not any(busy().values()), "nobody works for the dead", 60)
    async with overheard(office) as bus, calling(TwilioPhone, office.ws("twilio")) as again:
        await again.say(SPEECH)
        await again.until(lambda: bool(bus.of(TurnStarted)) and again.heard, "an answer")

    assert held["turn"] == 2
    assert held["stt"]
    assert again.loudness() > 50
