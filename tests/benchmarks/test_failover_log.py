from __future__ import annotations

import numpy as np

from benchmarks.failover_log import read, served
from schemas.audio import AudioChunk
from schemas.claim import Claimed
from schemas.event import Event
from schemas.llm import GenerationDone
from subjects.catalog import Place, subject_of
from tests.benchmarks.harm import kill

PLACE = Place("local", "edge-1", "session-1")


def claimed(at_ns: int, role: str, job: str, worker: str) -> tuple[int, str, Event]:
    """A claim in the log."""
    subject = subject_of(Claimed, PLACE, role, job)
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


def test_the_callers_audio_is_put_together() -> None:
    """By its places, whatever came twice, and with its holes."""
    subject = subject_of(AudioChunk, PLACE)
    pcm = np.arange(1, 161, dtype="<i2").tobytes()
    chunks = [(n, subject, AudioChunk(pcm=pcm, offset=at)) for n, at in enumerate((0, 320, 320))]
    log = read(chunks)

    assert len(log.audio) == 480
    assert log.gap_ms == 10.0
    assert log.audio[320:].tolist() == list(range(1, 161))
