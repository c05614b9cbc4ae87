"""A reply that is begun anew by a second worker: the first one's words are taken back, once."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from schemas.event import Event
from schemas.llm import ClauseReady, GenerationDone, Round, TokenDelta, ToolCall
from schemas.tool import CallsAsked
from services.llm.engines.synthetic import SyntheticEngine
from services.llm.published import NOTHING, Published, gathered
from services.llm.rounds import Part, of_round
from tests.services.llm.test_continuing import FAST, Repeating, broken_off, expect_whole, take_over
from tests.services.llm.test_rounds import Log
from tests.services.llm.test_worker import Turn, turn_at

OTHER = "Quite another answer. It is a good one, and it is a little longer than that."
THIRD = "Oh. A third one."
SECOND = Round(number=1, deltas=1, clauses=1, text="Let me see.")


def read(deltas: Iterable[TokenDelta]) -> str:
    """The reply as readers have it."""
    text = ""
    for delta in deltas:
        text = delta.behind(text)
    return text


async def test_readers_are_told_that_the_words_before_are_taken_back(nats_server: str) -> None:
    """With the first of the others, and with no further one."""
    async with turn_at(nats_server) as turn:
        await broken_off(turn, 2)
        await take_over(turn, Repeating(OTHER))

    deltas = turn.deltas()
    begins = [delta.anew for delta in deltas].index(True)
    assert "".join(delta.text for delta in deltas[:begins]).strip() == "Well, the"
    assert read(deltas) == turn.done()[0].text == OTHER
    assert [delta.anew for delta in deltas].count(True) == 1


async def test_an_unharmed_reply_and_one_that_is_gone_on_with_take_nothing_back(
    nats_server: str,
) -> None:
    """Whoever goes on with the same words has nothing to take back."""
    engine = SyntheticEngine(replace(FAST, continues=False))
    async with turn_at(nats_server) as turn:
        await broken_off(turn, 2)
        await take_over(turn, engine)

    assert not any(delta.anew for delta in turn.deltas())


async def test_a_third_worker_goes_on_behind_the_second_ones_words(nats_server: str) -> None:
    """The first one's are no part of the reply any more: not for who goes on with it, either."""
    lost = SyntheticEngine(replace(FAST, reply=OTHER, continues=True))
    async with turn_at(nats_server) as turn:
        await _lost_twice(turn)
        spoken = [clause.text for clause in turn.clauses()]
        await take_over(turn, lost)

    assert spoken == ["Quite another answer."]
    assert read(turn.deltas()) == turn.done()[0].text == OTHER
    assert " ".join(clause.text for clause in turn.clauses()).strip() == OTHER


async def _lost_twice(turn: Turn) -> None:
    """Have the first words said, and taken back by a worker that is lost as well."""
    await broken_off(turn, 1)
    said = TokenDelta(text="Quite another answer. It ", seq=1, turn=1, revision=2, anew=True)
    clause = ClauseReady(text="Quite another answer.", turn=1, revision=2)
    for event in (said, clause):
        await turn.bus.store(event, turn.place)
    await turn.bus.flush()


async def test_a_reply_may_be_begun_anew_twice(nats_server: str) -> None:
    """The last beginning counts."""
    async with turn_at(nats_server) as turn:
        await broken_off(turn, 1)
        said = TokenDelta(text="Quite ", seq=1, turn=1, revision=2, anew=True)
        await turn.bus.store(said, turn.place)
        await take_over(turn, Repeating(THIRD))

    assert read(turn.deltas()) == turn.done()[0].text == THIRD


async def test_an_unharmed_reply_is_whole(nats_server: str) -> None:
    """Nothing is different where nobody was lost."""
    async with turn_at(nats_server) as turn:
        await turn.answer(Repeating(OTHER))

    expect_whole(turn, OTHER)


def test_what_was_taken_back_counts_for_numbers_only() -> None:
    """Words, tokens and calls are those from the last beginning on."""
    call = ToolCall(name="look")
    ours = GenerationDone(text="", turn=1)
    found = gathered(
        [
            TokenDelta(text="a", tokens=2, turn=1),
            TokenDelta(text="b", tokens=3, turn=1, seq=1, anew=True),
            TokenDelta(text="c", tokens=4, turn=1, seq=2, tool_calls=(call,)),
        ],
        ours,
    )

    assert found == Published(text="bc", tokens=7, deltas=3, tool_calls=(call,))


async def _published(*events: Event) -> list[Event]:
    log = Log()
    part = Part(log, SECOND, replace(NOTHING, text="Hm", deltas=1))
    for event in events:
        await part.publish(event)
    return log.events


async def test_a_round_that_is_begun_anew_repeats_the_rounds_before_it() -> None:
    """They were said and stay: readers drop all they have. Who goes on finds the round alone."""
    anew = TokenDelta(text="Seven", turn=1, seq=1, anew=True)
    told = await _published(anew, TokenDelta(text=".", turn=1, seq=2))
    before = [TokenDelta(text="Let me see.", turn=1), TokenDelta(text="Hm", turn=1, seq=1)]
    log = [*before, *(event for event in told if isinstance(event, TokenDelta))]

    assert [delta.seq for delta in log] == [0, 1, 2, 3]
    assert read(log) == "Let me see. Seven."
    assert gathered(of_round(log, SECOND), GenerationDone(text="", turn=1)).text == "Seven."


async def test_a_round_that_begins_anew_with_a_call_takes_its_words_back() -> None:
    """There is nothing to read in their place, and that is told."""
    call = ToolCall(index=0, id="c", name="look", arguments="{}")
    told = await _published(
        TokenDelta(text="", turn=1, seq=1, tool_calls=(call,), anew=True),
        GenerationDone(text="", turn=1, finish_reason="tool_calls"),
    )

    first, asked = told
    assert isinstance(first, TokenDelta)
    assert (first.text.strip(), first.anew, first.tool_calls) == ("Let me see.", True, ())
    assert isinstance(asked, CallsAsked)
    assert asked.deltas == 3
