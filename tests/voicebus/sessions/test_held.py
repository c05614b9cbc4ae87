"""What is speculative is held, and let through once, in order, or never."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from schemas.event import Event
from schemas.failure import Failure
from schemas.llm import GenerationDone, TokenDelta
from schemas.stt import SpeechStarted
from schemas.tts import ReplyChunk
from schemas.turn import ReplyPaused, TurnCancelled, TurnEnded, TurnStarted
from voicebus.sessions.held import Held


def started(turn: int, revision: int = 0) -> TurnStarted:
    """This attempt at the turn may be heard."""
    return TurnStarted(turn=turn, revision=revision, text="x")


def cancelled(turn: int, revision: int = 0) -> TurnCancelled:
    """Attempts up to this one are for nothing."""
    return TurnCancelled(turn=turn, revision=revision)


def token(turn: int, revision: int = 0, seq: int = 0, **fields: Any) -> TokenDelta:
    """A piece of an attempt."""
    return TokenDelta(turn=turn, revision=revision, seq=seq, text=f"{turn}.{revision}.{seq}")


def dropped() -> float:
    """How many attempts were dropped because they were too long."""
    return REGISTRY.get_sample_value("voicebus_held_dropped_total") or 0.0


def let_through(held: Held, *events: Event) -> list[Event]:
    """What may be told of some messages."""
    return [event for given in events for event, _ in held.take(given, 1.0)]


def test_what_was_made_early_is_let_through_when_the_turn_begins() -> None:
    """Behind its TurnStarted, in the order in which it came, with the times of its coming."""
    held = Held()
    early = [token(1), token(1, seq=1), GenerationDone(turn=1, text="x")]

    assert [held.take(event, 2.0 + n) for n, event in enumerate(early)] == [[], [], []]
    released = held.take(started(1), 9.0)

    assert released == [(started(1), 9.0), (early[0], 2.0), (early[1], 3.0), (early[2], 4.0)]
    assert let_through(held, token(1, seq=2)) == [token(1, seq=2)]


def test_what_belongs_to_no_turn_is_never_held() -> None:
    """The caller's words, and failures of the session, go straight on."""
    events = [SpeechStarted(start_ms=5), Failure(stage="stt", code="c", message="m")]

    assert let_through(Held(), *events) == events


def test_a_draft_that_was_for_nothing_is_dropped_also_what_comes_late() -> None:
    """After its cancellation nothing of it is let through; the next attempt is."""
    held = Held()

    early = let_through(held, token(1), cancelled(1), token(1, seq=1), token(1, 1))
    released = let_through(held, started(1, 1), token(1, seq=2), token(1, 1, 1))

    assert early == []
    assert released == [started(1, 1), token(1, 1), token(1, 1, 1)]


def test_a_cancellation_spares_later_attempts() -> None:
    """Orders overtake each other: what cancels attempt 0 does not concern attempt 1."""
    held = Held()
    let_through(held, token(1, 0), token(1, 1), cancelled(1, 0))

    assert let_through(held, started(1, 1)) == [started(1, 1), token(1, 1)]
    assert let_through(held, cancelled(1, 0), token(1, 1, 1)) == [token(1, 1, 1)]


def test_the_other_attempts_are_dropped_when_one_is_released() -> None:
    """There is one answer to a turn."""
    held = Held()
    let_through(held, token(1, 0), token(1, 1), token(1, 2))

    assert let_through(held, started(1, 1)) == [started(1, 1), token(1, 1)]
    assert let_through(held, started(2), token(1, 2, 1), token(1, 1, 1)) == [started(2)]


def test_nothing_but_its_end_follows_a_turn_that_was_given_up() -> None:
    """Neither words nor audio nor a pause; why it failed may be told, until it has ended."""
    held = Held()
    failure = Failure(stage="tts", code="engine", message="m", turn=1)
    let_through(held, started(1), token(1))

    after = let_through(
        held,
        cancelled(1),
        cancelled(1),
        token(1, seq=1),
        ReplyPaused(turn=1),
        failure,
        TurnEnded(turn=1, outcome="failed"),
        failure,
        TurnEnded(turn=1, outcome="failed"),
        started(1),
    )

    assert after == [cancelled(1), failure, TurnEnded(turn=1, outcome="failed")]


def test_what_a_turn_never_began_does_not_end() -> None:
    """An end, a pause or a cancellation of a turn that nobody heard of is not told."""
    assert (
        let_through(
            Held(), TurnEnded(turn=3, outcome="completed"), ReplyPaused(turn=3), cancelled(3)
        )
        == []
    )


def test_a_turn_that_is_told_again_begins_once() -> None:
    """A worker that takes over may repeat what the log says."""
    assert let_through(Held(), started(1), started(1), token(1)) == [started(1), token(1)]


