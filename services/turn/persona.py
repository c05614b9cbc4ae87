"""How the assistant behaves in one session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from schemas.persona import Traits
from schemas.settings import SessionSettings
from schemas.turn import ConverseRequest
from services.turn.calling import Ending, Functions, House
from services.turn.settings import TurnSettings

Instant = Callable[[str], str]
"""Returns the answer to a question without the language model; empty for none."""


def nothing(_: str) -> str:
    """Answer nothing without the language model."""
    return ""


def no_house(_: str, __: str) -> str:
    """Do nothing."""
    return "error: there is no such function"


def no_fact(_: str, __: str) -> str:
    """Remember nothing."""
    return ""


def no_end(_: str, __: str) -> None:
    """Go on, whatever is called."""


class Persona(Struct, frozen=True, kw_only=True):
    """What a session asked for, with the worker's defaults filled in.

    Fields
        settings: The session's own.
        instructions: System prompt.
        output_rate_hz: Sample rate of the reply's audio.
        speak: False for answers in writing only.
        history_chars: How much of the conversation is kept for the model.
        summaries: Whether what the model is told no more is kept in short.
        summary: What was said in former sessions, in short.
        speculations: How often in a turn an answer is begun before the turn is over.
        ahead_s: How far synthesis may be ahead of playback.
        stall_ms: A reply on which nobody made progress for this long is given up.
        model: Model that answers; empty for its worker's default.
        max_tokens: Upper bound of each reply; 0 for that worker's default.
        temperature: Sampling temperature; negative for that worker's default.
        instant: Knows the questions that are answered at once.
        functions: What the model may ask for.
        house: Does what needs no server.
        ending: Knows which calls end the session.
        fact: Knows which calls want something to be remembered.
        rounds: How often in a turn the model may ask for functions.
    """

    settings: SessionSettings = SessionSettings()
    instructions: str
    output_rate_hz: int = 24_000
    speak: bool = True
    history_chars: int = 6_000
    summaries: bool = False
    summary: str = ""
    speculations: int = 3
    ahead_s: float = 5.0
    stall_ms: float = 30_000.0
    model: str = ""
    max_tokens: int = 0
    temperature: float = -1.0
    instant: Instant = nothing
    functions: Functions = {}
    house: House = no_house
    ending: Ending = no_end
    fact: House = no_fact
    rounds: int = 4


NOBODY: Final = Traits(name="")
"""Who answers where a session names no persona."""


def persona_of(
    request: ConverseRequest,
    worker: TurnSettings,
    traits: Traits = NOBODY,
    instant: Instant = nothing,
) -> Persona:
    """Return how the assistant behaves in the session that was asked for.

    Args:
        request: What was asked for, with the settings that it got.
        worker: What counts where nobody says anything.
        traits: Who answers.
        instant: What it answers at once.
    """
    return Persona(
        settings=request.settings,
        instructions=request.settings.instructions or worker.instructions,
        output_rate_hz=request.output_rate_hz,
        speak=request.speak,
        history_chars=worker.history_chars,
        summaries=(traits.summaries or worker.summaries) == "on",
        speculations=worker.speculations,
        ahead_s=worker.ahead_s,
        stall_ms=worker.stall_s * 1000,
        model=request.model or traits.model,
        max_tokens=request.max_tokens or traits.max_tokens,
        temperature=request.temperature if request.temperature >= 0 else traits.temperature,
        instant=instant,
    )
