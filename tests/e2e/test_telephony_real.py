"""Telephones and real engines: what G.711 costs of what is understood."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import numpy as np
import pytest

from schemas.audio import AudioChunk
from schemas.stt import TranscriptFinal
from schemas.turn import TurnEnded
from tests.asterisk_phones import AsteriskPhone, WideAsteriskPhone
from tests.carriers import TelnyxPhone, TwilioPhone
from tests.e2e.client import connected, word_error_rate
from tests.e2e.telephony import Exchange, exchange, overheard
from tests.models import require_real_models
from tests.system import REAL
from tests.telephones import Telephone, calling, calling_by_tcp
from tests.voicebus.audio.recordings import SAMPLES
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
MORE = {
    "austen-selfish": "unless to be rather cold hearted and rather selfish is to be ill disposed",
    "austen-respectable": (
        "had he married a more a amiable woman he might have been made still more respectable "
        "than he was"
    ),
}
"""With too few words, a single one of them would weigh half of what is allowed."""

RECORDINGS = Path(__file__).parents[1] / "recordings"
PAUSE = np.zeros(24_000, np.int16)
WIDE = "asterisk, 16 kHz"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """Whisper tiny.en, SmolLM2 and Piper."""
    require_real_models()
    with exchange(tmp_path_factory.mktemp("office"), REAL, {}) as running:
        yield running


def recordings() -> np.ndarray:
    """All that is said, with pauses in which turns end."""
    files = [SAMPLES / f"{name}.wav" for name in SAID]
    files += [RECORDINGS / f"{name}.wav" for name in MORE]
    spoken = [read_wav(file)[1] for file in files]
    return np.concatenate([part for one in spoken for part in (one, PAUSE)])


async def words_by_websocket(office: Exchange) -> str:
    """What is understood of the recordings without a telephone in between."""
    async with connected(office.system, {}) as client:
        await client.speak(recordings(), pace=1.0)
        await client.send("end_stream")
        await client.until("final", len(SAID) + len(MORE), 60)
        await asyncio.sleep(2.0)
    return " ".join(message["text"] for message in client.messages("final"))


async def speak(phone: Telephone) -> None:
    """Say the recordings, and stay for the answer."""
    await phone.say(recordings())
    await phone.be_silent(3.0)


async def test_a_telephone_is_understood_as_well_as_a_websocket(office: Exchange) -> None:
    """WER within five points with 8 kHz, no sample lost with 16 kHz; everybody is answered."""
    doors: dict[str, Callable[[], AbstractAsyncContextManager[Telephone]]] = {
        "twilio": lambda: calling(TwilioPhone, office.ws("twilio")),
        "telnyx": lambda: calling(TelnyxPhone, office.ws("telnyx")),
        "audiosocket": lambda: calling_by_tcp(office.tcp),
        "asterisk": lambda: calling(AsteriskPhone, office.ws("asterisk")),
        WIDE: lambda: calling(WideAsteriskPhone, office.ws("asterisk")),
    }
    phones: dict[str, Telephone] = {}
    sessions: dict[str, str] = {}
    async with overheard(office) as bus, contextlib.AsyncExitStack() as stack:
        for number, (protocol, door) in enumerate(doors.items(), 1):
            phones[protocol] = phone = await stack.enter_async_context(door())
            await phone.until(lambda n=number: len(bus.sessions()) == n, "a session")
            sessions[protocol] = bus.sessions()[-1]
        listening = asyncio.create_task(words_by_websocket(office))
        await asyncio.gather(*(speak(phone) for phone in phones.values()))
        by_socket = await listening
        for protocol, phone in phones.items():
            await phone.until(lambda p=phone: p.loudness() > 100, "an answer")
            session = sessions[protocol]
            await phone.until(lambda s=session: bus.of(TurnEnded, s), "the end of a turn")

    heard = {
        protocol: " ".join(one.text for one in bus.of(TranscriptFinal, session))
        for protocol, session in sessions.items()
    }
    said = " ".join((SAID | MORE).values())
    limit = word_error_rate(said, by_socket) + 0.05
    rates = {protocol: word_error_rate(said, text) for protocol, text in heard.items()}
    assert max(rates.values()) <= limit, (rates, heard, by_socket)
    # What is the same audio in every sample is understood as well as by any other door.
    wide = b"".join(one.pcm for one in bus.of(AudioChunk, sessions[WIDE]))
    assert recordings().astype("<i2").tobytes()[:-640] in wide
