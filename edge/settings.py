"""Settings of the edge: ``VOICEBUS_EDGE_…``."""

from __future__ import annotations

import ipaddress

from msgspec import Struct

from schemas.settings import Persona
from subjects.streams import ROLES
from subjects.tokens import is_token
from voicebus.keys import Allowance

SCOPE = "EDGE_"


class EdgeSettings(Struct, frozen=True, kw_only=True):
    """Where the edge listens and what it allows.

    Fields
        host: Address to listen on.
        port: Port to listen on.
        name: The edge's name, a token of all its subjects, as its user on the bus is permitted;
            empty for a new one at each start.
        max_sessions: Sessions at once.
        max_session_s: Longest session.
        max_file_s: Longest file, in decoded seconds.
        max_upload_bytes: Largest body of POST /interact.
        uploads_bytes: Bytes of such bodies that are kept at once, of all callers; 0: no limit.
        upload_s: How long its upload may take; each 16 KiB that came give a second more.
        max_frame_bytes: Largest frame of /ws, or message in several; beyond it the connection is
            closed with 1009.
        ahead_s: How far a client's audio may run ahead of real time before reading slows down.
        outbox_bytes: How much may wait for a client that reads slowly.
        claim_s: How long a session waits for workers.
        resume_s: How long a session waits for a client whose connection broke, if that client asked
            for it.
        origins: Web origins besides the edge's own that may open /ws, separated by commas; ``*``
            for all.
        keys_file: The API keys, as ``voicebus keys`` writes them; empty for ``keys.json`` in the
            user's data folder. Where the file exists, nobody comes in without a key.
        anyone: Serve everybody without a key, though others than this machine can come here.
        proxies: Addresses and networks of the proxies in front of the edge, separated by commas:
            their X-Forwarded-For is believed, and nobody else's.
        needs: Roles without whose workers no session is opened, separated by commas.
        idle_s: How long a client may send nothing.
        handshake_s: How long the head of a request may take.
        messages_per_s: JSON messages that a connection may send, ten seconds' worth of them at
            once; beyond it they are read more slowly. 0: no limit, as for all that follow.
        frames_per_s: The same for audio frames.
        address_sessions: Sessions at once from one address. This machine's own is not limited.
        address_connections: Connections and requests at once from one address.
        address_connections_per_min: Connections and requests in a minute from one address.
        caller_sessions: Sessions at once of one caller: a key, or an address that needs none.
        caller_connections_per_min: Connections and requests in a minute of one caller.
        caller_audio_s_per_min: Seconds of audio in a minute of one caller.
        caller_turns_per_min: Turns in a minute of one caller.
        caller_tokens_per_min: Tokens of replies in a minute of one caller.
        persona: Who answers in sessions of /ws that name nobody; empty for nobody in particular.
        codes_per_min: Link codes that one caller, or one address, may try in a minute.
        session_turns_per_min: Turns in a minute of one session.
        session_tokens_per_min: Tokens of replies in a minute of one session.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    name: str = ""
    max_sessions: int = 500
    max_session_s: float = 3_600.0
    max_file_s: float = 600.0
    max_upload_bytes: int = 25 << 20
    uploads_bytes: int = 256 << 20
    upload_s: float = 30.0
    max_frame_bytes: int = 16 << 20
    ahead_s: float = 60.0
    outbox_bytes: int = 8 << 20
    claim_s: float = 10.0
    resume_s: float = 60.0
    origins: str = ""
    keys_file: str = ""
    anyone: bool = False
    proxies: str = ""
    needs: str = "stt,turn,llm,tts"
    idle_s: float = 600.0
    handshake_s: float = 10.0
    messages_per_s: float = 50.0
    frames_per_s: float = 500.0
    address_sessions: int = 100
    address_connections: int = 200
    address_connections_per_min: int = 300
    caller_sessions: int = 100
    caller_connections_per_min: int = 300
    caller_audio_s_per_min: int = 7200
    caller_turns_per_min: int = 600
    caller_tokens_per_min: int = 100_000
    persona: Persona = ""
    codes_per_min: int = 10
    session_turns_per_min: int = 120
    session_tokens_per_min: int = 20_000

    def __post_init__(self) -> None:
        """Refuse what is no name on the bus, no role, and no address of a proxy."""
        if self.name and not is_token(self.name):
            raise ValueError("must be letters, digits, - or _ - at `$.name`")
        if 0 < self.uploads_bytes < self.max_upload_bytes:
            raise ValueError("must be at least max_upload_bytes - at `$.uploads_bytes`")
        if unknown := set(listed(self.needs)) - set(ROLES):
            raise ValueError(f"there is no role {min(unknown)} - at `$.needs`")
        for proxy in listed(self.proxies):
            try:
                ipaddress.ip_network(proxy)
            except ValueError as err:
                raise ValueError(f"{err} - at `$.proxies`") from err

    def of_address(self) -> Allowance:
        """Return the share of an address."""
        return Allowance(
            sessions=self.address_sessions, connections_per_min=self.address_connections_per_min
        )

    def of_caller(self) -> Allowance:
        """Return the share of a caller."""
        return Allowance(
            sessions=self.caller_sessions,
            connections_per_min=self.caller_connections_per_min,
            audio_s_per_min=self.caller_audio_s_per_min,
            turns_per_min=self.caller_turns_per_min,
            tokens_per_min=self.caller_tokens_per_min,
        )

    def of_session(self) -> Allowance:
        """Return the share of a session."""
        return Allowance(
            turns_per_min=self.session_turns_per_min, tokens_per_min=self.session_tokens_per_min
        )


def listed(text: str) -> tuple[str, ...]:
    """Return what a setting lists, separated by commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())
