"""A call has its beat and is heard from its first moment on, also before it has joined."""

from __future__ import annotations

import numpy as np
import pytest

from edge.telephony.audiosocket import AudioSocket
from edge.telephony.settings import TelephonySettings
from schemas.audio import AudioChunk
from schemas.conversation import Joined
from schemas.session import SessionClosed
from schemas.settings import SessionSettings
from schemas.stt import TranscribeRequest
from schemas.turn import ConverseRequest
from tests.carriers import TwilioPhone
from tests.edge.telephony.desk import desk
from tests.telephones import calling, calling_by_tcp

PATIENT = TelephonySettings(persona="sea", claim_s=120.0)
SPOKEN_S = 4.5
"""Longer than audio may be ahead of real time."""


async def test_a_line_has_its_beat_while_the_call_joins(nats_server: str) -> None:
    """An exchange that needs a steady stream gets one from the first moment on."""
    async with desk(nats_server, PATIENT) as office, calling_by_tcp(office.tcp) as phone:
        await office.until(ConverseRequest)
        await phone.until(lambda: len(phone.heard) > 25, "half a second of sound")
        assert phone.closed is None


@pytest.mark.parametrize(("given", "asked"), [({}, "sea"), ({"persona": "harbour"}, "harbour")])
async def test_a_call_is_answered_by_whom_the_settings_say(
    nats_server: str, given: dict[str, str], asked: str
) -> None:
    """Or by whom the exchange says, of what it may."""

    class Phone(TwilioPhone):
        parameters = given

    async with (
        desk(nats_server, PATIENT) as office,
        calling(Phone, f"{office.ws}/twilio"),
    ):
        request = await office.until(ConverseRequest)

    assert request.settings.persona == asked


async def test_who_hangs_up_while_the_call_joins_is_noticed(nats_server: str) -> None:
    """At once: nobody goes on looking for a worker."""
    async with desk(nats_server, PATIENT) as office, calling_by_tcp(office.tcp) as phone:
        await office.until(ConverseRequest)
        await phone.hang_up()
        closed = await office.until(SessionClosed)

    assert closed.reason == "client"


async def test_what_is_said_while_the_call_joins_is_understood_then(nats_server: str) -> None:
    """All of it, in order, and as the conversation has it."""
    samples = np.arange(int(16_000 * SPOKEN_S), dtype=np.int32) % 4_000
    async with desk(nats_server, PATIENT) as office, calling_by_tcp(office.tcp) as phone:
        await office.until(ConverseRequest)
        await phone.say(samples.astype(np.int16))
        await office.say(Joined(conversation="", settings=SessionSettings(language="ru")))
        asked = await office.until(TranscribeRequest)
        audio = b""
        while len(audio) < 2 * 16_000 * (SPOKEN_S - 0.1):
            chunk = await office.until(AudioChunk)
            assert chunk.offset == len(audio) // 2
            audio += chunk.pcm

    assert asked.settings.language == "ru"
    assert [type(one) for one in office.heard].count(TranscribeRequest) == 1


async def test_a_call_whose_beat_fails_ends(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be silent for good; the connection is closed and the workers are let go."""

    def broken(self: AudioSocket, data: bytes) -> bytes:
        raise ZeroDivisionError

    monkeypatch.setattr(AudioSocket, "audio", broken)
    async with desk(nats_server, PATIENT) as office, calling_by_tcp(office.tcp) as phone:
        await office.until(ConverseRequest)
        await office.until(SessionClosed)

        assert await phone.until_closed() == -1
