"""What was lost of a telephone's audio, as the metrics count it."""

from __future__ import annotations

from typing import cast

import pytest

from edge.telephony.events import Spoken
from edge.telephony.hearing import Hearing
from edge.timeline import AudioClock
from tests.metered import Growth
from voicebus.audio.codec import Coding, Sound
from voicebus.sessions.session import Session


async def test_what_a_carrier_lost_is_counted_when_the_call_ends() -> None:
    """In seconds, by protocol: 100 ms between two pieces did not come."""
    growth = Growth()
    hearing = Hearing(cast(Session, None), AudioClock())  # nothing is sent before it begins
    for number, at_ms in ((1, 0), (2, 120)):
        await hearing.take(Spoken(bytes(320), Sound(Coding.PCM, 8_000), number, at_ms))
    hearing.close("twilio")

    lost_s = growth.of("voicebus_telephony_lost_seconds_total", protocol="twilio")
    assert lost_s == pytest.approx(0.1)
    assert growth.of("voicebus_telephony_dropped_seconds_total", protocol="twilio") == 0
