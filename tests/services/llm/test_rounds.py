"""A part of a reply, between calls of functions: written as if it were the whole."""

from __future__ import annotations

from schemas.event import Event
from schemas.llm import ClauseReady, GenerationDone, Round, TokenDelta, ToolCall
from schemas.tool import CallsAsked
from services.llm.published import NOTHING, gathered
from services.llm.rounds import Part, of_round

SECOND = Round(number=1, deltas=3, clauses=2, text="Let me see.")


class Log:
    """Keeps what is published."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def publish(self, event: Event) -> None:
        """Keep it."""
        self.events.append(event)


def piece(index: int, text: str, name: str = "", call: str = "") -> TokenDelta:
    """A piece of a call."""
    wish = ToolCall(index=index, id=call, name=name, arguments=text)
    return TokenDelta(text="", tool_calls=(wish,), turn=1)


async def written(*events: Event, number: Round = SECOND) -> list[Event]:
    """What is published of a part."""
    log = Log()
    part = Part(log, number, NOTHING)
    for event in events:
        await part.publish(event)
    return log.events


async def test_the_last_part_is_numbered_behind_the_others() -> None:
    """And the reply's end tells all of its words."""
    assert await written(
        TokenDelta(text="Seven.", turn=1),
        ClauseReady(text="Seven.", turn=1),
        ClauseReady(text="", last=True, turn=1, seq=1),
        GenerationDone(text="Seven.", turn=1),
    ) == [
        TokenDelta(text="Seven.", turn=1, seq=3),
        ClauseReady(text="Seven.", turn=1, seq=2),
        ClauseReady(text="", last=True, turn=1, seq=3),
        GenerationDone(text="Let me see. Seven.", turn=1),
    ]


async def test_a_part_that_ends_with_calls_ends_nothing() -> None:
    """Its calls are put together; those without an id get one."""
    assert await written(
        TokenDelta(text="Hm.", turn=1),
        ClauseReady(text="Hm.", turn=1),
        piece(0, '{"tea":', "tea_stock", "c7"),
        piece(1, "{}", "time"),
        piece(0, '"mint"}'),
        ClauseReady(text="", last=True, turn=1, seq=1),
        GenerationDone(text="Hm.", turn=1, finish_reason="tool_calls"),
    ) == [
        TokenDelta(text="Hm.", turn=1, seq=3),
        ClauseReady(text="Hm.", turn=1, seq=2),
        CallsAsked(
            text="Hm.",
            calls=(
                ToolCall(index=0, id="c7", name="tea_stock", arguments='{"tea":"mint"}'),
                ToolCall(index=1, id="call_1_1", name="time", arguments="{}"),
            ),
            deltas=4,
            clauses=3,
            turn=1,
            seq=1,
        ),
    ]


def test_who_goes_on_with_a_part_finds_what_is_there_of_it() -> None:
    """Counted from 0, and nothing of the other parts."""
    log: list[Event] = [
        TokenDelta(text="Let", turn=1, seq=0),
        ClauseReady(text="Let me see.", turn=1, seq=0),
        CallsAsked(text="Let me see.", calls=(), turn=1, seq=0),
        TokenDelta(text="Sev", turn=1, seq=3),
        ClauseReady(text="Seven.", turn=1, seq=2),
    ]
    ours = GenerationDone(text="", turn=1)

    found = gathered(of_round(log, SECOND), ours)
    assert (found.text, found.deltas, found.clauses, found.is_done) == ("Sev", 1, 1, False)
    asked = CallsAsked(text="", calls=(), turn=1, seq=1)
    assert gathered(of_round([*log, asked], SECOND), ours).is_done
    assert list(of_round(log, None)) == log
