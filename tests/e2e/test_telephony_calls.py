"""Telephones of every kind: greeted, understood, answered, interrupted, hung up."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator
from typing import Any, ClassVar
from urllib.parse import quote

import numpy as np
import pytest

from schemas.session import KeysPressed, PlaybackEnded, SessionClosed
from schemas.turn import TurnEnded, TurnStarted
from tests.asterisk_phones import AsteriskPhone, WideAsteriskPhone
from tests.carriers import PHONES, TwilioPhone
from tests.e2e.telephony import Exchange, Overheard, exchange, overheard
from tests.models import model_path
from tests.system import SYNTHETIC
from tests.telephones import AudioSocketPhone, Telephone, calling, calling_by_tcp
from tests.test_house_rules import ROOT
from tests.voicebus.audio.recordings import SAMPLES
from tests.voicebus.test_punctual import allowed
from voicebus.audio.wav import read_wav

pytestmark = pytest.mark.model

OWN = {"TELEPHONY_GREETING": "Good morning."}
QUICK = {**SYNTHETIC, "LLM_SYNTHETIC_REPLY": "Very well."}
LONG = "Good morning. You have reached the machine, and it has a great deal to tell you today."


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """Synthetic engines and a greeting."""
    model_path("silero-vad")
    with exchange(tmp_path_factory.mktemp("office"), QUICK, OWN) as running:
        yield running


def spoken() -> np.ndarray:
    """A recorded sentence, and a second of silence."""
    _, samples = read_wav(SAMPLES / "austen-amiable.wav")
    return np.concatenate([samples, np.zeros(16_000, np.int16)])


async def expect_a_conversation(phone: Telephone, bus: Overheard) -> None:
    """The greeting is heard; then what is said is answered, and the answer is heard."""
    await phone.until(lambda: len(bus.of(TurnEnded)) == 1, "the greeting's end")
    greeted = len(phone.heard)
    assert phone.loudness() > 100
    await phone.say(spoken())
    await phone.until(lambda: len(bus.of(TurnEnded)) == 2, "the answer's end")
    assert len(phone.heard) > greeted
    assert [turn.outcome for turn in bus.of(TurnEnded)] == ["completed", "completed"]
    assert bus.of(TurnStarted)[1].text
    ended = bus.of(PlaybackEnded)
    assert [one.turn for one in ended] == [1, 2]
    assert all(one.played_ms > 200 for one in ended)


@pytest.mark.skipif(not allowed(), reason="the kernel allows no real-time priority here")
def test_its_loop_goes_before_all_others(office: Exchange) -> None:
    """The process asks for it as it starts: the beat of calls waits for no model."""
    pid = office.system.processes["telephony"].pid

    assert os.sched_getscheduler(pid) & ~os.SCHED_RESET_ON_FORK == os.SCHED_RR


@pytest.mark.parametrize("protocol", PHONES)
async def test_a_call_by_websocket(office: Exchange, protocol: str) -> None:
    """Whichever carrier brings it: greeted, understood, answered; a key is a turn; it ends."""
    async with overheard(office) as bus:
        async with calling(PHONES[protocol], office.ws(protocol)) as phone:
            await expect_a_conversation(phone, bus)
            await phone.press("7")
            await phone.press("#")
            started = await bus.until(TurnStarted, 3)
            await phone.hang_up()
        closed = await bus.until(SessionClosed)

    assert "7#" in started.text
    assert closed.reason == "client"
    assert [keys.digits for keys in bus.of(KeysPressed)] == ["7", "#"]


@pytest.mark.parametrize(("kind", "rate_hz"), [(0x10, 8_000), (0x12, 16_000), (0x16, 48_000)])
async def test_a_call_by_audiosocket(office: Exchange, kind: int, rate_hz: int) -> None:
    """At each rate that the channel driver has, and in frames of 20 ms."""

    class Phone(AudioSocketPhone):
        pass

    Phone.kind, Phone.rate_hz = kind, rate_hz
    async with overheard(office) as bus:
        async with calling_by_tcp(office.tcp, Phone) as phone:
            await expect_a_conversation(phone, bus)
            await phone.press("5")
            await bus.until(KeysPressed)
            await phone.hang_up()
        closed = await bus.until(SessionClosed)

    assert closed.reason == "client"
    assert {len(data) for _, data in phone.heard} == {rate_hz // 25}


async def test_a_line_without_words_hisses_and_never_pauses(office: Exchange) -> None:
    """AudioSocket: about fifty frames a second, and none of the silent ones is dead."""
    async with calling_by_tcp(office.tcp) as phone:
        await phone.be_silent(4.0)
        await phone.hang_up()

    assert 150 <= len(phone.heard) <= 215
    last = np.frombuffer(b"".join(data for _, data in phone.heard[-20:]), "<i2")
    assert 1 <= np.abs(last.astype(int)).max() < 200


async def test_asterisk_is_answered_in_json_where_it_speaks_json(office: Exchange) -> None:
    """And at 16 kHz, which is asked of the voice itself."""
    async with (
        overheard(office) as bus,
        calling(WideAsteriskPhone, office.ws("asterisk")) as phone,
    ):
        await expect_a_conversation(phone, bus)

    assert {len(data) for _, data in phone.heard} == {640}


class Talkative(TwilioPhone):
    """A call with a long greeting: Twilio's addresses have no query."""

    parameters: ClassVar[dict[str, str]] = {"greeting": LONG}


