from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.passages import LONGEST_SAMPLES, MAX_ATTEMPTS, REST_SAMPLES, SHORTEST_SAMPLES, Passages
from schemas.stt import PassageCut, PassageRecognised, RecogniseRequest, Segment
from voicebus.errors import EngineError, EngineTimeout

SECOND = 16_000
ASKED = RecogniseRequest(start=0, cut_from=0, end=0, language="en")
UNKNOWN = RecogniseRequest(start=0, cut_from=0, end=0)


def recording(seconds: int, asked: RecogniseRequest = ASKED, limit: int = 4) -> Passages:
    """A recording that is stored as a whole, a second a message, from sequence 101 on."""
    passages = Passages(asked, limit)
    for number in range(seconds):
        passages.store(SECOND, 101 + number)
    passages.end()
    return passages


def cut(request: RecogniseRequest, end: int) -> PassageCut:
    """A worker's word on where a passage ends."""
    return PassageCut(end=end, turn=request.turn, revision=request.revision)


def said(
    request: RecogniseRequest, end: int, text: str = "x", language: str = "en"
) -> PassageRecognised:
    """A worker's result."""
    segments = (Segment(text, 0, 1),) if text else ()
    return PassageRecognised(
        start=request.start,
        end=end,
        segments=segments,
        language=language if text else "",
        turn=request.turn,
        revision=request.revision,
    )


def test_a_short_recording_is_one_passage() -> None:
    """It ends where the audio does, and nobody looks for a silence in it."""
    passages = recording(40)

    (request,) = passages.requests()

    assert (request.start, request.cut_from, request.end) == (0, 40 * SECOND, 40 * SECOND)
    assert (request.turn, request.revision, request.stored) == (1, 0, 101)
    assert not passages.is_complete
    assert len(passages.take(said(request, 40 * SECOND))) == 1
    assert passages.is_complete


def test_a_recording_without_audio_is_complete() -> None:
    """There is nothing to ask."""
    passages = recording(0)

    assert passages.requests() == []
    assert passages.is_complete


def test_nothing_is_asked_before_a_passage_is_stored() -> None:
    """A worker reads what is there; it does not wait for an upload."""
    passages = Passages(ASKED, 4)
    passages.store(LONGEST_SAMPLES - 1, 1)
    before = passages.requests()
    passages.store(1, 2)

    (request,) = passages.requests()

    assert before == []
    assert (request.cut_from, request.end) == (SHORTEST_SAMPLES, LONGEST_SAMPLES)


def test_the_next_passage_begins_where_the_last_was_cut() -> None:
    """It is given out while the one before is still recognised."""
    passages = recording(200)
    (first,) = passages.requests()
    passages.take(cut(first, 33 * SECOND + 5))

    (second,) = passages.requests()

    assert (second.start, second.turn) == (33 * SECOND + 5, 2)
    assert second.stored == 101 + 33


def test_no_more_are_given_out_than_may_be() -> None:
    """What is in flight is bounded, whatever the length of the recording."""
    passages = recording(1000, limit=3)
    asked: list[RecogniseRequest] = []
    for _ in range(5):
        requests = passages.requests()
        asked += requests
        for request in requests:
            passages.take(cut(request, request.start + 31 * SECOND))

    assert [request.turn for request in asked] == [1, 2, 3]
    passages.take(said(asked[1], 62 * SECOND))
    assert [request.turn for request in passages.requests()] == [4]


def test_results_are_told_in_order() -> None:
    """A passage that was quick waits for those before it."""
    passages = recording(100, limit=3)
    (first,) = passages.requests()
    passages.take(cut(first, 31 * SECOND))
    (second,) = passages.requests()

    assert passages.take(said(second, 62 * SECOND, "two")) == []
    told = passages.take(said(first, 31 * SECOND, "one"))
    assert [result.segments[0].text for result in told] == ["one", "two"]


def test_the_language_is_found_before_passages_share_it() -> None:
    """One at a time until somebody has spoken; then all at once, in that language."""
    passages = recording(600, UNKNOWN)
    (first,) = passages.requests()
    passages.take(cut(first, 31 * SECOND))
    waiting = passages.requests()
    passages.take(said(first, 31 * SECOND, text=""))
    (second,) = passages.requests()
    passages.take(said(second, 62 * SECOND, language="ru"))
    (third,) = passages.requests()
    passages.take(cut(third, 93 * SECOND))
    (fourth,) = passages.requests()

    assert waiting == []
    assert [first.language, second.language] == ["", ""]
    assert [third.language, fourth.language, passages.language] == ["ru", "ru", "ru"]


def test_what_may_have_been_missed_is_asked_again() -> None:
    """As a further attempt, with the end that is known; what is there is not asked for."""
    passages = recording(200, limit=3)
    (first,) = passages.requests()
    passages.take(cut(first, 31 * SECOND))
    (second,) = passages.requests()
    passages.take(cut(second, 62 * SECOND))
    (third,) = passages.requests()
    passages.take(said(second, 62 * SECOND))

    again = passages.again()

    assert [(r.turn, r.revision) for r in again] == [(1, 1), (3, 1)]
    assert (again[0].cut_from, again[0].end) == (31 * SECOND, 31 * SECOND)
    assert (again[1].cut_from, again[1].end) == (third.cut_from, third.end)


