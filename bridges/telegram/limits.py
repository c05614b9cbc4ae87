"""How fast a bot may call: Telegram's flood limits. Pure; the clock is the caller's.

A call is counted from its beginning until some time after its answer: nobody knows when in between
Telegram counts it, and so the limits hold at Telegram's end, too, however long the way is.

Source: https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

ALL_PER_S: Final = 30
CHAT_S: Final = 1.0
GROUP_PER_MIN: Final = 20

SPARE: Final = 5
"""Of a group's messages in a minute, so many are left for answers by what is only shown early."""

_ALIKE_S: Final = 1.0
"""Of two chats that are refused within this time, or until times no further apart, it is the bot
that is too fast. Telegram says how long in whole seconds."""

_IDLE_CHATS: Final = 4096


@dataclass(slots=True)
class _Chat:
    """What is known of one chat."""

    running: int = 0
    ended_s: float = -math.inf
    closed_s: float = -math.inf
    minute: deque[float] = field(default_factory=deque)


@dataclass(frozen=True, slots=True)
class _Refused:
    """A refusal: of which chat, when, and until when."""

    chat: int | None
    at_s: float
    until_s: float


class Limiter:
    """The limits of one bot. A group's chat has a negative number, as Telegram gives them."""

    def __init__(self) -> None:
        self._running = 0
        self._second: deque[float] = deque()
        self._closed_s = -math.inf
        self._refused = _Refused(None, -math.inf, -math.inf)
        self._chats: dict[int, _Chat] = {}

    def wait_s(self, chat: int | None, now_s: float, spare: int = 0) -> float:
        """Return how long a call must wait; inf while it waits for the answer of another one.

        Args:
            chat: Where its message goes; None for a call that is no message.
            now_s: The time.
            spare: How many messages of a group's minute must be left after it.
        """
        waits = [self._closed_s - now_s, _fewer(self._second, self._running, ALL_PER_S, now_s, 1.0)]
        if chat is not None and (known := self._chats.get(chat)) is not None:
            waits.append(known.closed_s - now_s)
            waits.append(math.inf if known.running else known.ended_s + CHAT_S - now_s)
            if chat < 0:
                limit = GROUP_PER_MIN - spare
                waits.append(_fewer(known.minute, known.running, limit, now_s, 60.0))
        return max(0.0, *waits)

    def begin(self, chat: int | None, now_s: float) -> None:
        """A call begins."""
        self._running += 1
        if chat is not None:
            self._chat(chat, now_s).running += 1

    def end(self, chat: int | None, now_s: float) -> None:
        """Its answer is there, or none will come."""
        self._running -= 1
        self._second.append(now_s)
        _forget(self._second, now_s - 1.0)
        if chat is not None:
            known = self._chat(chat, now_s)
            known.running -= 1
            known.ended_s = now_s
            if chat < 0:
                known.minute.append(now_s)
                _forget(known.minute, now_s - 60.0)

    def refused(self, chat: int | None, retry_after_s: float, now_s: float) -> None:
        """Telegram wants to be left alone: by a chat's messages, or by the bot altogether.

        Which of the two it does not say. That it is the bot shows when another chat is refused.
        """
        until_s = now_s + retry_after_s
        before, self._refused = self._refused, _Refused(chat, now_s, until_s)
        is_another = before.chat not in (None, chat)
        is_alike = now_s - before.at_s < _ALIKE_S or abs(until_s - before.until_s) <= _ALIKE_S
        if chat is None or (is_another and is_alike):
            self._closed_s = max(self._closed_s, until_s)
        if chat is not None:
            known = self._chat(chat, now_s)
            known.closed_s = max(known.closed_s, until_s)

    def is_closed(self, chat: int, now_s: float) -> bool:
        """Whether Telegram wants nothing of a chat at the moment."""
        known = self._chats.get(chat)
        return known is not None and now_s < known.closed_s

    def _chat(self, chat: int, now_s: float) -> _Chat:
        if chat not in self._chats and len(self._chats) >= _IDLE_CHATS:
            for idle in [number for number, known in self._chats.items() if _is_idle(known, now_s)]:
                del self._chats[idle]
        return self._chats.setdefault(chat, _Chat())


def _fewer(ended: Iterable[float], running: int, limit: int, now_s: float, span_s: float) -> float:
    """Return the wait until fewer than ``limit`` calls count within a span."""
    counted = [at_s for at_s in ended if at_s > now_s - span_s]
    surplus = len(counted) + running - limit + 1
    if surplus <= 0:
        return 0.0
    return counted[surplus - 1] + span_s - now_s if surplus <= len(counted) else math.inf


def _forget(times_s: deque[float], before_s: float) -> None:
    while times_s and times_s[0] <= before_s:
        times_s.popleft()


def _is_idle(chat: _Chat, now_s: float) -> bool:
    return not chat.running and now_s > max(chat.ended_s + 60.0, chat.closed_s)
