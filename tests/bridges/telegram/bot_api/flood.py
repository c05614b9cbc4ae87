"""Telegram's flood limits, as its server counts: by when calls arrive. Pure.

Source: https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Final

COUNTED: Final = frozenset(
    {"sendMessage", "sendVoice", "editMessageText", "sendChatAction", "sendMessageDraft"}
)
MESSAGES: Final = frozenset({"sendMessage", "sendVoice", "editMessageText"})


class Flood:
    """Counts one bot's calls."""

    def __init__(self) -> None:
        self._all: deque[float] = deque()
        self._chats: defaultdict[int, deque[float]] = defaultdict(deque)

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


def _within(times_s: deque[float], now_s: float, span_s: float) -> int:
    while times_s[0] <= now_s - span_s:
        times_s.popleft()
    return len(times_s)
