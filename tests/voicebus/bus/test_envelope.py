"""What is taken for a message, and what is not."""

from __future__ import annotations

import asyncio

import pytest

from schemas.audio import AudioChunk
from schemas.claim import Presence
from schemas.codec import encode
from schemas.event import Event
from schemas.stt import TranscriptFinal
from subjects.catalog import Place, subject_of
from subjects.processes import presence_subject
from tests.bus import bus_at, place_here
from tests.schemas.examples import EXAMPLES
from voicebus import metrics
from voicebus.bus.envelope import opened

PLACE = Place("here", "web", "s1")
AUDIO = subject_of(AudioChunk, PLACE)


def subject_for(event: Event) -> str:
    """Where an example belongs; only jobs and claims name a job, only presence a process."""
    if isinstance(event, Presence):
        return presence_subject(PLACE.cell, event.role, event.worker)
    return subject_of(type(event), PLACE, "stt", "1-0").replace("*", "w1")


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: type(event).__name__)
def test_a_message_is_taken_where_it_belongs(event: Event) -> None:
    """And on no other subject: the right to one is not the right to another."""
    elsewhere = [other for other in EXAMPLES if subject_for(other) != subject_for(event)]

    assert opened(subject_for(event), encode(event)) == event
    assert [o for o in elsewhere if opened(subject_for(o), encode(event)) is not None] == []


@pytest.mark.parametrize("payload", [b"", b"{}", b'{"stream":"AUDIO","seq":1}', b"\xff" * 8])
def test_an_acknowledgement_is_no_message(payload: bytes) -> None:
    """The server sends one wherever a publisher told it to."""
    assert opened(AUDIO, payload) is None


@pytest.mark.parametrize(
    ("role", "worker"),
    [("stt", "w1"), ("edge", "w1"), ("stt", "web"), ("", ""), ("presence.edge", "web")],
)
def test_a_sign_of_life_counts_for_whom_its_subject_names(role: str, worker: str) -> None:
    """Who may speak as one edge says nothing of another, nor of any worker."""
    subject = presence_subject(PLACE.cell, "edge", "web")
    own = Presence(role="edge", worker="web", slots=1, busy=0)
    forged = Presence(role=role, worker=worker, slots=1, busy=0, state="drained")
    malformed = metrics.BUS_MALFORMED._value.get()

    assert opened(subject, encode(own)) == own
    assert opened(subject, encode(forged)) is None
    assert metrics.BUS_MALFORMED._value.get() == malformed + 1


def test_a_message_out_of_a_stream_is_not_one_that_was_said_now() -> None:
    """The server reads them to wherever somebody told it to, and says that they are such."""
    chunk = AudioChunk(pcm=b"\x00\x00", offset=0)

    assert opened(AUDIO, encode(chunk), {"Nats-Stream": "AUDIO"}) is None
    assert opened(AUDIO, encode(chunk), {"Traceparent": "00"}) == chunk


@pytest.mark.parametrize("subject", ["", "vb", "vb.here.up.web.s1", f"{AUDIO}.more"])
def test_a_subject_of_another_length_has_no_messages(subject: str) -> None:
    """Nothing is taken from where the table has nothing."""
    assert opened(subject, encode(AudioChunk(pcm=b"", offset=0))) is None


async def test_the_log_is_read_without_what_is_no_message(nats_server: str) -> None:
    """Whoever takes a session over is not stopped by what somebody threw into its log."""
    place = place_here()
    subject = subject_of(TranscriptFinal, place)
    final = next(event for event in EXAMPLES if isinstance(event, TranscriptFinal))
    async with bus_at(nats_server) as bus:
        await bus.publish_raw(subject, b'{"stream":"SESSION","seq":1}')
        await bus.publish_raw(subject, encode(AudioChunk(pcm=b"", offset=0)))
        await bus.publish_raw(subject, encode(final), "", {"Status": "204"})
        async with asyncio.timeout(10):
            while len([message async for message in bus.read_raw("SESSION", subject)]) < 3:
                await asyncio.sleep(0.02)
        taken = [message async for message in bus.read("SESSION", subject)]

    assert [opened(message.subject, message.payload) for message in taken] == [final]
