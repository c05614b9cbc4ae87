"""What a bridge to Telegram must not forget: who answers for a bot, what came, how a chat is to be.

Not of any session. Each subject keeps its newest message, and each write names the one that it
replaces, so that of two who want to write one does.
"""

from __future__ import annotations

from schemas.event import Event


class BotOwned(Event, frozen=True, kw_only=True, tag="telegram.owner"):
    """A process answers for a bot: it alone asks Telegram for updates, and deals with them.

    Written again while it is so. Silence of some seconds lets another process take its place.

    Fields
        owner: The process, by its name on the bus; empty when it has left.
        unsettled: Stream sequence of the oldest update that may not be settled: who comes next
            looks from there on.
    """

    owner: str
    unsettled: int = 0


class UpdateAccepted(Event, frozen=True, kw_only=True, tag="telegram.update"):
    """Something happened in a chat of the bot, and will be dealt with. Stored once.

    Fields
        payload: The update in JSON, as Telegram sent it.
        shown: Number of the message that already shows the beginning of the answer; 0 for none.
    """

    payload: bytes
    shown: int = 0


class UpdateAnswering(Event, frozen=True, kw_only=True, tag="telegram.answering"):
    """The answer to an update is on its way to Telegram: nobody else sends one.

    Fields
        owner: Who sends it, by its name on the bus.
    """

    owner: str


class UpdateSettled(Event, frozen=True, kw_only=True, tag="telegram.settled"):
    """An update has been dealt with. That it was known before is known by this.

    Fields
        outcome: ``answered``, ``ignored``, ``refused``, ``failed``, or ``unknown`` where the
            process that was about to send the answer was lost.
    """

    outcome: str


class ChatKept(Event, frozen=True, kw_only=True, tag="telegram.chat"):
    """What was chosen in a chat, and what it goes on with.

    Fields
        answers: ``text``, ``voice``, ``both``, or ``same`` to answer as was asked; empty for the
            bot's way.
        voice: Name of the voice; empty for the persona's.
        language: ISO 639-1 code of what is spoken; empty for the bot's.
        persona: Name of the persona; empty for the bot's own.
        conversation: The conversation that the chat goes on with; empty before its first turn.
        asked: What was asked last, to ask it again.
    """

    answers: str = ""
    voice: str = ""
    language: str = ""
    persona: str = ""
    conversation: str = ""
    asked: str = ""
