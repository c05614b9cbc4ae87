"""The responses of a session, one after the other: which one is active, and what it becomes. Pure.

Those that are no part of the conversation may be asked for while another is active: they wait.

::

    none ──create──> waiting for the user's words ──> asked ──its turn begins──> being made ──> none
                            └──cancel, interruption, failure: at once, from wherever it is──────┘
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from edge.openai.realtime.answer import Answer
from edge.openai.realtime.asking import Naming, order_of
from edge.openai.realtime.errors import BadEvent
from edge.openai.realtime.items import Conversation, Item
from edge.openai.realtime.response import COMPLETED, Ending, Wanted
from edge.openai.realtime.spoken import Spoken
from edge.openai.realtime.told import ServerEvent, error
from schemas.event import Event
from schemas.failure import Failure
from schemas.llm import GenerationDone, TokenDelta
from schemas.session import CancelAsked
from schemas.tts import ClauseSpoken, ReplyChunk, SpeechDone
from schemas.turn import TurnEnded, TurnStarted

Orders = list[ServerEvent | Event]
"""What is to be done: tell the client a dict, or publish a message."""

_REASONS: Final = {"length": "max_output_tokens", "content_filter": "content_filter", "cut": ""}
"""Why the model stopped before it was done, in the API's words."""

MOST_WAITING: Final = 8
"""More responses do not wait for the active one."""


