"""A Realtime session: a pure state machine.

It takes what the client says and what the workers say, and returns what to tell the client (dicts)
and what to publish (messages of the bus). It has no clock, no I/O and no knowledge of sockets. What
one call returns is to be carried out in its order, before the next call's.

The conversation is the client's: items are added, cut and deleted by their ids, so that it is kept
here, and each answer that is asked for carries what the model is to know. At most one response is
active; each has exactly one ``response.done``, and nothing of it follows that. Those that are no
part of the conversation wait behind an active one, and behind what the caller is owed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final

from edge.openai.realtime import client, dialect, told
from edge.openai.realtime.answering import Answering, Orders
from edge.openai.realtime.asking import Naming, listening_of, wanted_of
from edge.openai.realtime.caller import Caller
from edge.openai.realtime.errors import BadEvent
from edge.openai.realtime.hearing import Hearing
from edge.openai.realtime.idle import Idle
from edge.openai.realtime.items import Conversation
from edge.openai.realtime.session import JsonObject, Session
from edge.openai.realtime.sound import InputBuffer
from schemas.event import Event
from schemas.failure import Failure
from schemas.stt import TranscribeRequest
from voicebus.sessions.held import Held
from voicebus.sessions.order import Order

NewId = Callable[[str], str]
"""Makes an id that nobody has had, beginning with the given word."""

_NAMED_ALIKE: Final = Naming()


class Realtime:
    """The state of one session.

    Args:
        session: How it begins.
        session_id: Its id.
        expires_at: When it ends, in seconds since 1970.
        new_id: Makes ids.
        naming: What the workers call what the client names.
    """

    def __init__(
        self,
        session: Session,
        session_id: str,
        expires_at: int,
        new_id: NewId,
        naming: Naming = _NAMED_ALIKE,
    ) -> None:
        self._session = session
        self._session_id = session_id
        self._expires_at = expires_at
        self._new_id = new_id
        self._naming = naming
        self._conversation = Conversation()
        self._buffer = buffer = InputBuffer(session.audio.input.format)
        self._idle = Idle()
        hearing = Hearing(buffer, lambda: new_id("item"))
        self._answering = Answering(
            self._conversation, new_id("conv"), new_id, hearing.is_due, naming
        )
        self._caller = Caller(session, self._conversation, self._answering, hearing, buffer)
        self._order = Order()
        self._held = Held()

    @property
    def session(self) -> Session:
        """How the session is now."""
        return self._session

    @property
    def listening(self) -> TranscribeRequest:
        """How the recogniser is to listen, as the session is now."""
        return listening_of(self._session)

    @property
    def waits_for_words(self) -> bool:
        """Whether words of what was committed are still to come."""
        return self._caller.is_waiting

    @property
    def is_answering(self) -> bool:
        """Whether a response is active."""
        return self._answering.active is not None

    def open(self) -> Orders:
        """Return what is done first."""
        return self._stamped([{"type": "session.created", "session": self._described()}])

    def take(self, event: client.AnyClientEvent) -> Orders:
        """Take what the client says; what cannot be done is answered with an error."""
        try:
            return self._settled(self.STEPS[type(event)](self, event))
        except BadEvent as err:
            return self.refuse(err, event.event_id or "")

    def hear(self, data: bytes) -> Orders:
        """Take audio of the caller, in the session's input format."""
        orders = self._caller.append(data)
        if self.is_answering:
            return orders  # nobody expects the caller to speak
        silence = self._idle.over(self._session, self._buffer.end_ms)
        if silence is None or not self._session.answers_by_itself:
            return orders
        return self._settled([*orders, *self._caller.prompt(*silence)])

    def told(self, event: Event) -> Orders:
        """Take what a worker says; what is outdated or was here before changes nothing."""
        orders: Orders = []
        for ready in self._order.take(event):
            for let_through, _ in self._held.take(ready, 0.0):
                orders += self._on_event(let_through)
        return self._settled(orders)

    def refuse(self, err: BadEvent, event_id: str = "") -> Orders:
        """Tell the client what it did wrong; nothing else changes."""
        refused = told.error("invalid_request_error", err.reason, str(err))
        known_id = event_id or err.event_id
        refused["error"] |= {"param": err.param or None, "event_id": known_id or None}
        return self._stamped([refused])

    def refuse_answer(self, code: str, message: str) -> Orders:
        """The caller has used up its share: the active response fails."""
        return self._settled(self._answering.refuse(code, message))

    def give_up_words(self) -> Orders:
        """Words that are due did not come in time."""
        return self._settled(self._caller.give_up_words())

    def _settled(self, orders: Orders) -> Orders:
        """Return orders, and what follows once nothing else is being answered."""
        if self._caller.is_owed_an_answer and self._answering.active is None:
            self._caller.is_owed_an_answer = False
            orders = [*orders, *self._answer_caller()]
        orders = [*orders, *self._answering.next(), *self._bounded()]
        self._idle.follow(orders, self._buffer.end_ms, self._answering.played_ms)
        return self._stamped(orders)

    def _bounded(self) -> Orders:
        """Delete the oldest items: those of caller and answers come in any case."""
        orders: Orders = []
        while (spare := self._conversation.spare()) is not None:
            orders += self._deleted(spare)
        return orders

    def _deleted(self, item_id: str) -> Orders:
        self._conversation.remove(item_id)
        self._answering.forget(item_id)
        return [{"type": "conversation.item.deleted", "item_id": item_id}]

    def _stamped(self, orders: Orders) -> Orders:
        for order in orders:
            if isinstance(order, dict):
                order.setdefault("event_id", self._new_id("event"))
        return orders

    def _described(self) -> JsonObject:
        return self._session.described(self._session_id, self._expires_at)

    def _on_event(self, event: Event) -> Orders:
        orders = self._caller.take(event)
        if orders is not None:
            return orders
        if isinstance(event, Failure) and not event.turn:
            return [told.error("server_error", event.code, event.message)]
        return self._answering.take(event)

    def _answer_caller(self) -> Orders:
        try:
            return self._answering.create(wanted_of(self._session, None, self._conversation))
        except BadEvent as err:  # the client has deleted what was said
            return [told.error("invalid_request_error", err.reason, str(err))]

    def _on_update(self, event: client.SessionUpdate | client.TranscriptionUpdate) -> Orders:
        wanted = dialect.as_ga(event.session)
        if wanted.setdefault("type", self._session.type) != self._session.type:
            raise BadEvent(
                f"This is a session of the type '{self._session.type}'.", param="session.type"
            )
        changed = self._session.changed(wanted)
        self._expect_possible(changed)
        self._session = self._caller.effective(changed)
        rest = self._caller.change(self._session)
        return [*rest, {"type": "session.updated", "session": self._described()}]

    def _expect_possible(self, changed: Session) -> None:
        """Ask whether the workers can go along with a change."""
        model, voice = self._session.model, self._session.audio.output.voice
        if changed.type == "realtime" and changed.model != model:
            raise BadEvent(
                f"The model of a session is settled when it begins, and is '{model}' here. "
                "Connect with ?model= for another.",
                "model_settled",
                "session.model",
            )
        output = changed.audio.output
        if output.voice != voice:
            self._naming.expect_voice(output.voice_name, "session.audio.output.voice")

    def _on_output_clear(self, _: client.OutputClear) -> Orders:
        raise BadEvent(
            "Over a WebSocket the client plays the audio: there is no buffer here to clear.",
            "unsupported_event",
            "type",
        )

    def _on_item_create(self, event: client.ItemCreate) -> Orders:
        if self._conversation.is_full:
            raise BadEvent("The conversation is full: delete what is old.", "conversation_full")
        item = event.item.made_by_client(self._new_id("item"))
        return [*told.added(item, self._conversation.add(item, event.previous_item_id))]

    def _on_item_retrieve(self, event: client.ItemRetrieve) -> Orders:
        item = self._conversation.get(event.item_id)
        return [{"type": "conversation.item.retrieved", "item": item.told()}]

    def _on_item_delete(self, event: client.ItemDelete) -> Orders:
        return self._deleted(event.item_id)

    def _on_item_truncate(self, event: client.ItemTruncate) -> Orders:
        if event.content_index:
            raise BadEvent("A message has one part, of the index 0.", param="content_index")
        self._answering.truncate(event.item_id, event.audio_end_ms)
        return [
            {
                "type": "conversation.item.truncated",
                "item_id": event.item_id,
                "content_index": event.content_index,
                "audio_end_ms": event.audio_end_ms,
            }
        ]

    def _on_response_create(self, event: client.ResponseCreate) -> Orders:
        if self._session.type == "transcription":
            raise BadEvent("A transcription session answers nothing.", "unsupported_event", "type")
        wanted = wanted_of(self._session, event.response, self._conversation)
        if wanted.voice != self._session.audio.output.voice_name:
            self._naming.expect_voice(wanted.voice, "response.audio.output.voice")
        return self._answering.create(wanted)

    # By class, not by object: bound methods in an object are a cycle, which a session that is over
    # would leave to the collector.
    STEPS: ClassVar[dict[type[client.ClientEvent], Callable[[Realtime, Any], Orders]]] = {
        client.SessionUpdate: _on_update,
        client.TranscriptionUpdate: _on_update,
        client.Append: lambda self, event: self.hear(event.decoded()),
        client.Commit: lambda self, _: self._caller.commit(),
        client.Clear: lambda self, _: self._caller.clear(),
        client.OutputClear: _on_output_clear,
        client.ItemCreate: _on_item_create,
        client.ItemRetrieve: _on_item_retrieve,
        client.ItemDelete: _on_item_delete,
        client.ItemTruncate: _on_item_truncate,
        client.ResponseCreate: _on_response_create,
        client.ResponseCancel: lambda self, event: self._answering.cancel(event.response_id),
    }
    """What each event of the client leads to."""
