"""TTS worker: a turn's clauses in, its audio out.

Consumes   job.tts    SpeakRequest, one per turn and revision
           dn.clause  ClauseReady, in the order of ``seq``
           dn.turn    TurnStarted: from here on the turn is heard
           dn.cancel  TurnCancelled
           up.played  Played
           phrase     PhraseKept, of all workers
           dn.audio   ReplyChunk, dn.spoken ClauseSpoken: those of a lost worker, from the log
Publishes  dn.audio   ReplyChunk
           dn.spoken  ClauseSpoken
           dn.done    SpeechDone
           dn.failure Failure, instead of SpeechDone
           phrase     PhraseKept, of what is said again and again
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from schemas.tts import SpeakRequest
from services.tts.engine import Engine
from services.tts.phrases import Phrases
from services.tts.published import NOTHING, Published, read_published
from services.tts.script import HEARD, Script
from services.tts.voice import Voice
from voicebus import metrics
from voicebus.claim import Claim
from voicebus.errors import ProtocolError
from voicebus.lately import Lately
from voicebus.sentences import Splitter, SplitterSettings
from voicebus.turns import unless_cancelled


async def speak(
    claim: Claim, engine: Engine, phrases: Phrases | None = None, firsts: Lately | None = None
) -> None:
    """Speak one turn, or go on with it where another worker was lost.

    Args:
        claim: The turn.
        engine: Who speaks.
        phrases: What need not be made, where the worker remembers phrases.
        firsts: Takes note of how long the first sound took.
    """
    request = claim.request
    if not isinstance(request, SpeakRequest):
        raise ProtocolError(f"not a request to speak: {type(request).__name__}")
    is_begun = claim.is_takeover or request.resumed
    published = await read_published(claim) if is_begun else NOTHING
    if is_begun:
        begun = "anew" if published == NOTHING else "continued"
        outcome = "done" if published.is_done else begun
        claim.took_over(outcome)
    if published.is_done:
        return
    common = engine
    if phrases is not None:
        common = phrases.on(engine, claim.bus, claim.place.session)
    voice = Voice(claim, common if request.common else engine, request, published, common)
    async with claim.listen(*HEARD) as inbox:
        await claim.bus.flush()
        script = Script(claim, request, inbox)
        await unless_cancelled(claim, _speak(request, script, voice, published))
        if firsts is not None and voice.ttfa_ms:
            firsts.note(voice.ttfa_ms)
        if not voice.is_done and voice.made_ms:
            unheard_s = await script.unheard_ms(voice.made_ms, voice.first_s) / 1000
            reason = "speculative" if await script.released_s() is None else "interrupted"
            metrics.TTS_WASTED_SECONDS.labels(reason).inc(unheard_s)


async def _speak(request: SpeakRequest, script: Script, voice: Voice, published: Published) -> None:
    if request.text:
        texts = _given(request.text)
    else:
        texts = _written(script)
        if request.filler and await _wants_filler(request, script, published):
            await voice.fill(request.filler)
    async for number, text in texts:
        await script.room(voice.made_ms, voice.first_s)
        await voice.say(text, number)
    await voice.finish()


async def _wants_filler(request: SpeakRequest, script: Script, published: Published) -> bool:
    if published == NOTHING:
        return await script.is_slow(request.filler_after_s)
    return published.has_filler


async def _given(text: str) -> AsyncIterator[tuple[int, str]]:
    """Yield the clauses of a text that is there as a whole."""
    splitter = Splitter(SplitterSettings())
    for number, piece in enumerate((*splitter.push(text), *splitter.finish())):
        yield number, piece


async def _written(script: Script) -> AsyncIterator[tuple[int, str]]:
    """Yield what the language model writes, as it does."""
    async for clause in script.clauses():
        if clause.text:
            yield clause.seq, clause.text
