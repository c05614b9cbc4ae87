"""Who may still be listened to."""

from __future__ import annotations

import pytest

from schemas.event import Event
from schemas.failure import Failure
from schemas.llm import TokenDelta
from schemas.session import UserText
from schemas.stt import SilenceHeard, SpeechStarted
from schemas.turn import TurnCancelled
from voicebus.owners import Owners, is_of_turn


def failure(stage: str, epoch: int, turn: int = 1) -> Failure:
    """What a worker says of its work."""
    return Failure(stage=stage, code="engine_timeout", message="m", turn=turn, epoch=epoch)


@pytest.mark.parametrize(
    ("known", "event", "is_outdated"),
    [
        (SpeechStarted(start_ms=0, epoch=5), SilenceHeard(end_offset=9, epoch=4), True),
        (TokenDelta(turn=1, text="x", epoch=5), failure("llm", 4), True),
        (TokenDelta(turn=1, text="x", epoch=5), failure("llm", 5), False),
        (TokenDelta(turn=2, text="x", epoch=5), failure("llm", 4), False),
        (TokenDelta(turn=1, text="x", epoch=5), failure("llm", 0), False),
        (TurnCancelled(turn=1, epoch=5), failure("turn", 4), True),
        (SpeechStarted(start_ms=0, epoch=5), failure("stt", 4, turn=0), True),
        (SpeechStarted(start_ms=0, epoch=5), failure("tts", 4), False),
        (SpeechStarted(start_ms=0, epoch=5), UserText(text="x"), False),
    ],
)
def test_a_worker_that_was_replaced_is_outdated(
    known: Event, event: Event, is_outdated: bool
) -> None:
    """Its failures are, too; one who owned nothing yet, or an edge, never is."""
    owners = Owners()
    assert not owners.is_outdated(known)

    assert owners.is_outdated(event) is is_outdated


def test_owners_of_turns_are_forgotten_with_them() -> None:
    """Those of sessions stay."""
    owners = Owners()
    for event in (TokenDelta(turn=1, text="x", epoch=9), SpeechStarted(start_ms=0, epoch=9)):
        owners.is_outdated(event)
    owners.forget(1)

    assert not owners.is_outdated(TokenDelta(turn=1, text="x", epoch=8))
    assert owners.is_outdated(SpeechStarted(start_ms=0, epoch=8))
    assert is_of_turn(TokenDelta(turn=1, text="x"))
    assert not is_of_turn(SpeechStarted(start_ms=0))
