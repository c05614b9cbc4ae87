"""Turn worker: leads a session's conversation.

Consumes   job.turn    ConverseRequest, one per session
           up.control  UserText, KeysPressed, AnswerAsked, CancelAsked, TurnTakingSet,
                       PlaybackEnded, ClientLost, ClientReturned, SessionClosed
           dn.partial  SpeechStarted, SpeechPaused, SpeechResumed, TranscriptPartial,
                       TranscriptDraft
           dn.final    TranscriptFinal, AudioConsumed
           dn.clause   ClauseReady
           dn.spoken   ClauseSpoken
           dn.done     GenerationDone, SpeechDone
           dn.failure  Failure
Publishes  job.llm     GenerateRequest, one per attempt at a turn
           job.tts     SpeakRequest, one per attempt at a turn that is spoken
           dn.turn     TurnStarted, TurnEnded, NothingHeard, HangUp, Resumed, and SessionMoved at
                       the place where the session was before
           dn.cancel   TurnCancelled, ReplyPaused, ReplyResumed
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

import structlog

from schemas.event import Event
from schemas.failure import Failure
from schemas.llm import ClauseReady, GenerateRequest, GenerationDone
from schemas.session import SessionClosed
from schemas.stt import TranscriptFinal, TranscriptPartial
from schemas.tts import ClauseSpoken, SpeakRequest
from schemas.turn import ConverseRequest, SessionMoved, TurnStarted
from services.turn.answers import Answers
from services.turn.arrivals import DECIDED, Arrivals, aged
from services.turn.machine import Conversation
from services.turn.persona import persona_of
from services.turn.returning import is_closed, missed, move, once
from services.turn.settings import TurnSettings
from services.turn.tally import Tally
from voicebus import metrics
from voicebus.claim import Claim
from voicebus.errors import ProtocolError
from voicebus.origins import Origin, origins
from voicebus.worker import job_name

log: Final = structlog.get_logger()

_HEARD: Final = (
    SessionClosed,
    TranscriptPartial,
    TranscriptFinal,
    ClauseReady,
    ClauseSpoken,
    GenerationDone,
    Failure,
)

_REVISIONS: Final = 1_000
"""More attempts at one turn than a worker ever makes: the next worker counts on from there."""

_REVISIONS_ELSEWHERE: Final = 1_000_000
"""The same for all workers that a session has at one edge."""


async def converse(claim: Claim, settings: TurnSettings) -> None:
    """Lead one session's conversation until the session closes."""
    request = claim.request
    if not isinstance(request, ConverseRequest):
        raise ProtocolError(f"not a request to converse: {type(request).__name__}")
    if request.resumes is not None and await is_closed(claim.bus, claim.place):
        return  # nobody waits here for the session any more: it is not to be taken from elsewhere
    former = await _former(claim, request)
    revisions = claim.forerunners * _REVISIONS + len(former) * _REVISIONS_ELSEWHERE
    leader = Conversation if request.automatic else Answers
    conversation = leader(persona_of(request, settings), first_revision=revisions)
    tally = Tally()
    async with claim.listen(*_HEARD) as inbox, Arrivals(claim, inbox) as arrivals:
        await claim.bus.flush()
        is_open = await _catch_up(claim, arrivals, conversation, tally, former)
        while is_open:
            due_ms = conversation.due_ms
            event = await arrivals.next(
                None if due_ms is None else due_ms / 1000, is_owed=conversation.reply is not None
            )
            if event is None:
                await _publish(claim, tally, conversation.tick(_now_ms()))
            elif isinstance(event, SessionClosed):
                is_open = False
            else:
                begun_s = time.perf_counter()
                await _publish(claim, tally, conversation.step(event, _now_ms()))
                if isinstance(event, TranscriptFinal):
                    metrics.TURN_DECISION_SECONDS.observe(time.perf_counter() - begun_s)
        await _publish(claim, tally, conversation.close(_now_ms()))


def _now_ms() -> float:
    return asyncio.get_running_loop().time() * 1000


async def _former(claim: Claim, request: ConverseRequest) -> list[Origin]:
    """Return where the session was before; it comes from there now, if nobody brought it yet."""
    if request.resumes is None:
        return []
    former = await origins(claim.bus, claim.place)
    if not former:
        await move(claim, request.resumes)
        former = await origins(claim.bus, claim.place, awaited=True)
    return former


async def _catch_up(
    claim: Claim,
    arrivals: Arrivals,
    conversation: Conversation | Answers,
    tally: Tally,
    former: list[Origin],
) -> bool:
    """Bring the conversation to where the log is; return whether it is open.

    What a worker before us has done is not done again: what it decided is in the log, and only what
    follows from the rest is published.
    """
    before = await arrivals.before(former)
    here = await arrivals.past()
    past = once(before, here)
    now_ms = _now_ms()
    orders: list[Event] = []
    for event, age_ms in aged(past):
        if isinstance(event, DECIDED):
            orders.clear()
        orders += conversation.recall(event, now_ms - age_ms)
    if any(isinstance(known.event, SessionClosed | SessionMoved) for known in here):
        return False
    if isinstance(claim.request, ConverseRequest) and claim.request.resumes is not None:
        again = missed(before, here, claim.request.resumes)
        begins = any(isinstance(e, TurnStarted) and e.turn == conversation.turn for e in again)
        jobs = conversation.again() if begins else ()
        await _publish(claim, tally, (*jobs, *again))
    await _publish(claim, tally, (*orders, *conversation.go_on(now_ms)))
    age_ms = (past[-1].stored_ns - past[0].stored_ns) / 1e6 if past else 0.0
    await _publish(claim, tally, conversation.open(now_ms, age_ms))
    return True


async def _publish(claim: Claim, tally: Tally, events: tuple[Event, ...]) -> None:
    for event in events:
        tally.note(event)
        if isinstance(event, GenerateRequest | SpeakRequest):
            await claim.start_job(event, job_name(event))
            continue
        if isinstance(event, Failure):
            metrics.FAILURES.labels(event.stage, event.code).inc()
            log.warning("stage.failed", stage=event.stage, code=event.code, turn=event.turn)
        await claim.publish(event)
