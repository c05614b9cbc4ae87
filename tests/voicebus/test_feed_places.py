"""The audio of a session that was elsewhere before: only what is wanted of it is read."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest

from schemas.audio import AudioChunk
from schemas.session import SessionClosed
from subjects.catalog import subject_of
from tests.bus import bus_at, place_here
from tests.voicebus.test_feed import AUDIO, STEP, audio_in, chunk, claim_of
from voicebus.bus.inbox import Inbox
from voicebus.bus.replay import Recorded
from voicebus.feed import Beginning, caller_audio

PARTS = (range(20), range(20, 30), range(30, 40))
"""The chunks that came at each place; the last one is where the session is."""


@pytest.mark.parametrize(
    ("start", "wanted"),
    [
        pytest.param(5, {0, 1, 2}, id="all"),
        pytest.param(25, {1, 2}, id="since the last but one"),
        pytest.param(30, {2}, id="here alone, from its first sample on"),
        pytest.param(35, {2}, id="here alone"),
    ],
)
@pytest.mark.parametrize("is_dated", [False, True])
async def test_only_places_with_wanted_audio_are_read(
    nats_server: str, monkeypatch: pytest.MonkeyPatch, start: int, wanted: set[int], is_dated: bool
) -> None:
    """However often the session has moved: nobody waits for what was dealt with long ago."""
    places = [place_here() for _ in PARTS]
    async with bus_at(nats_server) as bus:
        for place, numbers in zip(places, PARTS, strict=True):
            for number in numbers:
                await bus.store(chunk(number), place)
        subjects = [subject_of(AudioChunk, place) for place in places]
        read, were_read = bus.read, set[int]()

        def noted(stream: str, subject: str, *, sequence: int = 1) -> AsyncIterator[Recorded]:
            if stream == "AUDIO":
                were_read.add(subjects.index(subject))
            return read(stream, subject, sequence=sequence)

        monkeypatch.setattr(bus, "read", noted)
        inbox = Inbox(10)
        inbox.put("", SessionClosed())
        since_ns = time.time_ns() if is_dated else 0
        begun = Beginning(start * STEP, since_ns=since_ns, before=places[:-1])
        events = [event async for event in caller_audio(claim_of(bus, places[-1]), inbox, begun)]

    assert audio_in(events) == AUDIO[start * STEP :].tobytes()
    assert were_read == wanted
