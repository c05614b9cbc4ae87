"""STT worker: a session's audio in, its transcripts out.

A recording in passages is the work of :mod:`services.stt.passage`.

Consumes   job.stt     TranscribeRequest, one per session
           up.audio    AudioChunk, AudioEnded
           up.control  SessionClosed
Publishes  dn.partial  SpeechStarted, TranscriptPartial; where turns are taken by pauses also
                       SpeechPaused, TranscriptDraft, SpeechResumed
           dn.final    TranscriptFinal, AudioConsumed, SilenceHeard
           dn.failure  Failure, for an utterance that could not be recognised
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import Final

import structlog

from schemas.audio import AudioChunk, AudioEnded
from schemas.codec import decode
from schemas.event import Event
from schemas.session import SessionClosed
from schemas.stt import (
    AudioConsumed,
    RecogniseRequest,
    SilenceHeard,
    TranscribeRequest,
    TranscriptFinal,
)
from services.stt.ears import Ears
from services.stt.listener import Listener
from services.stt.outbox import Outbox
from services.stt.passage import recognise
from services.stt.resumption import AFRESH, Resumption
from voicebus import metrics
from voicebus.claim import Claim
from voicebus.errors import ProtocolError
from voicebus.feed import AudioStalled, Beginning, caller_audio
from voicebus.origins import Origin, counted, origins
from voicebus.tracing.context import apart, exemplar

log: Final = structlog.get_logger()

_LAG_NS: Final = 60 * 1_000_000_000
"""Audio is stored at most so long before the final that covers it, unless recognition lags badly.
"""


async def work(claim: Claim, ears: Ears) -> None:
    """Do a job of this stage, whichever it is.

    Raises:
        ProtocolError: It is none.
    """
    if isinstance(claim.request, RecogniseRequest):
        await recognise(claim, ears)
    else:
        await transcribe(claim, ears)


async def transcribe(claim: Claim, ears: Ears) -> None:
    """Serve one session until it closes."""
    request = claim.request
    if not isinstance(request, TranscribeRequest):
        raise ProtocolError(f"not a request to transcribe: {type(request).__name__}")
    claim.took_over("continued")
    async with claim.listen(AudioChunk, SessionClosed) as inbox, asyncio.TaskGroup() as group:
        await claim.bus.flush()
        former = await origins(claim.bus, claim.place, awaited=True) if request.resumed else []
        resumed = await _resumption(claim, former, request.utterance)
        listener = Listener(
            ears,
            group,
            Outbox(partial(_say, claim, ears), claim.fail),
            request=request,
            resumed=resumed,
            owner=claim.place.session,
        )
        try:
            since_ns = max(0, resumed.stored_ns - _LAG_NS)
            begun = Beginning(resumed.start, resumed.ended, since_ns, [o.place for o in former])
            feed = caller_audio(claim, inbox, begun)
            async for event in feed:
                match event:
                    case AudioChunk():
                        await listener.hear(event.pcm)
                    case AudioEnded():
                        await listener.end(event.offset)
                    case AudioStalled():
                        listener.stall(round(event.seconds * 1000))
            await listener.finish()
        finally:
            listener.stop()


async def _say(claim: Claim, ears: Ears, event: Event) -> None:
    await claim.publish(event)
    if not isinstance(event, TranscriptFinal):
        return
    with apart():  # what is said next belongs to another turn
        claim.bus.tracing.enter(claim.place.session, event)
        metrics.STT_FINAL_SECONDS.labels(ears.engine).observe(event.compute_ms / 1000, exemplar())
        metrics.STT_HOLD_SECONDS.observe(event.hold_ms / 1000, exemplar())
        log.debug("utterance.ended", utterance=event.utterance, hold_ms=event.hold_ms)


async def _resumption(claim: Claim, former: list[Origin], known: int) -> Resumption:
    """Return how far the workers before us got, if there were any.

    Args:
        claim: The session.
        former: Where it was before.
        known: Number of the last final that its client has from there; others are told again.
    """
    resumed = AFRESH
    if not claim.is_takeover and not former:
        return resumed
    subject = claim.subject(TranscriptFinal)
    here = [message async for message in claim.bus.read("SESSION", subject)]
    there = [m for origin in former for m in await counted(claim.bus, origin, TranscriptFinal)]
    missed = [
        event
        for message in there
        if isinstance(event := decode(message.payload), TranscriptFinal) and event.utterance > known
    ]
    told = {e.utterance for m in here if isinstance(e := decode(m.payload), TranscriptFinal)}
    for final in missed:
        if final.utterance not in told:
            told.add(final.utterance)
            await claim.publish(final)
    for message in (*there, *here):
        resumed = _after(resumed, decode(message.payload), message.stored_ns)
    return resumed


def _after(resumed: Resumption, event: Event, stored_ns: int) -> Resumption:
    match event:
        case TranscriptFinal():
            is_new = event.utterance > resumed.utterance
            return replace(
                resumed,
                start=max(resumed.start, event.end_offset),
                utterance=max(resumed.utterance, event.utterance),
                finals=resumed.finals + bool(is_new and event.text),
                stored_ns=stored_ns,
            )
        case AudioConsumed(end_offset=end):
            start = max(resumed.start, end)
            return replace(resumed, start=start, finals=0, ended=end, stored_ns=stored_ns)
        case SilenceHeard(end_offset=end):
            return replace(resumed, start=max(resumed.start, end), stored_ns=stored_ns)
    return resumed
