"""One question and its answer, as a session on the bus."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Final

import structlog
from msgspec import Struct

from bridges.telegram.settings import TelegramSettings
from schemas.conversation import Join, Joined
from schemas.event import Event
from schemas.failure import Failure
from schemas.session import CancelAsked, UserText
from schemas.settings import SessionSettings
from schemas.stt import TranscribeRequest
from schemas.tts import SpeakRequest, SpeechDone
from schemas.turn import ConverseRequest, NothingHeard, TurnEnded
from voicebus.conversations import joined
from voicebus.errors import (
    BusError,
    BusUnavailable,
    Busy,
    EngineTimeout,
    NoWorker,
    ProtocolError,
    VoicebusError,
)
from voicebus.sessions.held import Held
from voicebus.sessions.session import Session
from voicebus.sessions.sessions import Sessions
from voicebus.sessions.stage_failed import StageFailed

log: Final = structlog.get_logger()

KIND: Final = "telegram"
"""Kind of client, for the log and the metrics."""

RATE_HZ: Final = 24_000
"""Of the audio of answers: Opus takes it as it is."""

_AGAIN_S: Final = 0.5

Pcm = Callable[[], AsyncIterator[bytes]]
"""Begins to give out what somebody said: s16le, mono, 16 kHz."""


class NothingSaid(ProtocolError):
    """Raised when there are no words in a recording."""

    code = "nothing_heard"


class Question(Struct, frozen=True, kw_only=True):
    """What is asked, and how the answer is to be.

    Fields
        text: What was written; empty for a recording.
        said: What was said; None for a text.
        settings: How the session is to be.
        join: The conversation that it belongs to.
        speak: Whether the answer is spoken.
        model: Model that answers; empty for the workers' default.
        max_tokens: Upper bound of the answer; 0 for the workers' default.
        temperature: Sampling temperature; negative for the workers' default.
    """

    text: str = ""
    said: Pcm | None = None
    settings: SessionSettings
    join: Join
    speak: bool
    model: str = ""
    max_tokens: int = 0
    temperature: float = -1.0

    @property
    def roles(self) -> tuple[str, ...]:
        """Whose workers it needs."""
        heard = () if self.said is None else ("stt",)
        return (*heard, "turn", "llm", *(("tts",) if self.speak else ()))

    @property
    def request(self) -> ConverseRequest:
        """The job of leading the conversation."""
        return ConverseRequest(
            settings=self.settings,
            output_rate_hz=RATE_HZ,
            speak=self.speak,
            join=self.join,
            model=self.model,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
        )


class Turns:
    """Asks questions of the fleet. One per process.

    Args:
        sessions: The bridge's sessions.
        settings: How long is waited for what.
    """

    def __init__(self, sessions: Sessions, settings: TelegramSettings) -> None:
        self._sessions = sessions
        self._settings = settings
        self._places = asyncio.Semaphore(settings.max_turns)

    async def ask(
        self, question: Question, opened: Callable[[Session], None]
    ) -> AsyncGenerator[Event, None]:
        """Ask, and yield what the workers say, in order and once, the end of the turn last.

        Args:
            question: What is asked.
            opened: Is told of the session, with which the answer can be stopped.

        Raises:
            ConversationUnknown: The conversation is not there any more.
            LinkRefused: Its code is not good.
            NothingSaid: There are no words in the recording.
            StageFailed: A worker could not do its work.
            BusError: Nobody is there, or free, in time.
            EngineTimeout: Nobody says anything any more.
            AudioError: The recording cannot be used.
        """
        async with self.session(question.roles) as session:
            opened(session)
            await session.converse(question.request)
            # What is asked goes up while the session comes into its conversation.
            asking = asyncio.ensure_future(_ask(session, question))
            try:
                early: list[Event] = []
                yield await self._joined(session, asking, early)
                async with aclosing(self._answer(session, asking, early)) as answer:
                    async for event in answer:
                        yield event
            finally:
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)

    async def speak(self, request: SpeakRequest) -> AsyncGenerator[Event, None]:
        """Have a text spoken, and yield what the voice says, to the end.

        Raises:
            StageFailed: It could not be spoken.
            BusError: Nobody is there, or free, in time.
            EngineTimeout: Nobody says anything any more.
        """
        async with self.session(("tts",)) as session:
            await session.ask(request)
            while True:
                event = await self._heard(session)
                if isinstance(event, Failure):
                    raise StageFailed(event)
                yield event
                if isinstance(event, SpeechDone):
                    return

    @asynccontextmanager
    async def session(self, roles: tuple[str, ...]) -> AsyncIterator[Session]:
        """Open a session as soon as these workers have a place for it.

        Raises:
            BusError: They have none in time.
        """
        async with self._places, AsyncExitStack() as stack:
            yield await self._opened(stack, roles)

    async def _opened(self, stack: AsyncExitStack, roles: tuple[str, ...]) -> Session:
        """Open a session, as soon as it can be served: who sends a message is used to wait."""
        until_s = _now_s() + self._settings.patience_s
        while True:
            try:
                return await stack.enter_async_context(self._sessions.open(KIND, roles=roles))
            except (Busy, NoWorker, BusUnavailable):
                if _now_s() > until_s:
                    raise
                await asyncio.sleep(_AGAIN_S)

    async def _joined(
        self, session: Session, asking: asyncio.Future[None], early: list[Event]
    ) -> Joined:
        try:
            return await joined(session, self._settings.claim_s, early.append)
        except BusUnavailable:
            if asking.done():
                asking.result()  # why there is nothing to answer
            raise

    async def _answer(
        self, session: Session, asking: asyncio.Future[None], early: list[Event]
    ) -> AsyncGenerator[Event, None]:
        held, waiting = Held(), deque(early)
        while True:
            try:
                event = waiting.popleft() if waiting else await self._heard(session)
            except EngineTimeout:
                if asking.done():
                    raise
                continue  # Telegram is slow to give the recording out
            except BusUnavailable:
                if asking.done():
                    asking.result()  # what was said could not be told to the workers
                raise
            for told, _ in held.take(event, _now_s()):
                match told:
                    case Failure():
                        raise StageFailed(told)
                    case NothingHeard():
                        raise NothingSaid("there are no words in this recording", "nothing_heard")
                yield told
                if isinstance(told, TurnEnded):
                    return

    async def _heard(self, session: Session) -> Event:
        return await _next(session, self._settings.stall_s)


async def stop(session: Session) -> None:
    """Have an answer end here."""
    try:
        await session.tell(CancelAsked())
    except BusError as err:
        log.warning("telegram.stop_unsaid", error=str(err))


async def _ask(session: Session, question: Question) -> None:
    try:
        if question.said is None:
            await session.tell(UserText(text=question.text))
            return
        request = TranscribeRequest(settings=question.settings, live=False)
        async for pcm in question.said():
            await session.send_audio(pcm, request)
        if not session.offset:
            raise NothingSaid("there is no sound in this recording", "nothing_heard")
        await session.end_audio()
    except VoicebusError:
        session.inbox.close()  # who waits for the answer is to hear why there is none
        raise


async def _next(session: Session, wait_s: float) -> Event:
    try:
        async with asyncio.timeout(wait_s):
            _, event = await session.inbox.next()
    except TimeoutError:
        raise EngineTimeout("the answer did not come in time") from None
    except StopAsyncIteration:
        raise BusUnavailable("this server is shutting down") from None
    return event


def _now_s() -> float:
    return time.monotonic()
