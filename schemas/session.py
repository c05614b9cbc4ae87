"""A session's life, and what the client says besides audio."""

from __future__ import annotations

from schemas.event import Event
from schemas.llm import GenerateRequest
from schemas.tts import SpeakRequest


class SessionOpened(Event, frozen=True, kw_only=True, tag="session.opened"):
    """A client came. The first message of a session's log.

    Fields
        client: Kind of client: ``websocket``, ``interact`` …
        ticket: SHA-256, in hexadecimal, of the token with which the client may go on at any edge;
            empty for a client that will not come back.
    """

    client: str = ""
    ticket: str = ""


class SessionClosed(Event, frozen=True, kw_only=True, tag="session.closed"):
    """The client is gone; all who hold a claim on the session finish it.

    Fields
        reason: ``client`` (it said goodbye), ``lost`` (the connection broke), ``limit``,
            ``silence``, ``shutdown`` or the code of an error.
    """

    reason: str = "client"


class ClientLost(Event, frozen=True, kw_only=True, tag="session.client_lost"):
    """The connection to the client broke, or it goes on at another edge: its session waits for it.

    That no audio comes meanwhile says nothing about the caller.
    """


class ClientReturned(Event, frozen=True, kw_only=True, tag="session.client_returned"):
    """The client is back, and sends what it has said since the connection broke."""


class UserText(Event, frozen=True, kw_only=True, tag="session.text"):
    """The user typed a turn instead of speaking it.

    Fields
        text: What was typed; never empty.
    """

    text: str


class AnswerAsked(Event, frozen=True, kw_only=True, tag="session.answer"):
    """The client asks for an answer now, and says to what.

    From a client that keeps the conversation itself: see ``automatic`` of
    :class:`~schemas.turn.ConverseRequest`. ``seq`` counts its answers.

    Fields
        generate: What the language model is asked; turn and revision are the turn worker's to say.
            One that is speculative may be begun, and is answered once it is asked for in earnest.
        speak: How the answer is spoken; None for one that is only written.
    """

    generate: GenerateRequest
    speak: SpeakRequest | None = None


class CancelAsked(Event, frozen=True, kw_only=True, tag="session.cancel"):
    """The client asks to stop the running reply, and those that it asked for before this."""


class ForgetAsked(Event, frozen=True, kw_only=True, tag="session.forget"):
    """The client wants its conversation deleted. All sessions that belong to it end."""


class Played(Event, frozen=True, kw_only=True, tag="session.played"):
    """How much of a turn's audio the user has heard so far.

    Fields
        played_ms: Milliseconds of the turn's audio that have left the speaker.
        estimated: True when the client does not say it and the edge's clock was asked.
    """

    played_ms: int
    estimated: bool = False


class PlaybackEnded(Event, frozen=True, kw_only=True, tag="session.playback_ended"):
    """Nothing more of a turn will be heard: it was played to its end, or dropped.

    Fields
        played_ms: Milliseconds of the turn's audio that have left the speaker, all in all.
        estimated: True when the client does not say it and the edge's clock was asked.
    """

    played_ms: int
    estimated: bool = False


class KeysPressed(Event, frozen=True, kw_only=True, tag="session.keys"):
    """The caller pressed keys of a telephone (DTMF, RFC 4733).

    Fields
        digits: ``0`` to ``9``, ``*``, ``#`` and ``A`` to ``D``; never empty.
    """

    digits: str


class TurnTakingSet(Event, frozen=True, kw_only=True, tag="session.turn_taking"):
    """From here on, turns end in another way: live speech and files may follow each other.

    Fields
        turn_taking: ``pause`` answers after each utterance; ``manual`` answers when the caller
            ends the audio.
    """

    turn_taking: str
