"""What becomes of a telephone call when parts of the system die."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator

import numpy as np
import pytest

from schemas.session import PlaybackEnded, SessionClosed
from schemas.turn import TurnEnded, TurnStarted
from subjects.tokens import new_token
from tests.carriers import TwilioPhone
from tests.e2e.telephony import Exchange, Overheard, exchange, overheard
from tests.models import model_path
from tests.system import STOP_LIMIT_S, SYNTHETIC
from tests.telephones import calling, calling_by_tcp
from tests.voicebus.audio.recordings import SAMPLES
from voicebus import parts
from voicebus.audio.wav import read_wav

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
    settings = {**SYNTHETIC, "LLM_SYNTHETIC_REPLY": REPLY, "TTS_SYNTHETIC_PIECE_MS": "90"}
    with exchange(tmp_path_factory.mktemp("office"), settings, {}) as running:
        yield running


@pytest.mark.parametrize("role", ["stt", "turn", "tts"])
async def test_a_worker_dies_in_mid_turn_and_the_call_goes_on(office: Exchange, role: str) -> None:
    """In mid-utterance or mid-reply: the caller hears all of the answer."""
    system = office.system
    async with overheard(office) as bus, calling(TwilioPhone, office.ws("twilio")) as phone:
        await phone.say(SPEECH[:24_000] if role == "stt" else SPEECH)
        if role != "stt":
            await phone.until(lambda: len(phone.heard) > 10, "the beginning of an answer")
        dying = system.processes[role]
        system.add(parts.worker_part(role, system.environment(WORKER_ID=new_token("w"))))
        ready = asyncio.create_task(asyncio.to_thread(system.wait_ready))
        await phone.until(ready.done, "a second worker")
        dying.signal(signal.SIGKILL)
        dying.wait(STOP_LIMIT_S)
        await bus.hand_on(role)
        if role == "stt":
            await phone.say(SPEECH)
        await phone.until(lambda: "completed" in outcomes(bus), "the end of an answer", 60)

    # Who is silent for as long as a worker needs to come has finished; what follows interrupts.
    assert set(outcomes(bus)) == {"completed"} or role == "stt"
    assert bus.of(TurnStarted)[-1].text
    assert bus.of(PlaybackEnded)[-1].played_ms > 50 * len(REPLY)
    assert phone.loudness() > 50


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


async def test_the_edge_dies_in_mid_call(office: Exchange) -> None:
    """The exchange sees its connections end at once, and can call again when there is an edge."""
    async with (
        calling(TwilioPhone, office.ws("twilio")) as phone,
        calling_by_tcp(office.tcp) as tcp,
    ):
        await asyncio.gather(phone.be_silent(0.5), tcp.be_silent(0.5))
        with office.system.without("telephony"):
            assert await phone.until_closed() == 1006
            assert await tcp.until_closed() == -1
    async with overheard(office) as bus, calling(TwilioPhone, office.ws("twilio")) as again:
        await again.say(SPEECH)
        await again.until(lambda: bool(bus.of(TurnStarted)) and again.heard, "an answer")

    assert again.loudness() > 50
