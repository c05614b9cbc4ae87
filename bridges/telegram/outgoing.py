"""Messages to a room: pieces that fit, where they belong, and voice for those who take it."""

from __future__ import annotations

from typing import Final

from aiogram.methods import EditMessageText, SendMessage, SendVoice
from aiogram.types import BufferedInputFile, InlineKeyboardMarkup, ReplyParameters

from bridges.telegram.api import Api, Refused
from bridges.telegram.incoming import Whence
from bridges.telegram.splitting import CAPTION_UNITS, split, units
from bridges.telegram.texts import text_of

_FILE: Final = "answer.ogg"
_UNCHANGED: Final = "message is not modified"


class Outgoing:
    """Sends to one room, in answer to one message.

    Args:
        api: The bot's calls.
        whence: Who asked, and where.
        language: Of the bridge's own words.
    """

    def __init__(self, api: Api, whence: Whence, language: str) -> None:
        self._api = api
        self._whence = whence
        self._language = language

    async def text(
        self, text: str, buttons: InlineKeyboardMarkup | None = None, instead: int = 0
    ) -> int:
        """Send a text, in as many messages as it takes; return the number of the first one.

        Plain text: nothing that a model writes is taken for markup.

        Args:
            text: What is said.
            buttons: Under the last message.
            instead: Number of a message that becomes the first one; 0 for none. Where it has been
                deleted meanwhile, the text is a message of its own.

        Raises:
            VoicebusError: What :meth:`bridges.telegram.api.Api.call` raises.
        """
        pieces, first = split(text), instead
        for index, piece in enumerate(pieces):
            markup = buttons if index == len(pieces) - 1 else None
            if index == 0 and instead:
                if await self._edit(instead, piece, markup):
                    continue
                first = 0
            sent = await self._api.call(
                SendMessage(
                    chat_id=self._whence.room[0],
                    message_thread_id=self._whence.room[1] or None,
                    text=piece,
                    reply_markup=markup,
                    reply_parameters=self._reply() if index == 0 else None,
                    parse_mode=None,
                )
            )
            first = first or sent.message_id
        return first

    async def _edit(self, message: int, text: str, buttons: InlineKeyboardMarkup | None) -> bool:
        """Change what a message says; return whether it is there to say it."""
        try:
            await self._api.call(self.edited(message, text, buttons))
        except Refused as err:
            if err.is_message_gone:
                return False
            if _UNCHANGED not in str(err):
                raise
        return True

    def edited(
        self, message: int, text: str, buttons: InlineKeyboardMarkup | None
    ) -> EditMessageText:
        """Return the call that changes what a message says."""
        return EditMessageText(
            chat_id=self._whence.room[0],
            message_id=message,
            text=text,
            reply_markup=buttons,
            parse_mode=None,
        )

    async def voice(
        self, ogg: bytes, seconds: float, text: str, buttons: InlineKeyboardMarkup
    ) -> None:
        """Send a voice message; its words in writing, and why, to who takes none.

        Args:
            ogg: The file.
            seconds: How long it is.
            text: Its words.
            buttons: Under it.

        Raises:
            VoicebusError: What :meth:`bridges.telegram.api.Api.call` raises.
        """
        await self._voice(ogg, seconds, "", text, buttons)

    async def both(
        self, ogg: bytes, seconds: float, text: str, buttons: InlineKeyboardMarkup
    ) -> None:
        """Send a voice message with its words, in the same message where they fit."""
        if units(text) <= CAPTION_UNITS:
            await self._voice(ogg, seconds, text, text, buttons)
            return
        await self.text(text)
        await self._voice(ogg, seconds, "", "", buttons)

    async def _voice(
        self,
        ogg: bytes,
        seconds: float,
        caption: str,
        text: str,
        buttons: InlineKeyboardMarkup,
    ) -> None:
        try:
            await self._api.call(
                SendVoice(
                    chat_id=self._whence.room[0],
                    message_thread_id=self._whence.room[1] or None,
                    voice=BufferedInputFile(ogg, _FILE),
                    duration=max(1, round(seconds)),
                    caption=caption or None,
                    reply_markup=buttons,
                    reply_parameters=self._reply(),
                    parse_mode=None,
                )
            )
        except Refused as err:
            if not err.is_voice_forbidden:
                raise
            why = "voice_forbidden" if self._whence.is_private else "voice_forbidden_here"
            note = text_of(why, self._language)
            await self.text(f"{note}\n\n{text}", buttons)

    def _reply(self) -> ReplyParameters | None:
        if self._whence.is_private or not self._whence.message:
            return None
        return ReplyParameters(message_id=self._whence.message, allow_sending_without_reply=True)
