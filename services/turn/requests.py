"""The jobs of a turn: what the language model and the voice are asked."""

from __future__ import annotations

from msgspec.structs import replace

from schemas.llm import GenerateRequest, Message
from schemas.tts import SpeakRequest
from services.turn.persona import Persona
from services.turn.reply import Reply


def answer_of(reply: Reply, persona: Persona, messages: tuple[Message, ...]) -> GenerateRequest:
    """Return what the language model is asked."""
    return GenerateRequest(
        messages=messages,
        model=persona.model,
        max_tokens=persona.max_tokens,
        temperature=persona.temperature,
        turn=reply.turn,
        revision=reply.revision,
    )


def jobs_of(
    reply: Reply, persona: Persona, messages: tuple[Message, ...], ahead_s: float
) -> tuple[GenerateRequest | SpeakRequest, ...]:
    """Return all that is asked for a reply: words that are given are spoken and nothing else.

    Args:
        reply: What is to be made.
        persona: How.
        messages: The chat that it is the answer to.
        ahead_s: How far synthesis may be ahead of playback; 0 for as far as it gets.
    """
    if reply.given:
        return speech_of(reply, persona, ahead_s, reply.given)
    return (answer_of(reply, persona, messages), *speech_of(reply, persona, ahead_s))


def tentative(
    jobs: tuple[GenerateRequest | SpeakRequest, ...],
) -> tuple[GenerateRequest | SpeakRequest, ...]:
    """Return the same jobs for a turn that may turn out not to be over."""
    return tuple(
        replace(job, speculative=True) if isinstance(job, GenerateRequest) else job for job in jobs
    )


def speech_of(
    reply: Reply, persona: Persona, ahead_s: float, text: str = ""
) -> tuple[SpeakRequest, ...]:
    """Return what the voice is asked; nothing in a session that is written only.

    Args:
        reply: What is to be spoken.
        persona: With which voice, and how.
        ahead_s: How far synthesis may be ahead of playback; 0 for as far as it gets.
        text: Literal words; empty for the clauses that the language model will write.
    """
    if not persona.speak:
        return ()
    settings = persona.settings
    request = SpeakRequest(
        text=text,
        voice=settings.voice,
        rate_hz=persona.output_rate_hz,
        speed=settings.speed,
        language=settings.language,
        ahead_s=ahead_s,
        filler="" if text else settings.filler.text,
        filler_after_s=settings.filler.after_s,
        turn=reply.turn,
        revision=reply.revision,
    )
    return (request,)
