"""Replies that were to be spoken and have no words, though their model had more to say."""

from __future__ import annotations

import msgspec
import pytest

from tests.services.llm.providing import PATIENT_S, providing, saying
from tests.services.llm.test_asking import REPLY, answered, counts, expect_said_once, grown
from tests.services.llm.test_worker import REQUEST, turn_at
from tests.services.llm.upstream import replying, text_event
from voicebus import metrics
from voicebus.errors import EngineError

SHORT = msgspec.structs.replace(REQUEST, max_tokens=1)
LONG = msgspec.structs.replace(REQUEST, max_tokens=4000)


@pytest.mark.parametrize(("said", "outcome"), [("", "unheard"), ("\n\n", "anew")])
async def test_a_model_that_thought_its_words_away_is_replaced(
    nats_server: str, said: str, outcome: str
) -> None:
    """The next one gives the reply; that the first has failed is told and counted."""
    failures = metrics.LLM_PROVIDER_FAILURES.labels("a", "engine")
    before, outcomes = failures._value.get(), counts()
    thinking = replying(text_event(said), text_event("", "length"))
    async with (
        providing(thinking, saying(REPLY), patience_s=PATIENT_S) as (providers, _),
        turn_at(nats_server) as turn,
    ):
        done = await answered(turn, providers)

    assert (done.provider, done.failovers) == ("b", 1)
    assert failures._value.get() == before + 1
    assert grown(outcomes) == {outcome: 1}
    expect_said_once(turn, REPLY)


@pytest.mark.parametrize("request_", [REQUEST, LONG], ids=["its own bound", "a larger one"])
async def test_one_that_never_says_anything_is_left_alone(
    nats_server: str, request_: object
) -> None:
    """After two failures the third turn does not wait for it any more."""
    scripts = (replying(text_event("", "length")), saying(REPLY))
    async with providing(*scripts, patience_s=PATIENT_S) as (providers, (a, _)):
        for number in range(3):
            async with turn_at(nats_server) as turn:
                done = await answered(turn, providers, request_)
            assert done.failovers == (number < 2)

    assert len(a.bodies) == 2


@pytest.mark.parametrize(
    ("reason", "request_"),
    [("content_filter", REQUEST), ("length", SHORT)],
    ids=["what was said in it", "its own short bound"],
)
async def test_what_the_request_is_to_blame_for_is_nothing_against_the_provider(
    nats_server: str, reason: str, request_: object
) -> None:
    """Otherwise one caller could take the model away from all others; another may do better."""
    scripts = (replying(text_event("", reason)), saying(REPLY))
    async with providing(*scripts, patience_s=PATIENT_S) as (providers, (a, _)):
        for _ in range(4):
            async with turn_at(nats_server) as turn:
                done = await answered(turn, providers, request_)
            assert (done.provider, done.failovers) == ("b", 1)

    assert len(a.bodies) == 4


async def test_when_nobody_has_words_the_turn_fails_in_words(nats_server: str) -> None:
    """The caller is told so, and does not wait in silence."""
    nothing = replying(text_event("", "length"))
    async with (
        providing(nothing, nothing, patience_s=PATIENT_S) as (providers, _),
        turn_at(nats_server) as turn,
    ):
        with pytest.raises(EngineError, match="gave no answer"):
            await answered(turn, providers)

    assert turn.clauses() == []
    assert turn.done() == []
