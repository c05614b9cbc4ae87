"""Leads one conversation: what happens goes into its machine, what the machine says goes out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import structlog

from schemas.conversation import ConversationKept, LinkAsked, LinkMade
from schemas.event import Event
from schemas.failure import Failure
from schemas.llm import GenerateRequest, SummariseRequest
from schemas.session import ForgetAsked, SessionClosed
from schemas.stt import TranscriptFinal
from schemas.tool import ToolRequest
from schemas.tts import SpeakRequest
from schemas.turn import ConverseRequest, HangUp, SessionMoved, TurnEnded, TurnStarted
from services.turn.answers import Answers
from services.turn.arrivals import DECIDED, Arrivals, Past, aged
from services.turn.keeper import Keeper
from services.turn.machine import Conversation
from services.turn.returning import missed, once
from services.turn.tally import Tally
from subjects.tokens import is_token
from voicebus import metrics
from voicebus.claim import Claim
from voicebus.errors import ConversationUnknown
from voicebus.origins import Origin
from voicebus.tracing.context import apart
from voicebus.worker import job_name

log: Final = structlog.get_logger()

_JOBS: Final = (GenerateRequest, SpeakRequest, ToolRequest, SummariseRequest)


class Lead:
    """One worker's lead of one session.

    Args:
        claim: The session.
        conversation: Its machine.
        keeper: Its part in a conversation across sessions; None: it has none.
    """

    def __init__(
        self, claim: Claim, conversation: Conversation | Answers, keeper: Keeper | None
    ) -> None:
        self._claim = claim
        self._conversation = conversation
        self._keeper = keeper
        self._tally = Tally()

    async def run(self, arrivals: Arrivals, former: Sequence[Origin]) -> None:
        """Lead until the session closes.

        Args:
            arrivals: What happens in the session.
            former: Where it was before.

        Raises:
            BusError: The log cannot be read, or nothing can be published.
        """
        conversation = self._conversation
        is_open = await self._catch_up(arrivals, former)
        while is_open:
            due_ms = conversation.due_ms
            event = await arrivals.next(
                None if due_ms is None else due_ms / 1000, is_owed=conversation.reply is not None
            )
            match event:
                case None:
                    await self._publish(conversation.tick(_now_ms()))
                case SessionClosed():
                    break
                case ConversationKept():
                    if self._keeper is not None:
                        self._keeper.hear(event)
                case LinkAsked() | ForgetAsked():
                    await self._obey(event)
                case _:
                    begun_s = time.perf_counter()
                    self._tally.spoken(event)
                    await self._publish(conversation.step(event, _now_ms()))
                    if isinstance(event, TranscriptFinal):
                        metrics.TURN_DECISION_SECONDS.observe(time.perf_counter() - begun_s)
        if is_open:
            await self._publish(conversation.close(_now_ms()))

    async def _catch_up(self, arrivals: Arrivals, former: Sequence[Origin]) -> bool:
        """Bring the conversation to where the log is; return whether it is open.

        What a worker before us has done is not done again: what it decided is in the log, and only
        what follows from the rest is published.
        """
        conversation = self._conversation
        before = await arrivals.before(former)
        here = await arrivals.past()
        past = once(before, here)
        now_ms = _now_ms()
        orders = self._recall(past, now_ms)
        if any(isinstance(known.event, SessionClosed | SessionMoved) for known in here):
            return False
        request = self._claim.request
        if isinstance(request, ConverseRequest) and request.resumes is not None:
            again = missed(before, here, request.resumes)
            begins = any(isinstance(e, TurnStarted) and e.turn == conversation.turn for e in again)
            jobs = conversation.again(now_ms) if begins else ()
            await self._publish((*jobs, *again))
        await self._publish((*orders, *conversation.go_on(now_ms)))
        age_ms = (past[-1].stored_ns - past[0].stored_ns) / 1e6 if past else 0.0
        await self._publish(conversation.open(now_ms, age_ms))
        for asked in _unheeded(here):
            await self._obey(asked)
        return True

    def _recall(self, past: Sequence[Past], now_ms: float) -> list[Event]:
        """Let the machine know what was; return the orders that nothing has made void."""
        keeper, conversation = self._keeper, self._conversation
        orders: list[Event] = []
        if keeper is not None:
            keeper.tell_elsewhere(0)
        for event, age_ms in aged(past):
            if isinstance(event, DECIDED):
                orders.clear()
            orders += conversation.recall(event, now_ms - age_ms)
            if keeper is not None and isinstance(event, TurnEnded):
                keeper.tell_elsewhere(event.turn)
        if keeper is not None:
            keeper.caught_up()
        return orders

    async def _obey(self, asked: LinkAsked | ForgetAsked) -> None:
        is_meant = isinstance(asked, ForgetAsked) or is_token(asked.digest)
        if self._keeper is not None and is_meant:
            self._keeper.obey(asked)
            return
        await self._claim.fail(ConversationUnknown("this session belongs to no conversation"))

    async def _publish(self, events: tuple[Event, ...]) -> None:
        for event in events:
            self._tally.note(event)
            if isinstance(event, _JOBS):
                await self._claim.start_job(event, job_name(event))
                continue
            if isinstance(event, Failure):
                metrics.FAILURES.labels(event.stage, event.code).inc()
                with apart():
                    self._claim.bus.tracing.enter(self._claim.place.session, event)
                    told = {"stage": event.stage, "code": event.code, "turn": event.turn}
                    log.warning("stage.failed", **told)
            await self._claim.publish(event)
            if isinstance(event, TurnStarted):
                self._claim.bus.tracing.enter(self._claim.place.session, event)
        if self._keeper is not None:
            self._keeper.keep()


def _unheeded(past: Sequence[Past]) -> list[LinkAsked | ForgetAsked]:
    """Return what a client asked of its conversation, and nobody has done."""
    events = [known.event for known in past]
    made = {event.digest for event in events if isinstance(event, LinkMade)}
    asked: list[LinkAsked | ForgetAsked] = [
        event for event in events if isinstance(event, LinkAsked) and event.digest not in made
    ]
    if not any(isinstance(event, HangUp) and event.reason == "forgotten" for event in events):
        asked += [event for event in events if isinstance(event, ForgetAsked)][:1]
    return asked


def _now_ms() -> float:
    return asyncio.get_running_loop().time() * 1000
