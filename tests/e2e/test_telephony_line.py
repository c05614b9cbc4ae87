"""What a line is like: frames that come as they like, how far ahead the voice is, and silence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.audio import AudioChunk
from schemas.session import PlaybackEnded, SessionClosed
from schemas.stt import TranscriptFinal
from schemas.turn import TurnEnded, TurnStarted
from tests.asterisk_phones import AsteriskPhone
from tests.carriers import TwilioPhone
from tests.e2e.telephony import Exchange, Overheard, exchange, overheard
from tests.models import model_path
from tests.system import SYNTHETIC
from tests.telephones import FRAME_S, Telephone, calling, calling_by_tcp
from tests.voicebus.audio.recordings import SAMPLES
from voicebus.audio.wav import read_wav

pytestmark = pytest.mark.model

GREETING = "Good morning. You have reached the machine, which has a great deal to say today."
PROMPT = "Are you still there?"
OWN = {
    "TELEPHONY_GREETING": GREETING,
    "TELEPHONY_PROMPT": PROMPT,
    "TELEPHONY_PROMPT_AFTER_S": "1.5",
    "TELEPHONY_HANG_UP_AFTER_S": "3",
}
AHEAD_S = 0.06
LOOP_S = 0.025
"""How late a loop of the tests may be: of which the edge can know nothing."""

LOUD = 400
"""Above the noise of an empty line."""


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """Synthetic engines, a long greeting, and little patience with silence."""
    model_path("silero-vad")
    settings = {**SYNTHETIC, "LLM_SYNTHETIC_REPLY": "Very well."}
    with exchange(tmp_path_factory.mktemp("office"), settings, OWN) as running:
        yield running


def spoken() -> NDArray[np.int16]:
    """A recorded sentence, and a second of silence."""
    _, samples = read_wav(SAMPLES / "austen-amiable.wav")
    return np.concatenate([samples, np.zeros(16_000, np.int16)])


class Ungreeted(TwilioPhone):
    """Is not spoken to before it has spoken."""

    parameters: ClassVar[dict[str, str]] = {"greeting": ""}


class Rough(Ungreeted):
    """A network that mixes up its frames, sends some twice, and loses some.

    Attributes:
        lost: Numbers of the frames that were lost.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.lost: list[int] = []
        self._kept: list[tuple[str, dict[str, Any]]] = []
        self._groups = 0

    async def numbered(self, event: str, **fields: Any) -> None:
        """Keep four frames, then send them in another order."""
        if event != "media":
            await super().numbered(event, **fields)
            return
        self._kept.append((event, fields))
        if len(self._kept) < 4:
            return
        order = [1, 0, 3, 2, 0] if self._groups else [0, 1, 2, 3]
        if self._groups % 5 == 3:
            order.remove(3)
            self.lost.append(int(self._kept[3][1]["media"]["chunk"]))
        for place in order:
            await super().numbered("media", **self._kept[place][1])
        self._kept.clear()
        self._groups += 1


class Patchy(Ungreeted):
    """A network that keeps order, and sends silence in the place of some frames."""

    lost: ClassVar[frozenset[int]] = frozenset()

    async def send_audio(self, data: bytes) -> None:
        """Send a frame of audio."""
        is_lost = self.frames + 1 in self.lost
        await super().send_audio(b"\xff" * len(data) if is_lost else data)


async def one_turn(office: Exchange, make: type[TwilioPhone]) -> tuple[Any, Overheard]:
    """Call, say a sentence, hear an answer, hang up."""
    async with overheard(office) as bus:
        async with calling(make, office.ws("twilio")) as phone:
            await phone.say(spoken())
            await phone.until(lambda: bool(bus.of(TurnEnded)), "the answer's end")
            await phone.hang_up()
        await bus.until(SessionClosed)
    return phone, bus


