"""Many voice messages at once. Synthetic engines."""

from __future__ import annotations

import time

import pytest

from tests.bridges.telegram.serving import Served, ogg_of
from tests.voicebus.audio.recordings import sentence

pytestmark = pytest.mark.model

PEOPLE = 30


def test_thirty_voice_messages_at_once_are_all_answered(telegram: Served) -> None:
    """Each once, in voice, and no limit of Telegram's is exceeded."""
    people = [telegram.person() for _ in range(PEOPLE)]
    samples = sentence()
    ogg = ogg_of(samples.tobytes())
    for person in people:
        person.record(ogg, len(samples) / 16_000)
    for person in people:
        person.until("sendVoice")
    time.sleep(1.0)

    said = [call.method for person in people for call in person.calls("sendVoice", "sendMessage")]
    assert said == ["sendVoice"] * PEOPLE
    telegram.expect_clean()