def test_one_passage_alone_can_be_asked_again() -> None:
    """The one that failed; the others are in good hands."""
    passages = recording(200, limit=3)
    (first,) = passages.requests()
    passages.take(cut(first, 31 * SECOND))
    passages.requests()

    assert [(r.turn, r.revision) for r in passages.again(2)] == [(2, 1)]
    assert passages.again(7) == []


def test_only_the_newest_attempt_is_waited_for() -> None:
    """What becomes of others is of no interest, and neither is a passage that is done."""
    passages = recording(40)
    (first,) = passages.requests()
    before = passages.awaits(1, 0)
    passages.again()

    assert before
    assert [passages.awaits(1, 0), passages.awaits(1, 1), passages.awaits(2, 0)] == [
        *(False, True, False)
    ]
    passages.take(said(first, 40 * SECOND))
    assert not passages.awaits(1, 1)


def test_either_attempt_may_answer_but_one_alone_counts() -> None:
    """A late answer of the first attempt is as good, and the other one is passed over."""
    passages = recording(40)
    (first,) = passages.requests()
    (second,) = passages.again()

    assert len(passages.take(said(first, 40 * SECOND))) == 1
    assert passages.take(said(second, 40 * SECOND)) == []
    assert passages.is_complete


def test_an_attempt_that_was_cut_elsewhere_does_not_count() -> None:
    """Its words would be doubled or missing in the neighbour, which began at the first cut."""
    passages = recording(200)
    (first,) = passages.requests()
    passages.take(cut(first, 31 * SECOND))

    assert passages.take(said(first, 33 * SECOND)) == []
    assert passages.disputed() == [1]
    assert [(r.revision, r.cut_from, r.end) for r in passages.again(1)] == [
        (1, 31 * SECOND, 31 * SECOND)
    ]
    assert passages.disputed() == []
    assert len(passages.take(said(first, 31 * SECOND))) == 1


def test_a_passage_is_not_asked_for_without_end() -> None:
    """A connection that breaks again and again ends the recording with an error."""
    passages = recording(40)
    passages.requests()
    for _ in range(MAX_ATTEMPTS - 1):
        assert len(passages.again()) == 1

    with pytest.raises(EngineTimeout):
        passages.again()


@pytest.mark.parametrize("end", [0, -1, 61 * SECOND])
def test_a_cut_outside_of_the_passage_is_an_error(end: int) -> None:
    """It would make the edge ask for ever, or for what nobody has recognised."""
    passages = recording(200)
    (first,) = passages.requests()

    with pytest.raises(EngineError, match="outside"):
        passages.take(cut(first, end))


def test_what_belongs_to_no_passage_is_passed_over() -> None:
    """A message of another number changes nothing."""
    passages = recording(40)

    assert passages.take(PassageCut(end=5, turn=7)) == []
    assert [request.start for request in passages.requests()] == [0]


def test_audio_is_wanted_a_little_ahead_only() -> None:
    """An hour is not stored at once: two passages ahead of the one that comes next."""
    passages = recording(200)
    before = passages.wanted
    (first,) = passages.requests()
    passages.take(cut(first, 31 * SECOND))

    assert before == 2 * LONGEST_SAMPLES
    assert passages.wanted == 31 * SECOND + 2 * LONGEST_SAMPLES


@given(st.integers(1, 600), st.integers(1, 6), st.booleans(), st.integers())
def test_every_sample_is_recognised_once_and_told_in_order(
    seconds: int, limit: int, is_known: bool, seed: int
) -> None:
    """Whatever the order in which workers answer, lose connections and are asked again."""
    chance = random.Random(seed)
    passages = recording(seconds, ASKED if is_known else UNKNOWN, limit)
    hands: list[RecogniseRequest] = []
    cuts: dict[int, int] = {}
    told: list[PassageRecognised] = []
    for _ in range(20 * seconds + 100):
        hands += passages.requests()
        assert len({request.turn for request in hands}) <= limit
        if not hands:
            break
        request = chance.choice(hands)
        fixed = request.cut_from >= request.end
        chosen = request.end if fixed else chance.randint(request.cut_from, request.end)
        end = cuts.setdefault(request.turn, chosen)
        match chance.random():
            case roll if roll < 0.3:
                told += passages.take(cut(request, end))
            case roll if roll < 0.35 and all(r.revision < MAX_ATTEMPTS - 1 for r in hands):
                hands = passages.again()
            case _:
                hands = [other for other in hands if other.turn != request.turn]
                told += passages.take(said(request, end))
    assert passages.is_complete
    starts = [result.start for result in told]
    assert starts == [0, *(result.end for result in told[:-1])]
    assert told[-1].end == seconds * SECOND
    assert all(r.end - r.start <= max(LONGEST_SAMPLES, REST_SAMPLES) for r in told)
