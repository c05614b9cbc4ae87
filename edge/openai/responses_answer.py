"""A response as it comes into being, and the events that tell it. Pure but for names and a date.

Source: https://platform.openai.com/docs/api-reference/responses-streaming
"""

from __future__ import annotations

import time
from typing import Any, Final

import msgspec

from edge.openai.reply import Reply
from edge.openai.responses_request import ChosenFunction, ResponsesRequest
from schemas.event import Event
from schemas.llm import GenerateRequest, GenerationDone, Message, TokenDelta, ToolCall
from subjects.tokens import new_token

Told = dict[str, Any]
"""An event, or a part of one."""

_INCOMPLETE: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}


class Answer:
    """One response.

    Args:
        asked: The body that it answers.
        request: What the worker was asked.

    Attributes:
        id: By what it is known.
        status: ``in_progress``, ``completed``, ``incomplete`` or ``failed``.
    """

    def __init__(self, asked: ResponsesRequest, request: GenerateRequest) -> None:
        self.id: Final = new_token("resp_")
        self.status = "in_progress"
        self._reply = Reply()
        self._output: list[Told] = []
        self._open: list[int] = []
        self._calls: dict[int, int] = {}
        self._sequence = 0
        self._error: Told | None = None
        self._asked = _echo(asked, request)
        self._created = int(time.time())  # noqa: TID251  # a date, for people

    def begin(self) -> list[Told]:
        """Return the events that come before all others."""
        return [
            self._event("response.created", response=self.whole()),
            self._event("response.in_progress", response=self.whole()),
        ]

    def take(self, said: Event) -> list[Told]:
        """Take what a worker says; return the events that tell it.

        Raises:
            EngineUnavailable: The rest of the reply is lost.
        """
        if not isinstance(said, TokenDelta | GenerationDone):
            return []
        pieces = self._reply.take(said)
        told: list[Told] = []
        if isinstance(said, TokenDelta) and said.text:
            told += self._text(said.text)
        for piece in pieces:
            told += self._call(piece)
        if isinstance(said, GenerationDone):
            for place in self._open.copy():
                told += self._close(place)
            is_whole = self._reply.finish_reason not in _INCOMPLETE
            self.status = "completed" if is_whole else "incomplete"
            told.append(self._event(f"response.{self.status}", response=self.whole()))
        return told

    def fail(self, error: Told) -> list[Told]:
        """Return the events that end a response that cannot be completed."""
        self.status = "failed"
        self._error = {"code": "server_error", "message": error["message"]}
        return [self._event("response.failed", response=self.whole())]

    def message(self) -> Message:
        """Return the reply as it stands in the conversation."""
        calls = tuple(self._reply.calls)
        return Message(role="assistant", content=self._reply.text, tool_calls=calls)

    def whole(self) -> Told:
        """Return the response as it is by now."""
        reason = _INCOMPLETE.get(self._reply.finish_reason)
        return {
            "id": self.id,
            "object": "response",
            "created_at": self._created,
            "status": self.status,
            "error": self._error,
            "incomplete_details": {"reason": reason} if reason else None,
            "output": [dict(item) for item in self._output],
            "usage": None if self.status == "in_progress" else self._usage(),
            **self._asked,
        }

    def _text(self, text: str) -> list[Told]:
        told: list[Told] = []
        place = self._open[-1] if self._open else -1
        if place < 0 or self._output[place]["type"] != "message":
            item: Told = {
                "id": new_token("msg_"),
                "type": "message",
                "status": "in_progress",
                "role": "assistant",
                "content": [],
            }
            place = self._add(item, told)
            part = _part("")
            told.append(self._of_part("response.content_part.added", place, part=part))
            item["content"] = [part]
        part = self._output[place]["content"][0]
        self._output[place]["content"] = [_part(part["text"] + text)]
        told.append(self._of_part("response.output_text.delta", place, delta=text, logprobs=[]))
        return told

    def _call(self, piece: ToolCall) -> list[Told]:
        told: list[Told] = []
        if piece.index not in self._calls:
            for open_place in self._open.copy():
                if self._output[open_place]["type"] == "message":
                    told += self._close(open_place)
            item: Told = {
                "id": new_token("fc_"),
                "type": "function_call",
                "status": "in_progress",
                "call_id": piece.id,
                "name": piece.name,
                "arguments": "",
            }
            self._calls[piece.index] = self._add(item, told)
        place = self._calls[piece.index]
        self._output[place]["arguments"] += piece.arguments
        if piece.arguments:
            name = "response.function_call_arguments.delta"
            told.append(self._of_item(name, place, delta=piece.arguments))
        return told

    def _add(self, item: Told, told: list[Told]) -> int:
        place = len(self._output)
        self._output.append(item)
        self._open.append(place)
        added = self._event("response.output_item.added", output_index=place, item=dict(item))
        told.append(added)
        return place

    def _close(self, place: int) -> list[Told]:
        self._open.remove(place)
        item, told = self._output[place], list[Told]()
        is_cut = self._reply.finish_reason in _INCOMPLETE
        item["status"] = "incomplete" if is_cut else "completed"
        if item["type"] == "message":
            part = item["content"][0]
            done = "response.output_text.done"
            told.append(self._of_part(done, place, text=part["text"], logprobs=[]))
            told.append(self._of_part("response.content_part.done", place, part=part))
        else:
            done = "response.function_call_arguments.done"
            arguments, name = item["arguments"], item["name"]
            told.append(self._of_item(done, place, arguments=arguments, name=name))
        told.append(self._event("response.output_item.done", output_index=place, item=dict(item)))
        return told

    def _usage(self) -> Told:
        asked, said = self._reply.prompt_tokens, self._reply.tokens
        return {
            "input_tokens": asked,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": said,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": asked + said,
        }

    def _of_part(self, kind: str, place: int, /, **told: Any) -> Told:
        return self._of_item(kind, place, content_index=0, **told)

    def _of_item(self, kind: str, place: int, /, **told: Any) -> Told:
        return self._event(kind, item_id=self._output[place]["id"], output_index=place, **told)

    def _event(self, kind: str, /, **told: Any) -> Told:
        number, self._sequence = self._sequence, self._sequence + 1
        return {"type": kind, "sequence_number": number, **told}


def _part(text: str) -> Told:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _echo(asked: ResponsesRequest, request: GenerateRequest) -> Told:
    """Return what of a request stands in its response."""
    chosen: Any = asked.tool_choice or "auto"
    if isinstance(chosen, ChosenFunction):
        chosen = {"type": "function", "name": chosen.name}
    return {
        "model": asked.model,
        "instructions": asked.instructions,
        "previous_response_id": asked.previous_response_id,
        "max_output_tokens": asked.max_output_tokens,
        "temperature": asked.temperature,
        "top_p": asked.top_p,
        "parallel_tool_calls": asked.parallel_tool_calls is not False,
        "tool_choice": chosen,
        "tools": [
            {
                "type": "function",
                "name": tool.name,
                "description": tool.description or None,
                "parameters": msgspec.json.decode(tool.parameters) if tool.parameters else None,
                "strict": tool.strict,
            }
            for tool in request.tools
        ],
        "text": {"format": asked.format},
        "reasoning": {"effort": None, "summary": None},
        "truncation": "disabled",
        "store": asked.store is not False,
        "metadata": asked.metadata or {},
    }
