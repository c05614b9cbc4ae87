"""Conversations across sessions."""

from __future__ import annotations

from prometheus_client import Counter

CONVERSATIONS_JOINED = Counter(
    "voicebus_conversations_joined_total",
    "Sessions that belong to a conversation, by how they came to it: begun, owner, code",
    ["how"],
)
CONVERSATIONS_REFUSED = Counter(
    "voicebus_conversations_refused_total",
    "Sessions that named a conversation or a link code and may not join, by the error's code",
    ["code"],
)
CONVERSATIONS_FORGOTTEN = Counter(
    "voicebus_conversations_forgotten_total", "Conversations that were deleted because one asked"
)
LINK_CODES_MADE = Counter("voicebus_link_codes_made_total", "Link codes made")
EXCHANGES_UNKEPT = Counter(
    "voicebus_exchanges_unkept_total",
    "Turns that could not be kept in their conversation before their session ended",
)
