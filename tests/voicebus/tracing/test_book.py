"""Which trace each turn belongs to."""

from __future__ import annotations

from itertools import count

from schemas.llm import GenerateRequest
from schemas.session import AnswerAsked, UserText
from schemas.stt import RecogniseRequest, TranscriptDraft, TranscriptFinal
from schemas.tts import SpeakRequest
from schemas.turn import TurnStarted
from voicebus.tracing.book import KEPT, Book
from voicebus.tracing.context import TraceContext

NOW = 10_000_000_000_000


def book() -> Book:
    """One that numbers its traces."""
    numbers = count(1)
    return Book(lambda: TraceContext(f"{next(numbers):032x}", f"{1:016x}"))


def final(utterance: int) -> TranscriptFinal:
    """Two seconds of speech, half a second of hold, a tenth of work."""
    return TranscriptFinal(
        utterance=utterance,
        text="x",
        start_ms=1_000,
        end_ms=3_000,
        end_offset=1,
        hold_ms=500,
        compute_ms=100.0,
    )


def draft(utterance: int) -> TranscriptDraft:
    """What a final will say."""
    return TranscriptDraft(utterance=utterance, text="x", end_ms=3_000)


def answer(number: int) -> AnswerAsked:
    """A client that keeps the conversation asks for its next word."""
    return AnswerAsked(generate=GenerateRequest(messages=()), seq=number)


def asked(turn: int, revision: int = 0) -> GenerateRequest:
    """A job for a turn."""
    return GenerateRequest(messages=(), turn=turn, revision=revision)


def test_the_first_who_tells_begins_the_trace_and_all_others_go_on_with_it() -> None:
    """Recogniser, turn, model and voice have one, over a draft and its final."""
    stt, turn = book(), book()
    begun = stt.told("s", draft(1), NOW)
    turn.heard("s", draft(1), begun, NOW)

    assert turn.told("s", asked(1), NOW) == begun
    assert stt.told("s", final(1), NOW) == begun
    turn.heard("s", final(1), begun, NOW)
    assert turn.told("s", TurnStarted(text="x", turn=1), NOW) == begun
    assert turn.told("s", SpeakRequest(turn=1), NOW) == begun


def test_a_turn_began_when_the_caller_did() -> None:
    """A final says how long ago that was, also where the answer was begun before it."""
    turn, begun = book(), TraceContext("a" * 32, "b" * 16)
    turn.heard("s", draft(1), begun, NOW)
    turn.told("s", asked(1), NOW)

    turn.heard("s", final(1), begun, NOW)

    entry = turn.of_turn("s", 1, 0)
    assert entry is not None
    assert NOW - entry.begun_ns == 2_600_000_000


def test_a_turn_that_answers_nothing_new_has_a_trace_of_its_own() -> None:
    """A greeting, or a prompt after silence, is no part of the turn before."""
    turn, begun = book(), TraceContext("a" * 32, "b" * 16)
    greeting = turn.told("s", SpeakRequest(turn=1, text="Hello."), NOW)
    turn.heard("s", final(1), begun, NOW)
    answer = turn.told("s", asked(2), NOW)
    prompt = turn.told("s", SpeakRequest(turn=3, text="Still there?"), NOW)

    assert answer == begun
    assert len({greeting, answer, prompt}) == 3


def test_another_attempt_goes_on_with_the_trace_of_its_words() -> None:
    """The same utterance, when the caller went on; the next one, when that is answered instead."""
    turn = book()
    first, second = TraceContext("a" * 32, "b" * 16), TraceContext("c" * 32, "d" * 16)
    turn.heard("s", draft(1), first, NOW)
    assert turn.told("s", asked(1, 0), NOW) == first
    turn.heard("s", final(1), first, NOW)
    assert turn.told("s", asked(1, 1), NOW) == first
    turn.heard("s", draft(2), second, NOW)

    assert turn.told("s", asked(1, 2), NOW) == second


def test_an_answer_that_an_edge_asks_for_goes_on_with_what_was_said() -> None:
    """Also where it is asked for early; a second one to the same words has a trace of its own."""
    edge, begun = book(), TraceContext("a" * 32, "b" * 16)
    edge.heard("s", draft(1), begun, NOW)
    early = edge.told("s", answer(0), NOW)
    edge.heard("s", final(1), begun, NOW)
    asked_for = edge.told("s", answer(1), NOW)
    edge.heard("s", TurnStarted(text="x", turn=1, control=1), begun, NOW)

    assert (early, asked_for) == (begun, begun)
    assert edge.told("s", answer(2), NOW) != begun


def test_all_passages_of_a_file_are_one_trace_below_its_callers() -> None:
    """Which the edge ends with the session, once; a file is no turn that others go on with."""
    edge, worker, caller = book(), book(), TraceContext("a" * 32, "b" * 16)
    edge.called("s", caller)
    passages = [RecogniseRequest(start=0, cut_from=1, end=2, turn=n, revision=n) for n in (1, 2)]
    first, second = (edge.told("s", passage, NOW) for passage in passages)
    worker.heard("s", passages[1], second, NOW)

    entry = worker.of_file("s")
    assert first == second
    assert first.trace_id == caller.trace_id
    assert entry is not None
    assert entry.context == second
    assert worker.told("s", SpeakRequest(turn=1), NOW) != second
    ((turn, root),) = edge.close("s")
    assert (turn, root.parent) == (0, caller.span_id)


def test_a_session_that_moves_takes_its_traces_along() -> None:
    """Those that are known, and those that are found later in the log of where it was."""
    turn, known = book(), TraceContext("a" * 32, "b" * 16)
    later = TraceContext("c" * 32, "d" * 16)
    turn.heard("old", final(1), known, NOW)
    turn.heard("old", TurnStarted(text="x", turn=1), known, NOW)

    turn.moved("old", "new")
    turn.heard("old", final(2), later, NOW)

    assert turn.told("new", asked(1), NOW) == known
    assert turn.told("new", asked(2), NOW) == later
    assert turn.of_utterance("new", 2) is not None


def test_sessions_do_not_mix() -> None:
    """Numbers are a session's own."""
    edge = book()

    one, other = (
        edge.told("a", UserText(text="x", seq=1), NOW),
        edge.told("b", UserText(text="x", seq=1), NOW),
    )

    assert one != other


def test_what_a_caller_brings_is_the_parent_of_what_begins_here() -> None:
    """And a session's end yields the turns that were begun here, once."""
    edge, caller = book(), TraceContext("a" * 32, "b" * 16)
    edge.called("s", caller)
    begun = edge.told("s", asked(1), NOW)

    ((turn, entry),) = edge.close("s")

    assert (begun.trace_id, turn, entry.parent) == (caller.trace_id, 1, caller.span_id)
    assert begun.span_id != caller.span_id
    assert list(edge.close("s")) == []


def test_the_book_is_bounded() -> None:
    """A process that runs for a year keeps no more than one that runs for a minute."""
    edge = book()

    for number in range(2 * KEPT):
        edge.told(f"s{number}", UserText(text="x", seq=1), NOW)
        edge.moved(f"t{number}", f"s{number}")

    assert len(edge) == KEPT
