"""One question of a room, from its first byte to the message that answers it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Final

import msgspec
import structlog

from bridges.telegram import menus
from bridges.telegram.house import House, forms
from bridges.telegram.incoming import Recording, Whence, Words
from bridges.telegram.outgoing import Outgoing
from bridges.telegram.showing import Showing
from bridges.telegram.splitting import MESSAGE_UNITS, cut
from bridges.telegram.turn import Question, stop
from bridges.telegram.updates import Accepted
from bridges.telegram.voice import Spoken, expect_fit, spoken
from schemas.conversation import Joined
from schemas.event import Event
from schemas.llm import GenerationDone, TokenDelta
from schemas.telegram import ChatKept
from schemas.tts import ReplyChunk
from schemas.turn import TurnEnded, TurnStarted
from voicebus.errors import BusError, ConversationUnknown, EngineError
from voicebus.sessions.session import Session

log: Final = structlog.get_logger()


class Answering:
    """The answer to one message.

    Args:
        house: The bot.
        accepted: The update that asked.
        whence: Who asked, and where.
        kept: What the room chose.
        language: Of the bridge's own words.
    """

    def __init__(
        self, house: House, accepted: Accepted, whence: Whence, kept: ChatKept, language: str
    ) -> None:
        self._house = house
        self._accepted = accepted
        self._whence = whence
        self._kept = kept
        self._before = kept.conversation
        self._language = language
        self._session: Session | None = None
        self._is_stopped = False
        self._text = ""
        self._asked = ""
        self._conversation = ""
        self._outcome = ""
        self._voice: Spoken | None = None

    async def stop(self) -> None:
        """Have the answer end with what is there."""
        self._is_stopped = True
        if self._session is not None:
            await stop(self._session)

    async def run(self, asked: Words | Recording) -> str:
        """Ask, show and send; return how it ended.

        Raises:
            VoicebusError: There is no answer.
        """
        is_written, is_spoken = forms(
            self._kept, self._house.config, was_spoken=isinstance(asked, Recording)
        )
        if isinstance(asked, Recording):
            expect_fit(asked, self._house.settings)
        showing = Showing(
            self._house.api, self._house.updates, self._accepted, self._whence, self._language
        )
        showing.action = "record_voice" if is_spoken else "typing"
        showing.is_shown = is_written and not is_spoken
        self._voice = Spoken() if is_spoken else None
        try:
            async with showing.running():
                await self._ask(asked, showing)
            return await self._send(is_written=is_written)
        finally:
            if self._voice is not None:
                await self._voice.close()

    async def _ask(self, asked: Words | Recording, showing: Showing) -> None:
        question = self._question(asked)
        try:
            await self._follow(question, showing)
        except ConversationUnknown:
            # It was another one's, or its stream was emptied: the room begins anew.
            self._kept = msgspec.structs.replace(self._kept, conversation="")
            join = self._house.join(self._whence.room, self._kept)
            await self._follow(msgspec.structs.replace(question, join=join), showing)

    async def _follow(self, question: Question, showing: Showing) -> None:
        async with aclosing(self._house.turns.ask(question, self._opened)) as events:
            async for event in events:
                await self._take(event)
                showing.text = self._text

    def _opened(self, session: Session) -> None:
        self._session = session

    def _question(self, asked: Words | Recording) -> Question:
        house, llm = self._house, self._house.config.llm
        return Question(
            text=asked.text if isinstance(asked, Words) else "",
            said=(lambda: spoken(house.api, asked, house.settings))
            if isinstance(asked, Recording)
            else None,
            settings=house.session_settings(self._kept),
            join=house.join(self._whence.room, self._kept),
            speak=self._voice is not None,
            model=llm.model,
            max_tokens=llm.max_tokens,
            temperature=llm.temperature,
        )

    async def _take(self, event: Event) -> None:
        match event:
            case Joined():
                self._conversation = event.conversation
                if self._is_stopped and self._session is not None:
                    await stop(self._session)
            case TurnStarted():
                await self._begin(event)
                if self._is_stopped and self._session is not None:
                    await stop(self._session)  # the order came before there was a turn
            case TokenDelta():
                self._text = event.behind(self._text)
            case GenerationDone():
                self._text = event.text
            case ReplyChunk() if self._voice is not None:
                await self._voice.push(event.pcm)
            case TurnEnded():
                self._outcome = event.outcome

    async def _begin(self, started: TurnStarted) -> None:
        """A turn begins, or another attempt at it: nothing of the one before counts."""
        self._asked, self._text = started.text, started.said
        if self._voice is not None and self._voice.seconds:
            await self._voice.close()
            self._voice = Spoken()

    async def _send(self, *, is_written: bool) -> str:
        text = self._text.strip()
        if not text and self._outcome == "completed":
            await self._remember()
            raise EngineError("the answer has no words")
        # Nothing of this waits for anything else of it.
        is_ours, _, ogg = await asyncio.gather(
            self._house.updates.begin(self._accepted), self._remember(), self._finished()
        )
        if not is_ours:
            return "answered"  # by another process
        outgoing = Outgoing(self._house.api, self._whence, self._language)
        voice = self._voice
        if voice is None or not ogg:
            buttons = menus.under_answer(self._language, spoken=False)
            if text:
                await outgoing.text(text, buttons, instead=self._accepted.shown)
            return "answered"
        buttons = menus.under_answer(self._language, spoken=True)
        send = outgoing.both if is_written else outgoing.voice
        await send(ogg, voice.seconds, text, buttons)
        return "answered"

    async def _finished(self) -> bytes:
        """Return the voice message; empty where there is none to be sent."""
        if self._outcome != "completed" or self._voice is None or not self._voice.seconds:
            return b""
        return await self._voice.finish()

    async def _remember(self) -> None:
        """Keep what the room goes on with; a loss is no more than that."""
        room, chats = self._whence.room, self._house.chats
        try:
            kept = await chats.get(room)
            asked = cut(self._asked, MESSAGE_UNITS) or kept.asked
            changed = msgspec.structs.replace(kept, conversation=self._conversation, asked=asked)
            if kept.conversation != self._before:
                # The room has begun another one meanwhile.
                changed = msgspec.structs.replace(changed, conversation=kept.conversation)
            await chats.put(room, changed)
        except BusError as err:
            log.warning("telegram.chat_unkept", error=str(err))