@pytest.mark.fault
async def test_frames_that_come_as_they_like_are_understood(office: Exchange) -> None:
    """Out of order, twice, or not at all: the ears get each frame once and in its place.

    Where one was lost there is silence, so that nothing comes too early; and it is counted.
    """
    name = "voicebus_telephony_lost_seconds_total"
    before_s = office.metric(name, protocol="twilio")
    rough, harmed = await one_turn(office, Rough)
    lost_s = office.metric(name, protocol="twilio") - before_s
    Patchy.lost = frozenset(rough.lost)
    _, unharmed = await one_turn(office, Patchy)

    samples = len(spoken()) - 3_200
    heard, wanted = (
        np.frombuffer(b"".join(one.pcm for one in bus.of(AudioChunk)), "<i2")[:samples]
        for bus in (harmed, unharmed)
    )
    assert len(heard) == samples
    # A rate is converted in pieces that are not the same, and their last bits are rounded.
    assert np.abs(heard.astype(int) - wanted).max() <= 4
    assert len(rough.lost) > 8
    assert lost_s == pytest.approx(len(rough.lost) * FRAME_S, abs=3 * FRAME_S)
    assert harmed.of(TranscriptFinal)[0].text == unharmed.of(TranscriptFinal)[0].text
    assert harmed.of(TurnEnded)[0].outcome == "completed"
    assert rough.loudness() > 100


def ahead_s(heard: list[tuple[float, bytes]]) -> float:
    """How much more audio had come at any moment than had been played until then."""
    until_s = most_s = 0.0
    for at_s, data in heard:
        # Where this loop was late it finds several frames at once, which did not come too soon.
        until_s = until_s if at_s - until_s < 0.25 else at_s
        until_s += len(data) / 16_000
        most_s = max(most_s, until_s - at_s)
    return most_s


def voice_ms(heard: list[tuple[float, bytes]]) -> float:
    """How long somebody spoke, but for the pauses."""
    loud = [bool(np.abs(np.frombuffer(data, "<i2").astype(int)).max() > LOUD) for _, data in heard]
    return 20.0 * loud.count(True)


async def test_audiosocket_is_interrupted_though_nothing_can_be_cleared(office: Exchange) -> None:
    """Never more than 60 ms are on their way to the caller, who hears no more than these."""
    async with overheard(office) as bus, calling_by_tcp(office.tcp) as phone:
        await phone.until(lambda: voice_ms(phone.heard) > 500, "half a second of greeting")
        await phone.say(spoken())
        await phone.until(lambda: len(bus.of(TurnEnded)) == 2, "the answer's end")
        first, second = bus.of(PlaybackEnded)
        await phone.hang_up()

    assert [turn.outcome for turn in bus.of(TurnEnded)] == ["interrupted", "completed"]
    assert 300 <= first.played_ms <= 3_000
    assert abs(voice_ms(phone.heard) - first.played_ms - second.played_ms) <= 150
    assert AHEAD_S - FRAME_S < ahead_s(phone.heard) <= AHEAD_S + LOOP_S


DOORS: dict[str, Callable[[Exchange], AbstractAsyncContextManager[Any]]] = {
    "twilio": lambda office: calling(TwilioPhone, office.ws("twilio")),
    "asterisk": lambda office: calling(AsteriskPhone, office.ws("asterisk")),
    "audiosocket": lambda office: calling_by_tcp(office.tcp),
}
HUNG_UP: dict[str, Callable[[Any], bool]] = {
    "twilio": lambda phone: phone.closed == 1000,
    "asterisk": lambda phone: phone.closed == 1000 and phone.told[-1] == "HANGUP",
    "audiosocket": lambda phone: phone.told == [(0, b"")],
}


@pytest.mark.parametrize("kind", DOORS)
async def test_who_says_nothing_is_asked_and_then_hung_up(office: Exchange, kind: str) -> None:
    """The greeting, the prompt, and the end: in this order, and the prompt is heard."""
    async with overheard(office) as bus, DOORS[kind](office) as phone:
        await phone.until(lambda: len(bus.of(TurnEnded)) == 1, "the greeting's end")
        greeted = len(phone.heard)
        await phone.until(lambda: len(bus.of(TurnEnded)) == 2, "the prompt's end")
        prompt = loudest(phone, greeted)
        await phone.until(lambda: phone.closed is not None, "the end", 10)
        closed = await bus.until(SessionClosed)

    assert [turn.said for turn in bus.of(TurnStarted)] == [GREETING, PROMPT]
    assert [turn.outcome for turn in bus.of(TurnEnded)] == ["completed", "completed"]
    assert prompt > LOUD
    assert closed.reason == "silence"
    assert HUNG_UP[kind](phone)


def loudest(phone: Telephone, since: int) -> int:
    """The largest sample of what was heard from some frame on."""
    frames = sum(len(data) for _, data in phone.heard[:since])
    samples = phone.audio()[frames // (1 if phone.law else 2) :]
    return int(np.abs(samples.astype(int)).max(initial=0))
