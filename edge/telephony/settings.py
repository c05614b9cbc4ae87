"""Settings of the telephony edge: ``VOICEBUS_TELEPHONY_…``."""

from __future__ import annotations

import ipaddress
import secrets
from typing import Final

import msgspec
from msgspec import Struct

from edge.settings import listed
from schemas.conversation import Join
from schemas.settings import SessionSettings, Silence
from subjects.streams import ROLES
from subjects.tokens import is_token
from voicebus.conversations import own, owner, redeem

SCOPE: Final = "TELEPHONY_"

_OF_NUMBERS: Final = "+0123456789"
_SHORTEST_NUMBER: Final = 3
SHORTEST_SECRET: Final = 16
"""Characters. The right one is let in however often was guessed: guessing has to be hopeless."""

_FROM_EXCHANGE: Final = ("persona", "language", "voice", "greeting", "instructions", "vocabulary")
"""What an exchange may choose for a call, by parameters of these names."""


class TelephonySettings(Struct, frozen=True, kw_only=True):
    """Where exchanges come in, and how a caller is answered.

    Fields
        host: Address to listen on for WebSockets.
        port: Port to listen on.
        audiosocket_host: Address to listen on for AudioSocket.
        audiosocket_port: Port to listen on; 0: AudioSocket is not served.
        audiosocket_networks: Addresses and networks that may come there, separated by commas.
        name: The edge's name on the bus, as its user is permitted; empty for a new one at each
            start.
        secret: What exchanges prove themselves with, 16 characters or more; empty where nothing but
            this machine can come here.
        twilio_auth_token: Checks the signatures of Twilio; with one, /twilio wants no secret.
        public_url: The address of this edge as Twilio has it, ``wss://…`` without a path; empty to
            take the name that it asks for.
        anyone: Serve everybody without a secret, though others than this machine can come here.
        proxies: Addresses and networks of the proxies in front, separated by commas.
        address_refusals_per_min: Wrong secrets and signatures in a minute from one address, before
            others of it are told to wait; 0: there is no limit. Who has the right one is let in.
        needs: Roles without whose workers no call is taken, separated by commas.
        max_calls: Calls at once.
        max_call_s: Longest call.
        max_frame_bytes: Largest frame of a WebSocket.
        handshake_s: How long an exchange may take to say what the call is.
        idle_s: How long it may send neither a tenth of a second of audio nor keys.
        claim_s: How long a call waits for workers.
        realtime: Whether its loop goes before all other processes of the machine, where the kernel
            allows it, so that audio is on time though models are at work on the same cores.
        comfort_dbfs: Loudness of the noise between replies, where an exchange needs a steady
            stream; -96 for silence.
        persona: Who answers; empty for nobody in particular.
        language: ISO 639-1 code of callers' language; empty to detect it.
        voice: Voice of the replies; empty for the worker's default.
        vocabulary: Names and words to expect, separated by commas.
        instructions: System prompt; empty for the worker's default.
        greeting: Said when a call begins; empty for nothing.
        prompt: Said when the caller says nothing; empty for nothing.
        prompt_after_s: After as long a silence; 0 for never.
        hang_up_after_s: The call ends after as long a silence; 0 for never.
        conversations_secret: With one, a call goes on with the conversation of its caller's number,
            which it makes the id of; the same for all telephony edges. Empty: each call is one of
            its own. Numbers can be forged: only where the exchange vouches for them.
    """

    host: str = "127.0.0.1"
    port: int = 8090
    audiosocket_host: str = "127.0.0.1"
    audiosocket_port: int = 0
    audiosocket_networks: str = "127.0.0.0/8,::1/128"
    name: str = ""
    secret: str = ""
    twilio_auth_token: str = ""
    public_url: str = ""
    anyone: bool = False
    proxies: str = ""
    address_refusals_per_min: int = 30
    needs: str = "stt,turn,llm,tts"
    max_calls: int = 200
    max_call_s: float = 3_600.0
    max_frame_bytes: int = 64 * 1024
    handshake_s: float = 5.0
    idle_s: float = 60.0
    claim_s: float = 10.0
    realtime: bool = True
    comfort_dbfs: float = -66.0
    persona: str = ""
    language: str = ""
    voice: str = ""
    vocabulary: str = ""
    instructions: str = ""
    greeting: str = ""
    prompt: str = ""
    prompt_after_s: float = 0.0
    hang_up_after_s: float = 0.0
    conversations_secret: str = ""

    def __post_init__(self) -> None:
        """Refuse what is no name on the bus, no secret, no role, no network and no session."""
        if self.name and not is_token(self.name):
            raise ValueError("must be letters, digits, - or _ - at `$.name`")
        if 0 < len(self.secret) < SHORTEST_SECRET:
            raise ValueError(f"must have {SHORTEST_SECRET} characters or more - at `$.secret`")
        if unknown := set(listed(self.needs)) - set(ROLES):
            raise ValueError(f"there is no role {min(unknown)} - at `$.needs`")
        for field in ("audiosocket_networks", "proxies"):
            for network in listed(getattr(self, field)):
                try:
                    ipaddress.ip_network(network)
                except ValueError as err:
                    raise ValueError(f"{err} - at `$.{field}`") from err
        if self.public_url and not self.public_url.startswith(("wss://", "ws://")):
            raise ValueError("must begin with wss:// - at `$.public_url`")
        self.session({})

    def conversation_of(self, caller: str, code: str = "") -> Join | None:
        """Return how a call joins the conversation of a code, or else of its caller.

        Args:
            caller: Number of who calls; None is to be joined where it is withheld.
            code: A link code that the exchange passes on; empty: none.

        Raises:
            LinkRefused: That is no code.
        """
        digits = "".join(character for character in caller if character in _OF_NUMBERS)
        if code:
            return redeem(code, owner("phone", digits or secrets.token_hex(16)))
        if not self.conversations_secret or len(digits) < _SHORTEST_NUMBER:
            return None
        return own(self.conversations_secret, owner("phone", digits))

    def session(self, parameters: dict[str, str]) -> SessionSettings:
        """Return how a call's session is to be.

        Args:
            parameters: What the exchange passes on; what is not known of it is passed over.

        Raises:
            ValueError: A value does not fit: the message says which.
        """
        chosen = {name: getattr(self, name) for name in _FROM_EXCHANGE}
        chosen |= {name: parameters[name] for name in _FROM_EXCHANGE if name in parameters}
        silence = Silence(
            prompt=self.prompt,
            prompt_after_s=self.prompt_after_s,
            hang_up_after_s=self.hang_up_after_s,
        )
        given = {**chosen, "silence": silence, "max_session_s": self.max_call_s}
        return msgspec.convert(msgspec.to_builtins(given), SessionSettings)
