"""What holds for every conversation, whatever happens in it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.event import Event
from schemas.failure import Failure
from schemas.llm import ClauseReady, GenerateRequest, GenerationDone
from schemas.session import CancelAsked, KeysPressed, PlaybackEnded, TurnTakingSet, UserText
from schemas.settings import Interruption, SessionSettings, Silence
from schemas.stt import (
    AudioConsumed,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    TranscriptDraft,
    TranscriptFinal,
    TranscriptPartial,
)
from schemas.tts import ClauseSpoken, SpeakRequest, SpeechDone
from schemas.turn import ReplyPaused, ReplyResumed, TurnCancelled, TurnEnded, TurnStarted
from services.turn.machine import Conversation
from services.turn.persona import Persona, nothing

TURNS = st.integers(0, 5)
REVISIONS = st.integers(0, 2)
WORDS = st.sampled_from(["", "hello", "and then?", "no", "yeah", "mm-hmm"])
UTTERANCES = st.integers(1, 9)
RECORDED: st.SearchStrategy[Event] = st.one_of(
    st.builds(
        TranscriptFinal,
        utterance=UTTERANCES,
        text=WORDS,
        start_ms=st.just(0),
        end_ms=st.integers(0, 90_000),
        end_offset=st.just(0),
        cause=st.sampled_from(["pause", "length", "forced"]),
    ),
    st.builds(AudioConsumed, end_offset=st.integers(0, 9), finals=st.integers(0, 2)),
    st.builds(UserText, text=st.sampled_from(["hello", "yes"])),
    st.builds(KeysPressed, digits=st.sampled_from(["1", "2#"])),
    st.just(CancelAsked()),
    st.builds(TurnTakingSet, turn_taking=st.sampled_from(["pause", "manual"])),
    st.builds(PlaybackEnded, turn=TURNS, played_ms=st.integers(0, 2000)),
    st.builds(ClauseReady, turn=TURNS, revision=REVISIONS, seq=st.integers(0, 3), text=WORDS),
    st.builds(
        ClauseSpoken,
        turn=TURNS,
        revision=REVISIONS,
        seq=st.integers(0, 3),
        text=WORDS,
        start_ms=st.just(0),
        end_ms=st.just(500),
    ),
    st.builds(GenerationDone, turn=TURNS, revision=REVISIONS, text=WORDS),
    st.builds(
        SpeechDone, turn=TURNS, revision=REVISIONS, samples=st.just(1), rate_hz=st.just(8000)
    ),
    st.builds(
        Failure,
        turn=TURNS,
        revision=REVISIONS,
        stage=st.sampled_from(["llm", "tts", "stt"]),
        code=st.just("engine"),
        message=st.just("x"),
    ),
)
LIVE: st.SearchStrategy[Event] = st.one_of(
    st.builds(SpeechStarted, start_ms=st.just(0)),
    st.builds(SpeechPaused, utterance=UTTERANCES, end_ms=st.just(0), speech_ms=st.integers(0, 900)),
    st.builds(SpeechResumed, utterance=UTTERANCES, start_ms=st.just(0)),
    st.builds(
        TranscriptPartial, utterance=UTTERANCES, text=WORDS, start_ms=st.just(0), end_ms=st.just(1)
    ),
    st.builds(
        TranscriptDraft, utterance=UTTERANCES, text=st.sampled_from(["hello", "no"]), end_ms=TURNS
    ),
)
STEPS = st.lists(st.tuples(st.one_of(RECORDED, LIVE), st.integers(0, 20_000)), max_size=60)


def known(text: str) -> str:
    """What is answered without the language model."""
    return {"hello": "Good day.", "hello hello": "Twice."}.get(text, "")


PERSONAS = st.builds(
    Persona,
    instant=st.sampled_from([nothing, known]),
    instructions=st.just("Be brief."),
    speak=st.booleans(),
    history_chars=st.sampled_from([20, 4000]),
    speculations=st.integers(0, 3),
    settings=st.builds(
        SessionSettings,
        greeting=st.sampled_from(["", "Hello."]),
        turn_taking=st.sampled_from(["pause", "manual"]),
        interruption=st.builds(
            Interruption,
            allowed=st.booleans(),
            min_words=st.integers(0, 2),
            min_speech_ms=st.sampled_from([0, 400]),
        ),
        silence=st.builds(
            Silence,
            prompt=st.just("Hello?"),
            prompt_after_s=st.sampled_from([0.0, 5.0]),
            hang_up_after_s=st.sampled_from([0.0, 30.0]),
        ),
    ),
)


def run(persona: Persona, steps: list[tuple[Event, int]]) -> tuple[Conversation, list[Event]]:
    """Let all of it happen, each so many ms after the one before; return what was said, too."""
    conversation = Conversation(persona)
    now_ms = 0.0
    said = list(conversation.open(now_ms))
    for event, later_ms in steps:
        now_ms += later_ms
        said += conversation.tick(now_ms)
        said += conversation.step(event, now_ms)
    return conversation, said


@given(PERSONAS, STEPS)
@settings(max_examples=300)
def test_every_turn_ends_exactly_once(persona: Persona, steps: list[tuple[Event, int]]) -> None:
    """Each start has one end, after it, before the next; at most the last turn is still open."""
    conversation, said = run(persona, steps)
    open_turn = 0
    for event in said:
        if isinstance(event, TurnStarted):
            assert open_turn == 0
            open_turn = event.turn
        elif isinstance(event, TurnEnded):
            assert event.turn == open_turn
            open_turn = 0

    assert open_turn == (conversation.reply.turn if conversation.reply else 0)
    assert sum(isinstance(event, TurnEnded) for event in conversation.close(1e9)) == bool(open_turn)


@given(PERSONAS, STEPS)
@settings(max_examples=300)
def test_turns_are_numbered_one_by_one(persona: Persona, steps: list[tuple[Event, int]]) -> None:
    """From 1, without a gap, whoever began them."""
    _, said = run(persona, steps)
    numbers = [event.turn for event in said if isinstance(event, TurnStarted)]

    assert numbers == list(range(1, len(numbers) + 1))


@given(PERSONAS, STEPS)
@settings(max_examples=300)
def test_an_attempt_is_made_once_and_older_ones_are_over(
    persona: Persona, steps: list[tuple[Event, int]]
) -> None:
    """Attempts at a turn count upwards; before a new one begins the one before was cancelled."""
    _, said = run(persona, steps)
    running: tuple[int, int] | None = None
    newest = (0, 0)
    for event in said:
        place = (event.turn, event.revision)
        match event:
            case GenerateRequest():
                assert running is None
                assert place > newest
                running = newest = place
            case SpeakRequest(text=""):
                assert place == running
            case TurnCancelled() if running is not None:
                assert place == running
                running = None
            case TurnEnded():
                running = None


@given(PERSONAS, STEPS)
@settings(max_examples=300)
def test_nothing_is_released_but_what_is_running(
    persona: Persona, steps: list[tuple[Event, int]]
) -> None:
    """A turn begins with the newest attempt at it, never with one that was cancelled."""
    _, said = run(persona, steps)
    cancelled: set[tuple[int, int]] = set()
    for event in said:
        place = (event.turn, event.revision)
        if isinstance(event, TurnCancelled):
            cancelled.add(place)
        elif isinstance(event, TurnStarted):
            assert place not in cancelled


@given(PERSONAS, STEPS)
@settings(max_examples=300)
def test_pausing_and_going_on_alternate(persona: Persona, steps: list[tuple[Event, int]]) -> None:
    """Within a turn that is neither cancelled nor over."""
    _, said = run(persona, steps)
    open_turn, is_paused = 0, False
    for event in said:
        match event:
            case TurnStarted():
                open_turn, is_paused = event.turn, False
            case ReplyPaused():
                assert (event.turn, is_paused) == (open_turn, False)
                is_paused = True
            case ReplyResumed():
                assert (event.turn, is_paused) == (open_turn, True)
                is_paused = False
            case TurnCancelled() if event.turn == open_turn:
                open_turn = 0


@given(PERSONAS, STEPS)
@settings(max_examples=300)
def test_the_model_is_asked_with_roles_that_alternate(
    persona: Persona, steps: list[tuple[Event, int]]
) -> None:
    """Every request begins with the system prompt and ends with the user."""
    _, said = run(persona, steps)
    for request in said:
        if isinstance(request, GenerateRequest):
            roles = [message.role for message in request.messages]
            assert roles[0] == "system"
            assert roles[-1] == "user"
            assert roles[1:] == (["user", "assistant"] * len(roles))[: len(roles) - 1]


@given(PERSONAS, STEPS)
@settings(max_examples=300)
def test_a_turn_is_answered_by_the_model_or_from_what_is_known(
    persona: Persona, steps: list[tuple[Event, int]]
) -> None:
    """Never by both: of known questions no model is asked, of all others one is, once."""
    _, said = run(persona, steps)
    asked = {(e.turn, e.revision) for e in said if isinstance(e, GenerateRequest)}
    for event in said:
        if isinstance(event, TurnStarted) and event.text:
            assert event.said == persona.instant(event.text)
            assert ((event.turn, event.revision) in asked) is not bool(event.said)
