"""The names of the widget's texts, which a site may say in other words or in another language.

The words themselves are in ``page/texts.js``: the browser shows them, and a test compares the two.
"""

from __future__ import annotations

from typing import Final

NAMES: Final = frozenset(
    {
        "advice",
        "agree",
        "assistant",
        "away",
        "call_ended",
        "close",
        "connecting",
        "consent",
        "consent_title",
        "continue",
        "conversation",
        "cut",
        "disagree",
        "dismiss",
        "error_busy",
        "error_too_much",
        "interrupted",
        "listening",
        "lost",
        "meanwhile",
        "microphone_busy",
        "microphone_insecure",
        "microphone_missing",
        "microphone_refused",
        "mute",
        "muted",
        "nothing_heard",
        "open",
        "paused",
        "refused",
        "retry",
        "send",
        "speaking",
        "stop",
        "stop_reply",
        "talk",
        "thinking",
        "title",
        "type",
        "welcome",
        "you",
        "you_speak",
    }
)
