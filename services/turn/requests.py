"""The jobs of a turn: what the language model and the voice are asked."""

from __future__ import annotations

from msgspec.structs import replace

from schemas.event import Event
from schemas.failure import Failure
from schemas.llm import GenerateRequest, Message
from schemas.tts import SpeakRequest
from services.turn.persona import Persona
from services.turn.reply import Reply

Jobs = tuple[GenerateRequest | SpeakRequest, ...]


def answer_of(reply: Reply, persona: Persona, messages: tuple[Message, ...]) -> GenerateRequest:
    """Return what the language model is asked: of a reply that waited for functions, the rest."""
    functions, part = persona.functions, reply.calling.round
    is_last = part.number >= persona.rounds
    return GenerateRequest(
        messages=(*messages, *reply.calling.made),
        tools=tuple(function.tool for function in functions.values()),
        tool_choice="none" if functions and is_last else "",
        round=part if functions else None,
        model=persona.model,
        max_tokens=persona.max_tokens,
        temperature=persona.temperature,
        resumed=reply.is_resumed,
        turn=reply.turn,
        revision=reply.revision,
    )


def jobs_of(reply: Reply, persona: Persona, messages: tuple[Message, ...], ahead_s: float) -> Jobs:
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


def tentative(jobs: Jobs) -> Jobs:
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
        text: Literal words, which others are told, too; empty for the clauses that the language
            model will write.
    """
    if not persona.speak:
        return ()
    settings = persona.settings
    request = SpeakRequest(
        text=text,
        common=bool(text),
        voice=settings.voice,
        rate_hz=persona.output_rate_hz,
        speed=settings.speed,
        language=settings.language,
        ahead_s=ahead_s,
        filler="" if text else settings.filler.text,
        filler_after_s=settings.filler.after_s,
        resumed=reply.is_resumed,
        turn=reply.turn,
        revision=reply.revision,
    )
    return (request,)


def stalled(reply: Reply) -> Failure:
    """Return why a reply is given up on which nobody makes progress."""
    return Failure(
        stage="turn",
        code="engine_timeout",
        message="the answer did not come in time",
        retryable=True,
        turn=reply.turn,
        revision=reply.revision,
    )


def calls_of(reply: Reply, persona: Persona, messages: tuple[Message, ...]) -> tuple[Event, ...]:
    """Return what is due of the functions that a reply waits for.

    That is their jobs; and once all of them are done, what the language model is asked further.
    """
    begun = _numbered(reply, reply.calling.begin(persona.house))
    ended = _numbered(reply, reply.calling.end())
    # The job goes first: somebody waits for it.
    return (*begun, answer_of(reply, persona, messages), *ended) if ended else begun


def cut(reply: Reply) -> tuple[Event, ...]:
    """Return what is said of calls that are made no more; see :meth:`Calling.cut`."""
    return _numbered(reply, reply.calling.cut())


def _numbered(reply: Reply, events: tuple[Event, ...]) -> tuple[Event, ...]:
    return tuple(replace(event, turn=reply.turn, revision=reply.revision) for event in events)


def farewell_of(reply: Reply, persona: Persona) -> tuple[Event, ...]:
    """Return the order to end the session with a reply, where it wants that and was all said."""
    if reply.outcome:
        return ()
    ends = (persona.ending(wish.name, wish.arguments) for wish in reply.calling.wishes)
    return tuple(end for end in ends if end is not None)[:1]


def facts_of(reply: Reply, persona: Persona) -> list[str]:
    """Return what a reply has asked to be remembered."""
    facts = (persona.fact(wish.name, wish.arguments) for wish in reply.calling.wishes)
    return [fact for fact in facts if fact]