@pytest.mark.parametrize("make", [TwilioPhone, AsteriskPhone])
async def test_an_interruption_is_heard_as_one(office: Exchange, make: type[TwilioPhone]) -> None:
    """Hardly anything waits at the exchange, it is cleared, and no more of the reply comes."""
    protocol = "twilio" if make is TwilioPhone else "asterisk"
    url = f"{office.ws(protocol)}?greeting={quote(LONG)}"
    make = Talkative if make is TwilioPhone else make
    async with overheard(office) as bus, calling(make, url) as phone:
        await phone.until(lambda: len(phone.heard) > 20, "half a second of greeting")
        await phone.say(spoken())
        await phone.until(lambda: len(bus.of(TurnEnded)) >= 1, "the greeting's end")
        ended = bus.of(TurnEnded)[0]
        heard_ms = bus.of(PlaybackEnded)[0].played_ms

    assert ended.outcome == "interrupted"
    assert 300 <= heard_ms <= 3_000
    if make is Talkative:
        assert phone.cleared == 1
        assert phone.ahead_s <= 0.085  # three frames, and the one that the loop is late
    else:
        assert "FLUSH_MEDIA" in phone.told


async def test_parameters_of_the_exchange_choose_the_greeting(office: Exchange) -> None:
    """One edge answers for many numbers."""

    class Phone(TwilioPhone):
        parameters: ClassVar[dict[str, str]] = {"greeting": "Salve.", "nonsense": "1"}

    async with overheard(office) as bus, calling(Phone, office.ws("twilio")) as phone:
        await phone.until(lambda: bool(bus.of(TurnEnded)), "the greeting's end")

    assert bus.of(TurnStarted)[0].said == "Salve."


async def test_calls_leave_nothing_behind(office: Exchange) -> None:
    """When all have hung up, no session is left."""
    await office.until_idle()

    assert office.metric("voicebus_telephony_calls_total", reason="internal") == 0


async def test_the_program_of_the_howto_makes_a_call(
    office: Exchange, capsys: pytest.CaptureFixture[str]
) -> None:
    """As it stands there, but for the port."""
    page = (ROOT / "docs" / "howto" / "telephony.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    await asyncio.to_thread(exec, program.replace("9092", str(office.tcp)), names)
    names["line"].close()
    await office.until_idle()

    assert capsys.readouterr().out == "16 320\n"
