"""The conversation: items in the order in which the model is to know them."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from edge.openai.realtime.errors import BadEvent

ItemId = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
Text = Annotated[str, Meta(max_length=64_000)]

FIRST: Final = "root"
"""What a client calls the place before all items."""

MAX_ITEMS: Final = 2_000
MAX_CHARS: Final = 4_000_000
"""What one conversation may hold: a client that wants more deletes what is old."""


class Content(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A part of a message.

    Fields
        type: What it is; for assistants GA says ``output_text``, beta said ``text``.
        text: The words of a written part.
        transcript: The words of a spoken one; None while nobody knows them.
    """

    type: Literal["input_text", "input_audio", "output_text", "output_audio", "text", "audio"]
    text: Text | None = None
    transcript: Text | None = None


class Item(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message, a call of a function, or what the function gave back.

    Fields
        id: The client's name for it, or ours.
        type: Which of the three.
        status: ``in_progress``, ``completed`` or ``incomplete``.
        role: Of a message.
        content: Of a message.
        call_id: Of a call, and of its output.
        name: The function's.
        arguments: Of the call, as JSON text.
        output: What the function gave back.
    """

    id: ItemId | None = None
    type: Literal["message", "function_call", "function_call_output"]
    status: Literal["in_progress", "completed", "incomplete"] = "completed"
    role: Literal["system", "user", "assistant"] | None = None
    content: Annotated[tuple[Content, ...], Meta(max_length=16)] | None = None
    call_id: Annotated[str, Meta(max_length=128)] | None = None
    name: Annotated[str, Meta(max_length=128)] | None = None
    arguments: Text | None = None
    output: Text | None = None

    @property
    def words(self) -> str:
        """What a message says, as far as anybody knows."""
        parts = (part.text or part.transcript for part in self.content or ())
        return " ".join(part for part in parts if part)

    @property
    def chars(self) -> int:
        """How much it holds."""
        parts = (len(part.text or "") + len(part.transcript or "") for part in self.content or ())
        return sum(parts) + len(self.arguments or "") + len(self.output or "")

    def told(self) -> dict[str, Any]:
        """Return the object that the client is told."""
        told: dict[str, Any] = msgspec.to_builtins(self)
        return told | {"object": "realtime.item", "status": self.status}

    def saying(self, words: str) -> Item:
        """Return the assistant's message with these words as what was heard of it."""
        return replace(self, content=(Content(type="output_audio", transcript=words),))

    def made_by_client(self, new_id: str) -> Item:
        """Return the item as a client made it, complete and with an id.

        Raises:
            BadEvent: Something that it needs is not there, or is nothing that can be taken.
        """
        for name in _NEEDED[self.type]:
            if getattr(self, name) is None:
                raise BadEvent(
                    f"Missing required parameter: 'item.{name}'.",
                    "missing_required_parameter",
                    f"item.{name}",
                )
        parts = tuple(self._part(index, part) for index, part in enumerate(self.content or ()))
        content = parts if self.type == "message" else None
        return replace(self, id=self.id or new_id, status="completed", content=content)

    def _part(self, index: int, part: Content) -> Content:
        param = f"item.content[{index}]"
        kind = _BETA.get(part.type, part.type) if self.role == "assistant" else part.type
        if kind not in _SAYS[self.role or "user"]:
            raise BadEvent(
                f"Invalid value: '{part.type}'. A message of the {self.role} has "
                f"{' or '.join(_SAYS[self.role or 'user'])}.",
                param=f"{param}.type",
            )
        if part.text is None and part.transcript is None:
            raise BadEvent(
                "Recordings cannot be put into the conversation: give its words as 'text' or "
                "'transcript', or say it through the input audio buffer.",
                "missing_required_parameter",
                f"{param}.text",
            )
        return replace(part, type=kind)


_NEEDED: Final = {
    "message": ("role", "content"),
    "function_call": ("name", "arguments"),
    "function_call_output": ("call_id", "output"),
}
_SAYS: Final = {
    "system": ("input_text",),
    "user": ("input_text", "input_audio"),
    "assistant": ("output_text", "output_audio"),
}
_BETA: Final[dict[str, Literal["output_text", "output_audio"]]] = {
    "text": "output_text",
    "audio": "output_audio",
}


class Conversation:
    """The items of one session."""

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}
        self._chars = 0  # counted as they change: a client may ask as often as it likes

    @property
    def last_id(self) -> str | None:
        """The last item's id; None in an empty conversation."""
        return next(reversed(self._items), None)

    def add(self, item: Item, after: str | None = None) -> str | None:
        """Put an item behind another, or at the end; return the id of the one before it.

        Raises:
            BadEvent: There is no such other, or there is one with this id already.
        """
        if item.id is None:
            raise ValueError("an item needs an id")
        if item.id in self._items:
            raise BadEvent(
                f"An item with the id '{item.id}' exists already.",
                "item_already_exists",
                "item.id",
            )
        if after is None or after == self.last_id:
            before = self.last_id
            self._items[item.id] = item
            self._chars += item.chars
            return before
        if after != FIRST and after not in self._items:
            raise BadEvent(
                f"There is no item with the id '{after}'.",
                "item_not_found",
                "previous_item_id",
            )
        order = list(self._items.values())
        place = 0 if after == FIRST else list(self._items).index(after) + 1
        order.insert(place, item)
        self._items = {known.id or "": known for known in order}
        self._chars += item.chars
        return None if after == FIRST else after

    def get(self, item_id: str) -> Item:
        """Return an item.

        Raises:
            BadEvent: There is none with this id.
        """
        if item_id not in self._items:
            raise BadEvent(
                f"There is no item with the id '{item_id}'.", "item_not_found", "item_id"
            )
        return self._items[item_id]

    @property
    def is_full(self) -> bool:
        """Whether a client may add no more."""
        return len(self._items) >= MAX_ITEMS or self._chars >= MAX_CHARS

    def spare(self) -> str | None:
        """Return the oldest item that is whole, if the conversation holds too much."""
        if len(self._items) <= MAX_ITEMS and self._chars <= MAX_CHARS:
            return None
        whole = (item_id for item_id, item in self._items.items() if item.status != "in_progress")
        return next(whole, None)

    def before(self, item_id: str) -> str | None:
        """Return the id of the item before another; None for the first one's."""
        order = list(self._items)
        place = order.index(item_id)
        return order[place - 1] if place else None

    def may_follow(self, item_id: str | None) -> bool:
        """Whether an item may be put behind this one, or at the beginning."""
        return item_id == FIRST or item_id in self._items

    def has(self, item_id: str) -> bool:
        """Whether there is such an item."""
        return item_id in self._items

    def change(self, item: Item) -> None:
        """Replace an item where it is; one that was deleted stays so."""
        if item.id in self._items:
            self._chars += item.chars - self._items[item.id].chars
            self._items[item.id] = item

    def remove(self, item_id: str) -> None:
        """Delete an item.

        Raises:
            BadEvent: There is none with this id.
        """
        self._chars -= self.get(item_id).chars
        del self._items[item_id]

    def items(self) -> tuple[Item, ...]:
        """Return all of them, in their order."""
        return tuple(self._items.values())
