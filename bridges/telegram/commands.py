"""What a room is told and may choose besides answers: commands, and the buttons of menus."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Final

import msgspec
from aiogram.types import InlineKeyboardMarkup

from bridges.telegram import menus
from bridges.telegram.house import House
from bridges.telegram.incoming import Command, Pressed, Whence
from bridges.telegram.outgoing import Outgoing
from bridges.telegram.splitting import MESSAGE_UNITS, cut
from bridges.telegram.texts import text_of
from bridges.telegram.turn import RATE_HZ, Question
from bridges.telegram.voice import Spoken
from schemas.conversation import Join, LinkMade
from schemas.event import Event
from schemas.failure import Failure
from schemas.session import ForgetAsked
from schemas.telegram import ChatKept
from schemas.tts import ReplyChunk, SpeakRequest
from schemas.turn import HangUp
from voicebus.conversations import Code, Codes, joined, redeem, start
from voicebus.errors import BusUnavailable, ConversationUnknown
from voicebus.sessions.session import Session

_NEEDED: Final = ("turn",)


class Desk:
    """Serves one room's wishes that the language model has no part in.

    Args:
        house: The bot.
        whence: Who wishes, and where.
        kept: What the room chose.
        language: Of the bridge's own words.
    """

    def __init__(self, house: House, whence: Whence, kept: ChatKept, language: str) -> None:
        self._house = house
        self._whence = whence
        self._kept = kept
        self._language = language
        self._outgoing = Outgoing(house.api, whence, language)

    async def obey(self, command: Command) -> None:
        """Carry out a command.

        Raises:
            VoicebusError: It could not be done.
        """
        match command.name:
            case "start" if command.argument:
                await self._redeem(command.argument)
            case "start":
                await self._say(self._house.config.welcome or self._text("start"))
            case "help":
                group = "" if self._whence.is_private else self._text("help_group")
                await self._say(self._text("help") + group)
            case "reset":
                begun = start(self._house.owner(self._whence.room)).conversation
                await self._keep(msgspec.structs.replace(self._kept, conversation=begun, asked=""))
                await self._say(self._text("reset"))
            case "link" if command.argument:
                await self._redeem(command.argument)
            case "link":
                await self._link()
            case "forget":
                await self._forget()
            case "stop":
                await self._say(self._text("nothing_runs"))
            case "retry":
                await self._say(self._text("nothing_asked"))
            case name:
                await self._show(name)

    async def choose(self, pressed: Pressed) -> None:
        """Take a choice of a menu, or open one.

        Raises:
            VoicebusError: It could not be done.
        """
        kind, _, value = pressed.data.partition(":")
        if kind == "m":
            await self._show(value)
            return
        kept = menus.chosen(self._kept, pressed.data, self._house.config)
        if kept is not None and kept.voice and kept.voice != self._kept.voice:
            kept = kept if kept.voice in await self._house.fleet.voices() else None
        if kept is None:
            await self._say(self._text("gone"))
            return
        await self._keep(kept)
        told = f"{self._text('chosen')}\n\n{self._summary()}"
        await self._outgoing.text(told, instead=pressed.message)

    async def move(self, chat: int) -> None:
        """Go on with what a group chose and said before it got another number.

        Raises:
            VoicebusError: It could not be done.
        """
        before = (chat, 0)
        kept = await self._house.chats.get(before)
        if kept == ChatKept():
            return
        # The conversation has another owner: it is handed over as it is between two people.
        code = await self._code(self._house.join(before, kept))
        conversation = await self._joined(redeem(code.text, self._house.owner(self._whence.room)))
        await self._keep(msgspec.structs.replace(kept, conversation=conversation))

    async def speak(self, text: str) -> None:
        """Say a message of the bot's aloud.

        Raises:
            VoicebusError: It could not be done.
        """
        settings = self._house.session_settings(self._kept)
        request = SpeakRequest(
            text=cut(text, MESSAGE_UNITS),
            voice=settings.voice,
            language=settings.language,
            rate_hz=RATE_HZ,
            turn=1,
        )
        voice = Spoken()
        try:
            async with aclosing(self._house.turns.speak(request)) as events:
                async for event in events:
                    if isinstance(event, ReplyChunk):
                        await voice.push(event.pcm)
            seconds, ogg = voice.seconds, await voice.finish()
        finally:
            await voice.close()
        await self._outgoing.voice(
            ogg, seconds, "", menus.under_answer(self._language, spoken=True)
        )

    async def _show(self, menu: str) -> None:
        language, bot = self._language, self._house.config
        match menu:
            case "voice" | "answers":
                await self._say(self._text("answers"), menus.of_answers(language))
            case "voices":
                voices = await self._house.fleet.voices()
                await self._say(self._text("voices"), menus.of_voices(voices, language))
            case "language" | "languages":
                await self._say(self._text("languages"), menus.of_languages(language))
            case "persona" | "personas":
                await self._say(self._text("personas"), menus.of_personas(bot, language))
            case _:
                await self._say(self._summary(), menus.of_settings(bot, language))

    def _summary(self) -> str:
        kept, bot = self._kept, self._house.config
        return self._text(
            "settings",
            answers=self._text(f"answers_{kept.answers or bot.answers}"),
            voice=kept.voice or bot.voice or self._text("voice_default"),
            language=dict(menus.LANGUAGES).get(kept.language or bot.language)
            or self._text("language_any"),
            persona=kept.persona or self._text("persona_default"),
        )

    async def _link(self) -> None:
        join = self._house.join(self._whence.room, self._kept)
        code = await self._code(join)
        minutes = max(1, code.expires_s // 60)
        await self._say(self._text("link_made", code=code.text, minutes=minutes))

    async def _forget(self) -> None:
        """Delete the conversation, wherever else it goes on as well, and what was asked last."""
        join = self._house.join(self._whence.room, self._kept)
        async with self._house.turns.session(_NEEDED) as session:
            await session.converse(self._silent(join).request)
            await joined(session, self._house.settings.claim_s)
            await session.tell(ForgetAsked())
            async for event in _news(session):
                if isinstance(event, HangUp):
                    break
            else:
                raise BusUnavailable("this server is shutting down")
        await self._keep(msgspec.structs.replace(self._kept, conversation="", asked=""))
        await self._say(self._text("forgotten"))

    async def _redeem(self, code: str) -> None:
        room = self._whence.room
        self._house.try_code(room)
        conversation = await self._joined(redeem(code, self._house.owner(room)))
        await self._keep(msgspec.structs.replace(self._kept, conversation=conversation, asked=""))
        await self._say(self._text("link_joined"))

    async def _code(self, join: Join) -> Code:
        """Have a link code made, in a session of its own."""
        async with self._house.turns.session(_NEEDED) as session:
            await session.converse(self._silent(join).request)
            await joined(session, self._house.settings.claim_s)
            codes = Codes(session)
            await codes.make()
            async for event in _news(session):
                if isinstance(event, LinkMade) and (code := codes.made(event)) is not None:
                    return code
        raise BusUnavailable("this server is shutting down")

    async def _joined(self, join: Join) -> str:
        async with self._house.turns.session(_NEEDED) as session:
            await session.converse(self._silent(join).request)
            return (await joined(session, self._house.settings.claim_s)).conversation

    def _silent(self, join: Join) -> Question:
        return Question(settings=self._house.session_settings(self._kept), join=join, speak=False)

    async def _keep(self, kept: ChatKept) -> None:
        await self._house.chats.put(self._whence.room, kept)
        self._kept = kept

    def _text(self, name: str, /, **values: object) -> str:
        return text_of(name, self._language, **values)

    async def _say(self, text: str, buttons: InlineKeyboardMarkup | None = None) -> None:
        await self._outgoing.text(text, buttons)


async def _news(session: Session) -> AsyncIterator[Event]:
    """Yield what the workers say.

    Raises:
        VoicebusError: They say that it cannot be done.
    """
    async for _, event in session.inbox:
        match event:
            case Failure(code=ConversationUnknown.code):
                raise ConversationUnknown
            case Failure():
                raise BusUnavailable(event.message)
        yield event