def test_too_much_is_dropped_and_said() -> None:
    """The oldest attempt goes; should it be the answer, the client is told that there is none."""
    held = Held(limit_bytes=1_000)
    chunk = ReplyChunk(turn=1, pcm=bytes(300), rate_hz=8_000, offset=0)
    before = dropped()

    let_through(held, chunk, token(1, 1), chunk, token(1, 1, 1))
    assert dropped() == before + 1
    kept = let_through(held, started(1, 1))
    assert kept == [started(1, 1), token(1, 1), token(1, 1, 1)]

    held = Held(limit_bytes=1_000)
    lost = let_through(held, chunk, chunk, chunk, started(1), chunk, token(1))
    assert [type(event) for event in lost] == [TurnStarted, Failure]
    assert (lost[1].turn, lost[1].stage) == (1, "edge")  # type: ignore[attr-defined]


orders = st.sampled_from(["token", "token", "token", "chunk", "start", "cancel", "end", "next"])
scripts = st.lists(st.tuples(orders, st.integers(0, 2), st.integers(0, 3)), max_size=60)


def events_of(script: list[tuple[str, int, int]]) -> list[Event]:
    """Messages of some turns in any order, each with a number of its own."""
    turn, events = 1, list[Event]()
    for number, (order, ahead, revision) in enumerate(script):
        place: dict[str, Any] = {"turn": turn + ahead, "revision": revision, "seq": number}
        match order:
            case "token":
                events.append(TokenDelta(text="t", **place))
            case "chunk":
                events.append(ReplyChunk(pcm=b"\0\0", rate_hz=8_000, offset=0, **place))
            case "start":
                events.append(TurnStarted(text="x", **place))
            case "cancel":
                events.append(TurnCancelled(**place))
            case "end":
                events.append(TurnEnded(outcome="completed", **place))
            case "next":
                turn += 1
    return events


@given(scripts)
def test_nothing_is_told_that_was_not_released(script: list[tuple[str, int, int]]) -> None:
    """Whatever comes in whatever order: every piece follows its own attempt's beginning, in its
    order, once, before its end, and nothing of an older attempt comes after a newer one.
    """
    told = let_through(Held(), *events_of(script))

    attempts = [(event.turn, event.revision) for event in told if isinstance(event, TurnStarted)]
    assert attempts == sorted(set(attempts))
    running: tuple[int, int] | None = None
    numbers: list[int] = []
    for event in told:
        match event:
            case TurnStarted():
                running, numbers = (event.turn, event.revision), []
            case TokenDelta() | ReplyChunk():
                assert (event.turn, event.revision) == running
                numbers.append(event.seq)
                assert numbers == sorted(set(numbers))
            case TurnCancelled() | TurnEnded() if running and event.turn == running[0]:
                running = None


@given(scripts)
def test_what_is_released_is_complete(script: list[tuple[str, int, int]]) -> None:
    """All that came of the attempt that runs is told, unless the attempt was given up."""
    events = events_of(script)
    told = let_through(Held(), *events)
    begun = [event for event in told if isinstance(event, TurnStarted)]

    for place, start in enumerate(begun):
        attempt = (start.turn, start.revision)
        until = events.index(begun[place + 1]) if place + 1 < len(begun) else len(events)
        ends = [
            number
            for number, event in enumerate(events[:until])
            if isinstance(event, TurnCancelled | TurnEnded)
            and event.turn == start.turn
            and number > events.index(start)
            and (isinstance(event, TurnEnded) or event.revision >= start.revision)
        ]
        lives = range(min(ends, default=until))
        before = begun[place - 1].turn if place else 0
        if before == start.turn:
            continue  # another attempt of the turn ran before: its beginning dropped the rest
        expected = [
            event
            for number, event in enumerate(events)
            if number in lives
            and isinstance(event, TokenDelta | ReplyChunk)
            and (event.turn, event.revision) == attempt
        ]
        pieces = [event for event in told if isinstance(event, TokenDelta | ReplyChunk)]
        assert [piece for piece in pieces if (piece.turn, piece.revision) == attempt] == expected


@given(st.lists(st.integers(0, 400), max_size=40))
def test_what_is_held_is_bounded(sizes: list[int]) -> None:
    """However much is made early, no more than the limit is kept."""
    held = Held(limit_bytes=2_000)
    for number, size in enumerate(sizes):
        chunk = ReplyChunk(
            turn=1, revision=number // 4, seq=number, pcm=bytes(size), rate_hz=8_000, offset=0
        )
        held.take(chunk, 0.0)

        assert held._bytes <= 2_000
        assert held._bytes == sum(
            200 + len(event.pcm)
            for attempt in held._drafts.values()
            for event, _ in attempt
            if isinstance(event, ReplyChunk)
        )


@pytest.mark.parametrize("turns", [1, 10])
def test_nothing_is_kept_of_turns_that_are_over(turns: int) -> None:
    """A long session needs no more memory than a short one."""
    held = Held()
    for turn in range(1, turns + 1):
        let_through(held, token(turn, 0), cancelled(turn, 0), token(turn, 1), started(turn, 1))
        let_through(held, token(turn, 2), TurnEnded(turn=turn, outcome="completed"))

    assert (held._drafts, held._bytes, held._lost, held._cancelled) == ({}, 0, set(), {})