class Answering:
    """The state of one session's responses.

    Args:
        conversation: What is answered, and where answers go.
        conversation_id: Its id.
        new_id: Makes an id that begins with the given word.
        is_due: Tells of a user's item whether its words are still to come.
        naming: What the workers call what the client names.

    Attributes:
        active: The response that is being made.
        played_ms: How long the audio of the last one plays that is done.
    """

    def __init__(
        self,
        conversation: Conversation,
        conversation_id: str,
        new_id: Callable[[str], str],
        is_due: Callable[[str], bool],
        naming: Naming,
    ) -> None:
        self._conversation = conversation
        self._conversation_id = conversation_id
        self._new_id = new_id
        self._is_due = is_due
        self._naming = naming
        self._asked = 0
        self._cancels = 0
        self._is_drafted = False
        self._spoken: dict[str, Spoken] = {}
        self._waiting: deque[Wanted] = deque()
        self.active: Answer | None = None
        self.played_ms = 0

    def create(self, wanted: Wanted) -> Orders:
        """Begin a response, or have it wait where it is no part of the conversation.

        Raises:
            BadEvent: There is one already, too many wait, or there is nothing to answer.
        """
        if self.active is None:
            return self._begin(wanted)
        if wanted.is_in_conversation:
            raise BadEvent(
                f"The conversation has an active response already: {self.active.id}. Wait until "
                "it is done, or cancel it.",
                "conversation_already_has_active_response",
            )
        if len(self._waiting) == MOST_WAITING:
            raise BadEvent(f"{MOST_WAITING} responses are waiting already.", "too_many_responses")
        order_of(wanted, self._items_of(wanted), self._naming, 0)  # what it says is wrong now
        self._waiting.append(wanted)
        return []

    def next(self) -> Orders:
        """Begin what has waited longest, once nothing is active."""
        orders: Orders = []
        while self._waiting and self.active is None:
            try:
                orders += self._begin(self._waiting.popleft())
            except BadEvent as err:  # the client has deleted what was to be answered
                orders.append(error("invalid_request_error", err.reason, str(err)))
        return orders

    def _begin(self, wanted: Wanted) -> Orders:
        answer = Answer(
            self._new_id("resp"), wanted, self._conversation, self._conversation_id, self._new_id
        )
        asked = self._ask(answer)
        self.active = answer
        return [*answer.created(), *asked]

    def draft(self, wanted: Wanted, said: Item) -> Orders:
        """Have an answer begun to what the user has said, should that be all of it.

        Nothing is told of it. When the same is asked for in earnest, it is there already.

        Args:
            wanted: How the response would be.
            said: The item that there will be.
        """
        if self.active is not None:
            return []
        items = (*self._conversation.items(), said)
        if any(self._is_due(item.id or "") for item in items):
            return []
        try:
            order = order_of(wanted, items, self._naming, self._asked)
        except BadEvent:  # it is told when the same is asked for in earnest
            return []
        self._asked += 1
        self._is_drafted = True
        return [replace(order, generate=replace(order.generate, speculative=True))]

    def drop_draft(self) -> Orders:
        """It was not all, or is not answered."""
        if not self._is_drafted:
            return []
        self._is_drafted = False
        return [self._cancel()]

    def words_known(self) -> Orders:
        """Words that were due have come: ask what waited for them."""
        answer = self.active
        if answer is None or answer.number >= 0:
            return []
        try:
            return self._ask(answer)
        except BadEvent as err:
            return self._end(Ending("failed", code=err.reason, message=str(err)))

    def words_missing(self, failure: Failure) -> Orders:
        """Words that were due do not come: what waits for them cannot be answered."""
        if self.active is None or self.active.number >= 0:
            return []
        return self._end(Ending("failed", code=failure.code, message=failure.message))

    def cancel(self, response_id: str | None) -> Orders:
        """The client wants no more of it.

        Raises:
            BadEvent: ``response_cancel_not_active``: it is over, or is another one.
        """
        answer = self.active
        if answer is None or response_id not in (None, answer.id):
            raise BadEvent(
                "Cancellation failed: no active response found.", "response_cancel_not_active"
            )
        return self._stop(Ending("cancelled", "client_cancelled"))

    def interrupt(self) -> Orders:
        """The caller speaks: what is said to the conversation ends."""
        answer = self.active
        if answer is None or not answer.wanted.is_in_conversation:
            return []
        return self._stop(Ending("cancelled", "turn_detected"))

    def refuse(self, code: str, message: str) -> Orders:
        """The caller may have no more of it."""
        return self._stop(Ending("failed", code=code, message=message)) if self.active else []

    def truncate(self, item_id: str, audio_end_ms: int) -> None:
        """The user heard this much of an item: the conversation keeps the words that were heard.

        Raises:
            BadEvent: It has no audio, or not as much.
        """
        item = self._conversation.get(item_id)
        spoken = self._spoken.get(item_id)
        if spoken is None:
            raise BadEvent(
                "Only an assistant's message with audio can be truncated.", param="item_id"
            )
        if audio_end_ms > spoken.sent_ms:
            raise BadEvent(
                f"Audio content of {spoken.sent_ms}ms is already shorter than {audio_end_ms}ms.",
                param="audio_end_ms",
            )
        known_ms = spoken.sent_ms if spoken.heard_ms < 0 else spoken.heard_ms
        spoken.heard_ms = min(audio_end_ms, known_ms)
        if item.status != "in_progress":
            self._conversation.change(item.saying(spoken.words()))

    def forget(self, item_id: str) -> None:
        """An item is deleted."""
        self._spoken.pop(item_id, None)

    def take(self, event: Event) -> Orders:
        """Take what the workers say of a turn; what is not about the active one is dropped."""
        answer = self.active
        if answer is None:
            return []
        if isinstance(event, TurnStarted):
            if not answer.turn and event.control == answer.number >= 0:
                answer.turn = event.turn
            return []
        if not answer.turn or event.turn != answer.turn:
            return []
        return self._made(answer, event)

    def _made(self, answer: Answer, event: Event) -> Orders:
        told: list[ServerEvent] = []
        match event:
            case TokenDelta():
                told += answer.begun_anew() if event.anew else []
                told += answer.words(event.text)
                for piece in event.tool_calls:
                    told += answer.call(piece)
            case ReplyChunk():
                told += answer.sound(event)
            case ClauseSpoken():
                told += answer.speaks(event)
            case GenerationDone():
                told += answer.written(event)
            case SpeechDone():
                answer.is_spoken = True
            case Failure():
                return self._end(Ending("failed", code=event.code, message=event.message))
            case TurnEnded():
                return self._end(_ending_of(event, answer))
        self._follow(answer)
        return [*told, *(self._end(_ending_of(None, answer)) if answer.is_made else [])]

    def _follow(self, answer: Answer) -> None:
        wanted = answer.wanted
        if answer.message_id and wanted.is_in_conversation and wanted.modality == "audio":
            self._spoken[answer.message_id] = answer.spoken

    def _ask(self, answer: Answer) -> Orders:
        items = self._items_of(answer.wanted)
        if any(self._is_due(item.id or "") for item in items):
            return []
        order = order_of(answer.wanted, items, self._naming, self._asked)
        answer.asked(self._asked)
        self._asked += 1
        self._is_drafted = False
        return [order]

    def _items_of(self, wanted: Wanted) -> tuple[Item, ...]:
        if wanted.items is None:
            return self._conversation.items()
        return tuple(map(self._now, wanted.items))

    def _now(self, item: Item) -> Item:
        item_id = item.id or ""
        return self._conversation.get(item_id) if self._conversation.has(item_id) else item

    def _stop(self, ending: Ending) -> Orders:
        is_asked = self.active is not None and self.active.number >= 0
        ended = self._end(ending)
        if not is_asked:
            return ended
        return [*ended, self._cancel()]

    def _cancel(self) -> CancelAsked:
        self._cancels += 1
        return CancelAsked(seq=self._cancels - 1)

    def _end(self, ending: Ending) -> Orders:
        answer, self.active = self.active, None
        if answer is None:
            return []
        self.played_ms = answer.spoken.sent_ms
        return [*answer.ended(ending)]


def _ending_of(ended: TurnEnded | None, answer: Answer) -> Ending:
    """Return how a response ends of which nothing follows."""
    outcome = "completed" if ended is None else ended.outcome
    if outcome == "interrupted":
        return Ending("cancelled", "client_cancelled")
    if outcome == "failed":
        return Ending("failed", code="engine", message="the answer could not be made")
    why = "" if answer.done is None else answer.done.finish_reason
    return Ending("incomplete", _REASONS[why]) if why in _REASONS else COMPLETED
