"""Reads what a Realtime client is told as a client does: a rule that is broken is a failure."""

from __future__ import annotations

from typing import Any, get_args

from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

ServerEvent = dict[str, Any]

_KINDS = {
    get_args(kind.model_fields["type"].annotation)[0]: TypeAdapter(kind)
    for kind in get_args(get_args(RealtimeServerEvent)[0])
}
_CONTENT = ("response.output_", "response.content_part", "response.function_call_arguments")


class Watch:
    """What a client knows of a session, from what it was told.

    Attributes:
        active: The response that is not done.
        interrupts: Whether the caller's speech is to end a response.
        is_aside: Whether it is no part of the conversation.
        items: Ids of the conversation's items, in the order that ``previous_item_id`` says.
        done: The responses that are done, by their ids.
        speaking: The item of the caller who speaks.
    """

    def __init__(self) -> None:
        self.active: str | None = None
        self.is_aside = False
        self.interrupts = False
        self.done: dict[str, dict[str, Any]] = {}
        self.items: list[str] = []
        self.speaking: str | None = None
        self.committed: list[str] = []
        self.transcribed: list[str] = []
        self.kinds: list[str] = []
        self._event_ids: set[str] = set()
        self._open_items: set[str] = set()
        self._open_outputs: set[tuple[str, int]] = set()
        self._open_parts: set[tuple[str, int]] = set()
        self._words: dict[str, str] = {}
        self._interrupted: str | None = None

    def see(self, event: ServerEvent) -> None:
        """Take an event; a broken rule is an AssertionError."""
        kind = event["type"]
        self.kinds.append(kind)
        _KINDS[kind].validate_python(_listed(event), strict=False)
        assert event["event_id"] not in self._event_ids
        self._event_ids.add(event["event_id"])
        if kind.startswith(_CONTENT):
            assert event["response_id"] == self.active, "content of a response that is not active"
        match kind.split("."):
            case ["response", "created"]:
                self._begin(event["response"])
            case ["response", "done"]:
                self._finish(event["response"])
            case ["response", *rest]:
                self._note_response(rest, event)
            case ["conversation", "item", what]:
                self._note_item(what, event)
            case ["conversation", "item", _, "completed" | "failed"]:
                assert event["item_id"] in self.committed
                assert event["item_id"] not in self.transcribed, "transcribed twice"
                self.transcribed.append(event["item_id"])
            case ["input_audio_buffer", what]:
                self._note_caller(what, event)

    def _begin(self, response: dict[str, Any]) -> None:
        assert self.active is None, "two responses at once"
        self.active = response["id"]
        assert self.active not in self.done
        assert response["status"] == "in_progress"
        self.is_aside = response["conversation_id"] is None

    def _note_response(self, rest: list[str], event: ServerEvent) -> None:
        match rest:
            case ["output_item", what]:
                place = (event["response_id"], event["output_index"])
                _toggle(self._open_outputs, place, is_opening=what == "added")
            case ["content_part", what]:
                part = (event["item_id"], event["content_index"])
                _toggle(self._open_parts, part, is_opening=what == "added")
            case [_, "delta"]:
                self._note_delta(event)
            case [_, "done"]:
                self._note_whole(event)

    def _note_delta(self, event: ServerEvent) -> None:
        if "audio.delta" in event["type"]:
            assert event["delta"], "audio without samples"
            return
        assert (event["item_id"], 0) in self._open_parts or "call_id" in event
        self._words[event["item_id"]] = self._words.get(event["item_id"], "") + event["delta"]

    def _note_whole(self, event: ServerEvent) -> None:
        for field in ("text", "transcript", "arguments"):
            if field in event:
                assert event[field] == self._words.get(event["item_id"], "")

    def _note_item(self, what: str, event: ServerEvent) -> None:
        if what in ("added", "done"):
            item = event["item"]["id"]
            before = event["previous_item_id"]
            if what == "added":
                place = 0 if before is None else self.items.index(before) + 1
                assert item not in self.items
                self.items.insert(place, item)
            else:
                place = self.items.index(item)
                assert before == (self.items[place - 1] if place else None)
                assert event["item"]["status"] != "in_progress"
            _toggle(self._open_items, item, is_opening=what == "added")
        elif what == "deleted":
            self.items.remove(event["item_id"])
            self._open_items.discard(event["item_id"])

    def _note_caller(self, what: str, event: ServerEvent) -> None:
        match what:
            case "speech_started":
                assert self.speaking is None, "speech started twice"
                self.speaking = event["item_id"]
                is_ended = self.interrupts and not self.is_aside
                self._interrupted = self.active if is_ended else None
            case "speech_stopped":
                assert self.speaking == event["item_id"]
                self.speaking = None
            case "committed":
                assert self.speaking is None, "committed in mid-speech"
                is_over = self._interrupted is None or self._interrupted in self.done
                assert is_over, "not interrupted"
                assert event["item_id"] not in self.committed
                assert event["previous_item_id"] == (self.items[-1] if self.items else None)
                self.committed.append(event["item_id"])

    def _finish(self, response: dict[str, Any]) -> None:
        assert response["id"] == self.active, "done without having been created"
        self.active = None
        self.done[response["id"]] = response
        assert response["status"] != "in_progress"
        open_outputs = [place for place in self._open_outputs if place[0] == response["id"]]
        assert not open_outputs, "left open"
        assert not self._open_parts, "left open"
        for item in response["output"]:
            assert item["status"] != "in_progress"
            assert item["id"] not in self._open_items


def _toggle(known: set[Any], what: Any, *, is_opening: bool) -> None:
    assert (what in known) is not is_opening, f"{what} was opened or closed twice"
    if is_opening:
        known.add(what)
    else:
        known.remove(what)


def _listed(value: Any) -> Any:
    """The same with lists where there are tuples, as JSON has it."""
    if isinstance(value, dict):
        return {name: _listed(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_listed(inner) for inner in value]
    return value
