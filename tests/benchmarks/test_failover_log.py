from __future__ import annotations

import numpy as np

from benchmarks.failover_log import fetch, read, served
from schemas.audio import AudioChunk
from schemas.claim import Claimed
from schemas.event import Event
from schemas.llm import GenerationDone
from schemas.turn import SessionMoved
from subjects.catalog import Place, subject_of
from tests.benchmarks.harm import kill
from tests.workers import bus_in, new_place

PLACE = Place("local", "edge-1", "session-1")
ELSEWHERE = Place("local", "edge-1", "session-2")


def claimed(
    at_ns: int, role: str, job: str, worker: str, place: Place = PLACE
) -> tuple[int, str, Event]:
    """A claim in the log."""
    subject = subject_of(Claimed, place, role, job)
    return at_ns, subject, Claimed(role=role, worker=worker)


def done(at_ns: int, turn: int) -> tuple[int, str, Event]:
    """The end of a reply in the log."""
    return at_ns, subject_of(GenerationDone, PLACE), GenerationDone(turn=turn, text="words")


def test_a_session_is_served_by_who_claimed_it_last() -> None:
    """Before the takeover by the one, behind it by the other."""
    log = read([claimed(10, "stt", "session", "host-1"), claimed(50, "stt", "session", "host-2")])

    assert served(log, kill(at_ns=30))
    assert not served(log, kill(at_ns=5))
    assert not served(log, kill(at_ns=60))
    assert served(log, kill(at_ns=60, worker="host-2"))


def test_a_reply_is_served_until_it_is_done() -> None:
    """Who has made the last reply does not matter any more."""
    log = read([claimed(10, "llm", "1-0", "host-1"), done(50, turn=1)])

    assert served(log, kill(kind="llm", at_ns=30))
    assert not served(log, kill(kind="llm", at_ns=60))
    assert not served(log, kill(kind="tts", at_ns=30))


def test_everybody_is_served_by_the_bus_and_nobody_by_a_supervisor() -> None:
    """They hold no claims."""
    log = read([])

    assert [served(log, kill(kind=kind)) for kind in ("nats", "edge", "supervisor")] == [
        True,
        True,
        False,
    ]


def test_a_session_that_moved_is_served_by_who_claimed_it_there() -> None:
    """And not by who had it before, nor by who claims it late at the place that it has left."""
    moved = SessionMoved(edge=ELSEWHERE.edge, session=ELSEWHERE.session)
    log = read(
        [
            claimed(10, "stt", "session", "host-1"),
            (30, subject_of(SessionMoved, PLACE), moved),
            claimed(40, "stt", "session", "host-3"),
            claimed(50, "stt", "session", "host-2", ELSEWHERE),
        ]
    )

    assert served(log, kill(at_ns=20))
    assert not served(log, kill(at_ns=60))
    assert not served(log, kill(at_ns=60, worker="host-3"))
    assert served(log, kill(at_ns=60, worker="host-2"))


async def test_what_was_said_is_found_wherever_the_session_went(nats_server: str) -> None:
    """Its log begins under one name and goes on under another."""
    start = new_place()
    then = Place(start.cell, start.edge, "session-2")
    pcm = np.arange(1, 161, dtype="<i2").tobytes()
    async with bus_in(nats_server, start.cell) as bus:
        await bus.store(AudioChunk(pcm=pcm, offset=0), start)
        await bus.store(SessionMoved(edge=then.edge, session=then.session), start)
        await bus.store(AudioChunk(pcm=pcm, offset=160), then)
        log = await fetch(bus, start.session)
        nothing = await fetch(bus, "")

    assert log.audio.tolist() == 2 * list(range(1, 161))
    assert log.gap_ms == 0.0
    assert len(nothing.audio) == 0


def test_the_callers_audio_is_put_together() -> None:
    """By its places, whatever came twice, and with its holes."""
    subject = subject_of(AudioChunk, PLACE)
    pcm = np.arange(1, 161, dtype="<i2").tobytes()
    chunks = [(n, subject, AudioChunk(pcm=pcm, offset=at)) for n, at in enumerate((0, 320, 320))]
    log = read(chunks)

    assert len(log.audio) == 480
    assert log.gap_ms == 10.0
    assert log.audio[320:].tolist() == list(range(1, 161))
