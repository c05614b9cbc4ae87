"""Telegram's flood limits, as its server counts: by when calls arrive. Pure.

Source: https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Final

COUNTED: Final = frozenset(
    {"sendMessage", "sendVoice", "editMessageText", "sendChatAction", "sendMessageDraft"}
)
MESSAGES: Final = frozenset({"sendMessage", "sendVoice", "editMessageText"})


ON_THE_WAY_S: Final = 0.25
"""What a client sent before it could know of a refusal is refused, but is no fault of its own."""

_POLLS: Final = "getUpdates"


@dataclass(frozen=True)
class Rest:
    """A refusal.

    Attributes:
        seconds: For how long the client is to rest.
        broken: Which rule it broke; empty if it could not know better.
    """

    seconds: int
    broken: str = ""


@dataclass
class _Closed:
    """What is refused until some time, and when each chat was told so first."""

    until_s: float
    told_s: dict[int, float]


class Flood:
    """Counts one bot's calls, and holds it to the rest that it was told to take."""

    def __init__(self) -> None:
        self._all: deque[float] = deque()
        self._chats: defaultdict[int, deque[float]] = defaultdict(deque)
        self._closed: dict[int | str, _Closed] = {}

    def close(self, method: str, chat: int, closed: int, now_s: float, rest_s: float) -> None:
        """Refuse calls for a while.

        Args:
            method: What was refused; ``getUpdates`` is closed on its own.
            chat: Who was told so; 0 for a call that names no chat.
            closed: The chat in which nothing is done; 0: all of them.
            now_s: The time.
            rest_s: How long.
        """
        place: int | str = _POLLS if method == _POLLS else closed
        self._closed[place] = _Closed(now_s + rest_s, {chat: now_s})

    def rest(self, method: str, chat: int, now_s: float) -> Rest | None:
        """Count a call; return how it is refused, None if it is not."""
        for place in (_POLLS,) if method == _POLLS else (0, chat):
            closed = self._closed.get(place)
            if closed is None or now_s >= closed.until_s:
                continue
            broken = (
                f"{method} in {chat} before retry_after" if _is_known(closed, chat, now_s) else ""
            )
            closed.told_s.setdefault(chat, now_s)
            return Rest(math.ceil(closed.until_s - now_s), broken)
        if exceeded := self.exceeded(method, chat, now_s):
            self.close(method, chat, chat if method in MESSAGES else 0, now_s, 1.0)
            return Rest(1, exceeded)
        return None

    def exceeded(self, method: str, chat: int, now_s: float) -> str:
        """Count a call; return which limit it exceeds, empty if none."""
        if method not in COUNTED:
            return ""
        self._all.append(now_s)
        if _within(self._all, now_s, 1.0) > 30:
            return "more than 30 in a second"
        if method not in MESSAGES:
            return ""
        messages = self._chats[chat]
        messages.append(now_s)
        minute = _within(messages, now_s, 60.0)
        if sum(at_s > now_s - 1.0 for at_s in messages) > 1:
            return f"more than one message a second in {chat}"
        return f"more than 20 messages a minute in {chat}" if chat < 0 and minute > 20 else ""


def _is_known(closed: _Closed, chat: int, now_s: float) -> bool:
    """Whether a client must have known.

    A refusal does not say whether it is for a chat or for all: the second chat that is refused
    shows it.
    """
    told_s = sorted(at_s for at_s in closed.told_s.values() if now_s - at_s > ON_THE_WAY_S)
    is_told = now_s - closed.told_s.get(chat, now_s) > ON_THE_WAY_S
    return is_told or 0 in closed.told_s or len(told_s) > 1


def _within(times_s: deque[float], now_s: float, span_s: float) -> int:
    while times_s[0] <= now_s - span_s:
        times_s.popleft()
    return len(times_s)
