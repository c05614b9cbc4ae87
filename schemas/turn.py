"""The conversation: who has the floor, and what becomes of each turn."""

from __future__ import annotations

from msgspec import Struct

from schemas.conversation import Join
from schemas.event import Event
from schemas.settings import SessionSettings


class Return(Struct, frozen=True, kw_only=True):
    """A client goes on with a session that another edge had.

    Fields
        session: The session.
        token: What proves that it is the client's.
        utterance: Number of the last final that the client has.
        turn: Number of the last turn of whose beginning it knows.
    """

    session: str
    token: str
    utterance: int = 0
    turn: int = 0


class ConverseRequest(Event, frozen=True, kw_only=True, tag="turn.request"):
    """Job: own this session's conversation until the session closes.

    Fields
        settings: How the session is to be.
        output_rate_hz: Sample rate of the reply's audio.
        speak: False for a session that wants text only.
        resumes: The session that this one goes on with; None for one that begins.
        life: The edge's life in which it asks: it knows nothing of what it asked in another.
        automatic: False for a client that keeps the conversation itself: nothing is answered but
            what it asks with :class:`~schemas.session.AnswerAsked`.
        join: The conversation that the session belongs to; None for one that nobody keeps. Of a
            session that comes from another edge it is in the log.
        model: Model that answers; empty for the worker's default.
        max_tokens: Upper bound of each reply; 0 for the worker's default.
        temperature: Sampling temperature; negative for the worker's default.
        transfers: True where whoever is behind the edge is told with whom the session is to go on
            (``HangUp.to``); elsewhere the model is not offered to pass it on.
    """

    settings: SessionSettings = SessionSettings()
    output_rate_hz: int = 24_000
    speak: bool = True
    resumes: Return | None = None
    life: str = ""
    automatic: bool = True
    join: Join | None = None
    model: str = ""
    max_tokens: int = 0
    temperature: float = -1.0
    transfers: bool = False


class TurnStarted(Event, frozen=True, kw_only=True, tag="turn.started"):
    """A turn begins: the caller's words were taken as one, or the assistant speaks by itself.

    What this ``revision`` of the turn has brought forth so far, and only that, may now be heard.

    Fields
        text: The caller's words in this turn; empty when the assistant speaks by itself.
        speech_end_ms: Audio time of the last speech sample; -1 when they were not spoken.
        typed: True when they were typed.
        said: What the assistant says without asking the language model: a greeting, a prompt after
            silence, or an answer that it knows.
        speculated: True when the answer was begun before it was certain that the turn was over.
        utterance: Number of the last utterance that it takes into account; 0 for none. All up to
            this one are dealt with: who takes the session over does not answer them again.
        control: ``seq`` of the last typed text or key that it takes into account, or of the
            :class:`~schemas.session.AnswerAsked` that it answers; -1 for none.
    """

    text: str
    speech_end_ms: int = -1
    typed: bool = False
    said: str = ""
    speculated: bool = False
    utterance: int = 0
    control: int = -1


class TurnEnded(Event, frozen=True, kw_only=True, tag="turn.ended"):
    """A turn is over: its reply was heard, or nothing more of it will be. Nothing of it follows.

    Fields
        outcome: ``completed``, ``interrupted`` (the caller spoke or asked to stop),
            ``failed`` (a :class:`~schemas.failure.Failure` came before).
        reply: The assistant's words that stay in the history: those that were heard.
        heard_ms: How much of the reply's audio was heard; -1 when there was none, or nobody knows.
        elsewhere: It ended where the session was before: nothing of its reply is told here.
    """

    outcome: str
    reply: str = ""
    heard_ms: int = -1
    elsewhere: bool = False


class TurnCancelled(Event, frozen=True, kw_only=True, tag="turn.cancelled"):
    """Order to all who work on this turn: stop at once. Travels on a subject of its own.

    It is recorded for those whose job waited while it was given.
    """


class ReplyPaused(Event, frozen=True, kw_only=True, tag="turn.reply_paused"):
    """The caller speaks while the reply is heard: stop playing, but keep what is left of it."""


class ReplyResumed(Event, frozen=True, kw_only=True, tag="turn.reply_resumed"):
    """It was no interruption: go on playing where the reply was paused."""


class HangUp(Event, frozen=True, kw_only=True, tag="turn.hang_up"):
    """The session is to end, once what is being said has been heard.

    Fields
        reason: ``silence``, ``limit``, ``forgotten``: its conversation was deleted, ``assistant``:
            the language model ended it, or ``transfer``: it goes on with somebody else.
        to: With whom; for a transfer.
    """

    reason: str
    to: str = ""


class NothingHeard(Event, frozen=True, kw_only=True, tag="turn.nothing_heard"):
    """The caller ended the audio and there were no words in it: there is nothing to answer.

    Fields
        end_offset: Where the audio ended.
    """

    end_offset: int = 0


class SessionMoved(Event, frozen=True, kw_only=True, tag="turn.moved"):
    """The session goes on at another place. The log of this one ends here, and so do its claims.

    Of several, the first one counts.

    Fields
        edge: The edge to which the client has come.
        session: The session's name there.
        until: Stream sequence from which on nothing counts that workers wrote: they had taken the
            edge's end for the caller's silence. 0 where all counts.
    """

    edge: str
    session: str
    until: int = 0


class Resumed(Event, frozen=True, kw_only=True, tag="turn.resumed"):
    """The session goes on here. The first that a turn worker says at its new place.

    Fields
        edge: The edge where it was before.
        session: Its name there.
    """

    edge: str
    session: str
