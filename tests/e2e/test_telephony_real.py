"""Telephones and real engines: what G.711 costs, and what becomes of a call when parts die."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator

import numpy as np
import pytest

from schemas.session import SessionClosed
from schemas.stt import TranscriptFinal
from schemas.turn import TurnEnded, TurnStarted
from tests.carriers import TelnyxPhone, TwilioPhone
from tests.e2e.client import connected, word_error_rate
from tests.e2e.telephony import Exchange, exchange, overheard
from tests.models import model_path
from tests.system import REAL, STOP_LIMIT_S
from tests.telephones import AudioSocketPhone, Telephone, calling, calling_by_tcp
from tests.voicebus.audio.recordings import SAMPLES
from voicebus import parts
from voicebus.audio.wav import read_wav

pytestmark = [pytest.mark.model, pytest.mark.timeout(300)]

SAID = {
    "austen-leisure": (
        "and mister john dashwood had then leisure to consider how much there might be "
        "prudently in his power to do for them"
    ),
    "austen-disposition": "he was not an ill disposed young man",
    "austen-amiable": "he might even have been made amiable himself",
}
SILENCE = np.zeros(16_000, np.int16)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """Whisper tiny.en, SmolLM2 and Piper."""
    for name in ("silero-vad", "whisper-tiny.en", "smollm2-135m-instruct-q4_1"):
        model_path(name)
    model_path("piper-en_US-joe-medium")
    with exchange(tmp_path_factory.mktemp("office"), REAL, {}) as running:
        yield running


def recordings() -> np.ndarray:
    """All that is said, with pauses within which one turn ends."""
    parts_said = [read_wav(SAMPLES / f"{name}.wav")[1] for name in SAID]
    return np.concatenate([part for one in parts_said for part in (one, SILENCE, SILENCE)])


async def words_by_websocket(office: Exchange) -> str:
    """What is understood of the recordings without a telephone in between."""
    async with connected(office.system, {"interruption": {"allowed": False}}) as client:
        await client.speak(recordings(), pace=1.0)
        await client.send("end_stream")
        await client.until("final", len(SAID), 60)
        await asyncio.sleep(0.5)
    return " ".join(message["text"] for message in client.messages("final"))


async def words_by_phone(office: Exchange, phone: Telephone) -> None:
    """Speak the recordings."""
    await phone.say(recordings())
    await phone.be_silent(3.0)


async def test_a_telephone_is_understood_as_well_as_a_websocket(office: Exchange) -> None:
    """WER within five points, with mu-law, A-law and bare samples at 8 kHz; all are answered."""
    heard: dict[str, str] = {}
    reference = asyncio.create_task(words_by_websocket(office))
    heard["websocket"] = await reference
    for make, protocol in ((TwilioPhone, "twilio"), (TelnyxPhone, "telnyx")):
        async with overheard(office) as bus, calling(make, office.ws(protocol)) as phone:
            await words_by_phone(office, phone)
            await bus.until(TurnEnded)
        heard[protocol] = " ".join(final.text for final in bus.of(TranscriptFinal))
        assert phone.loudness() > 100
    async with overheard(office) as bus, calling_by_tcp(office.tcp) as tcp:
        await words_by_phone(office, tcp)
    heard["audiosocket"] = " ".join(final.text for final in bus.of(TranscriptFinal))

    said = " ".join(SAID.values())
    rates = {name: word_error_rate(said, text) for name, text in heard.items()}
    assert max(rates.values()) <= rates["websocket"] + 0.05, (rates, heard)


@pytest.mark.fault
@pytest.mark.parametrize("role", ["stt", "tts", "turn"])
async def test_a_worker_dies_in_mid_turn_and_the_call_goes_on(office: Exchange, role: str) -> None:
    """The caller hears an answer all the same, and the next one too."""
    system = office.system
    second = parts.worker_part(role, system.environment(WORKER_ID=f"{role}-2"))
    async with overheard(office) as bus, calling(TwilioPhone, office.ws("twilio")) as phone:
        await phone.say(read_wav(SAMPLES / "austen-amiable.wav")[1][:24_000])
        replaced = system.processes[role]
        system.add(second)
        await phone.be_silent(0.02)
        replaced.signal(signal.SIGKILL)
        replaced.wait(STOP_LIMIT_S)
        await phone.say(np.concatenate([read_wav(SAMPLES / "austen-amiable.wav")[1], SILENCE]))
        await phone.until(lambda: bool(bus.of(TurnEnded)), "an answer", 90)
    system.wait_ready()

    assert bus.of(TurnStarted)[0].text
    assert bus.of(TurnEnded)[0].outcome in {"completed", "interrupted"}
    assert phone.loudness() > 50


@pytest.mark.fault
@pytest.mark.parametrize("kind", ["twilio", "audiosocket"])
async def test_a_peer_that_is_gone_leaves_nothing(office: Exchange, kind: str) -> None:
    """A broken connection ends the call, and all who work for it stop."""
    async with overheard(office) as bus:
        calls = (
            calling(TwilioPhone, office.ws("twilio"))
            if kind == "twilio"
            else calling_by_tcp(office.tcp)
        )
        async with calls as phone:
            await phone.say(read_wav(SAMPLES / "austen-amiable.wav")[1])
            phone.vanish()
            closed = await bus.until(SessionClosed)
    await office.until_idle()

    assert closed.reason in {"lost", "client"}


@pytest.mark.fault
async def test_the_edge_dies_in_mid_call(office: Exchange) -> None:
    """The exchange sees its connections end at once, and can call again when there is an edge."""
    async with (
        calling(TwilioPhone, office.ws("twilio")) as phone,
        calling_by_tcp(office.tcp, AudioSocketPhone) as tcp,
    ):
        await asyncio.gather(phone.be_silent(1.0), tcp.be_silent(1.0))
        with office.system.without("telephony"):
            assert await phone.until_closed() in {1006, 0}
            assert await tcp.until_closed() == -1
    async with overheard(office) as bus, calling(TwilioPhone, office.ws("twilio")) as phone:
        await phone.say(np.concatenate([read_wav(SAMPLES / "austen-amiable.wav")[1], SILENCE]))
        await phone.until(lambda: bool(bus.of(TurnEnded)), "an answer", 60)

    assert phone.heard
