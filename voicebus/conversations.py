"""Conversations across sessions, for edges and bridges: begin one, join one, make and use codes.

A conversation has an id, and sessions belong to it: one after the other or at the same time, on any
channel. Its history (what was heard) and its settings (instructions, voice, language) follow it.

An edge or a bridge says which conversation a session belongs to with the ``join`` of its
:class:`~schemas.turn.ConverseRequest`, made by one of four functions here::

    start(owner)            a new one, with a new id
    own(secret, owner)      the one of this owner, the same id at each call: begun or gone on with
    join(id, owner)         one that is there, by an owner of it
    redeem(code, owner)     one that is there, by a link code; its bearer becomes an owner

The turn worker answers once the session has its history: with
:class:`~schemas.conversation.Joined`, which names the conversation and the settings, or with a
:class:`~schemas.failure.Failure` of turn 0, the end of the session. :func:`joined` waits for it::

    async with sessions.open(KIND) as session:
        await session.converse(ConverseRequest(settings=…, join=own(bot_token, owner(…))))
        answer = await joined(session, claim_s)
        codes = Codes(session)
        await codes.make()            # later comes a LinkMade among the session's messages:
        code = codes.made(link_made)  # "K7QF-3MXZ", good for one session and some minutes

Who an owner is, the channel says: it is trusted with that as it is with its callers. See ADR 24.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from schemas.conversation import Join, Joined, LinkAsked, LinkMade
from schemas.event import Event
from schemas.failure import Failure
from voicebus.errors import (
    BusUnavailable,
    ConversationUnknown,
    LimitReached,
    LinkRefused,
    NoWorker,
    PersonaUnknown,
)
from voicebus.sessions.session import Session

ANYONE: Final = ("anyone", "")
"""Channel and identity of callers who need no key: whoever has a conversation's id is its owner."""

_ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""Without 0 and O, 1, I and L, which people take for each other."""

_CODE_CHARACTERS: Final = 8
"""31 to the power of 8. Who tries a thousand a minute, for the five minutes that a thousand others
are good, finds one of them once in 170,000 such efforts."""

_MOST_WAITING: Final = 16
_ID: Final = re.compile(r"c[0-9a-f]{32}")


class Code(Struct, frozen=True):
    """A link code.

    Fields
        text: As people read and type it: ``K7QF-3MXZ``.
        expires_s: For how long it is good, from now on.
    """

    text: str
    expires_s: int


def owner(channel: str, identity: str) -> str:
    """Return the digest by which an owner of conversations is known.

    Args:
        channel: Kind of identity: ``key``, ``telegram``, ``phone`` … The same for all processes
            that know the same people.
        identity: What the channel has verified: the id of an API key, a chat, a caller's number.
    """
    return hashlib.sha256(f"{channel}:{identity}".encode()).hexdigest()


def start(owned_by: str) -> Join:
    """Return how a session begins a conversation. Its id is in the result."""
    return Join(owner=owned_by, conversation=f"c{secrets.token_hex(16)}", begins=True)


def own(secret: str, owned_by: str) -> Join:
    """Return how a session goes on with the one conversation of an owner, or begins it.

    For a channel on which each chat is a conversation: nothing needs to be remembered of it.

    Args:
        secret: What only this channel knows, such as a bot's token. Without it nobody can tell
            the id.
        owned_by: The owner.
    """
    digest = hmac.new(secret.encode(), owned_by.encode(), "sha256").hexdigest()
    return Join(owner=owned_by, conversation=f"c{digest[:32]}", begins=True)


def join(conversation: str, owned_by: str) -> Join:
    """Return how a session joins a conversation of its owner's.

    Raises:
        ConversationUnknown: That is no id.
    """
    if _ID.fullmatch(conversation) is None:
        raise ConversationUnknown
    return Join(owner=owned_by, conversation=conversation)


def redeem(code: str, owned_by: str) -> Join:
    """Return how a session joins a conversation with a link code, as somebody typed it.

    Count the tries of each caller first: :class:`voicebus.guesses.Guesses`.

    Raises:
        LinkRefused: That is no code.
    """
    plain = plain_code(code)
    if len(plain) != _CODE_CHARACTERS or not set(plain) <= set(_ALPHABET):
        raise LinkRefused
    return Join(owner=owned_by, code=plain)


def plain_code(text: str) -> str:
    """Return a code without what people put between and around its characters."""
    return re.sub(r"[\s\-–—.]", "", text).upper()


def digest_of(code: str) -> str:
    """Return by what a code is known on the bus."""
    return hashlib.sha256(f"link:{plain_code(code)}".encode()).hexdigest()


async def joined(
    session: Session, wait_s: float, take: Callable[[Event], None] = lambda _: None
) -> Joined:
    """Wait until a session that asked for it has joined its conversation and its persona.

    Args:
        session: It has asked for a worker, with a ``join``, a persona or both.
        wait_s: How long to wait.
        take: Gets what else comes meanwhile.

    Raises:
        ConversationUnknown: There is no such conversation, or it is not this owner's.
        PersonaUnknown: There is no such persona, or it cannot be used.
        LinkRefused: The code was never made, is used or too old.
        LimitReached: ``too_many_codes`` were tried here.
        NoWorker: Nobody took the session in time.
        BusUnavailable: The session ends, or the bus cannot serve it.
    """
    try:
        async with asyncio.timeout(wait_s):
            async for _, event in session.inbox:
                match event:
                    case Joined():
                        return event
                    case Failure(turn=0, code=ConversationUnknown.code):
                        raise ConversationUnknown(event.message)
                    case Failure(turn=0, code=PersonaUnknown.code):
                        raise PersonaUnknown(event.message)
                    case Failure(turn=0, code=LinkRefused.code):
                        raise LinkRefused(event.message)
                    case Failure(turn=0, code=LimitReached.code):
                        raise LimitReached(event.message, "too_many_codes")
                    case Failure(turn=0):
                        raise BusUnavailable(event.message)
                take(event)
    except TimeoutError:
        raise NoWorker("no worker is free to take this session; try again later") from None
    raise BusUnavailable("this server is shutting down")


class Codes:
    """The link codes that one session's client asks for. Only this process ever knows them.

    Args:
        session: It has joined a conversation.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._asked: dict[str, str] = {}

    async def make(self) -> None:
        """Ask for a code. A :class:`LinkMade` comes, or a Failure ``conversation_unknown``.

        Raises:
            BusUnavailable: The connection is gone, and too much waits for the next one.
        """
        code = "".join(secrets.choice(_ALPHABET) for _ in range(_CODE_CHARACTERS))
        if len(self._asked) >= _MOST_WAITING:
            del self._asked[next(iter(self._asked))]
        self._asked[digest_of(code)] = code
        await self._session.tell(LinkAsked(digest=digest_of(code)))

    def made(self, event: LinkMade) -> Code | None:
        """Return the code that is good now; None for one that was not asked for here."""
        code = self._asked.pop(event.digest, None)
        if code is None:
            return None
        half = _CODE_CHARACTERS // 2
        return Code(f"{code[:half]}-{code[half:]}", event.expires_s)
