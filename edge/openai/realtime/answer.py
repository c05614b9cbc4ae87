"""One response, from its creation to its end: what the client is told of it. Pure.

::

    created ──words or sound──> message open ──┐
       │  └────calls──────────> call open ─────┤ each added, filled, done
       └<──────────────────────────────────────┘
       └──completed, cancelled, incomplete or failed──> done, and nothing more
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import replace

from edge.openai.realtime.items import FIRST, Content, Conversation, Item
from edge.openai.realtime.response import Ending, Wanted, described, usage_of
from edge.openai.realtime.session import JsonObject
from edge.openai.realtime.sound import encoded
from edge.openai.realtime.spoken import Spoken
from edge.openai.realtime.told import ServerEvent
from schemas.llm import GenerationDone, ToolCall
from schemas.tts import ClauseSpoken, ReplyChunk


class Answer:
    """A response that is being made.

    Args:
        response_id: Its id.
        wanted: How it is to be.
        conversation: Where its items go; they are in it as soon as they are told.
        conversation_id: The id of that.
        new_id: Makes an id that begins with the given word.

    Attributes:
        number: Which of the session's orders it is; -1 while it waits for the user's words.
        turn: The turn that makes it; 0 before it has begun.
        is_spoken: Whether all of its audio was sent.
        done: What the language model said last.
    """

    def __init__(
        self,
        response_id: str,
        wanted: Wanted,
        conversation: Conversation,
        conversation_id: str,
        new_id: Callable[[str], str],
    ) -> None:
        self.id: Final = response_id
        self.wanted: Final = wanted
        self.number = -1
        self.turn = 0
        self.is_spoken = False
        self.done: GenerationDone | None = None
        self.spoken = Spoken()
        self._conversation = conversation
        self._conversation_id = conversation_id if wanted.is_in_conversation else None
        self._new_id = new_id
        self._output: list[Item] = []
        self._message: int | None = None
        self._text = ""
        self._calls: dict[int, int] = {}
        self._behind: str | None = None
        self._open: list[int] = []

    @property
    def message_id(self) -> str | None:
        """The id of its message, once there is one."""
        return None if self._message is None else self._output[self._message].id

    @property
    def is_made(self) -> bool:
        """Whether nothing more is to come."""
        return self.done is not None and (self.is_spoken or self.wanted.modality == "text")

    def asked(self, number: int) -> None:
        """It is asked for: what comes of it stands behind what it answers."""
        self.number = number
        self._behind = self._conversation.last_id or FIRST

    def created(self) -> list[ServerEvent]:
        """Tell that it begins."""
        return [{"type": "response.created", "response": self._described(None)}]

    def words(self, text: str) -> list[ServerEvent]:
        """Tell words as they are written."""
        if not text:
            return []
        opening = self._open_message()
        self._text += text
        return [*opening, self._of_part(f"{self._words}.delta", delta=text)]

    def begun_anew(self) -> list[ServerEvent]:
        """Other words follow instead of those that were told, of which none was heard.

        The API cannot take words back: their message ends incomplete, and the others have a new
        one.
        """
        place = self._message
        if place is None:
            return []
        told = self._close_message(place, "incomplete")
        self._open.remove(place)
        self._message, self._text, self.spoken = None, "", Spoken()
        return told

    def sound(self, chunk: ReplyChunk) -> list[ServerEvent]:
        """Tell audio as it is spoken; nothing of it in an answer that is written only."""
        if self.wanted.modality == "text":
            return []
        opening = self._open_message()
        self.spoken.sent(chunk)
        delta = b64encode(encoded(chunk.pcm, self.wanted.format)).decode()
        return [*opening, self._of_part("response.output_audio.delta", delta=delta)]

    def speaks(self, clause: ClauseSpoken) -> list[ServerEvent]:
        """Note which words the audio speaks."""
        self.spoken.speaks(clause)
        return []

    def call(self, piece: ToolCall) -> list[ServerEvent]:
        """Tell a piece of a function's call as it is written."""
        place = self._calls.get(piece.index)
        opening: list[ServerEvent] = []
        if place is None:
            call = Item(
                id=self._new_id("item"),
                type="function_call",
                status="in_progress",
                call_id=piece.id or self._new_id("call"),
                name=piece.name,
                arguments="",
            )
            place, opening = self._added(call)
            self._calls[piece.index] = place
        if not piece.arguments:
            return opening
        call = self._output[place]
        self._set(place, replace(call, arguments=f"{call.arguments}{piece.arguments}"))
        delta = self._of_call(place, "delta", delta=piece.arguments)
        return [*opening, delta]

    def written(self, done: GenerationDone) -> list[ServerEvent]:
        """The model has finished: tell what is missing of its words."""
        self.done = done
        said = self._text.lstrip()
        if done.text.startswith(said):
            return self.words(done.text[len(said) :])
        if done.text == said.rstrip():
            return []
        self._text = done.text  # words that were read only are no part of it
        return []

    def ended(self, ending: Ending) -> list[ServerEvent]:
        """End it: all that is open is closed, in the order of its opening."""
        status = "completed" if ending.status == "completed" else "incomplete"
        told: list[ServerEvent] = []
        for place in self._open:
            is_message = place == self._message
            told += self._close_message(place, status) if is_message else self._close(place, status)
        self._open.clear()
        return [
            *told,
            {"type": "response.done", "response": self._described(ending)},
        ]

    @property
    def _words(self) -> str:
        is_text = self.wanted.modality == "text"
        return "response.output_text" if is_text else "response.output_audio_transcript"

    def _open_message(self) -> list[ServerEvent]:
        if self._message is not None:
            return []
        message = Item(
            id=self._new_id("item"),
            type="message",
            status="in_progress",
            role="assistant",
            content=(),
        )
        self._message, opening = self._added(message)
        return [*opening, self._of_part("response.content_part.added", part=self._part(""))]

    def _added(self, item: Item) -> tuple[int, list[ServerEvent]]:
        place = len(self._output)
        self._output.append(item)
        self._open.append(place)
        told = [self._of_item("added", place)]
        if self.wanted.is_in_conversation:
            behind = self._behind if self._conversation.may_follow(self._behind) else None
            before = self._conversation.add(item, behind)
            self._behind = item.id
            told.append(
                {
                    "type": "conversation.item.added",
                    "previous_item_id": before,
                    "item": item.told(),
                }
            )
        return place, told

    def _close_message(self, place: int, status: str) -> list[ServerEvent]:
        told: list[ServerEvent] = []
        if self.wanted.modality == "audio":
            told.append(self._of_part("response.output_audio.done"))
            told.append(self._of_part(f"{self._words}.done", transcript=self._text))
        else:
            told.append(self._of_part(f"{self._words}.done", text=self._text))
        told.append(self._of_part("response.content_part.done", part=self._part(self._text)))
        self._set(place, replace(self._output[place], content=(self._content(self._kept()),)))
        return [*told, *self._close(place, status)]

    def _close(self, place: int, status: str) -> list[ServerEvent]:
        item = self._output[place]
        told: list[ServerEvent] = []
        if item.type == "function_call":
            told.append(self._of_call(place, "done", arguments=item.arguments, name=item.name))
        self._set(place, replace(item, status=status))
        if self.wanted.is_in_conversation and self._conversation.has(item.id or ""):
            before = self._conversation.before(item.id or "")
            told.append(
                {
                    "type": "conversation.item.done",
                    "previous_item_id": before,
                    "item": self._output[place].told(),
                }
            )
        return [*told, self._of_item("done", place)]

    def _kept(self) -> str:
        """The words that stay in the conversation: those that could be heard."""
        if self.wanted.modality == "text" or (self.is_spoken and self.spoken.heard_ms < 0):
            return self._text
        return self.spoken.words()

    def _content(self, words: str) -> Content:
        if self.wanted.modality == "text":
            return Content(type="output_text", text=words)
        return Content(type="output_audio", transcript=words)

    def _part(self, words: str) -> JsonObject:
        if self.wanted.modality == "text":
            return {"type": "text", "text": words}
        return {"type": "audio", "transcript": words}

    def _set(self, place: int, item: Item) -> None:
        self._output[place] = item
        if self.wanted.is_in_conversation:
            self._conversation.change(item)

    def _of_item(self, what: str, place: int) -> ServerEvent:
        return {
            "type": f"response.output_item.{what}",
            "response_id": self.id,
            "output_index": place,
            "item": self._output[place].told(),
        }

    def _of_part(self, kind: str, **fields: Any) -> ServerEvent:
        return {
            "type": kind,
            "response_id": self.id,
            "item_id": self.message_id,
            "output_index": self._message,
            "content_index": 0,
            **fields,
        }

    def _of_call(self, place: int, what: str, **fields: Any) -> ServerEvent:
        call = self._output[place]
        return {
            "type": f"response.function_call_arguments.{what}",
            "response_id": self.id,
            "item_id": call.id,
            "output_index": place,
            "call_id": call.call_id,
            **fields,
        }

    def _described(self, ending: Ending | None) -> JsonObject:
        output = [item.told() for item in self._output] if ending is not None else []
        return described(
            self.id, self.wanted, self._conversation_id, ending, output, usage_of(self.done)
        )
