"""Conversations that outlive a session: what was heard in them, and how others come in."""

from __future__ import annotations

from msgspec import Struct

from schemas.event import Event
from schemas.persona import Traits
from schemas.settings import SessionSettings


class Join(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which conversation a session belongs to, as its edge or bridge asks for it.

    Made by :mod:`voicebus.conversations`.

    Fields
        owner: Digest of whoever the channel says it is.
        conversation: The conversation's id; empty where a code names it.
        code: A link code, instead of the id.
        begins: Whether the conversation is begun if there is none.
    """

    owner: str
    conversation: str = ""
    code: str = ""
    begins: bool = False


class Exchange(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One turn of a conversation, as it was heard.

    Fields
        session: In which session; its first name, should it have moved between edges.
        turn: Its number there.
        user: What the user said; empty where the assistant spoke by itself.
        assistant: What the user heard of the assistant's words.
    """

    session: str
    turn: int
    user: str = ""
    assistant: str = ""


class ConversationKept(Event, frozen=True, kw_only=True, tag="conversation.kept"):
    """All of a conversation: each one replaces the one before, with compare-and-set.

    One without owners is deleted: its id is as good as new.

    Fields
        owners: Digests of those who may join it with its id; the first one began it.
        settings: What follows it from session to session; everything else is the default.
        exchanges: Its newest turns, in the order in which they ended.
        is_cut: Whether there were older ones.
        forgotten: How often all of it was deleted. Who joined before is not in it any more.
        facts: What is to be remembered of the user, oldest first.
        summary: What was said before the newest turns, in short, as a session told it last.
    """

    owners: tuple[str, ...]
    settings: SessionSettings = SessionSettings()
    exchanges: tuple[Exchange, ...] = ()
    is_cut: bool = False
    forgotten: int = 0
    facts: tuple[str, ...] = ()
    summary: str = ""


class LinkKept(Event, frozen=True, kw_only=True, tag="conversation.link"):
    """A link code: good for one session, until the stream drops it. Its subject has the digest.

    Fields
        conversation: Where it leads.
        session: Place (``edge.session``) of the session that has used it; empty: nobody yet.
    """

    conversation: str
    session: str = ""


class Joined(Event, frozen=True, kw_only=True, tag="conversation.joined"):
    """The session belongs to a conversation, or to a persona, or to both now.

    Fields
        conversation: Its id; empty: it belongs to none. Whoever is an owner joins it with that
            again.
        settings: How the session is: what its opening said, and where it said nothing, what the
            conversation says, and then the persona.
        exchanges: How many turns of it the model knows from other sessions.
        forgotten: How often the conversation had been deleted by then.
        persona: Who answers in it to its end, whatever becomes of the persona; None: nobody in
            particular.
    """

    conversation: str
    settings: SessionSettings = SessionSettings()
    exchanges: int = 0
    forgotten: int = 0
    persona: Traits | None = None


class LinkAsked(Event, frozen=True, kw_only=True, tag="conversation.link_asked"):
    """The client wants a link code, with which another session joins its conversation.

    Fields
        digest: Of the code, which only the edge and the client know.
    """

    digest: str


class LinkMade(Event, frozen=True, kw_only=True, tag="conversation.link_made"):
    """A link code is good from now on.

    Fields
        digest: Of the code.
        expires_s: For how long.
    """

    digest: str
    expires_s: int
