"""What an outdated worker says, and what was said before, is left out."""

from __future__ import annotations

import pytest

from schemas.event import Event
from schemas.failure import Failure
from schemas.llm import TokenDelta
from schemas.stt import SpeechStarted, TranscriptFinal
from schemas.tts import ReplyChunk
from schemas.turn import ReplyResumed, TurnEnded, TurnStarted
from voicebus.sessions.order import Order


def token(turn: int, seq: int, revision: int = 0, epoch: int = 1) -> TokenDelta:
    """A piece of an attempt at a turn."""
    return TokenDelta(turn=turn, seq=seq, revision=revision, epoch=epoch, text="x")


def chunk(turn: int, epoch: int) -> ReplyChunk:
    """Audio of a turn."""
    return ReplyChunk(turn=turn, epoch=epoch, pcm=b"\0\0", rate_hz=8_000, offset=0)


@pytest.mark.parametrize(
    ("before", "event", "is_stale"),
    [
        (SpeechStarted(start_ms=0, epoch=5), SpeechStarted(start_ms=9, epoch=4), True),
        (SpeechStarted(start_ms=0, epoch=5), SpeechStarted(start_ms=9, epoch=5), False),
        (SpeechStarted(start_ms=0, epoch=5), TurnStarted(text="x", turn=1, epoch=4), False),
        (TurnStarted(text="x", turn=2, epoch=5), TurnStarted(text="x", turn=3, epoch=4), True),
        (token(1, 0, epoch=5), token(1, 1, epoch=4), True),
        (token(1, 3), token(1, 3), True),
        (token(1, 3), token(1, 2), True),
        (token(1, 3), token(1, 4), False),
        (token(1, 3), token(1, 0, epoch=2), True),
        (token(1, 3, epoch=5), token(1, 0, revision=1, epoch=4), False),
        (token(2, 3, epoch=5), token(1, 0, epoch=4), False),
        (token(1, 3, epoch=5), chunk(1, epoch=4), False),
        (chunk(1, epoch=9), chunk(2, epoch=4), False),
        (Failure(stage="llm", code="c", message="m", epoch=5),) * 2 + (True,),
    ],
)
def test_a_claim_has_one_owner_and_its_messages_one_order(
    before: Event, event: Event, is_stale: bool
) -> None:
    """Sessions are owned by listener and leader, each attempt at a turn by its own workers."""
    order = Order()
    assert order.take(before) == [before]

    assert order.take(event) == ([] if is_stale else [event])


def test_what_is_over_is_forgotten() -> None:
    """Owners of sessions stay known; of turns only those that may still say something."""
    order = Order()
    final = TranscriptFinal(utterance=1, text="", start_ms=0, end_ms=0, end_offset=0, epoch=7)
    order.take(final)
    for turn in range(1, 100):
        order.take(TurnStarted(turn=turn, text="x"))
        for event in (token(turn, 0), chunk(turn, 1), token(turn, 0, revision=1)):
            assert order.take(event) == [event]
        order.take(TurnEnded(turn=turn, outcome="completed"))
    order.take(token(100, 0))

    assert len(order._owners._epochs) == 2
    assert len(order._attempts) == 1
    assert order.take(SpeechStarted(start_ms=0, epoch=6)) == []


def test_what_was_said_before_its_owner_was_replaced_fills_the_gap() -> None:
    """The bus died, another worker took the reply over, and the first one says again what it had
    said. What it says beyond that was refused by the store.
    """
    order = Order()
    known = [TurnStarted(turn=1, text="x"), token(1, 0, epoch=1)]
    assert [ready for event in known for ready in order.take(event)] == known
    order.doubt()
    assert order.take(token(1, 3, epoch=2)) == []

    said = [token(1, seq, epoch=1) for seq in range(6)]

    ready = [ready for event in said for ready in order.take(event)]
    assert ready == [*said[1:3], token(1, 3, epoch=2)]


def test_the_beginning_of_a_turn_may_be_its_former_leaders() -> None:
    """It is missing before what the next leader says of the turn."""
    order = Order()
    order.doubt()
    goes_on = ReplyResumed(turn=1, epoch=2)
    assert order.take(goes_on) == []

    begun = TurnStarted(turn=1, text="x", epoch=1)

    assert order.take(begun) == [begun, goes_on]
    assert order.take(TurnStarted(turn=2, text="y", epoch=1)) == []
