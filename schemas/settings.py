"""How one session is to be: everything that a client may choose, with its default."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

# A pattern's $ is also true before a line feed at the end of the text.
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{0,64}$(?!\n)")]
Persona = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{0,64}$(?!\n)")]
Language = Annotated[str, Meta(pattern=r"^([a-z]{2,3})?$(?!\n)")]
Milliseconds = Annotated[int, Meta(ge=0, le=60_000)]
Seconds = Annotated[float, Meta(ge=0, le=86_400)]
Line = Annotated[str, Meta(max_length=1_000)]


class EndOfTurn(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How long a pause must be for the turn to be over.

    Fields
        policy: ``eager`` answers fast and may cut in, ``patient`` waits for slow speakers.
        min_hold_ms: Shortest pause that ends a turn; 0 for the policy's.
        max_hold_ms: Pause that ends any turn, finished sentence or not; 0 for the policy's.
        adapt: Whether the pauses that this speaker makes within turns lengthen the wait.
    """

    policy: Literal["eager", "balanced", "patient"] = "balanced"
    min_hold_ms: Milliseconds = 0
    max_hold_ms: Milliseconds = 0
    adapt: bool = True


class Interruption(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When the caller's speech stops the reply.

    Fields
        allowed: False for replies that are always spoken to their end.
        min_speech_ms: The reply pauses once the caller has spoken for as long.
        min_words: It is given up once as many words were understood; until then, and for
            backchannels, it goes on after the caller has fallen silent.
        backchannels: Further phrases that never interrupt, besides those of the language.
    """

    allowed: bool = True
    min_speech_ms: Milliseconds = 100
    min_words: Annotated[int, Meta(ge=0, le=20)] = 1
    backchannels: Annotated[tuple[Line, ...], Meta(max_length=64)] = ()


class Silence(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What happens when the caller says nothing.

    Fields
        prompt: Said after ``prompt_after_s`` of silence; empty for nothing.
        prompt_after_s: Counted from the end of what was heard last; 0 for never.
        prompts: How often in a row.
        hang_up_after_s: The session ends after as long a silence; 0 for never.
    """

    prompt: Line = ""
    prompt_after_s: Seconds = 0.0
    prompts: Annotated[int, Meta(ge=0, le=10)] = 1
    hang_up_after_s: Seconds = 0.0


class Filler(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is said while the language model is slow. Never part of the history.

    Fields
        text: Said once per turn; empty for nothing.
        after_s: Wait for the first words before it is said.
    """

    text: Line = ""
    after_s: Seconds = 1.5


class SessionSettings(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything that a client may choose for its session.

    Fields
        persona: Who answers: what is not said here is as that persona has it; empty for nobody in
            particular.
        language: ISO 639-1 code of the caller's language; empty to detect it per utterance.
        languages: The only ones that detection may find; empty for all.
        vocabulary: Names and words to expect, as they are spelt; separated by commas.
        word_times: Whether finals carry the time of each word.
        grammar: The only phrases that may be understood, separated by commas; empty for all. Where
            the recogniser cannot be held to them, they are names to expect.
        partials: ``auto`` from the worker's quick engine, where it has one for the session's
            language; ``same`` from the engine of the finals; ``none`` for none.
        instructions: System prompt; empty for the worker's default.
        voice: Voice of the reply; empty for the worker's default.
        speed: Of the voice: 1.0 is its own, 2.0 twice as fast.
        turn_taking: ``pause`` answers when the caller has finished; ``manual`` answers when the
            caller ends the audio.
        end_of_turn: When the caller has finished.
        interruption: When the caller's speech stops the reply.
        silence: What happens when the caller says nothing.
        filler: What is said while the language model is slow.
        greeting: Said when the session begins; empty for nothing.
        max_turn_s: A caller who speaks for longer is answered all the same.
        max_session_s: The session ends after as long; 0 for the edge's limit.
    """

    persona: Persona = ""
    language: Language = ""
    languages: Annotated[tuple[Language, ...], Meta(max_length=32)] = ()
    vocabulary: Line = ""
    word_times: bool = False
    grammar: Line = ""
    partials: Literal["auto", "same", "none"] = "auto"
    instructions: Annotated[str, Meta(max_length=8_000)] = ""
    voice: Name = ""
    speed: Annotated[float, Meta(ge=0.5, le=2.0)] = 1.0
    turn_taking: Literal["pause", "manual"] = "pause"
    end_of_turn: EndOfTurn = EndOfTurn()
    interruption: Interruption = Interruption()
    silence: Silence = Silence()
    filler: Filler = Filler()
    greeting: Line = ""
    max_turn_s: Annotated[float, Meta(ge=2, le=600)] = 60.0
    max_session_s: Seconds = 0.0
