"""What a session is besides its turns: keys, greeting, silence, its end, its persona."""

from __future__ import annotations

from schemas.llm import GenerateRequest
from schemas.session import KeysPressed
from schemas.settings import SessionSettings, Silence
from schemas.tts import SpeakRequest
from schemas.turn import ConverseRequest, HangUp, TurnEnded, TurnStarted
from services.turn.keypad import KEYS_MS
from services.turn.persona import persona_of
from services.turn.settings import TurnSettings
from tests.services.turn.scenes import (
    answered,
    chat,
    fed,
    final,
    names,
    of,
    played,
    spoken,
    uttered,
)


def test_keys_are_a_turn_once_they_are_complete() -> None:
    """``#`` completes them at once, a pause after a while."""
    conversation = fed(KeysPressed(digits="1"), KeysPressed(digits="2"))
    assert conversation.due_ms == KEYS_MS

    assert chat(conversation.tick(KEYS_MS)) == [("user", "[keys pressed: 12]")]
    assert chat(fed().step(KeysPressed(digits="3#"), 0)) == [("user", "[keys pressed: 3#]")]


def test_a_greeting_is_said_and_known_to_the_model() -> None:
    """It is a turn without a question; chat templates want the user to speak first."""
    conversation = fed(persona=of(SessionSettings(greeting="Good morning.")))
    assert conversation.reply is not None

    assert conversation.step(uttered(1, 0, "Good morning.", 0), 0) == ()
    conversation.step(spoken(1), 0)
    ended = conversation.step(played(1, 1000), 0)
    events = conversation.step(final("hi"), 0)

    assert ended == (TurnEnded(turn=1, outcome="completed", reply="Good morning.", heard_ms=1000),)
    assert chat(events) == [("user", "hi")]
    assert isinstance(events[0], GenerateRequest)
    assert "Good morning." in events[0].messages[0].content


def test_silence_is_prompted_and_then_hung_up_on() -> None:
    """So often and so long as the session wants; prompting does not make the silence shorter."""
    silence = Silence(prompt="Still there?", prompt_after_s=5, prompts=1, hang_up_after_s=20)
    conversation = fed(persona=of(SessionSettings(silence=silence)))

    said, started = conversation.tick(5_000)
    assert isinstance(said, SpeakRequest)
    assert (said.text, said.filler) == ("Still there?", "")
    assert started == TurnStarted(turn=1, text="", said="Still there?")
    for event in (uttered(1, 0, "Still there?", 0), spoken(1), played(1, 1000)):
        conversation.step(event, 6_000)
    assert conversation.due_ms == 20_000
    assert conversation.tick(20_000) == (HangUp(reason="silence"),)


def test_a_caller_who_is_there_is_not_prompted() -> None:
    """Neither while the reply is made and heard, nor before the same silence has passed again."""
    silence = Silence(prompt="Still there?", prompt_after_s=5, hang_up_after_s=20)
    conversation = fed(persona=of(SessionSettings(silence=silence)))
    conversation.step(final("hello"), 4_000)

    assert conversation.tick(21_000) == ()
    for event in answered():
        conversation.step(event, 22_000)
    assert conversation.due_ms == 27_000


def test_a_session_ends_after_its_longest_time() -> None:
    """Whatever happens in it."""
    conversation = fed(final("hello"), persona=of(SessionSettings(max_session_s=10)))

    assert HangUp(reason="limit") in conversation.tick(10_000)


def test_closing_ends_what_is_open() -> None:
    """Nobody goes on speaking to an empty room."""
    conversation = fed(final("hello"))

    assert names(conversation.close(0)) == ["TurnCancelled", "TurnEnded"]
    assert conversation.close(0) == ()


def test_a_session_may_bring_its_own_persona() -> None:
    """What it leaves open is the worker's default."""
    settings = SessionSettings(voice="amy")
    worker = TurnSettings(instructions="Default.", stall_s=2, speculations=1)
    request = ConverseRequest(settings=settings, output_rate_hz=48_000, speak=False)
    persona = persona_of(request, worker)

    assert (persona.instructions, persona.settings.voice) == ("Default.", "amy")
    assert (persona.output_rate_hz, persona.speak) == (48_000, False)
    assert (persona.stall_ms, persona.speculations) == (2_000, 1)
    mine = ConverseRequest(settings=SessionSettings(instructions="Mine."))
    assert persona_of(mine, worker).instructions == "Mine."
