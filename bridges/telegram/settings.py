"""Settings of the bridge: ``VOICEBUS_TELEGRAM_…``."""

from __future__ import annotations

from urllib.parse import urlsplit

from msgspec import Struct

from subjects.tokens import is_token

SCOPE = "TELEGRAM_"


class TelegramSettings(Struct, frozen=True, kw_only=True):
    """Which bots there are, and what the bridge allows.

    Fields
        token: Token of the one bot, for who has one only.
        bots_file: TOML file of the bots, read anew when it changes; empty: the one of ``token``.
        name: The bridge's name on the bus, as its user is permitted; empty for a new one at each
            start.
        api_url: Where the Bot API is.
        webhook_url: Public address, behind which Telegram reaches ``host`` and ``port``, for bots
            that have their updates sent; empty: nothing is listened to.
        host: Address to listen on.
        port: Port to listen on.
        max_turns: Turns at once, of all chats.
        lane: Messages of one chat that may wait while another one is answered.
        claim_s: How long a turn waits for workers that have taken it.
        patience_s: How long a message waits for workers to be there and free.
        stall_s: Longest silence of workers.
        deliver_s: How long an answer is tried to be sent while the Bot API cannot be reached.
        max_voice_s: Longest voice message, in seconds.
        max_file_bytes: Largest file that is fetched.
        user_messages_per_min: Messages of one person that are answered in a minute, *Again* and
            *Speak* included; 0: no limit.
        codes_per_min: Link codes that one chat may try in a minute.
    """

    token: str = ""
    bots_file: str = ""
    name: str = ""
    api_url: str = "https://api.telegram.org"
    webhook_url: str = ""
    host: str = "127.0.0.1"
    port: int = 8081
    max_turns: int = 64
    lane: int = 8
    claim_s: float = 15.0
    patience_s: float = 60.0
    stall_s: float = 90.0
    deliver_s: float = 600.0
    max_voice_s: float = 300.0
    max_file_bytes: int = 20 << 20
    user_messages_per_min: int = 20
    codes_per_min: int = 5

    def __post_init__(self) -> None:
        """Refuse what is no name on the bus and no address of the web."""
        if self.name and not is_token(self.name):
            raise ValueError("must be letters, digits, - or _ - at `$.name`")
        if self.token and self.bots_file:
            raise ValueError("is not used beside bots_file: write it there - at `$.token`")
        for field in ("api_url", "webhook_url"):
            url = getattr(self, field)
            if url and urlsplit(url).scheme not in ("http", "https"):
                raise ValueError(f"must begin with https:// - at `$.{field}`")
