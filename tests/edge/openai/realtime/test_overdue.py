"""What a session waits for in vain."""

from __future__ import annotations

import json

from edge.openai.realtime.overdue import Overdue
from schemas.claim import Claimed
from schemas.llm import TokenDelta
from schemas.session import AnswerAsked
from schemas.stt import AudioConsumed, TranscriptPartial
from schemas.turn import TurnStarted
from subjects.catalog import Place, place_of, subject_of
from tests.edge.openai.realtime.connecting import created, socket
from tests.edge.openai.realtime.sending import until
from tests.edge.openai.serving import api

TOKEN = TokenDelta(turn=1, text="Hello")
PARTIAL = TranscriptPartial(utterance=1, text="Hello", start_ms=0, end_ms=1, stable=0)


def overdue() -> Overdue:
    """A session of somebody who waits 10 s for a worker, and 60 s for its next word."""
    return Overdue(claim_s=10.0, stall_s=60.0, roles=("turn",), begun_s=0.0)


def test_a_session_that_nobody_takes() -> None:
    """From its beginning for those who answer, from the first audio for those who hear."""
    waiting = overdue()
    assert [waiting.lacks_worker(at_s) for at_s in (9.0, 11.0)] == [False, True]

    waiting.heard(Claimed(role="turn", worker="w"), 11.0)
    waiting.ask("stt", 12.0)
    waiting.ask("stt", 20.0)
    assert [waiting.lacks_worker(at_s) for at_s in (21.0, 23.0)] == [False, True]

    waiting.heard(Claimed(role="stt", worker="w"), 23.0)
    assert not waiting.lacks_worker(1_000.0)


def test_words_are_waited_for_by_the_clock() -> None:
    """However often it is looked; those that came in between are another wait."""
    waiting = overdue()
    early = [waiting.lacks_words(at_s / 10, are_due=True) for at_s in range(600)]
    assert not any(early)
    assert waiting.lacks_words(60.5, are_due=True)

    assert not waiting.lacks_words(61.0, are_due=False)
    assert not waiting.lacks_words(62.0, are_due=True)
    assert not waiting.lacks_words(121.0, are_due=True)


def test_words_that_come_are_not_given_up_for_those_that_are_due_next() -> None:
    """Who commits faster than words come has some due at every look."""
    waiting = overdue()
    for at_s in range(200):
        assert not waiting.lacks_words(float(at_s), are_due=True)
        waiting.heard(AudioConsumed(end_offset=at_s, finals=1), at_s + 0.5)

    given_up = [waiting.lacks_words(float(at_s), are_due=True) for at_s in range(200, 400)]
    assert 1 < sum(given_up) < 4


def test_an_answer_of_which_nothing_is_heard() -> None:
    """What its turn says counts, what the caller says meanwhile does not."""
    waiting = overdue()
    assert not waiting.lacks_answer(0.0, is_active=True)
    waiting.heard(TOKEN, 50.0)
    waiting.heard(PARTIAL, 100.0)

    assert not waiting.lacks_answer(109.0, is_active=True)
    assert waiting.lacks_answer(111.0, is_active=True)
    assert not waiting.lacks_answer(112.0, is_active=False)
    assert not waiting.lacks_answer(113.0, is_active=True)


def test_the_answer_that_follows_a_forgotten_one_has_its_own_time() -> None:
    """It is active at the next look, as the one before was at the last."""
    waiting = overdue()
    refused = [waiting.lacks_answer(float(at_s), is_active=True) for at_s in range(180)]

    assert [at_s for at_s, is_refused in enumerate(refused) if is_refused] == [61, 123]


async def test_an_answer_that_is_begun_and_forgotten_fails(nats_server: str) -> None:
    """Its worker is gone for good: the client is told, and may ask again."""
    settings = {"needs": "", "claim_s": 60, "openai_stall_s": 1.0}
    async with api(nats_server, settings=settings) as served, socket(served) as opened:
        asked_on = subject_of(AnswerAsked, Place(served.bus.cell, served.edge, "*"))
        async with served.bus.listen(asked_on) as inbox:
            await served.bus.flush()
            await created(opened)
            response = {"instructions": "Say hello.", "output_modalities": ["text"]}
            await opened.send(json.dumps({"type": "response.create", "response": response}))
            while not isinstance((taken := await inbox.next())[1], AnswerAsked):
                pass
            subject, asked = taken
            started = TurnStarted(turn=1, text="", control=asked.seq)
            await served.bus.publish(started, place_of(subject))
            done = (await until(opened, "response.done"))["response"]

    assert done["status"] == "failed"
    assert done["status_details"]["error"]["code"] == "engine_timeout"
