"""One reply of the language model, as it comes. Pure."""

from __future__ import annotations

from typing import Final

import msgspec

from schemas.event import Event
from schemas.llm import GenerationDone, TokenDelta, ToolCall
from subjects.tokens import new_token
from voicebus.errors import EngineUnavailable

_CUT: Final = "cut"
"""The worker that wrote the reply was lost, and nobody could go on with it."""

_REASONS: Final = frozenset({"stop", "length", "tool_calls", "content_filter"})


class Reply:
    """What a model has said so far.

    Attributes:
        text: Its words.
        calls: The functions that it wants to be called, with their arguments so far.
        finish_reason: Why it ended, as OpenAI's API names it; empty before.
        tokens: How many tokens it had, once it has ended.
        prompt_tokens: How many tokens the request had.
    """

    def __init__(self) -> None:
        self.text = ""
        self.calls: list[ToolCall] = []
        self.finish_reason = ""
        self.tokens = 0
        self.prompt_tokens = 0

    def take(self, event: Event) -> tuple[ToolCall, ...]:
        """Take what the worker says; return the pieces of calls in it, the first ones with an id.

        Raises:
            EngineUnavailable: The rest of the reply is lost.
        """
        match event:
            case TokenDelta():
                self.text = event.behind(self.text)
                return tuple(self._called(piece) for piece in event.tool_calls)
            case GenerationDone():
                if event.finish_reason == _CUT:
                    raise EngineUnavailable("The one who wrote this reply was lost; ask again.")
                known = event.finish_reason in _REASONS
                self.finish_reason = event.finish_reason if known else "stop"
                self.tokens, self.prompt_tokens = event.tokens, event.prompt_tokens
        return ()

    def _called(self, piece: ToolCall) -> ToolCall:
        """Add a piece to its call. Not every server gives calls an id, or numbers them from 0."""
        place = next((n for n, call in enumerate(self.calls) if call.index == piece.index), None)
        if place is None:
            place = len(self.calls)
            piece = msgspec.structs.replace(piece, id=piece.id or new_token("call_"))
            self.calls.append(piece)
        else:
            known = self.calls[place]
            arguments = known.arguments + piece.arguments
            self.calls[place] = msgspec.structs.replace(known, arguments=arguments)
            piece = msgspec.structs.replace(piece, id="", name="")
        return msgspec.structs.replace(piece, index=place)
