"""The answers to a chat, in the shapes of the API.

Source: https://platform.openai.com/docs/api-reference/chat-streaming
"""

from __future__ import annotations

import time
from typing import Any

from edge.openai.reply import Reply
from schemas.event import Event
from schemas.llm import GenerationDone, TokenDelta, ToolCall
from subjects.tokens import new_token


class Completion:
    """The answers to one request, in the shapes of the API. Pure but for its name and date.

    Args:
        model: The model, as the client named it.
        replies: One for each answer.

    Attributes:
        created: When it was asked, in seconds since 1970.
    """

    def __init__(self, model: str, replies: list[Reply]) -> None:
        self._replies = replies
        self._begun: set[int] = set()
        self.created = int(time.time())  # noqa: TID251  # a date, for people
        self._head = {"id": new_token("chatcmpl-"), "created": self.created, "model": model}

    @property
    def is_complete(self) -> bool:
        """Whether all answers have ended."""
        return all(reply.finish_reason for reply in self._replies)

    def take(self, said: Event) -> list[dict[str, Any]]:
        """Take what a worker says; return the chunks of a stream that tell it.

        Raises:
            EngineUnavailable: The rest of an answer is lost.
        """
        if not isinstance(said, TokenDelta | GenerationDone):
            return []
        index = said.turn - 1
        calls = self._replies[index].take(said)
        chunks = []
        if index not in self._begun:
            self._begun.add(index)
            chunks.append(self.chunk(index, {"role": "assistant", "content": ""}))
        if isinstance(said, GenerationDone):
            return [*chunks, self.chunk(index, {}, self._replies[index].finish_reason)]
        if said.text:
            chunks.append(self.chunk(index, {"content": said.text}))
        if calls:
            chunks.append(self.chunk(index, {"tool_calls": [_piece(call) for call in calls]}))
        return chunks

    def usage(self) -> dict[str, Any]:
        """Return how many tokens there were; those of the request count once."""
        asked = max(reply.prompt_tokens for reply in self._replies)
        said = sum(reply.tokens for reply in self._replies)
        return {
            "prompt_tokens": asked,
            "completion_tokens": said,
            "total_tokens": asked + said,
        }

    def usage_chunk(self) -> dict[str, Any]:
        """Return the chunk behind the last one."""
        return {
            **self._head,
            "object": "chat.completion.chunk",
            "choices": [],
            "usage": self.usage(),
        }

    def whole(self) -> dict[str, Any]:
        """Return the answer that comes at once."""
        return {
            **self._head,
            "object": "chat.completion",
            "choices": [_choice(index, reply) for index, reply in enumerate(self._replies)],
            "usage": self.usage(),
        }

    def chunk(self, index: int, delta: dict[str, Any], reason: str = "") -> dict[str, Any]:
        """Return a chunk of a stream."""
        choice = {
            "index": index,
            "delta": delta,
            "logprobs": None,
            "finish_reason": reason or None,
        }
        return {**self._head, "object": "chat.completion.chunk", "choices": [choice]}


def _choice(index: int, reply: Reply) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if reply.calls and not reply.text else reply.text,
        "refusal": None,
    }
    if reply.calls:
        message["tool_calls"] = [_call(call) for call in reply.calls]
    return {
        "index": index,
        "message": message,
        "logprobs": None,
        "finish_reason": reply.finish_reason,
    }


def _call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def _piece(piece: ToolCall) -> dict[str, Any]:
    if piece.id:
        return {"index": piece.index, **_call(piece)}
    return {"index": piece.index, "function": {"arguments": piece.arguments}}
