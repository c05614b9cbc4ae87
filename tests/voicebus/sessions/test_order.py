"""After the bus was away, what workers said comes to the client once, whole and in order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.event import Event
from schemas.failure import Failure
from schemas.llm import GenerationDone, TokenDelta
from schemas.stt import TranscriptFinal
from schemas.tts import ClauseSpoken, ReplyChunk, SpeechDone
from schemas.turn import HangUp, NothingHeard, ReplyPaused, TurnCancelled, TurnEnded, TurnStarted
from tests.metered import Growth
from voicebus.sessions.order import Order

PIECES = 3


def final(utterance: int, epoch: int = 1) -> TranscriptFinal:
    """What the caller said."""
    return TranscriptFinal(
        utterance=utterance, epoch=epoch, text="x", start_ms=0, end_ms=0, end_offset=0
    )


def token(turn: int, seq: int) -> TokenDelta:
    """A word of the answer."""
    return TokenDelta(turn=turn, seq=seq, text="word ")


def chunk(turn: int, seq: int) -> ReplyChunk:
    """A piece of its sound."""
    return ReplyChunk(turn=turn, seq=seq, pcm=b"\0\0" * 10, rate_hz=8_000, offset=10 * seq)


def spoken(turn: int, seq: int) -> ClauseSpoken:
    """Which words that are."""
    return ClauseSpoken(turn=turn, seq=seq, text="word", start_ms=0, end_ms=1, end=10 * (seq + 1))


def done(turn: int) -> SpeechDone:
    """The end of the sound."""
    return SpeechDone(turn=turn, samples=10 * PIECES, rate_hz=8_000)


def conversation(turns: int) -> list[Event]:
    """All that workers say in some turns, in their order."""
    said: list[Event] = []
    for turn in range(1, turns + 1):
        said += [final(turn), TurnStarted(turn=turn, text="x")]
        for seq in range(PIECES):
            said += [token(turn, seq), spoken(turn, seq), chunk(turn, seq)]
        said += [GenerationDone(turn=turn, text="word " * PIECES), done(turn)]
        said += [TurnEnded(turn=turn, outcome="completed")]
    return said


def heard(order: Order, events: list[Event]) -> list[Event]:
    """What is let through of some messages."""
    return [ready for event in events for ready in order.take(event)]


@pytest.mark.parametrize(
    "events", [conversation(3), [NothingHeard(end_offset=1), NothingHeard(end_offset=2)]]
)
def test_nothing_waits_while_the_bus_is_there(events: list[Event]) -> None:
    """Each message is let through at once."""
    order = Order()

    assert all(order.take(event) == [event] for event in events)


@pytest.mark.parametrize(
    "event",
    [
        final(3),
        HangUp(reason="silence"),
        NothingHeard(end_offset=5),
        Failure(stage="llm", code="c", message="m"),
    ],
)
def test_what_is_said_again_is_left_out(event: Event) -> None:
    """Messages without a place in a turn are known by their numbers."""
    growth = Growth()
    order = Order()

    assert heard(order, [event, event]) == [event]
    assert growth.of("voicebus_stale_dropped_total") == 1


def test_an_utterance_is_told_once_whoever_says_it() -> None:
    """The leader takes the first for what was said, too."""
    assert heard(Order(), [final(3, epoch=1), final(3, epoch=2)]) == [final(3)]


@given(
    st.integers(0, 100), st.integers(0, 100), st.integers(0, 100), st.randoms(use_true_random=False)
)
def test_a_window_that_was_lost_is_filled(first: int, length: int, behind: int, random) -> None:  # type: ignore[no-untyped-def]
    """Wherever it begins, and however much that is newer comes before it is said again."""
    said = conversation(4)
    first, length, behind = first % len(said), 1 + length % 30, behind % 40
    lost = said[first : first + length]
    newer, rest = said[first + length :][:behind], said[first + length :][behind:]
    known = said[max(0, first - random.randrange(5)) : first]
    order = Order()
    told = heard(order, said[:first])
    order.doubt()

    told += heard(order, [*newer, *known, *lost, *newer[: random.randrange(4)], *rest])
    told += order.trust()

    assert {*map(str, told)} == {*map(str, said)}
    for turn in range(1, 5):
        ours = [event for event in told if event.turn == turn]
        for kind in (TokenDelta, ClauseSpoken, ReplyChunk):
            places = [event.seq for event in ours if type(event) is kind]
            assert places == [*range(PIECES)]
        assert _last(ours, ReplyChunk) < _last(ours, SpeechDone) < _last(ours, TurnEnded)
        assert _last(ours, TokenDelta) < _last(ours, GenerationDone)


def _last(events: list[Event], kind: type[Event]) -> int:
    return max(place for place, event in enumerate(events) if type(event) is kind)


def test_what_does_not_come_again_is_given_up_and_said() -> None:
    """The rest is told, with an error for the turn."""
    growth = Growth()
    order = Order()
    heard(order, [TurnStarted(turn=1, text="x", said="Hello."), spoken(1, 0), chunk(1, 0)])
    order.doubt()
    assert heard(order, [chunk(1, 2), done(1), TurnEnded(turn=1, outcome="completed")]) == []

    late = order.trust()

    assert [type(event) for event in late] == [ReplyChunk, SpeechDone, Failure, TurnEnded]
    assert heard(order, [TurnStarted(turn=2, text="y")]) == [TurnStarted(turn=2, text="y")]
    assert growth.of("voicebus_edge_lost_total") == 1


def test_a_reply_whose_end_is_missing_is_not_passed_off_as_whole() -> None:
    """The voice and the bus died together: nobody says the rest again."""
    order = Order()
    heard(order, [TurnStarted(turn=1, text="x", said="Hello."), spoken(1, 0), chunk(1, 0)])
    order.doubt()
    assert heard(order, [TurnEnded(turn=1, outcome="completed")]) == []

    assert [type(event) for event in order.trust()] == [Failure, TurnEnded]


def test_a_session_that_comes_from_elsewhere_begins_in_its_middle() -> None:
    """Its first turn here is not its first."""
    order = Order(over=4)
    order.doubt()

    assert heard(order, [TurnStarted(turn=5, text="x")]) == [TurnStarted(turn=5, text="x")]


def test_nothing_is_missing_of_a_turn_that_ended_elsewhere() -> None:
    """Its end is told again, and its reply is not: the client had heard it where it was."""
    order = Order(over=4)
    order.doubt()
    told = [
        TurnStarted(turn=5, text="x"),
        TurnEnded(turn=5, outcome="completed", elsewhere=True),
        TurnStarted(turn=6, text="x"),
    ]

    assert heard(order, told) == told
    assert order.trust() == []


def test_the_end_of_a_turn_elsewhere_comes_behind_its_beginning() -> None:
    """Both are said again; so it has an order, too."""
    order = Order(over=4)
    order.doubt()
    ended = TurnEnded(turn=5, outcome="completed", elsewhere=True)
    assert heard(order, [ended]) == []

    begun = TurnStarted(turn=5, text="x")
    assert heard(order, [begun]) == [begun, ended]


def test_nobody_hangs_up_before_what_may_be_missing() -> None:
    """The goodbye comes first."""
    order = Order()
    order.doubt()
    goodbye: list[Event] = [TurnStarted(turn=1, text="", said="Bye."), spoken(1, 0), chunk(1, 0)]

    assert heard(order, [HangUp(reason="limit"), *goodbye]) == goodbye
    assert order.trust() == [HangUp(reason="limit")]


def test_the_end_of_a_turn_that_never_began_ends_no_other() -> None:
    """It is not for order to say that all before it is over."""
    order = Order()
    heard(order, [TurnEnded(turn=9, outcome="completed")])
    turn: list[Event] = [TurnStarted(turn=1, text="x"), token(1, 0)]

    assert heard(order, turn) == turn


def test_who_interrupts_does_not_wait() -> None:
    """A turn that is cancelled ends at once, whatever is missing of it."""
    order = Order()
    heard(order, [TurnStarted(turn=1, text="x"), chunk(1, 0)])
    order.doubt()
    heard(order, [chunk(1, 2)])
    ending = [TurnCancelled(turn=1), TurnEnded(turn=1, outcome="interrupted")]

    assert heard(order, ending) == ending
    assert order.trust() == []


def test_what_leads_a_turn_comes_behind_its_beginning() -> None:
    """A pause of a reply whose beginning is missing waits for it."""
    order = Order()
    order.doubt()
    assert heard(order, [ReplyPaused(turn=1)]) == []

    started = TurnStarted(turn=1, text="x")

    assert heard(order, [started]) == [started, ReplyPaused(turn=1)]


def test_a_written_answer_ends_with_its_words() -> None:
    """Where nothing is spoken, nobody waits for sound."""
    order = Order(speaks=False)
    order.doubt()
    said: list[Event] = [TurnStarted(turn=1, text="x"), token(1, 0)]
    said += [GenerationDone(turn=1, text="word "), TurnEnded(turn=1, outcome="completed")]

    assert heard(order, said) == said


def test_words_that_were_taken_back_do_not_stand_for_those_that_are_missing() -> None:
    """The end of a reply that was begun anew waits for all of the words that count."""
    order = Order(speaks=False)
    heard(order, [TurnStarted(turn=1, text="x"), token(1, 0), token(1, 1)])
    heard(order, [TokenDelta(turn=1, seq=2, text="Oh, ", anew=True)])
    order.doubt()
    end = GenerationDone(turn=1, text="Oh, yes.")
    missing = TokenDelta(turn=1, seq=3, text="yes.")

    assert heard(order, [end]) == []
    assert heard(order, [missing]) == [missing, end]
