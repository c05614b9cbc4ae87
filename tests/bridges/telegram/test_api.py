"""Calls of the Bot API, and what Telegram says when it does not do them."""

from __future__ import annotations

import pytest

from bridges.telegram.api import Refused


@pytest.mark.parametrize(
    ("reason", "is_voice_forbidden", "is_message_gone"),
    [
        ("Bad Request: VOICE_MESSAGES_FORBIDDEN", True, False),
        ("Bad Request: user restricted receiving of voice note messages", True, False),
        ("Bad Request: not enough rights to send voice notes to the chat", True, False),
        ("Forbidden: CHAT_SEND_VOICES_FORBIDDEN", True, False),
        ("Bad Request: message to edit not found", False, True),
        ("Bad Request: message can't be edited", False, True),
        ("Bad Request: message is not modified", False, False),
        ("Bad Request: not enough rights to send text messages to the chat", False, False),
        ("Forbidden: bot was blocked by the user", False, False),
    ],
)
def test_a_refusal_says_what_may_be_done_instead(
    reason: str, is_voice_forbidden: bool, is_message_gone: bool
) -> None:
    """Words instead of a voice, or a new message instead of one that is gone; or nothing."""
    refused = Refused(reason, "TelegramBadRequest")

    assert refused.is_voice_forbidden is is_voice_forbidden
    assert refused.is_message_gone is is_message_gone
