"""What the LLM worker needs from a language model."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from msgspec import Struct

from schemas.llm import GenerateRequest, ToolCall


class Piece(Struct, frozen=True):
    """A part of the reply, as the model streams it.

    Fields
        text: New text; empty in the last piece, and in those of calls.
        finish_reason: Empty in all pieces but the last, where it says why the model stopped:
            ``stop`` (it was done), ``length`` (the bound of tokens was reached) or ``tool_calls``
            (it wants functions to be called).
        tokens: In the last piece, the tokens of the whole reply as the model counted them; 0
            when it did not say.
        prompt_tokens: In the last piece, those of the request.
        tool_calls: Pieces of the functions that it wants to be called.
        cached_tokens: In the last piece, how many of the request's were in the model's cache.
        cost_usd: In the last piece, what the reply costs, where the provider says so.
    """

    text: str
    finish_reason: str = ""
    tokens: int = 0
    prompt_tokens: int = 0
    tool_calls: tuple[ToolCall, ...] = ()
    cached_tokens: int = 0
    cost_usd: float | None = None


class Engine(Protocol):
    """A language model.

    Fields
        name: The adapter, for logs and metrics.
        model: The model that answers when a request names none.
        models: All that may be asked for by their names, as far as it is known.
        synthetic: True when no real model is asked.
        continues: Whether it can be given the beginning of its own answer: a request whose last
            message is the assistant's is answered with what follows that.
        max_tokens: Bound of replies whose request sets none; 0 for none.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - described by the class

    @property
    def model(self) -> str: ...  # noqa: D102 - described by the class

    @property
    def models(self) -> tuple[str, ...]: ...  # noqa: D102 - described by the class

    @property
    def synthetic(self) -> bool: ...  # noqa: D102 - described by the class

    @property
    def continues(self) -> bool: ...  # noqa: D102 - described by the class

    @property
    def max_tokens(self) -> int: ...  # noqa: D102 - described by the class

    def takes_tools(self, model: str) -> bool:
        """Say whether a model takes functions, as far as it is known; empty for the default one.

        One that does not is found out when it refuses them. Functions of later requests are left
        out, and one that demands a call is refused, until it is time to find out again.
        """
        ...

    def generate(self, request: GenerateRequest) -> AsyncGenerator[Piece, None]:
        """Stream the reply.

        The last piece, and only that one, has a ``finish_reason``: a reply without it was cut
        off and ends in an error instead. ``aclose()`` closes the stream to the model within 50 ms.

        Raises:
            EngineUnavailable: The model cannot be reached or refuses us.
            EngineOverloaded: It asks to come back later.
            EngineTimeout: No token came within the deadline.
            RequestRefused: It does not take such a request.
            UnknownModel: It has no model of the name that is asked for.
            EngineError: It broke off in the middle of the reply.
        """
        ...

    async def warm(self) -> None:
        """Load what is needed and generate one token, so that the first turn is not the slow one.

        Raises:
            EngineError: As for ``generate``.
        """
        ...

    async def close(self) -> None:
        """Give back connections. The engine is of no use afterwards."""
        ...
