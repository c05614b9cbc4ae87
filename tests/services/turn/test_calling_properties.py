"""What holds for every conversation whose model asks for functions, whatever happens in it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.event import Event
from schemas.llm import GenerateRequest, Tool, ToolCall
from schemas.session import UserText
from schemas.tool import CallsAsked, CallsBegun, ToolDone, ToolRequest
from schemas.turn import TurnCancelled, TurnEnded, TurnStarted
from services.turn.calling import Function
from services.turn.machine import Conversation
from services.turn.persona import Persona
from tests.services.turn.test_machine_properties import LIVE, PERSONAS, RECORDED, run
from voicebus.worker import job_name

Events = st.SearchStrategy[Event]

TURNS = st.integers(1, 4)
REVISIONS = st.integers(0, 1)
ROUNDS = st.integers(0, 3)
NAMES = st.sampled_from(["stock", "time", "nonsense"])
WISHES = st.builds(ToolCall, id=st.just("c"), name=NAMES)
FUNCTIONS = {
    "stock": Function(tool=Tool(name="stock"), server="tea", name="stock"),
    "time": Function(tool=Tool(name="time")),
}
CALLING = PERSONAS.map(
    lambda persona: replace(persona, functions=FUNCTIONS, house=lambda *_: "Noon.", rounds=2)
)


def calls(turns: st.SearchStrategy[int], revisions: st.SearchStrategy[int]) -> Events:
    """Wishes and results of some turns."""
    return st.one_of(
        st.builds(
            CallsAsked,
            turn=turns,
            revision=revisions,
            seq=ROUNDS,
            text=st.just("Let me see."),
            clauses=st.just(4),
            calls=st.lists(WISHES, min_size=1, max_size=3).map(tuple),
        ),
        st.builds(
            ToolDone,
            turn=turns,
            revision=revisions,
            round=ROUNDS,
            seq=st.integers(0, 2),
            content=st.just("Seven."),
        ),
    )


CALLS = calls(TURNS, REVISIONS)
STEPS = st.lists(
    st.tuples(st.one_of(CALLS, CALLS, RECORDED, LIVE), st.integers(0, 20_000)), max_size=60
)
CALLED = st.lists(
    st.tuples(calls(st.just(1), st.just(0)), st.integers(0, 2_000)), min_size=1, max_size=12
).map(lambda steps: [(UserText(text="and?"), 0), *steps])
"""A turn in which functions are called, and nothing else happens."""


@given(CALLING, STEPS)
@settings(max_examples=300)
def test_functions_are_called_for_a_turn_that_is_heard_and_once(
    persona: Persona, steps: list[tuple[Event, int]]
) -> None:
    """Behind its beginning, before it is given up, and never a second time."""
    _, said = run(persona, steps)
    running: tuple[int, int] | None = None
    ordered: set[tuple[int, ...]] = set()
    for event in said:
        place = (event.turn, event.revision)
        match event:
            case TurnStarted():
                running = place
            case TurnCancelled() if place == running:
                running = None
            case TurnEnded():
                running = None
            case ToolRequest():
                assert place == running
                assert (*place, event.round, event.seq) not in ordered
                ordered.add((*place, event.round, event.seq))
            case CallsBegun() | ToolDone():
                assert place == running


@given(CALLING, STEPS)
@settings(max_examples=300)
def test_rounds_count_upwards_and_end(persona: Persona, steps: list[tuple[Event, int]]) -> None:
    """Each follows the one before it; from the bound on the model may not ask any more."""
    _, said = run(persona, steps)
    reached: dict[tuple[int, int], int] = {}
    for request in said:
        if isinstance(request, GenerateRequest):
            place = (request.turn, request.revision)
            assert request.round is not None
            assert request.round.number == reached.get(place, -1) + 1
            assert (request.tool_choice == "none") is (request.round.number >= persona.rounds)
            reached[place] = request.round.number


@given(CALLING, STEPS)
@settings(max_examples=300)
def test_no_result_stands_without_its_wish(
    persona: Persona, steps: list[tuple[Event, int]]
) -> None:
    """Nor a wish without its results: servers refuse such a chat."""
    _, said = run(persona, steps)
    for request in said:
        if isinstance(request, GenerateRequest):
            wanted: list[str] = []
            for message in request.messages:
                if message.role == "tool":
                    assert message.tool_call_id == wanted.pop(0)
                else:
                    assert wanted == []
                    wanted = [call.id for call in message.tool_calls]
            assert wanted == []
            assert [m.role for m in request.messages[:2]] == ["system", "user"]


@given(CALLING, st.one_of(STEPS, CALLED), st.integers(0, 60))
@settings(max_examples=300)
def test_who_takes_over_calls_nothing_again(
    persona: Persona, steps: list[tuple[Event, int]], at: int
) -> None:
    """What was ordered before is not ordered by the one who reads it in the log."""
    leader, successor = Conversation(persona), Conversation(persona, first_revision=1000)
    said = list(leader.open(0.0))
    log = list(said)
    now_ms = 0.0
    for event, later_ms in steps[:at]:
        now_ms += later_ms
        ticked = leader.tick(now_ms)
        stepped = leader.step(event, now_ms)
        said += (*ticked, *stepped)
        log += (*ticked, event, *stepped)
    for event in log:
        successor.recall(event, 0.0)

    asked = {job_name(event) for event in said if isinstance(event, ToolRequest | GenerateRequest)}
    again = [e for e in successor.go_on(0.0) if isinstance(e, ToolRequest | GenerateRequest)]
    assert not asked & {job_name(event) for event in again}
