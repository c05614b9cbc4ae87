"""How a session of /ws begins: for a new client, or for one that had it at another edge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace

from edge import wire
from edge.known import Known
from edge.playback import Playback
from edge.resumption import NOTHING, Ticket, new_ticket
from schemas.audio import CALLER_RATE_HZ
from schemas.conversation import Join, Joined
from schemas.turn import ConverseRequest, Return
from voicebus import conversations
from voicebus.errors import ProtocolError, SessionExpired

Terms = Callable[[wire.Start], wire.Start]
"""How a session is to be, whatever its client asked for."""


class Opening(Struct, frozen=True):
    """What is known of a session before it is open.

    Fields
        start: How it is to be.
        token: What its client proves with that it is its own; empty for one that does not come
            back.
        ticket: Knows the token again.
        resume: How far it is, if it was at another edge.
        join: The conversation that it asks for.
        conversation: The id of the one that it has joined.
    """

    start: wire.Start
    token: str = ""
    ticket: Ticket | None = None
    resume: wire.Resume | None = None
    join: Join | None = None
    conversation: str = ""

    @property
    def at(self) -> wire.At:
        """How far another edge had taken what the client sent."""
        return NOTHING if self.resume is None else self.resume.at

    @property
    def is_awaited(self) -> bool:
        """Whether it is the turn worker that says how the session is."""
        is_new = self.resume is None
        return is_new and (self.join is not None or bool(self.start.persona))

    @property
    def known_by(self) -> str:
        """By what turn workers know the client again; empty where it can come back here only."""
        return self.ticket.text if self.ticket is not None and _may_move(self.start) else ""

    def known(self) -> Known:
        """Return what the client is not told again."""
        return Known() if self.resume is None else Known(self.resume.has)

    def metadata(self, session: str, resume_s: float) -> dict[str, Any]:
        """Return what the client is told of its session.

        Args:
            session: The session's name.
            resume_s: How long it waits for its client.
        """
        coming_back = {"resume_token": self.token, "resume_s": resume_s} if self.token else {}
        return {
            "type": "metadata",
            "protocol": wire.PROTOCOL,
            "session_id": session,
            "audio_info": {
                "format": "pcm_s16le",
                "sample_rate": self.start.output.sample_rate,
                "channels": 1,
            },
            **({"conversation_id": self.conversation} if self.conversation else {}),
            **coming_back,
        }

    def joined(self, answer: Joined) -> Opening:
        """Return the same once it has its conversation, whose settings it takes over."""
        start = replace(self.start, **asdict(answer.settings))
        return replace(self, start=start, conversation=answer.conversation)

    def request(self) -> ConverseRequest:
        """Return what a turn worker is asked."""
        start, resume = self.start, self.resume
        returns = None
        if resume is not None:
            returns = Return(
                session=resume.session_id,
                token=resume.token,
                utterance=resume.has.utterance,
                turn=resume.has.turn,
            )
        return ConverseRequest(
            settings=start.settings(),
            output_rate_hz=start.output.sample_rate,
            speak=start.output.audio,
            resumes=returns,
            join=self.join,
            transfers=True,
        )

    def playback(self) -> Playback | None:
        """Follow what is heard where it matters: in speech, while the caller may speak."""
        return Playback() if _is_live(self.start) else None


def opening(first: object, max_session_s: float, owned_by: str, terms: Terms) -> Opening:
    """Return how a session begins with a client's first message.

    Args:
        first: The message, or a frame of a client that leaves all to the server.
        max_session_s: Longest session of this edge.
        owned_by: Who the client is, for its conversations.
        terms: What is made of the client's wishes.

    Raises:
        ConversationUnknown: It wants to join what is no conversation.
        LinkRefused: It brings what is no code.
        SessionExpired: The client wants to go on with a session that cannot come here.
        ProtocolError: It has sent more audio than a session may have.
    """
    resume = first if isinstance(first, wire.Resume) else None
    asked = first if isinstance(first, wire.Start) else wire.Start()
    if resume is not None:
        if resume.start is None or not _may_move(resume.start):
            raise SessionExpired
        if resume.at.samples > max_session_s * CALLER_RATE_HZ:
            raise ProtocolError("no session has so many samples - at `$.at.samples`", "bad_field")
        asked = resume.start
    start = terms(asked).within(max_session_s)
    token, ticket = new_ticket() if start.resume else ("", None)
    return Opening(start, token, ticket, resume, _join(start, owned_by) if resume is None else None)


def _join(start: wire.Start, owned_by: str) -> Join | None:
    if start.link_code:
        return conversations.redeem(start.link_code, owned_by)
    if start.conversation == wire.NEW:
        return conversations.start(owned_by)
    return conversations.join(start.conversation, owned_by) if start.conversation else None


def _is_live(start: wire.Start) -> bool:
    return start.output.medium is wire.Medium.SPEECH and start.turn_taking == "pause"


def _may_move(start: wire.Start) -> bool:
    # An answer that nobody follows while it is heard may be over before the client is back.
    return start.resume and _is_live(start)
