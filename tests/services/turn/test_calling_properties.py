"""What holds for every conversation whose model asks for functions, whatever happens in it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.event import Event
from schemas.llm import GenerateRequest, Tool, ToolCall
from schemas.tool import CallsAsked, CallsBegun, ToolDone, ToolRequest
from schemas.turn import TurnCancelled, TurnEnded, TurnStarted
from services.turn.calling import Function
from services.turn.machine import Conversation
from services.turn.persona import Persona
from tests.services.turn.test_machine_properties import LIVE, PERSONAS, RECORDED, run

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
CALLS = st.one_of(
    st.builds(
        CallsAsked,
        turn=TURNS,
        revision=REVISIONS,
        seq=ROUNDS,
        text=st.just("Let me see."),
        calls=st.lists(WISHES, min_size=1, max_size=3).map(tuple),
    ),
    st.builds(
        ToolDone,
        turn=TURNS,
        revision=REVISIONS,
        round=ROUNDS,
        seq=st.integers(0, 2),
        content=st.just("Seven."),
    ),
)
STEPS = st.lists(
    st.tuples(st.one_of(CALLS, CALLS, RECORDED, LIVE), st.integers(0, 20_000)), max_size=60
)


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


@given(CALLING, STEPS, st.integers(0, 60))
@settings(max_examples=200)
def test_who_takes_over_calls_nothing_again(
    persona: Persona, steps: list[tuple[Event, int]], at: int
) -> None:
    """What was ordered before is not ordered by the one who reads it in the log."""
    _, said = run(persona, steps[:at])
    begun = {
        (event.turn, event.revision, event.seq) for event in said if isinstance(event, CallsBegun)
    }
    successor = Conversation(persona, first_revision=1000)
    log = [event for event in said if isinstance(event, TurnStarted | TurnEnded | CallsBegun)]
    wishes = [event for event, _ in steps[:at] if isinstance(event, CallsAsked | ToolDone)]
    for event in (*log, *wishes, *log):
        successor.recall(event, 0.0)

    again = [event for event in successor.go_on(0.0) if isinstance(event, ToolRequest)]
    assert all((e.turn, e.revision, e.round) not in begun for e in again)
