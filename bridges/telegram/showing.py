"""What somebody sees while an answer is made: that it is, and its first words."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog
from aiogram.methods import SendChatAction, SendMessageDraft

from bridges.telegram import menus
from bridges.telegram.api import Api
from bridges.telegram.incoming import Whence
from bridges.telegram.outgoing import Outgoing
from bridges.telegram.pace import Pace
from bridges.telegram.splitting import MESSAGE_UNITS, cut
from bridges.telegram.updates import Accepted, Updates
from voicebus.errors import VoicebusError

log: Final = structlog.get_logger()

_ACTION_S: Final = 4.5
"""Telegram shows an action for five seconds."""

_DRAFT_S: Final = 0.5
_EDIT_S: Final = 3.0
"""A group takes twenty messages in a minute, and edits are counted."""

_EDIT_LEAST: Final = 24
_LOOK_S: Final = 0.1
_DRAFTS: Final = 0x7FFFFFFF


class Showing:
    """Shows one answer while it is made.

    Args:
        api: The bot's calls.
        updates: Where it is noted in which message the answer begins.
        accepted: What is answered.
        whence: Who asked, and where.
        language: Of the buttons.

    Attributes:
        text: What is written so far.
        action: What the bot seems to do: ``typing`` or ``record_voice``.
        is_shown: Whether the text is shown; a voice message has none.
    """

    def __init__(
        self, api: Api, updates: Updates, accepted: Accepted, whence: Whence, language: str
    ) -> None:
        self._api = api
        self._updates = updates
        self._accepted = accepted
        self._whence = whence
        self._language = language
        self._outgoing = Outgoing(api, whence, language)
        private = whence.is_private
        self._pace = Pace(_DRAFT_S) if private else Pace(_EDIT_S, _EDIT_LEAST)
        self._acted_s = -_ACTION_S
        self._over = asyncio.Event()
        self.text = ""
        self.action = "typing"
        self.is_shown = True

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Show, while the context lasts."""
        task = asyncio.ensure_future(self._run())
        try:
            yield
        finally:
            # A call that is under way is answered first: one that is cut off may have been done.
            self._over.set()
            await asyncio.wait((task,))

    async def _run(self) -> None:
        while not self._over.is_set():
            try:
                await self._act()
                if not self._over.is_set():
                    await self._show()
            except VoicebusError as err:
                log.info("telegram.not_shown", code=err.code)
                self.is_shown = False
            try:
                async with asyncio.timeout(_LOOK_S):
                    await self._over.wait()
            except TimeoutError:
                pass

    async def _act(self) -> None:
        if _now_s() - self._acted_s < _ACTION_S:
            return
        self._acted_s = _now_s()
        await self._api.show(
            SendChatAction(
                chat_id=self._whence.room[0],
                message_thread_id=self._whence.room[1] or None,
                action=self.action,
            )
        )

    async def _show(self) -> None:
        text = cut(self.text.strip(), MESSAGE_UNITS)
        if not self.is_shown or not text or self._pace.due_s(text, _now_s()) != 0.0:
            return
        if self._whence.is_private:
            draft = SendMessageDraft(
                chat_id=self._whence.room[0],
                message_thread_id=self._whence.room[1] or None,
                draft_id=(self._accepted.id & _DRAFTS) or 1,
                text=text,
                can_stop=True,
                parse_mode=None,
            )
            await self._api.show(draft)
        elif self._accepted.shown:
            buttons = menus.under_beginning(self._language)
            await self._api.show(self._outgoing.edited(self._accepted.shown, text, buttons))
        else:
            message = await self._outgoing.text(text, menus.under_beginning(self._language))
            await self._updates.show(self._accepted, message)
        self._pace.shown(text, _now_s())


def _now_s() -> float:
    return time.monotonic()
